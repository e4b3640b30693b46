"""`encrypted_content` of a reasoning item, which stands for a signature or for thinking that only its provider can read.

OpenAI's own is one opaque text. When another provider's thinking is told in this dialect, the text says which of the two it
is, so that it goes back as what it was; a provider of this dialect would refuse it and is not shown it.
"""

from __future__ import annotations

import msgspec

from corral.dialects.decoding import read_body
from corral.dialects.form import Reasoning

_SIGNATURE = "corral-signature:"
_REDACTED = "corral-redacted:"
_MARKS = (_SIGNATURE.encode(), _REDACTED.encode())
_BODY = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


class _Kind(msgspec.Struct):
    type: str = "message"
    encrypted_content: str | None = None


_KIND = msgspec.json.Decoder(_Kind)


def read_proof(text: str, encrypted: str | None, identity: str | None, *, told: bool = False) -> Reasoning:
    """The thinking of an item with this text; `told`: it has text that was told before.

    Only thinking that a provider of this dialect proved has an `id` (an empty one where the client sent none).
    """
    if encrypted is None:
        return Reasoning(text, id=identity)
    if encrypted.startswith(_SIGNATURE):
        return Reasoning(text, encrypted.removeprefix(_SIGNATURE))
    if encrypted.startswith(_REDACTED):
        return Reasoning(text, redacted=encrypted.removeprefix(_REDACTED))
    identity = identity or ""
    return Reasoning(text, encrypted, id=identity) if text or told else Reasoning(redacted=encrypted, id=identity)


def write_proof(signature: str | None, redacted: str | None) -> str | None:
    """`encrypted_content` for a client."""
    if redacted is not None:
        return _REDACTED + redacted
    return _SIGNATURE + signature if signature is not None else None


def without_foreign_proofs(body: bytes) -> bytes:
    """A client's request as a provider of this dialect takes it: thinking that others proved is left out, all else stays as it
    is. Raises InvalidRequest for a body that is no request."""
    if not any(mark in body for mark in _MARKS):
        return body
    fields = read_body(_BODY, body)
    items = fields.get("input", msgspec.Raw(b"null"))
    if not bytes(items).startswith(b"["):
        return body
    kept = [item for item in read_body(_ITEMS, bytes(items)) if not _foreign(item)]
    return msgspec.json.encode({**fields, "input": kept})


def _foreign(item: msgspec.Raw) -> bool:
    data = bytes(item)
    if not any(mark in data for mark in _MARKS):
        return False
    told = read_body(_KIND, data)
    return told.type == "reasoning" and (told.encrypted_content or "").startswith((_SIGNATURE, _REDACTED))
