"""Takes the weights of a GGUF file, or of a shallower network, into a deeper one that says the same at first.

    python -m tools.cria.grow src/corral/included/cria.gguf build/cria-6 --layers 6

A new block is a copy of the one before it whose last matrices are zero, so it adds nothing until it has learnt to
(the zero-initialised residual branches of "Fixup Initialization", Zhang et al., 2019).
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import gguf
import torch
from tokenizers import Tokenizer, models
from tools.cria.export import tensor_name
from tools.cria.model import Network, Shape
from tools.cria.tokenizer import SPECIALS, blank

SILENT = ("output.weight", "down.weight")


def load(model: Path) -> Network:
    """The network with the weights of a GGUF file, as the engine sees them."""
    reader = gguf.GGUFReader(model)
    tensors = {one.name: one for one in reader.tensors}
    layers, heads = (int(reader.fields[f"llama.{name}"].contents()) for name in ("block_count", "attention.head_count"))
    network = Network(Shape(vocabulary=int(tensors["token_embd.weight"].shape[1]), layers=layers, heads=heads))
    state = {}
    for name, value in network.state_dict().items():
        found = tensors[tensor_name(name)]
        weights = gguf.quants.dequantize(found.data, found.tensor_type)
        state[name] = torch.tensor(weights).reshape(value.shape)
    network.load_state_dict(state)
    return network


def vocabulary(model: Path) -> Tokenizer:
    """The tokenizer of a GGUF file."""
    fields = gguf.GGUFReader(model).fields
    tokens = {token: number for number, token in enumerate(fields["tokenizer.ggml.tokens"].contents())}
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = blank(models.BPE(vocab=tokens, merges=merges))
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def grow(network: Network, layers: int) -> Network:
    """A network of `layers` blocks with the same answers; new blocks stand in the middle. Raises ValueError for fewer."""
    before = network.shape.layers
    if layers < before:
        raise ValueError(f"a network of {before} blocks cannot be grown to {layers}")
    middle, extra = before // 2 + 1, layers - before
    source = [*range(middle), *[middle - 1] * extra, *range(middle, before)]
    grown = Network(replace(network.shape, layers=layers))
    state = network.state_dict()
    made = {name: value for name, value in state.items() if not name.startswith("blocks.")}
    for place, block in enumerate(source):
        new = middle <= place < middle + extra
        for name, value in network.blocks[block].state_dict().items():
            made[f"blocks.{place}.{name}"] = torch.zeros_like(value) if new and name in SILENT else value.clone()
    grown.load_state_dict(made)
    return grown


def keep(folder: Path, network: Network, tokens: int) -> None:
    """Writes a checkpoint to go on from, without an optimizer's state."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = {"network": network.state_dict(), "tokens": tokens, "step": 0, "shape": network.shape.as_dict()}
    for name in ("begin.pt", "checkpoint.pt"):
        torch.save(saved, folder / name)


def carry(before: Path, after: Path, layers: int) -> None:
    """Takes a run's weights and vocabulary into another folder, grown to `layers` blocks."""
    saved = torch.load(before / "checkpoint.pt", weights_only=True)
    network = Network(Shape(**saved["shape"]))
    network.load_state_dict(saved["network"])
    after.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(before / "tokenizer.json", after / "tokenizer.json")
    keep(after, grow(network, layers), saved["tokens"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a GGUF file")
    parser.add_argument("out", type=Path, help="folder to write checkpoint.pt and tokenizer.json into")
    parser.add_argument("--layers", type=int, default=Shape().layers)
    parser.add_argument("--tokens", type=int, default=0, help="tokens that the file has seen")
    given = parser.parse_args()
    network = grow(load(given.model), given.layers)
    keep(given.out, network, given.tokens)
    vocabulary(given.model).save(str(given.out / "tokenizer.json"))
    print(f"{network.shape.layers} blocks, {sum(value.numel() for value in network.parameters()):,} parameters")


if __name__ == "__main__":
    main()
