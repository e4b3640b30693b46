"""The mean of the weights of several checkpoints: what a rate that falls to nothing reaches, for the price of an addition.

As in "Model soups" (Wortsman et al., 2022); the checkpoints are of one run, so they lie in one basin.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def mean(checkpoints: list[dict[str, Any]], shares: list[float]) -> dict[str, Any]:
    """The last checkpoint with the mean of the weights of all, by `shares`. Raises ValueError where their shapes differ."""
    last = checkpoints[-1]
    if any(one["shape"] != last["shape"] for one in checkpoints):
        raise ValueError("checkpoints of different shapes have no mean")
    parts = torch.tensor(shares) / sum(shares)
    weights = {
        name: sum(part * one["network"][name].float() for part, one in zip(parts, checkpoints, strict=True))
        for name in last["network"]
    }
    return {**last, "network": weights}


def write(out: Path, files: list[Path], shares: list[float]) -> None:
    """Writes the mean of checkpoints to `out`, whole or not at all."""
    half = out.with_suffix(".half")
    torch.save(mean([torch.load(file, weights_only=True) for file in files], shares), half)
    half.replace(out)
