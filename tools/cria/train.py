"""Trains the model on freshly generated conversations; can be cut at any time and goes on from its checkpoint.

Learning rate: a short warm-up, then a linear decay to (nearly) nothing at the last token. A checkpoint whose rate
has decayed can be taken further in another stage, which begins at a rate of its own. The matrices of the blocks are trained with Muon (which needed a tenth fewer tokens than AdamW in a trial), the rest with AdamW.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from tools.cria import chats
from tools.cria.book import Book
from tools.cria.encoding import CONTEXT, Example, encode
from tools.cria.model import Network, Shape
from tools.cria.tokenizer import train as train_tokenizer
from torch.nn import functional

BATCH_TOKENS = 8192
POOL = 1024
CLIP = 1.0
PEAK = 2.5e-3
MUON_PEAK = 0.02
WARM_SHARE, WARM_TOKENS = 0.6, 5e6
"""Copying is learnt first: so many of the first conversations are nothing else, down to none after so many tokens."""
NO_GOAL = -100
FIRST_TOKENS = 3e6
"""So many tokens use the first wordings alone, the rest all of them."""


def batches(seed: int, tokens: int, tokenizer: Tokenizer) -> Iterator[list[Example]]:
    """Batches of about `BATCH_TOKENS` tokens, padding included, of examples of similar length, from `tokens` on."""
    random = Random(seed)
    first, whole = Book(more=False), Book(more=True)
    while True:
        warm = max(0.0, WARM_SHARE * (1 - tokens / WARM_TOKENS))
        book = first if tokens < FIRST_TOKENS else whole
        pool = [encode(chats.chat(book, random, warm), tokenizer) for _ in range(POOL)]
        tokens += sum(len(one.ids) for one in pool)
        pool = sorted((one for one in pool if len(one.ids) <= CONTEXT), key=lambda one: len(one.ids))
        made: list[list[Example]] = [[]]
        for example in pool:
            if made[-1] and (len(made[-1]) + 1) * len(example.ids) > BATCH_TOKENS:
                made.append([])
            made[-1].append(example)
        random.shuffle(made)
        yield from made


def loss_of(network: Network, batch: list[Example]) -> tuple[torch.Tensor, int]:
    """Mean cross-entropy over the assistant's tokens, and how many tokens the batch holds.

    Sizes are rounded up, since every new one costs the making of its kernels.
    """
    length = _rounded(max(len(one.ids) for one in batch), 64)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    wanted = torch.zeros(len(batch), length, dtype=torch.bool)
    for row, example in enumerate(batch):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        wanted[row, : len(example.ids)] = torch.tensor(example.loss)
    places = wanted[:, 1:].flatten().nonzero()[:, 0]
    goals = ids[:, 1:].flatten()[places]
    spare = _rounded(len(places), 512) - len(places)
    places, goals = functional.pad(places, (0, spare)), functional.pad(goals, (0, spare), value=NO_GOAL)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = network.hidden(ids)[:, :-1].flatten(0, 1)[places]
        logits = functional.linear(hidden, network.embedding.weight)
    loss = functional.cross_entropy(logits.float(), goals, ignore_index=NO_GOAL)
    return loss, sum(len(one.ids) for one in batch)


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step


def rate(done: float) -> float:
    """Share of the full learning rate at `done`, the share of all tokens."""
    return min(1.0, done / 0.01 + 0.02) * max(0.02, 1 - done)


@dataclass(frozen=True)
class Stage:
    """From which token on, and with which share of the full learning rate, a linear decay begins."""

    start: int = 0
    share: float = 1.0

    def rate(self, tokens: int, total: float, spent: float) -> float:
        """Share of the full rate; `spent` is the share of the time allowed, which counts where it is further on."""
        if not self.start:
            return rate(tokens / total)
        return self.share * max(0.01, 1 - max(self.done(tokens, total), spent))

    def done(self, tokens: int, total: float) -> float:
        """Share of the stage that is behind."""
        return (tokens - self.start) / max(1.0, total - self.start)


MILESTONES = (0.72, 0.82)
"""Shares of a stage at which its weights are kept aside, for a mean with the last ones."""


def milestone(share: float) -> str:
    """The name of the file with the weights at a share of the stage."""
    return f"at-{100 * share:.0f}.pt"


def optimizers(network: Network) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the embedding and the norms."""
    named = dict(network.named_parameters())
    matrices = [p for name, p in named.items() if p.dim() == 2 and "embedding" not in name]
    others = [p for name, p in named.items() if p.dim() != 2 or "embedding" in name]
    found: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=MUON_PEAK, weight_decay=0.02, momentum=0.95, ns_steps=5),
        torch.optim.AdamW(others, lr=PEAK, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    for one in found:
        for group in one.param_groups:
            group["peak"] = group["lr"]
    return found


@dataclass
class Run:
    """A training in a folder: what it knows, and how far it is."""

    folder: Path
    network: Network
    optimizers: list[torch.optim.Optimizer]
    tokens: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def load(self) -> None:
        """Goes on from the checkpoint when there is one."""
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(saved["network"])
            for one, state in zip(self.optimizers, saved.get("optimizers", self._fresh()), strict=True):
                one.load_state_dict(state)
            self.tokens, self.step = saved["tokens"], saved["step"]

    def _fresh(self) -> list[dict[str, Any]]:
        return [one.state_dict() for one in self.optimizers]

    def save(self, name: str = "checkpoint.pt") -> None:
        """Writes a checkpoint whole or not at all."""
        half = self.checkpoint.with_suffix(".half")
        state: dict[str, Any] = {"network": self.network.state_dict(), "tokens": self.tokens, "step": self.step}
        torch.save({**state, "optimizers": self._fresh(), "shape": self.network.shape.as_dict()}, half)
        half.replace(self.folder / name)

    def learn(self, batch: list[Example], share: float) -> None:
        """One step with `share` of the full learning rate."""
        for one in self.optimizers:
            for group in one.param_groups:
                group["lr"] = group["peak"] * share
        loss, count = loss_of(self.network, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        for one in self.optimizers:
            one.step()
            one.zero_grad(set_to_none=True)
        self.tokens, self.step = self.tokens + count, self.step + 1
        self.losses.append(loss.item())

    def show(self, share: float, per_second: float) -> None:
        """Tells how far it is, and keeps the curve."""
        loss = sum(self.losses) / max(1, len(self.losses))
        self.losses = []
        line = json.dumps(
            {
                "tokens": self.tokens,
                "step": self.step,
                "loss": round(loss, 4),
                "per_second": round(per_second),
                "rate": round(share, 3),
            }
        )
        print(line, flush=True)
        with (self.folder / "curve.jsonl").open("a") as file:
            file.write(line + "\n")


def train(
    folder: Path,
    seed: int,
    total: float,
    stop_after: float = math.inf,
    stage: Stage = Stage(),
    layers: int = Shape().layers,
) -> int:
    """Trains a network of `layers` blocks up to `total` tokens or for `stop_after` seconds; returns the tokens seen so far.

    Raises RuntimeError when `folder` has a checkpoint of another shape.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    vocabulary = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(vocabulary)) if vocabulary.exists() else train_tokenizer(seed, vocabulary)
    network = Network(Shape(vocabulary=tokenizer.get_vocab_size(), layers=layers))
    run = Run(folder, network, optimizers(network))
    run.load()
    network.hidden = torch.compile(network.hidden, dynamic=True)  # type: ignore[method-assign]
    print(f"{sum(p.numel() for p in network.parameters()):,} parameters, from {run.tokens:,} tokens", flush=True)
    source = batches(seed * 1_000_003 + run.step, run.tokens, tokenizer)
    started = saved_at = shown_at = time.monotonic()
    begin = run.tokens
    ahead = [one for one in MILESTONES if stage.done(run.tokens, total) < one]
    while run.tokens < total and (spent := (time.monotonic() - started) / stop_after) < 1:
        share = stage.rate(run.tokens, total, spent)
        run.learn(next(source), share)
        now = time.monotonic()
        if now - shown_at > 30:
            shown_at = now
            run.show(share, (run.tokens - begin) / (now - started))
        if now - saved_at > 120:
            saved_at = now
            run.save()
        while ahead and stage.done(run.tokens, total) >= ahead[0]:
            run.save(milestone(ahead.pop(0)))
    run.save()
    print(f"{run.tokens:,} of {total:,.0f} tokens", flush=True)
    return run.tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokens", type=float, default=64e6)
    parser.add_argument("--stop-after", type=float, default=math.inf, help="seconds")
    parser.add_argument("--stage-from", type=int, default=0, help="tokens at which a further stage begins")
    parser.add_argument("--stage-rate", type=float, default=0.3, help="share of the full rate that it begins with")
    parser.add_argument("--layers", type=int, default=Shape().layers, help="blocks of the network")
    options = parser.parse_args()
    stage = Stage(options.stage_from, options.stage_rate)
    train(options.out, options.seed, options.tokens, options.stop_after, stage, options.layers)


if __name__ == "__main__":
    main()
