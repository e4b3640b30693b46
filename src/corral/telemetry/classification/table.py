"""All rows, and the way from an error to its own."""

from __future__ import annotations

from corral.kit.errors import CorralError
from corral.telemetry.classification import browser, engines, server
from corral.telemetry.classification.types import Row

SERVER_ROWS = (*server.REQUEST, *server.LIMITS, *server.MODELS, *server.SERVER)
ENGINE_ROWS = engines.ENGINES
BROWSER_ROWS = (*browser.ENGINE, *browser.FILES, *browser.KEYS, *browser.TURNS, *browser.PAGE)
ROWS = (*SERVER_ROWS, *ENGINE_ROWS, *BROWSER_ROWS)

_BY_CODE = {row.code: row for row in ROWS}


def row_of(code: str) -> Row:
    """The row of a code, that of `internal` for one that is not known."""
    return _BY_CODE.get(code) or _BY_CODE["internal"]


def classify(error: BaseException) -> Row:
    """The row of an error: an engine's own reason where it is known, `internal` for what is none of ours."""
    if not isinstance(error, CorralError):
        return _BY_CODE["internal"]
    if error.code == "engine_failed" and error.details:
        reason = _BY_CODE.get(f"engine.{error.details.get('code')}")
        if reason is not None:
            return reason
    return row_of(error.code)
