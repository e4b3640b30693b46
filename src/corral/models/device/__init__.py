"""Model files for browsers: what is offered, its versions and digests, and reading pieces of it."""

from corral.models.device.digests import Digests
from corral.models.device.files import PartFile, Readers
from corral.models.device.service import DeviceModels

__all__ = ["DeviceModels", "Digests", "PartFile", "Readers"]
