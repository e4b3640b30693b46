"""Regular expressions of JSON schemas (ECMA-262), matched in time that is bounded by their size and the text's.

Python's own engine goes back over a text, which for patterns of a stranger can take for ever. Here all ways are followed at once, one
character after the other. What cannot be matched so (looking ahead and behind, references back) is not read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

MAX_PATTERN = 1000
"""Characters of a pattern."""
MAX_SIZE = 4000
"""States of its machine."""
MAX_NESTING = 50
_TOO_LARGE = "is too large when its repetitions are written out"

Test = Callable[[str], bool]


class Unreadable(ValueError):
    """A pattern that is wrong, or asks for what is not matched here."""


class TooMuchWork(Exception):
    """A search is over its limit."""


class _State(NamedTuple):
    """`test`: eats a character that fits and goes to `nexts`. `assertion`: goes there without eating, where it holds. Neither: just goes there."""

    nexts: tuple[int, ...]
    test: Test | None = None
    assertion: str = ""


class Machine:
    """A pattern that can be searched for. State 0 is its end."""

    def __init__(self, states: list[_State], start: int) -> None:
        self._states = states
        self._start = start

    def search(self, text: str, limit: int) -> tuple[bool, int]:
        """Whether it is anywhere in `text`, and the work that was. Raises TooMuchWork when that is over `limit`."""
        work = 0
        ready: set[int] = set()
        for place in range(len(text) + 1):
            current = self._reachable(ready | {self._start}, text, place)
            work += len(current) + 1
            if 0 in current:
                return True, work
            if work > limit:
                raise TooMuchWork
            if place == len(text):
                break
            char = text[place]
            ready = set()
            for number in current:
                state = self._states[number]
                if state.test is not None and state.test(char):
                    ready.update(state.nexts)
        return False, work

    def _reachable(self, states: Iterable[int], text: str, place: int) -> set[int]:
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            number = waiting.pop()
            if number in found:
                continue
            found.add(number)
            state = self._states[number]
            if state.test is None and (not state.assertion or _holds(state.assertion, text, place)):
                waiting.extend(state.nexts)
        return found


def _holds(assertion: str, text: str, place: int) -> bool:
    if assertion == "^":
        return place == 0
    if assertion == "$":
        return place == len(text)
    before = place > 0 and _is_word(text[place - 1])
    after = place < len(text) and _is_word(text[place])
    return (before != after) == (assertion == "b")


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Machine:
    """The machine of a pattern. Raises Unreadable."""
    if len(pattern) > MAX_PATTERN:
        raise Unreadable(f"is longer than {MAX_PATTERN} characters")
    return _Parser(pattern).machine()


Made = Callable[[int], int]
"""Builds a piece in front of a state; gives the state where it begins."""


def _is_digit(char: str) -> bool:
    return "0" <= char <= "9"


def _is_word(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())


def _is_space(char: str) -> bool:
    return char in "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" or "\u2000" <= char <= "\u200a"


def _not(test: Test) -> Test:
    return lambda char: not test(char)


_CLASSES: dict[str, Test] = {"d": _is_digit, "w": _is_word, "s": _is_space}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_HEX = frozenset("0123456789abcdefABCDEF")


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._nesting = 0
        self._built = 0
        self._states: list[_State] = [_State(())]

    def machine(self) -> Machine:
        made = self._alternatives()
        if self._at < len(self._pattern):
            raise Unreadable(f"has {self._pattern[self._at]!r} at {self._at}, which closes nothing")
        return Machine(self._states, made(0))

    # building

    def _add(self, state: _State) -> int:
        if len(self._states) >= MAX_SIZE:
            raise Unreadable(_TOO_LARGE)
        self._states.append(state)
        return len(self._states) - 1

    def _one(self, test: Test) -> Made:
        return lambda after: self._add(_State((after,), test))

    def _repeated(self, piece: Made, least: int, most: int | None) -> Made:
        def build(after: int) -> int:
            # Pieces of nothing make no states, and are counted all the same.
            self._built += least + (most or 0)
            if self._built > MAX_SIZE:
                raise Unreadable(_TOO_LARGE)
            if most is None:
                loop = self._add(_State(()))
                self._states[loop] = _State((piece(loop), after))
                start = loop
            else:
                start = after
                for _ in range(most - least):
                    start = self._add(_State((piece(start), after)))
            for _ in range(least):
                start = piece(start)
            return start

        return build

    # reading

    def _peek(self) -> str:
        return self._pattern[self._at] if self._at < len(self._pattern) else ""

    def _take(self, text: str) -> bool:
        if text and self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _next(self) -> str:
        char = self._peek()
        if not char:
            raise Unreadable("ends in the middle")
        self._at += 1
        return char

    def _alternatives(self) -> Made:
        found = [self._sequence()]
        while self._take("|"):
            found.append(self._sequence())
        if len(found) == 1:
            return found[0]
        return lambda after: self._add(_State(tuple(one(after) for one in found)))

    def _sequence(self) -> Made:
        pieces: list[Made] = []
        while self._peek() not in ("", "|", ")"):
            pieces.append(self._quantified())

        def build(after: int) -> int:
            for piece in reversed(pieces):
                after = piece(after)
            return after

        return build

    def _quantified(self) -> Made:
        piece = self._atom()
        while self._peek() in ("*", "+", "?", "{"):
            bounds = self._bounds()
            if bounds is None:
                break
            piece = self._repeated(piece, *bounds)
            # Whether the shortest or the longest is meant makes no difference to whether there is one.
            self._take("?")
        return piece

    def _bounds(self) -> tuple[int, int | None] | None:
        char = self._next()
        if char != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        end = self._pattern.find("}", self._at)
        inner = self._pattern[self._at : end] if end >= 0 else ""
        first, comma, last = inner.partition(",")
        if not (first.isdecimal() and len(first) < 6 and (not last or (last.isdecimal() and len(last) < 6))):
            raise Unreadable(f"has a brace at {self._at - 1} that is no count")
        self._at = end + 1
        least, most = int(first), (int(last) if last else None) if comma else int(first)
        if most is not None and most < least:
            raise Unreadable(f"has a count at {end} whose bounds are the wrong way round")
        return least, most

    def _atom(self) -> Made:
        char = self._next()
        if char == "(":
            return self._group()
        if char in "*+?{":
            raise Unreadable(f"has {char!r} at {self._at - 1}, with nothing to repeat")
        if char in "^$":
            return self._asserted(char)
        if char == "\\" and self._peek() in ("b", "B"):
            return self._asserted(self._next())
        return self._one(self._test(char))

    def _asserted(self, kind: str) -> Made:
        return lambda after: self._add(_State((after,), assertion=kind))

    def _test(self, char: str) -> Test:
        if char == "[":
            return self._set()
        if char == ".":
            return lambda one: one not in "\n\r\u2028\u2029"
        found = self._escaped() if char == "\\" else char
        return found if callable(found) else found.__eq__

    def _group(self) -> Made:
        if self._take("?"):
            named = self._pattern.startswith("<", self._at) and self._pattern[self._at + 1 : self._at + 2] not in (
                "=",
                "!",
                "",
            )
            if named:
                end = self._pattern.find(">", self._at)
                if end < 0:
                    raise Unreadable("has a group whose name does not end")
                self._at = end + 1
            elif not self._take(":"):
                raise Unreadable("looks ahead or behind, which is not supported")
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise Unreadable("is nested too deep")
        inner = self._alternatives()
        self._nesting -= 1
        if not self._take(")"):
            raise Unreadable("has a group that does not end")
        return inner

    def _escaped(self) -> str | Test:
        """What stands behind a backslash: a character, or a class."""
        char = self._next()
        if char in _CONTROLS and not (char == "0" and self._peek().isdecimal()):
            return _CONTROLS[char]
        if char.lower() in _CLASSES:
            test = _CLASSES[char.lower()]
            return test if char.islower() else _not(test)
        if char in "xu":
            return self._code(char)
        if char in "pP":
            return self._category(negated=char == "P")
        if char.isalnum():
            raise Unreadable(f"has \\{char}, which is not supported")
        return char

    def _code(self, kind: str) -> str:
        if kind == "u" and self._take("{"):
            end = self._pattern.find("}", self._at)
            digits = self._pattern[self._at : end] if end >= 0 else ""
            self._at = end + 1
        else:
            size = 2 if kind == "x" else 4
            digits = self._pattern[self._at : self._at + size]
            self._at += size
            if len(digits) < size:
                raise Unreadable("has a code that is too short")
        if not digits or len(digits) > 6 or not _HEX.issuperset(digits) or int(digits, 16) > 0x10FFFF:
            raise Unreadable("has a code that is no hexadecimal number of a character")
        return chr(int(digits, 16))

    def _category(self, *, negated: bool) -> Test:
        end = self._pattern.find("}", self._at)
        name = self._pattern[self._at + 1 : end] if self._peek() == "{" and end >= 0 else ""
        if not (name.isascii() and name.isalpha() and 1 <= len(name) <= 2):
            raise Unreadable("asks for a property of Unicode other than a general category such as L or Nd")
        self._at = end + 1
        test: Test = lambda char: unicodedata.category(char).startswith(name)  # noqa: E731
        return _not(test) if negated else test

    def _set(self) -> Test:
        negated = self._take("^")
        tests: list[Test] = []
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        while not self._take("]"):
            first = self._member()
            if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                last = self._member()
                if callable(first) or callable(last) or last < first:
                    raise Unreadable("has a range whose ends are no characters in order")
                ranges.append((first, last))
            elif callable(first):
                tests.append(first)
            else:
                singles.add(first)

        def test(char: str) -> bool:
            inside = (
                char in singles or any(low <= char <= high for low, high in ranges) or any(one(char) for one in tests)
            )
            return inside != negated

        return test

    def _member(self) -> str | Test:
        char = self._next()
        if char != "\\":
            return char
        if self._take("b"):
            return "\b"
        return (self._take("-") and "-") or self._escaped()
