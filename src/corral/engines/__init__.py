"""Engine processes, supervised. See docs/rooms/engines.md."""

from __future__ import annotations

from corral.engines.lease import Lease
from corral.engines.service import Engines
from corral.engines.types import EngineOptions, EngineProblem, EngineSpec, EngineState, EngineStatus, Stay

__all__ = ["EngineOptions", "EngineProblem", "EngineSpec", "EngineState", "EngineStatus", "Engines", "Lease", "Stay"]
