"""Reading GGUF headers, safely: every length is checked against the file and a budget before it is believed."""

from __future__ import annotations

from corral.models.gguf.reader import GgufError, Header, Tensor, read_header, read_header_of

__all__ = ["GgufError", "Header", "Tensor", "read_header", "read_header_of"]
