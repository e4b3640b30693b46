"""`encrypted_content` of a reasoning item, which stands for a signature or for thinking that only its provider can read.

OpenAI's own is one opaque text. When another provider's thinking is told in this dialect, the text says which of the two it
is, so that it goes back as what it was.
"""

from __future__ import annotations

from corral.dialects.form import Reasoning

_SIGNATURE = "corral-signature:"
_REDACTED = "corral-redacted:"


def read_proof(text: str, encrypted: str | None, identity: str | None, *, told: bool = False) -> Reasoning:
    """The thinking of an item with this text; `told`: it has text that was told before."""
    if encrypted is None:
        return Reasoning(text, id=identity)
    if encrypted.startswith(_SIGNATURE):
        return Reasoning(text, encrypted.removeprefix(_SIGNATURE), id=identity)
    if encrypted.startswith(_REDACTED):
        return Reasoning(text, redacted=encrypted.removeprefix(_REDACTED), id=identity)
    return Reasoning(text, encrypted, id=identity) if text or told else Reasoning(redacted=encrypted, id=identity)


def write_proof(signature: str | None, redacted: str | None) -> str | None:
    """`encrypted_content` for a client."""
    if redacted is not None:
        return _REDACTED + redacted
    return _SIGNATURE + signature if signature is not None else None
