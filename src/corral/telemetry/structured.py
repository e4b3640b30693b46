"""structlog, without what it would bring along.

Where rich is installed structlog loads it, for traces in colour: several MB and a tenth of a second in every process. Our
traces are text before they come to the console, so rich is hidden from it for the moment of its import.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["structlog"]


def _load() -> ModuleType:
    modules: dict[str, Any] = sys.modules
    hidden = "rich" not in modules
    if hidden:
        modules["rich"] = None
    try:
        return importlib.import_module("structlog")
    finally:
        if hidden:
            del modules["rich"]


if TYPE_CHECKING:
    import structlog
else:
    structlog = _load()
