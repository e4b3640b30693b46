"""How a conversation becomes tokens to train on."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Tokenizer
from tools.cria.acts import Turn

CONTEXT = 1024


@dataclass(frozen=True)
class Example:
    """Token ids, and for each whether the loss is taken on it."""

    ids: list[int]
    loss: list[bool]


def encode(turns: list[Turn], tokenizer: Tokenizer) -> Example:
    """One conversation; the loss is on what the assistant says (but for what is given) and on the mark of its end."""
    start, end = tokenizer.token_to_id("<|im_start|>"), tokenizer.token_to_id("<|im_end|>")
    newline = tokenizer.encode("\n", add_special_tokens=False).ids
    ids: list[int] = []
    loss: list[bool] = []
    for turn in turns:
        head = [start, *tokenizer.encode(f"{turn.role}\n", add_special_tokens=False).ids]
        body = [*tokenizer.encode(turn.content, add_special_tokens=False).ids, end]
        ids += head + body + newline
        loss += [False] * len(head) + [turn.role == "assistant" and not turn.given] * len(body) + [False] * len(newline)
    return Example(ids, loss)
