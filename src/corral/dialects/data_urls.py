"""`data:` URLs (RFC 2397), of which only the base64 kind is taken apart."""

from __future__ import annotations


def split(url: str) -> tuple[str, str] | None:
    """Media type and base64 data, or None for another kind of address."""
    if not url.startswith("data:"):
        return None
    head, mark, data = url.partition(";base64,")
    media_type = head[5:]
    return (media_type, data) if mark and media_type and "," not in media_type else None


def join(media_type: str, data: str) -> str:
    """The address of `data` (base64)."""
    return f"data:{media_type};base64,{data}"
