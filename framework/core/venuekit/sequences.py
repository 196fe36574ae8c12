"""Sequences: numbers that frames or messages of one socket carry, so that a lost one shows. Pure.

A number that was seen is a repetition. Two of those that follow one another are a sequence that began anew, which is a hole:
what came between is unknown.
"""

from __future__ import annotations

from enum import Enum


class Place(Enum):
    """Where a number stands after those before it."""

    FIRST = "first"
    FOLLOWS = "follows"
    REPEATED = "repeated"
    HOLE = "hole"


FIRST, FOLLOWS, REPEATED, HOLE = Place


class Sequences:
    """The sequences of one socket, by scope."""

    __slots__ = ("_last", "_repeated", "before")

    def __init__(self) -> None:
        self.before = 0
        """The number before the hole that was judged last."""
        self._last: dict[str, int] = {}
        self._repeated: dict[str, int] = {}

    def judge(self, scope: str, n: int) -> Place:
        """Where `n` stands in its sequence."""
        last = self._last.get(scope)
        if last is not None and n <= last:
            before = self._repeated.get(scope)
            self._repeated[scope] = n
            if before is None or n != before + 1:
                return REPEATED
        self._repeated.pop(scope, None)
        self._last[scope] = n
        if last is None:
            return FIRST
        if n == last + 1:
            return FOLLOWS
        self.before = last
        return HOLE
