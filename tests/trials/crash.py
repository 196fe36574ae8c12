"""The crash trial: a trading client is killed at a random moment, under faults, and started again.

Before the first byte of an order is looked at, the venue opens the client's store by a connection of its own: the intent must
be there. After the restart, store and venue must agree on every order and every fill.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

import anyio
from anyio.abc import Process
from attrs import define, evolve
from tests.trials.comparing import Findings, compare
from tests.trials.venues import dialect, has_pool

from venuekit import SystemClock
from venuekit_simulator.faults import Fault, FaultKind, FaultPlan
from venuekit_simulator.server import serve
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import CallKind, NewOrder

ROOT: Final = Path(__file__).resolve().parents[2]
LIFE: Final = (0.05, 1.5)
"""Seconds between which a client lives after its first order."""

PLACE: Final = frozenset({CallKind.PLACE})
CHANGE: Final = frozenset({CallKind.PLACE, CallKind.CANCEL, CallKind.AMEND})

RESTART: Final = Fault(kind=FaultKind.RESTART, seconds=0.3)
AT_THE_KILL: Final = "restart at the kill"
"""The venue goes down with its client: what was in its memory only is gone."""

PLANS: Final[dict[str, tuple[Fault, ...]]] = {
    "none": (),
    "lost replies": (Fault(kind=FaultKind.LOST, on=CHANGE, probability=0.3),),
    "5xx after": (Fault(kind=FaultKind.ERROR_AFTER, on=CHANGE, probability=0.3),),
    "5xx before": (Fault(kind=FaultKind.ERROR_BEFORE, on=CHANGE, probability=0.3),),
    "slow replies": (Fault(kind=FaultKind.SLOW, on=CHANGE, probability=0.5, seconds=0.5),),
    "events first": (Fault(kind=FaultKind.EVENTS_FIRST, on=PLACE, probability=0.7),),
    "frames lost": (
        Fault(kind=FaultKind.DROP, probability=0.02),
        Fault(kind=FaultKind.DOUBLE, probability=0.05),
    ),
    "sockets cut": (Fault(kind=FaultKind.CUT, probability=0.01),),
    "restart": (evolve(RESTART, at=2.0),),
    AT_THE_KILL: (),
}


@define
class Run:
    """One client that was killed, and what was found afterwards."""

    plan: str
    found: Findings
    seen: int
    """Orders whose first byte the venue saw."""
    unwritten: int
    """Those of them that were not in the store by then."""


class Witness:
    """Looks into the client's store at the first byte of each order."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self.seen: list[str] = []
        self.unwritten: list[str] = []

    def __call__(self, _account: str, order: NewOrder) -> None:
        """An order has arrived."""
        self.seen.append(order.client_order_id)
        with sqlite3.connect(f"file:{self._store}?mode=ro", uri=True) as connection:
            found = connection.execute(
                "SELECT count(*) FROM orders WHERE client_order_id = ?", (order.client_order_id,)
            )
            if found.fetchone() != (1,):
                self.unwritten.append(order.client_order_id)
        connection.close()


async def trial(venue: str, seed: int) -> Run:
    """One run."""
    random = Random(f"{venue} crash {seed}")
    plan = list(PLANS)[seed % len(PLANS)]
    plugin = dialect(venue)
    local = LocalVenue(plugin, clock=SystemClock(), seed=seed, faults=FaultPlan(PLANS[plan]))
    with TemporaryDirectory() as folder:
        store = Path(folder) / "orders.sqlite"
        witness = Witness(store)
        local.on_order.append(witness)
        async with served(local) as address:
            arguments = (venue, address, str(store), str(seed))
            async with client("trade", *arguments, folder=folder) as trading:
                await first_line(trading)
                await anyio.sleep(random.uniform(*LIFE))
                trading.send_signal(signal.SIGKILL)
                await trading.wait()
            if plan == AT_THE_KILL:
                local.inject(RESTART)
            local.pause_flow()
            output = await anyio.run_process(
                command("settle", *arguments), cwd=ROOT, env=environment(folder), stderr=None
            )
            says = [json.loads(line) for line in output.stdout.splitlines()]
            forgot = plan in {"restart", AT_THE_KILL} and has_pool(venue)
            found = compare(local.engine, plugin.accounts()[0].name, says, forgot=forgot)
    return Run(plan, found, len(witness.seen), len(witness.unwritten))


@asynccontextmanager
async def served(local: LocalVenue) -> AsyncIterator[str]:
    """Serve a venue at a free port; its address."""
    ready = anyio.Event()
    address: list[str] = []

    def told(url: str) -> None:
        address.append(urlsplit(url).netloc)
        ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, local, port=0, ready=told))
        await ready.wait()
        yield address[0]
        tasks.cancel_scope.cancel()


def command(*arguments: str) -> list[str]:
    """The client program."""
    return [sys.executable, "-m", "tests.trials.client", *arguments]


def environment(folder: str) -> dict[str, str]:
    """Nothing of the machine's own state is used."""
    return {**os.environ, "VENUEKIT_STATE": folder}


@asynccontextmanager
async def client(*arguments: str, folder: str) -> AsyncIterator[Process]:
    """The client as a process; killed at the end at the latest."""
    async with await anyio.open_process(
        command(*arguments), cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, stderr=None
    ) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def first_line(process: Process) -> None:
    """Wait until the client says something."""
    assert process.stdout is not None
    with anyio.fail_after(30):
        await process.stdout.receive()


async def trials(venue: str, runs: int, at_once: int = 5) -> list[Run]:
    """So many runs, a few at a time: most of each is waiting."""
    done: list[Run] = []
    limit = anyio.Semaphore(at_once)

    async def one(seed: int) -> None:
        async with limit:
            done.append(await trial(venue, seed))

    async with anyio.create_task_group() as tasks:
        for seed in range(runs):
            tasks.start_soon(one, seed)
    return done
