"""Running checks: each alone, on every event loop it is for, with state and locks of its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import anyio
from attrs import frozen

from venuekit.orders.key_lock import STATE_VARIABLE
from venuekit_testkit.catalogue import Check, Unclaimed, checks
from venuekit_testkit.subject import Subject

LOOPS: Final = ("asyncio", "trio")
"""The event loops that asynchronous checks run on."""

LONGEST: Final = 400
"""So many characters of a reason are told."""


class Outcome(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen
class Result:
    """One check of one subject. `reason`: why it was skipped, or what failed."""

    check: Check
    outcome: Outcome
    reason: str = ""


def perform(check: Check, subject: Subject, loop: str = LOOPS[0]) -> None:
    """Make a check. Raises `Unclaimed` where there is nothing to check, and whatever shows that the connector fails."""
    if reason := check.lacking(subject):
        raise Unclaimed(reason)
    with _own_state():
        if check.asynchronous:
            anyio.run(partial(cast("Any", check.function), subject), backend=loop)
        else:
            check.function(subject)


def judge(check: Check, subject: Subject, loops: Sequence[str] = LOOPS) -> Result:
    """Make a check on every loop it is for; never raises but to be interrupted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for loop in loops if check.asynchronous else LOOPS[:1]:
                perform(check, subject, loop)
    except Unclaimed as error:
        return Result(check, Outcome.SKIPPED, str(error))
    except Exception as error:  # noqa: BLE001  # whatever it raises is the connector's failure
        return Result(check, Outcome.FAILED, told(error))
    return Result(check, Outcome.PASSED)


def judge_all(
    subject: Subject, loops: Sequence[str] = LOOPS, only: Sequence[Check] | None = None
) -> Iterator[Result]:
    """Every check of a subject, in order."""
    for check in checks() if only is None else only:
        yield judge(check, subject, loops)


def told(error: BaseException) -> str:
    """An error in one line: its kind unless it is a plain assertion, and what it says, cut (with ``...``) at `LONGEST`."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split())
    kind = "" if type(error).__name__ in {"AssertionError", "NotSo"} else f"{type(error).__name__}: "
    told = f"{kind}{text}" or type(error).__name__
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 4]} ..."


@contextmanager
def _own_state() -> Iterator[None]:
    """Locks and stores of a check are its own: it meets neither another one's, nor those of whoever runs it."""
    before = os.environ.get(STATE_VARIABLE)
    with TemporaryDirectory(prefix="venuekit-check-") as folder:
        os.environ[STATE_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                os.environ.pop(STATE_VARIABLE, None)
            else:
                os.environ[STATE_VARIABLE] = before
