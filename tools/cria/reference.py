"""What torch answers with the weights of the GGUF file, greedily: the engine must say the same, token by token.

Writes `tests/data/cria_reference.jsonl`, which the tests hold against the engine without needing torch.
"""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import torch
from tokenizers import Tokenizer
from tools.cria.acts import Turn
from tools.cria.export import tensor_name
from tools.cria.heldout import items
from tools.cria.model import Network, Shape
from tools.cria.template import prompt

PROMPTS = 100
MAX_TOKENS = 96


def load(model: Path) -> Network:
    """The network with the weights of a GGUF file, as the engine sees them."""
    reader = gguf.GGUFReader(model)
    tensors = {one.name: one for one in reader.tensors}
    heads = int(reader.fields["llama.attention.head_count"].contents())
    network = Network(Shape(vocabulary=int(tensors["token_embd.weight"].shape[1]), heads=heads))
    state = {}
    for name, value in network.state_dict().items():
        found = tensors[tensor_name(name)]
        weights = gguf.quants.dequantize(found.data, found.tensor_type)
        state[name] = torch.tensor(weights).reshape(value.shape)
    network.load_state_dict(state)
    return network


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
