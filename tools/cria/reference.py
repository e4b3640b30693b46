"""What torch answers with the weights of the GGUF file, greedily: the engine must say the same, token by token.

Writes `tests/data/cria_reference.jsonl`, which the tests hold against the engine without needing torch.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tools.cria.acts import Turn
from tools.cria.grow import load
from tools.cria.heldout import items
from tools.cria.model import Network
from tools.cria.template import prompt

PROMPTS = 100
MAX_TOKENS = 96


def answer(network: Network, tokenizer: Tokenizer, chat: list[dict[str, str]]) -> str:
    """The greedy answer to a conversation."""
    text = prompt([Turn(message["role"], message["content"]) for message in chat])
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    end = tokenizer.token_to_id("<|im_end|>")
    made: list[int] = []
    with torch.no_grad():
        while len(made) < MAX_TOKENS:
            token = int(network(torch.tensor([ids + made]))[0, -1].argmax())
            if token == end:
                break
            made.append(token)
    return str(tokenizer.decode(made))


def write(run: Path, model: Path, out: Path) -> None:
    """Writes the greedy answers to `PROMPTS` questions; `run` has the tokenizer."""
    tokenizer, network = Tokenizer.from_file(str(run / "tokenizer.json")), load(model)
    asked = [item.chat for item in items() if not item.tools and item.skill != "recall far back"]
    step = len(asked) // PROMPTS
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8") as file:
        for chat in asked[: step * PROMPTS : step]:
            line = {"chat": chat, "answer": answer(network, tokenizer, chat)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
