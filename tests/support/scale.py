"""How much a sweep does: little in ``make test``, much in ``make test-faults``, with the same code."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("TEST_SCALE", "") == "thorough"


def scaled(usual: int, thorough: int) -> int:
    """The count for this run: ``usual`` in ``make test``, ``thorough`` in ``make test-faults``."""
    return thorough if THOROUGH else usual
