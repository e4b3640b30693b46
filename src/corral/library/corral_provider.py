"""A running Corral as a provider."""

from __future__ import annotations

from collections.abc import Mapping

from corral.providers.compatible import CompatibleProvider
from corral.providers.types import Call

_PASSED = ("x-corral-repair", "x-corral-cache", "idempotency-key")


class CorralProvider(CompatibleProvider):
    """What was said around a request is said to it as well."""

    def _passed(self, call: Call) -> Mapping[str, str]:
        return {**super()._passed(call), **{name: call.headers[name] for name in _PASSED if name in call.headers}}
