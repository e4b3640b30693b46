"""Makes the included model from a seed: trains it, writes the GGUF file, and what torch answers with it.

Takes some hours on two cores. It may be cut at any time; the next call goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.cria import export, reference, train

ROOT = Path(__file__).resolve().parents[2]
SEED = 1
TOKENS = 64e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="make cria", description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "build" / "cria", help="folder of checkpoints and the curve")
    parser.add_argument("--out", type=Path, default=ROOT / "src" / "corral" / "included" / "cria.gguf")
    parser.add_argument("--tokens", type=float, default=TOKENS)
    given = parser.parse_args()
    train.train(given.run, SEED, given.tokens)
    export.export(given.run, given.out)
    reference.write(given.run, given.out, ROOT / "tests" / "data" / "cria_reference.jsonl")
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
