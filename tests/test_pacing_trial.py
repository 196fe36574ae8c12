"""The pacing trial: what the venue counts never exceeds a pool, and clients that want more are given nearly all of it."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from attrs import evolve
from tests.trials.commands import ROOT, command, environment, secrets
from tests.trials.crash import served
from tests.trials.pacing import LOADS, scene, trial
from tests.trials.venues import credentials, dialect

from venuekit import SystemClock, VenuekitError, open_exchange
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import CallKind, after

VENUES = ["exchange_a"]

LATENCY = 0.05
"""Seconds one way, where it has to be known what was under way."""

PAUSE = 30.0

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("venue", VENUES)]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Locks of keys are in a folder of the test's own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("anyio_backend", "load", "seconds"),
    [("asyncio", "orders", 32.0), ("trio", "orders", 23.0), ("asyncio", "reads", 63.0)],
    indirect=["anyio_backend"],
)
async def test_no_pool_is_exceeded_and_what_it_holds_is_used(venue: str, load: str, seconds: float) -> None:
    """Two exchange objects of one key ask without pause: nothing is refused, 90% of each whole window is used at least."""
    done = await trial(venue, load, seconds)
    assert not done.over
    assert done.refused == 0
    assert not done.errors
    assert done.pressed.windows
    assert done.pressed.worst >= 0.9


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("seconds", [8.0, pytest.param(60.0, marks=pytest.mark.soak)])
async def test_an_uneven_network_does_not_matter(venue: str, seconds: float) -> None:
    """Messages that take from 10 ms to half a second, many at once: nothing is refused either."""
    done = await trial(venue, "slow, uneven network", seconds)
    assert (done.over, done.refused, list(done.errors)) == ([], 0, [])


@pytest.mark.parametrize(
    ("anyio_backend", "kind", "on"),
    [
        ("asyncio", FaultKind.RATE_LIMITED, CallKind.PLACE),
        ("trio", FaultKind.RATE_LIMITED, CallKind.QUERY),
        ("trio", FaultKind.BANNED, CallKind.PLACE),
        ("asyncio", FaultKind.BANNED, CallKind.QUERY),
    ],
    indirect=["anyio_backend"],
)
async def test_retry_after_is_obeyed(venue: str, kind: FaultKind, on: CallKind) -> None:
    """From when the refusal was read until its pause is over nothing arrives, of neither exchange object; then it goes on."""
    load = evolve(LOADS["everything"], tasks=1, seconds=PAUSE + 15.0)
    fault = Fault(kind=kind, on={on}, nth=5, seconds=PAUSE)
    errors: list[VenuekitError] = []
    async with scene(venue, latency=LATENCY, faults=[fault]) as there:
        await there.press(load, errors)
        (refusal,) = there.venue.injections
        read = after(refusal.at, LATENCY)
        over = after(refusal.at, LATENCY + PAUSE)
        arrivals = there.auditor.arrivals
        late = [at for at in arrivals if after(read, LATENCY) < at < after(over, LATENCY)]
        assert not late
        assert [at for at in arrivals if at >= over]
        assert there.venue.injected[kind] == 1
        assert there.auditor.usage.refused.total() == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_second_process_is_refused(venue: str, state: Path) -> None:
    """Another process that uses the key is told who has it, in a line that does not show it."""
    local = LocalVenue(dialect(venue), clock=SystemClock(), flow=False)
    async with served(local) as address:
        place = f"local@{address}"
        async with open_exchange(venue, environment=place, credentials=credentials(venue), store=":memory:"):
            ended = await anyio.run_process(
                command("balances", venue, "--environment", place),
                cwd=ROOT,
                env=environment(venue, state),
                check=False,
            )
    told = (ended.stdout + ended.stderr).decode()
    assert ended.returncode == 1, told
    assert f"process {os.getpid()} trades on {venue}" in told
    assert "Traceback" not in told
    assert not [secret for secret in secrets(venue) if secret in told]
