"""Makes the included model from a seed: trains it part by part, writes the GGUF file, and what torch answers with it.

Takes some hours on two cores. It may be cut at any time; the next call goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.cria import average, export, grow, reference, train

ROOT = Path(__file__).resolve().parents[2]
SEED = 1


@dataclass(frozen=True)
class Part:
    """A part of the training: blocks of the network, the token it ends at, and the share of the full rate it begins with."""

    layers: int
    until: float
    share: float


RECIPE = (
    Part(5, 50e6, 1.0), Part(5, 71e6, 0.4), Part(5, 99e6, 0.3), Part(6, 121e6, 0.35), Part(6, 157.7e6, 0.35),
    Part(6, 164.6e6, 0.15), Part(6, 197e6, 0.45), Part(7, 213e6, 0.45), Part(7, 244.5e6, 0.4),
    Part(7, 289e6, 0.4), Part(7, 310e6, 0.25), Part(7, 340.4e6, 0.15), Part(7, 355e6, 0.06),
    Part(7, 376e6, 0.12),
)  # fmt: skip
"""How the file that ships was made; a block more when the smaller network had learnt what it could."""
MEAN = (
    ("part-11/checkpoint.pt", 3), ("part-12/checkpoint.pt", 3), *[(f"part-13/{train.milestone(share)}", 6) for share in train.MILESTONES],
    ("part-13/checkpoint.pt", 12), *[(f"part-14/{train.milestone(share)}", 10) for share in train.MILESTONES], ("part-14/checkpoint.pt", 40),
)  # fmt: skip
"""Which weights the file is the mean of, and in what proportion: those of the last parts on their way, and those before them."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make cria", description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "build" / "cria", help="folder of checkpoints and curves")
    parser.add_argument("--out", type=Path, default=ROOT / "src" / "corral" / "included" / "cria.gguf")
    parser.add_argument("--reference", type=Path, default=ROOT / "tests" / "data" / "cria_reference.jsonl")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the tokens, to try the way without its length"
    )
    given = parser.parse_args()
    folder, begun = given.run, 0
    for number, part in enumerate(RECIPE):
        before, folder = folder, given.run / f"part-{number + 1}"
        if number and not (folder / "checkpoint.pt").exists():
            grow.carry(before, folder, part.layers)
        stage = train.Stage(begun, part.share)
        begun = train.train(folder, SEED + number, part.until * given.scale, stage=stage, layers=part.layers)
    last, folder = folder, given.run / "mean"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(last / "tokenizer.json", folder / "tokenizer.json")
    average.write(folder / "checkpoint.pt", [given.run / name for name, _ in MEAN], [share for _, share in MEAN])
    export.export(folder, given.out)
    reference.write(folder, given.out, given.reference)
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
