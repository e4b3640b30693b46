"""What a model needs of this machine, before it is loaded. See docs/rooms/models.md."""

from __future__ import annotations

from corral.models.fit.files import Base
from corral.models.fit.machine import look
from corral.models.fit.service import Fit, Settings
from corral.models.fit.types import Device, Machine, Verdict

__all__ = ["Base", "Device", "Fit", "Machine", "Settings", "Verdict", "look"]
