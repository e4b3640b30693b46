"""How a cut answer is gone on with. Pure. See docs/decisions/0005."""

from __future__ import annotations

from corral.inference.continuing.fitting import Unfit
from corral.inference.continuing.planning import Ending, Way, plan, reason_not_to
from corral.inference.continuing.shaping import Shaper

__all__ = ["Ending", "Shaper", "Unfit", "Way", "plan", "reason_not_to"]
