"""The one form of every answer under `/api/v1`, good or bad (product row BR-5).

`{success, data?, error?{code, message, details?}, metadata{requestId, timestamp, version}}`. `timestamp` is milliseconds since 1970, `version`
that of Corral.
"""

from __future__ import annotations

import time
from typing import Any

from corral.kit.errors import CorralError
from corral.kit.rendering import render_api
from corral.version import __version__

PREFIX = "/api/v1"


def is_v1(path: str) -> bool:
    """Whether a path is answered in the envelope."""
    return path.startswith(PREFIX + "/") or path == PREFIX


def ok(data: Any, request_id: str) -> dict[str, Any]:
    """A good answer; `data` is what JSON can say."""
    return {"success": True, "data": data, "metadata": metadata(request_id)}


def failed(error: CorralError, request_id: str) -> dict[str, Any]:
    """A refusal or failure; `details` tells the field at fault and when to come again, where that is known."""
    told = render_api(error, request_id)["error"]
    if error.retry_after is not None:
        told["details"] = {**told.get("details", {}), "retryAfter": error.retry_after}
    return {"success": False, "error": told, "metadata": metadata(request_id)}


def metadata(request_id: str) -> dict[str, Any]:
    """What every answer tells of itself."""
    return {"requestId": request_id, "timestamp": time.time_ns() // 1_000_000, "version": __version__}
