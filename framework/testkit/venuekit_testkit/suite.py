"""`ConnectorSuite`: the whole test file of a connector, a method per check.

Rules:

1. A subclass says which `venue` it is of; where time is dear, also on which `loops` every run is made. Nothing else.
2. A check that cannot pass is marked by `xfail` with the reason; it fails on the day on which it passes.
3. Any other override of a check, and marks that skip the class, are refused when the class is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, ClassVar, Final

import pytest
from attrs import frozen

from venuekit_testkit.catalogue import Check, Unclaimed, checks
from venuekit_testkit.running import LOOPS, perform
from venuekit_testkit.subject import Subject

_EXCUSES: Final = frozenset({"skip", "skipif", "xfail"})


@frozen
class ExpectedFailure:
    """A check that is known to fail, and why."""

    reason: str


def xfail(reason: str) -> Any:
    """What stands in a suite in place of a check that cannot pass, with the reason why.

    Raises `ValueError` without a reason.
    """
    if not reason.strip():
        raise ValueError("an expected failure has a reason")
    return ExpectedFailure(reason)


@cache
def _subject(venue: str) -> Subject:
    return Subject.of(venue)


class ConnectorSuite:
    """Every check, of the connector of `venue`. Subclass it, name the venue, and pytest does the rest."""

    venue: ClassVar[str] = ""
    loops: ClassVar[Collection[str]] = LOOPS
    """The event loops of every run. On others asynchronous checks are marked ``soak``: ``-m "not soak"`` omits them."""

    def __init_subclass__(cls) -> None:
        marks = cls.__dict__.get("pytestmark", ())
        marks = marks if isinstance(marks, list | tuple) else (marks,)
        if any(mark.name in _EXCUSES for mark in marks):
            raise TypeError(f"{cls.__name__} excuses every check: mark single ones with xfail(reason)")
        if not cls.loops or not set(cls.loops) <= set(LOOPS):
            raise TypeError(f"{cls.__name__} runs on loops among {', '.join(LOOPS)}, not on {cls.loops!r}")
        for check in checks():
            holder = next(base for base in cls.__mro__ if check.method in base.__dict__)
            if holder is not cls:
                if not issubclass(holder, ConnectorSuite):
                    raise TypeError(f"{holder.__name__} overrides the check {check.id}: {_HINT}")
                if holder is ConnectorSuite and "loops" in cls.__dict__ and check.asynchronous:
                    setattr(cls, check.method, _method(check, cls.loops))
                continue
            stated = cls.__dict__[check.method]
            if not isinstance(stated, ExpectedFailure):
                raise TypeError(f"{cls.__name__} overrides the check {check.id}: {_HINT}")
            marked = pytest.mark.xfail(reason=stated.reason, strict=True)(_method(check, cls.loops))
            setattr(cls, check.method, marked)

    @classmethod
    def subject(cls) -> Subject:
        """What is checked. Raises `LocalError` where the venue is not installed."""
        return _subject(cls.venue)

    def _perform(self, check: Check, loop: str = LOOPS[0]) -> None:
        try:
            perform(check, self.subject(), loop)
        except Unclaimed as reason:
            pytest.skip(str(reason))


_HINT: Final = 'say test_... = xfail("why it cannot pass")'


def _method(check: Check, loops: Collection[str]) -> Callable[..., None]:
    """The test of a check: on each event loop where it is asynchronous, in every run on these."""
    method: Callable[..., None]
    if check.asynchronous:
        each = [pytest.param(loop, marks=() if loop in loops else pytest.mark.soak) for loop in LOOPS]

        @pytest.mark.parametrize("loop", each)
        def on_loop(self: ConnectorSuite, loop: str) -> None:
            self._perform(check, loop)  # the suite's own

        method = on_loop
    else:

        def alone(self: ConnectorSuite) -> None:
            self._perform(check)

        method = alone
    method.__name__ = check.method
    method.__qualname__ = f"ConnectorSuite.{check.method}"
    method.__doc__ = check.documentation
    return method


for _check in checks():
    setattr(ConnectorSuite, _check.method, _method(_check, LOOPS))
