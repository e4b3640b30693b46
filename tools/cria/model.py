"""The network: a small Llama (RMSNorm, rotary positions on neighbouring pairs, SwiGLU, tied embeddings)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of the network."""

    vocabulary: int = 1024
    width: int = 256
    layers: int = 7
    heads: int = 4
    feed_forward: int = 640
    context: int = 1024
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(shape.width, shape.epsilon)
        self.feed_norm = nn.RMSNorm(shape.width, shape.epsilon)
        self.query, self.key, self.value, self.output = (
            nn.Linear(shape.width, shape.width, bias=False) for _ in range(4)
        )
        self.gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        batch, length, width = x.shape
        normed = self.attention_norm(x)
        query, key, value = (
            layer(normed).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = attend(rotate(query, *rotary), rotate(key, *rotary), value)
        x = x + self.output(mixed.transpose(1, 2).reshape(batch, length, width))
        normed = self.feed_norm(x)
        return x + self.down(functional.silu(self.gate(normed)) * self.up(normed))


class Network(nn.Module):
    """Token ids (batch, length) to hidden states or logits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, shape.epsilon)
        half = shape.width // shape.heads // 2
        frequency = shape.rope_base ** (-torch.arange(half, dtype=torch.float32) / half)
        angle = torch.outer(torch.arange(shape.context, dtype=torch.float32), frequency)
        self.register_buffer("cosine", angle.cos(), persistent=False)
        self.register_buffer("sine", angle.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                scale = (2 * shape.layers) ** -0.5 if name.endswith(("output.weight", "down.weight")) else 1.0
                nn.init.normal_(
                    parameter, std=0.02 * scale if "embedding" in name else scale * parameter.shape[1] ** -0.5 * 0.8
                )

    def hidden(self, ids: Tensor) -> Tensor:
        """States after the last norm, (batch, length, width)."""
        x = self.embedding(ids)
        rotary = (self.cosine[: ids.shape[1]], self.sine[: ids.shape[1]])
        for block in self.blocks:
            x = block(x, rotary)
        return self.norm(x)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits, (batch, length, vocabulary)."""
        return functional.linear(self.hidden(ids), self.embedding.weight)


LONG = 640
"""Tokens from which on the fused kernel of attention is faster on a CPU than plain products."""


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention, all (batch, heads, length, size)."""
    length, size = query.shape[2:]
    if length > LONG:
        return functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    future = torch.full((length, length), float("-inf"), dtype=query.dtype).triu(1)
    return torch.softmax((query @ key.transpose(-1, -2)) * size**-0.5 + future, -1) @ value


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions on pairs of neighbours (llama.cpp's "normal" order), x is (batch, heads, length, size)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1).flatten(-2).to(x.dtype)
