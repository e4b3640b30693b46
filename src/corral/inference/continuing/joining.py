"""Where a continuation is joined to what was said before. Pure.

A model that is asked to go on may go on at once, say the last words again, or start over from the beginning. Whatever it does,
the client gets each part once.
"""

from __future__ import annotations

from corral.inference.continuing.fitting import Unfit

SURE = 8
"""Characters from which on a repetition that begins in the middle of a word is no chance."""
LONGEST = 16_384
"""Characters of a repetition that are compared; one that starts over from the beginning may be of any length."""


def overlap(sent: str, said: str) -> int:
    """How many of the first characters of `said` are the last of `sent`: the longest match that does not look like chance.

    Linear in the LONGEST characters that are looked at: the border function of Knuth, Morris and Pratt.
    """
    said = said[:LONGEST]
    borders = [0] * len(said)
    length = 0
    for place in range(1, len(said)):
        while length and said[place] != said[length]:
            length = borders[length - 1]
        length += said[place] == said[length]
        borders[place] = length
    length = 0
    for letter in sent[len(sent) - len(said) :] if len(said) < len(sent) else sent:
        while length and (length == len(said) or letter != said[length]):
            length = borders[length - 1]
        length += letter == said[length]
    while length and not _meant(sent, length):
        length = borders[length - 1]
    return length


def _meant(sent: str, length: int) -> bool:
    if length >= SURE or length == len(sent):
        return True
    before, first = sent[-length - 1], sent[-length]
    return not (before.isalnum() and first.isalnum())


class Continued:
    """Text after a prefill: it goes on exactly there. `held` is space at the end of what was sent that the provider was not given."""

    def __init__(self, held: str = "") -> None:
        self._held = held

    def add(self, text: str) -> str:
        """What of `text` is new."""
        held = self._held
        if not held or not text:
            return text
        same = 0
        while same < len(held) and same < len(text) and held[same] == text[same]:
            same += 1
        self._held = held[same:] if same == len(text) else ""
        return text[same:]

    def end(self) -> str:
        """What was still held back."""
        return ""


class Joined:
    """Text from a model that was asked to go on after `sent`."""

    def __init__(self, sent: str) -> None:
        self._sent = sent
        self._said: list[str] = []
        self._length = 0
        self._place = 0
        self._joined = not sent

    def add(self, text: str) -> str:
        """What of `text` is new, as far as that can be told; empty while it reads like a part of what was sent."""
        if self._joined or not text:
            return text
        self._said.append(text)
        going_on = self._sent.startswith(text, self._place + self._length) if self._length else False
        self._length += len(text)
        if going_on:
            return ""
        # Not where it was found before: perhaps further on.
        self._place = self._sent.find("".join(self._said), self._place)
        return "" if self._place >= 0 else self._cut()

    def end(self) -> str:
        """What was still held back. Raises Unfit for one that only said again what was there, without coming to its end."""
        if self._joined or not self._said:
            return ""
        if not self._sent.endswith("".join(self._said)):
            raise Unfit("The answer could not be continued: only what had been said was said again.")
        return self._cut()

    def _cut(self) -> str:
        self._joined = True
        said, sent = "".join(self._said), self._sent
        self._said = []
        return said[len(sent) if said.startswith(sent) else overlap(sent, said) :]
