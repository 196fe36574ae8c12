"""Orders survive killed clients, venues out of reach, and answers that go astray."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any, Final

import anyio
import pytest
from tests.trials import crash
from tests.trials.outage import UNKNOWNS, answerless, outage
from tests.trials.venues import ways

from venuekit_simulator.faults import Unreachable

pytestmark = pytest.mark.anyio

VENUES: Final = ("exchange_a", "exchange_b")
LOOPS: Final = ("asyncio", "trio")
AWAY: Final = {"resting": "0.005", "crossing": "-0.015"}


def spread(cases: Iterable[tuple[tuple[Any, ...], Iterable[tuple[Any, ...]]]]) -> list[Any]:
    """Cases with the ways that each may go: one of them in every run, taking turns, the others in a soak."""
    found = []
    for number, (case, may) in enumerate(cases):
        every = list(may)
        for way in every:
            often = way == every[number % len(every)]
            found.append(pytest.param(*case, *way, marks=() if often else pytest.mark.soak))
    return found


OUTAGES: Final = spread(
    ((venue, how), product(ways(venue), LOOPS)) for venue, how in product(VENUES, Unreachable)
)
ANSWERS: Final = spread(
    ((venue, entry, fault), product(AWAY, LOOPS))
    for venue in VENUES
    for entry, fault in product(ways(venue), UNKNOWNS)
)


@pytest.mark.parametrize(("venue", "how", "order_entry", "anyio_backend"), OUTAGES)
async def test_an_hour_out_of_reach_fails_no_order(venue: str, order_entry: str, how: Unreachable) -> None:
    """While nobody can be asked no order is taken for over, and after the return both sides agree on all of them."""
    result = await outage(venue, how, order_entry)
    assert result.failed == 0
    assert result.found.problems == []
    assert result.found.orders >= 5


@pytest.mark.parametrize(("venue", "order_entry", "fault", "kind", "anyio_backend"), ANSWERS)
async def test_an_answer_that_goes_astray_is_settled(
    venue: str, order_entry: str, fault: str, kind: str
) -> None:
    """However the answer to a placement is lost, its order ends up as what the venue holds."""
    result = await answerless(venue, fault, order_entry, AWAY[kind])
    assert result.found.problems == []
    assert result.found.orders == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the venue's server knows no other
async def test_a_killed_client_finds_every_order_again() -> None:
    """After SIGKILL at a random moment under faults and a restart, store and venue agree; every intent was on disk in time."""
    async with anyio.create_task_group() as tasks:  # most of it is waiting until absence is a proof
        for venue in VENUES:
            tasks.start_soon(killed, venue, 2)


@pytest.mark.soak
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("venue", VENUES)
async def test_twenty_killed_clients_find_every_order_again(venue: str) -> None:
    """The same under every plan of faults, and more than once; `python -m tests.trials crash` runs as many as one likes."""
    await killed(venue, 20)


async def killed(venue: str, runs: int) -> None:
    """Kill so many clients."""
    done = await crash.trials(venue, runs)
    assert [problem for run in done for problem in run.found.problems] == []
    assert sum(run.unwritten for run in done) == 0
    assert sum(run.seen for run in done) > runs
