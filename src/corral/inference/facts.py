"""The few facts of a request that limits and caches need, read from its body in whatever dialect it is."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from corral.inference.types import Ask

T = TypeVar("T", int, float)
_IMAGE_TOKENS = 1600
"""Tokens that an image or a page may count, whatever its bytes."""
_PLAIN = 32 * 1024
"""Bytes up to which nobody looks for data in a body."""
_LONG = 1024
_TEXTLESS = {"embeddings", "rerank", "count_tokens"}


class _Gemini(msgspec.Struct):
    maxOutputTokens: int | None = None  # noqa: N815 - the name on the wire
    candidateCount: int | None = None  # noqa: N815
    temperature: float | None = None
    seed: int | None = None


class _Ollama(msgspec.Struct):
    num_predict: int | None = None
    temperature: float | None = None
    seed: int | None = None


class _Body(msgspec.Struct):
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    temperature: float | None = None
    seed: int | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: msgspec.Raw | None = None
    generationConfig: _Gemini | None = None  # noqa: N815
    options: _Ollama | None = None


class Facts(msgspec.Struct, frozen=True):
    """max_tokens: how long all answers together may be, None when nobody said. fixed: the same question has the same answer
    (temperature 0, or a seed). lasting: the provider keeps something of it, so an earlier answer would not do the same."""

    max_tokens: int | None = None
    fixed: bool = False
    lasting: bool = False


_decoder = msgspec.json.Decoder(_Body)
_NOTHING = Facts()


def facts_of(ask: Ask) -> Facts:
    """The facts of a request, read once; what cannot be read is not known."""
    found: Facts | None = ask.facts
    if found is None:
        found = ask.facts = _read(ask)
    return found


def _read(ask: Ask) -> Facts:
    if ask.operation in _TEXTLESS:
        return Facts(max_tokens=0, fixed=ask.operation != "count_tokens")
    try:
        body = _decoder.decode(ask.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _NOTHING
    most, count = body.max_completion_tokens or body.max_tokens or body.max_output_tokens, body.n
    temperature, seed = body.temperature, body.seed
    gemini, ollama = body.generationConfig, body.options
    if gemini is not None:
        most, count = gemini.maxOutputTokens or most, gemini.candidateCount or count
        temperature, seed = _first(gemini.temperature, temperature), _first(gemini.seed, seed)
    if ollama is not None:
        most = ollama.num_predict or most
        temperature, seed = _first(ollama.temperature, temperature), _first(ollama.seed, seed)
    return Facts(
        most * (count if count is not None and count > 1 else 1) if most is not None and most > 0 else None,
        temperature == 0 or seed is not None,
        bool(body.store or body.background or body.previous_response_id),
    )


def _first(one: T | None, other: T | None) -> T | None:
    return one if one is not None else other


def text_size(body: bytes) -> tuple[int, int]:
    """The bytes of a body that are text, and how many pieces of data (images, files, sound in base64) stand in it."""
    if len(body) <= _PLAIN:
        return len(body), 0
    data = pieces = 0
    for mark in (b";base64,", b'"data":"', b'"data": "', b'"images":["', b'"images": ["'):
        start = body.find(mark)
        while start >= 0:
            begin = start + len(mark)
            end = body.find(b'"', begin)
            if end < 0:
                break
            # What stands in a data: URL inside of "data":"…" is found by both marks and counted by one.
            twice = mark != b";base64," and body.find(b";base64,", begin, begin + 100) >= 0
            if end - begin >= _LONG and not twice and body.find(b" ", begin, end) < 0:
                data += end - begin
                pieces += 1
            start = body.find(mark, end)
    return max(0, len(body) - data), pieces


class Expectations:
    """What requests of a route used lately, to reserve for those that do not say.

    tokens a byte: the most of late, so that a prompt is rarely thought too short. tokens of an answer: somewhat over the mean.
    """

    __slots__ = ("answer", "per_byte")

    def __init__(self) -> None:
        self.per_byte = 0.3
        self.answer = 400.0

    def prompt(self, size: int, pieces: int) -> int:
        """Tokens that a body of that `text_size` may count as a prompt."""
        return int(size * self.per_byte) + 1 + pieces * _IMAGE_TOKENS

    def learn(self, size: int, pieces: int, prompt: int, completion: int) -> None:
        """Takes in what a request of that `text_size` used."""
        if prompt and size and not pieces:
            seen = prompt / size
            seen = seen if seen < 2.0 else 2.0
            slow = 0.98 * self.per_byte + 0.02 * seen
            self.per_byte = seen if seen > slow else slow
        if completion:
            self.answer += 0.1 * (completion - self.answer)

    @property
    def expected(self) -> int:
        """Tokens of an answer of which nobody said how long it may be."""
        return int(self.answer * 1.25) + 1
