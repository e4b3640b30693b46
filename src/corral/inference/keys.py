"""Which of a provider's keys is used: in turns, those that rest passed over. Knows labels, keeps no value."""

from __future__ import annotations

from collections.abc import Sequence

from corral.providers.types import ProviderKey

REFUSED = 300.0
"""Seconds that a key rests which its provider refused or whose account is empty."""
MAX_REST = 900.0


class KeyRing:
    """The keys of one provider."""

    __slots__ = ("_next", "at_rest")

    def __init__(self) -> None:
        self._next = 0
        self.at_rest: dict[str, float] = {}
        """By label, until when."""

    def choose(self, keys: Sequence[ProviderKey], now: float) -> ProviderKey | None:
        """The next key that does not rest; None when all do."""
        count = len(keys)
        if count == 1 and not self.at_rest:
            return keys[0]
        for step in range(count):
            key = keys[(self._next + step) % count]
            if self.at_rest.get(key.label, 0.0) <= now:
                self.at_rest.pop(key.label, None)
                self._next = (self._next + step + 1) % count
                return key
        return None

    def rest(self, key: ProviderKey, now: float, seconds: float) -> None:
        """It is not used for so long."""
        self.at_rest[key.label] = max(self.at_rest.get(key.label, 0.0), now + min(seconds, MAX_REST))

    def wait(self, keys: Sequence[ProviderKey], now: float) -> float:
        """Seconds until one of them can be used; 0 when one can now, or there are none."""
        return max(0.0, min((self.at_rest.get(key.label, 0.0) - now for key in keys), default=0.0))

    def resting(self, keys: Sequence[ProviderKey], now: float) -> dict[str, float]:
        """The labels of those that rest, with the seconds left. Forgets keys that are gone."""
        labels = {key.label for key in keys}
        self.at_rest = {label: until for label, until in self.at_rest.items() if label in labels and until > now}
        return {label: until - now for label, until in self.at_rest.items()}
