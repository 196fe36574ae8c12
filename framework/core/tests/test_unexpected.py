"""What no connector and no venue may do, and what it costs: the connection that met it, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, cast

import msgspec
import pytest
from framework.core.tests.test_exchange import links, served, told
from framework.core.tests.venues import IN_BAND, RANGES, SOCKET, ToyConnector, ToySession, ToySource, ToyVenue

from venuekit import BookState, LinkChange, LinkState, LoadedConnector, SnapshotFailed, connect
from venuekit.venue import Task
from venuekit_spec import (
    NOTHING,
    BookSnapshot,
    Continuity,
    Dial,
    Environment,
    Flow,
    Instant,
    Instrument,
    InstrumentTable,
    LocalError,
    MalformedMessage,
    Outputs,
    Run,
    SnapshotSource,
    SyncRule,
    Topic,
    Wake,
    hookimpl,
)

pytestmark = pytest.mark.anyio

PAIRS = ["P1-USD", "P2-USD", "P3-USD"]
COUNTED = SyncRule(SnapshotSource.IN_BAND, per_connection=True)


class OddSession(ToySession):
    """A toy session that does on command what no other does: ``{"do": ...}`` names it."""

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """As the toy's, and what is asked for."""
        said: dict[str, Any] = msgspec.json.decode(frame)
        return _DOES[said["do"]](said, now) if "do" in said else super().feed(frame, now)

    def tick(self, now: Instant) -> Outputs:
        """Fails."""
        raise KeyError("a secret")


class OddSource(ToySource):
    """A source that fails where `failing` says, each time that it is asked."""

    def __init__(self, failing: set[str]) -> None:
        super().__init__(SOCKET)
        self._failing = failing

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """As the toy's."""
        self._fail("dial")
        return (yield from super().dial(topics))

    def session(self, dial: Dial, instruments: InstrumentTable) -> ToySession:
        """An odd one."""
        self._fail("session")
        return OddSession()

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot]:
        """As the toy's, or none at all for the first pair."""
        snapshot = yield from super().snapshot(topic, instrument)
        if instrument.id == PAIRS[0]:
            self._fail("snapshot")
            if "type" in self._failing:
                return cast("BookSnapshot", None)
        return snapshot

    def _fail(self, where: str) -> None:
        if where in self._failing:
            raise KeyError("a secret")


class OddConnector(ToyConnector):
    """The plugin."""

    def __init__(self, rule: SyncRule, topics: int, failing: set[str]) -> None:
        super().__init__(rule, SOCKET, topics)
        self._failing = failing

    @hookimpl
    def data_source(self, environment: Environment) -> ToySource:
        """An odd one."""
        return OddSource(self._failing)


def odd(rule: SyncRule = RANGES, *, topics: int = 1000, failing: set[str] | None = None) -> LoadedConnector:
    """The connector, loaded."""
    return connect(OddConnector(rule, topics, set() if failing is None else failing), "toy")


def _raise(said: dict[str, Any], now: Instant) -> Outputs:
    raise KeyError("a secret")


def _flow() -> Flow[None]:
    yield from ()
    raise LocalError("this flow has no way")


def _lose(said: dict[str, Any], now: Instant) -> Outputs:
    raise MalformedMessage("no number", topic=said["topic"], instrument="P1-USD")


_DOES: dict[str, Callable[[dict[str, Any], Instant], Outputs]] = {
    "raise": _raise,
    "run": lambda said, now: [Run("odd", _flow())],
    "wake": lambda said, now: [Wake(now + said["in"])],
    "nothing": lambda said, now: cast("Outputs", 5),
    "lose": _lose,
    "number": lambda said, now: [Continuity(n=said["n"], scope=said.get("scope", ""))],
    "none": lambda said, now: NOTHING,
}


@pytest.mark.parametrize("bug", ["raise", "nothing", "run", "wake"])
async def test_session_with_a_bug_costs_its_connection(bug: str) -> None:
    """A session that raises what it must not is told, without what the error says, and its topics are dialled again."""
    venue = ToyVenue(PAIRS)
    async with served(venue, odd(topics=1)) as exchange:
        events, sockets = exchange.events(), len(venue.websockets.sockets)
        venue.push({"do": bug, "in": 0}, venue.serving("book:P1-USD"))
        await venue.until(lambda: len(venue.websockets.sockets) == sockets + 1)
        await venue.until(lambda: not venue.wrong(exchange))
        lost = [reason for state, reason in links(events) if state is LinkState.LOST]
        assert len(lost) == 1
        assert "a secret" not in lost[0]
        assert lost[0].startswith("this flow has no way" if bug == "run" else "toy: unexpected ")
        assert {event.link for event in told(events, LinkChange)} == {"toy.1"}


@pytest.mark.parametrize("where", ["dial", "session"])
async def test_source_with_a_bug_is_asked_again(where: str) -> None:
    """A source that cannot open a socket costs an attempt, with backoff; no socket is left behind."""
    venue, failing = ToyVenue(PAIRS), {where}
    async with venue.opened(odd(failing=failing)) as exchange:
        events = exchange.events()
        await venue.settle()
        await venue.clock.advance(600)
        lost = [reason for state, reason in links(events) if state is LinkState.LOST]
        assert 5 < len(lost) < 100
        assert "unexpected KeyError at test_unexpected.py:" in lost[0]
        assert all(socket.closed for socket in venue.websockets.sockets)
        failing.clear()
        await venue.until(lambda: not venue.wrong(exchange))


@pytest.mark.parametrize("bug", ["snapshot", "type"])
async def test_snapshot_with_a_bug_costs_its_pair(bug: str) -> None:
    """A snapshot that cannot be made of the answer is told and asked for again; other pairs do not notice."""
    venue, failing = ToyVenue(PAIRS), {bug}
    async with venue.opened(odd(failing=failing)) as exchange:
        events = exchange.events()
        await venue.settle()
        assert venue.wrong(exchange) == ["P1-USD"]
        assert "a secret" not in str(told(events, SnapshotFailed)[0].error)
        failing.clear()
        await venue.until(lambda: not venue.wrong(exchange))


async def test_nothing_counts_once_a_socket_is_to_end() -> None:
    """What comes by a socket after the decision to end it reaches no book."""
    venue = ToyVenue(["P1-USD"], in_band=True)
    async with served(venue, odd(SyncRule(SnapshotSource.IN_BAND))) as exchange:
        venue.push({"redial": "maintenance"})
        venue.push({"delta": "P1-USD", "bids": [("100", "9")]})
        await venue.settle()
        assert exchange.books["P1-USD"].state is BookState.STALE
        assert exchange.counters()["P1-USD"].deltas == 0


@pytest.mark.parametrize(
    ("scope", "costs"), [("", 2), ("book", 2), ("book:P2-USD", 1), ("trades", 0), ("channel 7", 2)]
)
async def test_hole_costs_the_books_of_its_scope(scope: str, costs: int) -> None:
    """A sequence of one channel or topic speaks for that; one whose scope names nothing known, for everything."""
    venue = ToyVenue(["P1-USD", "P2-USD"], in_band=True)
    async with served(venue, odd(COUNTED), channels=["book", "trades"]) as exchange:
        for number in (1, 3):
            venue.push({"do": "number", "n": number, "scope": scope})
        await venue.settle()
        assert sum(counters.gaps for counters in exchange.counters().values()) == costs
        assert exchange.link_counters()["toy.1"].holes == 1


async def test_sequence_of_a_connection_that_begins_anew() -> None:
    """Numbers that start over are a hole; they are not taken for repetitions until they have caught up."""
    venue = ToyVenue(["P1-USD"], in_band=True)
    async with served(venue, odd(COUNTED)) as exchange:
        for number in (1000, 1001, 1, 2):
            venue.push({"do": "number", "n": number})
        await venue.settle()
        assert exchange.counters()["P1-USD"].gaps == 1
        venue.push({"n": 3, "delta": "P1-USD", "bids": [("100", "7")]})
        await venue.settle()
        assert exchange.books["P1-USD"].best_bid == (100, 7)


async def test_renewals_of_one_moment_go_together() -> None:
    """A hole that costs every book of a socket costs the venue two frames, not two for each book."""
    venue = ToyVenue(PAIRS, in_band=True)
    async with served(venue, odd(COUNTED)) as exchange:
        venue.told.clear()
        for number in (1, 3):
            venue.push({"do": "number", "n": number})
        await venue.until(lambda: not venue.wrong(exchange))
        topics = [f"book:{pair}" for pair in PAIRS]
        assert venue.told == [{"op": op, "topics": topics} for op in ("unsubscribe", "subscribe")]
        assert exchange.link_counters()["toy.1"].renewals == 3


@pytest.mark.parametrize(
    ("topic", "costs"), [("", 1), ("level2", 1), ("trades:P1-USD", 0), ("book:P1-USD", 1)]
)
async def test_instrument_of_a_malformed_message(topic: str, costs: int) -> None:
    """A message lost for an instrument is lost for its book, unless it is known to have been of another topic."""
    venue = ToyVenue(PAIRS, in_band=True)
    async with served(venue, odd(IN_BAND), channels=["book", "trades"]) as exchange:
        venue.push({"do": "lose", "topic": topic})
        await venue.settle()
        assert {id_: counters.gaps for id_, counters in exchange.counters().items()} == {
            "P1-USD": costs,
            "P2-USD": 0,
            "P3-USD": 0,
        }


async def test_book_that_never_holds_is_repaired_with_pauses() -> None:
    """A feed whose every message is a gap is not answered by a snapshot for every message."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue) as exchange:
        for _ in range(600):
            venue.move("P1-USD", lose=True)
            venue.move("P1-USD")
            await venue.clock.advance(1)
        assert 5 < venue.asked["P1-USD"] < 100
        await venue.until(lambda: not venue.wrong(exchange), limit=61)


async def test_wake_with_every_frame() -> None:
    """A session that puts its timer off with every frame keeps one task waiting, not one for each frame."""
    venue = ToyVenue(["P1-USD"])
    async with served(venue, odd()) as exchange:
        events = exchange.events()
        started: list[Task] = []
        spawn = exchange._venue.spawn

        def counted(task: Task) -> None:
            started.append(task)
            spawn(task)

        object.__setattr__(exchange._venue, "spawn", counted)
        for _ in range(100):
            venue.push({"do": "wake", "in": 5_000_000_000})
            await venue.clock.advance(0.1)
        assert len(started) <= 4
        assert links(events) == []
        await venue.clock.advance(4.8)
        assert links(events) == []
        await venue.until(lambda: bool(links(events)), limit=0.3)


async def test_topic_lost_after_the_exchange_was_closed() -> None:
    """An exchange that was closed early stays closed whatever the venue still says."""
    venue = ToyVenue(PAIRS)
    async with served(venue) as exchange:
        exchange.close()
        venue.push({"lost": "book:P1-USD", "reason": "paused", "final": False})
        venue.push({"do": "none"})
        await venue.settle()
        assert {book.state for book in exchange.books.values()} == {BookState.CLOSED}
