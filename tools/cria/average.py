"""The mean of the weights of several checkpoints: what a rate that falls to nothing reaches, for the price of an addition.

    python -m tools.cria.average build/cria build/cria-before build/cria

Each folder has a `checkpoint.pt` as `train` writes it; the mean goes into the first, with the optimizer's state of the last, so
that training can go on from it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch


def mean(checkpoints: list[dict[str, Any]]) -> dict[str, Any]:
    """The last checkpoint with the mean of the weights of all. Raises ValueError where their shapes differ."""
    last = checkpoints[-1]
    if any(one["shape"] != last["shape"] for one in checkpoints):
        raise ValueError("checkpoints of different shapes have no mean")
    weights = {
        name: torch.stack([one["network"][name].float() for one in checkpoints]).mean(0) for name in last["network"]
    }
    return {**last, "network": weights}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write checkpoint.pt into")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of the checkpoints")
    given = parser.parse_args()
    read = [torch.load(run / "checkpoint.pt", weights_only=True) for run in given.runs]
    half = given.out / "checkpoint.half"
    torch.save(mean(read), half)
    half.replace(given.out / "checkpoint.pt")
    print(f"the mean of {len(read)} checkpoints, {read[-1]['tokens']:,} tokens")


if __name__ == "__main__":
    main()
