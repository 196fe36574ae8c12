"""One venue of the demo: the venue itself, whose faults are ours to inject, and an exchange that watches its book.

Both live in this process and speak over a port of this machine. Trading is done by a process of its own (`trading`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import anyio
from attrs import define, evolve, field, frozen
from tests.trials.comparing import STATES
from tests.trials.crash import served

from demo.scenes import Scene
from demo.trading import Client, on_disk
from venuekit import (
    BookState,
    Exchange,
    LoadedConnector,
    OrderBook,
    StateChange,
    SystemClock,
    load_connector,
    open_exchange,
)
from venuekit.books.changes import BookMessage
from venuekit_simulator import LocalVenue, load_dialect
from venuekit_spec import Instrument, OrderStatus, Seconds, VenueOrder, seconds_between

TICK: Final[Seconds] = 0.01
"""How often a condition is looked at."""


@frozen
class Fact:
    """One thing that was to be shown: what came of it, and whether it came true."""

    figure: str
    true: bool = True


@define(eq=False)
class Stage:
    """A venue, what watches it, and what has been shown there so far."""

    scene: Scene
    local: LocalVenue
    address: str
    exchange: Exchange
    instrument: Instrument
    store: Path
    client: Client | None = None
    names: dict[str, str] = field(factory=dict)
    """What the story calls an order, by client order id; in order of placement."""
    facts: dict[str, Fact] = field(factory=dict)
    changes: list[StateChange] = field(factory=list)
    """The states of the book, since frames of it were lost last."""

    @property
    def book(self) -> OrderBook:
        """The live book."""
        return self.exchange.books[self.instrument.id]

    @property
    def account(self) -> str:
        """The example account, by the venue's name of it."""
        return self.local.plugin.accounts()[0].name

    @property
    def at_venue(self) -> dict[str, VenueOrder]:
        """The account's orders as the venue holds them, by client order id."""
        return {order.intent.client_order_id: order for order in self.local.engine.orders(self.account)}

    @property
    def frames(self) -> int:
        """How many frames the watching exchange got."""
        return sum(link.frames for link in self.exchange.link_counters().values())

    def client_says(self, id_: str) -> str:
        """The state of an order on the client's side: in its words, or in its store's where it says nothing of it."""
        if self.client is not None and id_ in self.client.orders:
            return self.client.orders[id_].state
        return on_disk(self.store).get(id_, "nothing")

    def agrees(self, id_: str) -> bool:
        """Whether the venue has made up its mind about an order, and the client says the same."""
        held = self.at_venue.get(id_)
        if held is None or held.status is OrderStatus.PENDING:
            return False
        return self.client_says(id_) in STATES[held.status]

    def follow(self) -> None:
        """Keep what befalls the book from now on."""

        def notice(message: BookMessage) -> None:
            if isinstance(message, StateChange):
                self.changes.append(message)

        self.book.listeners.append(notice)


@frozen
class Repair:
    """How a loss was noticed and repaired: when it was (seconds after the loss), the reason told, and how long it took."""

    noticed: Seconds
    reason: str
    took: Seconds


def repair(stage: Stage) -> Repair | None:
    """The repair after the loss of frames; None while it is not complete."""
    lost = next((each.at for each in stage.local.injections if each.fault is stage.scene.loss), None)
    gap = None
    for change in stage.changes:
        if change.state is BookState.GAP:
            gap = change
        elif change.state is BookState.LIVE and gap is not None and lost is not None:
            return Repair(seconds_between(lost, gap.at), gap.reason, seconds_between(gap.at, change.at))
    return None


async def until(condition: Callable[[], bool], seconds: Seconds = 20.0) -> None:
    """Return once it is so. Raises `TimeoutError` where it does not become so."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110  # of other processes, and of many things at once
            await anyio.sleep(TICK)


@asynccontextmanager
async def staged(scene: Scene, folder: Path) -> AsyncIterator[Stage]:
    """A venue on a free port of this machine, and its book."""
    plugin, clock = load_dialect(scene.venue), SystemClock()
    local = LocalVenue(plugin, clock=clock, seed=scene.seed)
    instrument = plugin.listings()[0].instrument
    place = folder / scene.venue
    place.mkdir()
    async with (
        served(local) as address,
        open_exchange(
            _connector(scene),
            pairs=[instrument.id],
            channels=[scene.channel],
            environment=f"local@{address}",
            clock=clock,
        ) as exchange,
    ):
        stage = Stage(scene, local, address, exchange, instrument, place / "orders.sqlite")
        stage.follow()
        yield stage


def plain(number: Decimal) -> str:
    """A number for the eye: groups of thousands, no zeros at its end."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _connector(scene: Scene) -> LoadedConnector:
    """The connector of a venue, its audits as often as the scene has them."""
    loaded = load_connector(scene.venue)
    if not scene.audit:
        return loaded
    topics = tuple(
        rule
        if rule.sync is None
        else evolve(rule, sync=evolve(rule.sync, audit=scene.audit, audit_window=scene.window))
        for rule in loaded.description.topics
    )
    return evolve(loaded, description=evolve(loaded.description, topics=topics))
