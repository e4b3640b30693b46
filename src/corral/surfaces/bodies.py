"""Bodies of requests: read, decoded, and refused with the name of the field at fault."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec

from corral.kit.errors import InvalidRequest, UnsupportedMedia
from corral.surfaces.asgi import Receive, Scope, header, read_body

T = TypeVar("T")
LARGE = 1 << 20
"""From this size on a body is decoded in a thread, so that those who wait get their turn between the steps."""


_FORM = "application/x-www-form-urlencoded"


def require_json(kind: str | None, *, form: bool = False) -> None:
    """Raises UnsupportedMedia for a body that says by its content type that it is something else than JSON.

    `form`: what curl says when it is told nothing is taken for JSON too.
    """
    if kind is None or kind.lower().startswith("application/json") or (form and kind.lower() == _FORM):
        return
    raise UnsupportedMedia(f"The body must be JSON (Content-Type: application/json), not {kind[:100]}.")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What `body` says. Raises InvalidRequest naming the field at fault."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or None
        if "missing required field" in what:
            name = what.split("`")[1]
            field, what = f"{field}.{name}" if field else name, "is missing"
        raise InvalidRequest(f"{field or 'The body'}: {what}.", param=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


async def read(
    scope: Scope, receive: Receive, decoder: msgspec.json.Decoder[T], *, form: bool = False
) -> tuple[T, bytes]:
    """What the body says, and the body. Raises InvalidRequest, UnsupportedMedia (see `require_json`) and ClientGone."""
    kind = header(scope, b"content-type")
    require_json(kind.decode("latin-1") if kind is not None else None, form=form)
    body = await read_body(receive)
    if len(body) < LARGE:
        return decode(decoder, body), body
    return await asyncio.to_thread(decode, decoder, body), body
