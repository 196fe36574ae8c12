"""The trading client as a process: started, spoken to, killed at the worst moment, started again with the same store."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field
from tests.trials.comparing import told

from demo.words import Command, Compared, Money, Opened, OrderSaid, Word, line, words
from venuekit import InFlightOrder, SqliteOrderStore
from venuekit.drivers.tasks import helpers
from venuekit_spec import LocalError, Seconds

ROOT: Final = Path(__file__).resolve().parents[1]
LONGEST: Final = 1 << 20
"""Bytes of a line."""
GRACE: Final[Seconds] = 5.0
"""How long a client that is told to end may take."""


class ClientFailed(LocalError):
    """The trading client ended, and nobody told it to."""


@define(eq=False)
class Client:
    """One run of the trading client, and what it has said."""

    process: Process
    log: Path
    orders: dict[str, OrderSaid] = field(factory=dict)
    """As it said them last, by client order id."""
    found: list[OrderSaid] | None = None
    """What its store held when it opened; None until it has."""
    money: Money | None = None
    compared: list[Compared] = field(factory=list)
    leaving: bool = False
    ended: bool = False
    """It is gone, and all that it said is taken in."""

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    async def say(self, command: Command) -> None:
        """Ask it for something."""
        assert self.process.stdin is not None
        await self.process.stdin.send(line(command))

    async def listen(self) -> None:
        """Take in what it says until it ends. Raises `ClientFailed` where it ends unasked."""
        assert self.process.stdout is not None
        lines = BufferedByteReceiveStream(self.process.stdout)
        with suppress(anyio.EndOfStream, anyio.IncompleteRead):
            while True:
                self._take_in(words.decode(await lines.receive_until(b"\n", LONGEST)))
        code = await self.process.wait()
        self.ended = True
        if not self.leaving:
            said = self.log.read_text(errors="replace").strip().splitlines()
            raise ClientFailed(f"the client ended with {code}: {said[-1] if said else 'without a word'}")

    def kill(self) -> None:
        """SIGKILL: it gets no chance to do anything any more."""
        self.leaving = True
        self.process.send_signal(signal.SIGKILL)

    async def leave(self) -> int:
        """Let it end by itself; its exit code."""
        assert self.process.stdin is not None
        self.leaving = True
        await self.process.stdin.aclose()
        with anyio.fail_after(GRACE):
            return await self.process.wait()

    def _take_in(self, word: Word) -> None:
        match word:
            case OrderSaid():
                self.orders[word.client_order_id] = word
            case Opened():
                self.found = word.found
                self.orders = {order.client_order_id: order for order in word.found}
            case Money():
                self.money = word
            case Compared():
                self.compared.append(word)


@asynccontextmanager
async def running(venue: str, address: str, store: Path) -> AsyncIterator[Client]:
    """A trading client of a local venue, as a process of its own; it does not outlive this."""
    log = store.with_suffix(".log")
    with log.open("wb") as errors:
        process = await anyio.open_process(
            [sys.executable, "-m", "demo.client", venue, address, str(store)],
            cwd=ROOT,
            env={**os.environ, "VENUEKIT_STATE": str(store.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is the demo's, which ends it
        )
    client = Client(process, log)
    try:
        async with helpers() as tasks:
            tasks.start_soon(client.listen)
            yield client
    finally:
        client.leaving = True
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


# --- what is on disk


def on_disk(store: Path) -> dict[str, str]:
    """The orders in a client's store by client order id, and their states, read through a connection of our own."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT client_order_id, state FROM orders"))


async def accounted(store: Path) -> list[dict[str, Any]]:
    """Every order in a client's store, as trials compare it with the venue's."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        keys = connection.execute("SELECT account, client_order_id FROM orders").fetchall()
    opened = SqliteOrderStore(store)
    await opened.open()
    try:
        stored = [opened.load(account, id_) for account, id_ in keys]
    finally:
        await opened.aclose()
    return [told(InFlightOrder(each.record, each.fills)) for each in stored if each is not None]
