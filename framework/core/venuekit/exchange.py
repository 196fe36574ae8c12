"""Exchange: the first user's face. One venue, opened; its books, trades and events.

    async with venuekit.open_exchange("binance", pairs=["BTC-USDT"]) as exchange:
        book = exchange.books["BTC-USDT"]
        await book.wait_live()
        print(book.best_bid, book.best_ask, book.proof)
        async for book in book.changes():
            ...

Everything runs in one task group that ends with the ``async with``: no task and no socket is left behind.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from os import PathLike
from random import Random
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

from anyio.abc import TaskGroup
from attrs import frozen

from venuekit.books.book import OrderBook
from venuekit.books.changes import BookDrift, StateChange
from venuekit.books.counters import Counters
from venuekit.books.level_entry import OrderBookTrackerEntry
from venuekit.books.order_book import OrderByOrderBook
from venuekit.books.order_entry import OrderByOrderEntry
from venuekit.books.orders import OrderCounters
from venuekit.books.states import BookState
from venuekit.books.tracker import AnyEntry, Need, NeedCallback
from venuekit.broadcast import Broadcast, Subscription
from venuekit.clock import Clock, SystemClock
from venuekit.clock_offset import ClockOffset, OffsetEstimate
from venuekit.connection import DIALS, Connection
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.http import HttpTransport
from venuekit.drivers.tasks import helpers
from venuekit.drivers.websocket import WebSocketTransport
from venuekit.events import Event
from venuekit.feeds import Feeds, TradeFeed
from venuekit.link import LinkCounters
from venuekit.loader import LoadedConnector, load_connector
from venuekit.pacing import PACERS, PacerRegistry
from venuekit.sharding import shard, topic_rule
from venuekit.snapshots import Snapshots
from venuekit.venue import Task, Venue
from venuekit_spec import (
    CONTRACT_VERSION,
    MILLISECOND,
    Auth,
    Capability,
    Channel,
    Credentials,
    Description,
    Environment,
    InstrumentTable,
    LocalError,
    RatePool,
    Seconds,
    SnapshotSource,
    SyncRule,
    Topic,
    TopOfBook,
    Trade,
    Unsupported,
    VenuekitError,
)

OFFSET_PERIOD: Final[Seconds] = 300.0
"""How often the venue's clock is asked for."""

_log = logging.getLogger(__name__)


class Transports(Protocol):
    """Where an exchange's requests and sockets go: the network by default, a tape in a replay."""

    @property
    def http(self) -> HttpTransport:
        """For requests."""
        ...

    @property
    def websockets(self) -> WebSocketTransport:
        """For sockets."""
        ...

    def started(self) -> None:
        """The core has started a task of its own accord, which a replay lets run before the next record."""
        ...


@frozen
class NetworkTransports:
    """The real ones."""

    http: HttpTransport
    websockets: WebSocketTransport

    def started(self) -> None:
        """Nothing: the network waits for nobody."""

    @classmethod
    def on(cls, clock: Clock) -> NetworkTransports:
        """Transports over the network that read time from `clock`."""
        from venuekit.drivers.anyio_websocket import AnyioWebSocketTransport
        from venuekit.drivers.httpx_http import HttpxTransport

        return cls(HttpxTransport(clock), AnyioWebSocketTransport(clock))


class Exchange:
    """One venue in one environment. Made by `open_exchange`.

    `books` by canonical id: of levels where they were opened, else of orders. `order_books` are those of orders, also where
    both were opened. `instruments` has all that the venue lists.
    """

    def __init__(
        self,
        connector: LoadedConnector,
        environment: Environment,
        venue: Venue,
        entries: Mapping[Topic, AnyEntry],
        feeds: Feeds,
        connections: list[Connection],
    ) -> None:
        self.connector = connector
        self.environment = environment
        orders = {
            topic.instrument: entry
            for topic, entry in entries.items()
            if isinstance(entry, OrderByOrderEntry)
        }
        levels = {
            topic.instrument: entry for topic, entry in entries.items() if topic.channel is not Channel.ORDERS
        }
        self._read: Mapping[str, AnyEntry] = {**orders, **levels}
        self._orders = orders
        self.books: Mapping[str, OrderBook] = MappingProxyType(
            _Opened({id_: entry.book for id_, entry in self._read.items()})
        )
        self.order_books: Mapping[str, OrderByOrderBook] = MappingProxyType(
            _Opened({id_: entry.order_book for id_, entry in orders.items()})
        )
        self._venue = venue
        self._entries = entries
        self._feeds = feeds
        self._connections = connections

    def __repr__(self) -> str:
        live = sum(entry.book.live for entry in self._entries.values())
        return (
            f"<Exchange {self._venue.id} {self.environment.name}, {live} of {len(self._entries)} books live>"
        )

    @property
    def description(self) -> Description:
        """What is true of the venue."""
        return self._venue.description

    @property
    def instruments(self) -> InstrumentTable:
        """Every instrument of this environment."""
        return self._venue.instruments

    @property
    def clock(self) -> Clock:
        """The clock that everything here runs by."""
        return self._venue.clock

    @property
    def clock_offset(self) -> OffsetEstimate | None:
        """The venue's clock less ours, and how sure that is; None until it has been measured."""
        return self._venue.offset.estimate(self._venue.clock.now())

    async def wait_live(self) -> None:
        """Return once every book is LIVE or CLOSED (its subscription refused: see `events`)."""
        for book in [entry.book for entry in self._entries.values()]:
            async with book.changes() as changes:
                async for _ in changes:
                    if book.live or book.state is BookState.CLOSED:
                        break

    def close(self, reason: str = "the exchange was closed") -> None:
        """Close every book, and end what is read from here after what is queued. Leaving the ``async with`` does it."""
        for entry in self._entries.values():
            entry.close(reason, self._venue.clock.now())
        self._feeds.close()
        self._venue.events.close()

    def trades(self, pair: str, buffer: int = 10_000) -> Subscription[Trade]:
        """The public trades of a pair from now on, each once. Raises `LocalError` when it was opened without trades."""
        if pair not in self._feeds.trades:
            raise LocalError(f"{pair!r} was opened without trades; open it with channels=['book', 'trades']")
        return self._feeds.trades[pair].subscribe(buffer)

    def tops(self, pair: str, buffer: int = 10_000) -> Subscription[TopOfBook]:
        """Best bid and ask of a pair, as the venue tells them on a channel of their own.

        Raises `LocalError` when the pair was opened without.
        """
        if pair not in self._feeds.tops:
            raise LocalError(
                f"{pair!r} was opened without best prices; open it with channels=['book', 'top']"
            )
        return self._feeds.tops[pair].subscribe(buffer)

    def events(self, buffer: int = 10_000) -> Subscription[Event]:
        """What happens to books and connections from now on."""
        return self._venue.events.subscribe(buffer)

    def counters(self) -> Mapping[str, Counters]:
        """What has happened to each of `books` so far."""
        return {id_: entry.counters for id_, entry in self._read.items()}

    def order_counters(self) -> Mapping[str, OrderCounters]:
        """What the events of each of `order_books` met that they should not, or need not."""
        return {id_: entry.order_counters for id_, entry in self._orders.items()}

    def link_counters(self) -> Mapping[str, LinkCounters]:
        """What has happened on each connection so far."""
        return {connection.name: connection.counters for connection in self._connections}

    async def measure_clock(self) -> None:
        """Ask the venue for its time, once. Raises what the flow raises."""
        clock = self._venue.clock
        sent = clock.now()
        told = await self._venue.flows.run(self._venue.source.server_time())
        self._venue.offset.sample(sent, clock.now(), told, MILLISECOND)

    async def keep_clock(self) -> None:
        """Measure the venue's clock for as long as the exchange is open."""
        while True:
            try:
                await self.measure_clock()
            except VenuekitError as error:
                _log.info("the time of %s could not be had: %s", self._venue.id, error)
            await self._venue.clock.sleep(OFFSET_PERIOD)


@asynccontextmanager
async def open_exchange(
    venue: str | LoadedConnector,
    *,
    pairs: Iterable[str],
    environment: str = "",
    channels: Iterable[str] = ("book",),
    variant: str = "",
    record: str | PathLike[str] | None = None,
    clock: Clock | None = None,
    transports: Transports | None = None,
    pacers: PacerRegistry = PACERS,
    credentials: Credentials | None = None,
    seed: int | None = None,
) -> AsyncIterator[Exchange]:
    """Open a venue: load its connector and its instruments, and track these pairs until the ``async with`` ends.

    `pairs` are canonical ids (``BTC-USDT``, ``BTC-USDT-PERP``). `channels` are of ``book``, ``orders`` (order by order),
    ``trades``, ``top``; `variant` picks among several book feeds where a venue has them (Kraken's depths), or among several
    of orders where no ``book`` is opened. `record` tapes the whole session into a file.
    `credentials` are an account's, for feeds that want a login.
    `clock` and `transports` are the machine's and the network's unless given; `seed` makes the jitter repeatable.

    Raises `ConnectorNotInstalled` and its kin, `UnknownInstrument` for a pair that the venue does not list, `LocalError` for
    a channel or environment it does not have, and `VenueError` when the instruments could not be had.
    """
    connector = load_connector(venue) if isinstance(venue, str) else venue
    description = connector.description
    where = description.environment(environment)
    source = connector.hooks.data_source(environment=where)
    signer = _signer(connector, where, credentials)
    topics = _topics(pairs, channels, variant, description)
    async with AsyncExitStack() as stack:
        clock = clock or SystemClock()
        transports = transports or NetworkTransports.on(clock)
        if record is not None:
            transports = stack.enter_context(
                _recording(transports, record, clock, description, where, topics)
            )
        stack.push_async_callback(transports.http.aclose)
        random = Random(seed)  # noqa: S311  # jitter, not cryptography
        flows = FlowRunner(
            transports.http,
            clock,
            pacers.pacer(f"{description.venue} {where.name}", (*description.pools, _dials(description))),
            random=random.random,
            limit_report=description.limit_report,
        )
        instruments = InstrumentTable(await flows.run(source.instruments()))
        for topic in topics:
            instruments[topic.instrument]
        tasks = await stack.enter_async_context(helpers())
        shared = Venue(
            description,
            source,
            instruments,
            clock,
            flows,
            transports.websockets,
            _spawner(tasks, transports),
            Broadcast(),
            random,
            ClockOffset(),
            signer,
        )
        exchange = _build(connector, where, shared, topics, tasks)
        try:
            yield exchange
        finally:
            tasks.cancel_scope.cancel()
            exchange.close()


def _dials(description: Description) -> RatePool:
    """How often one address may dial, as a pool among the others."""
    return RatePool(DIALS, description.sockets.dials, description.sockets.dial_period)


def _signer(connector: LoadedConnector, where: Environment, credentials: Credentials | None) -> Auth | None:
    if credentials is None:
        return None
    if not connector.offers("auth"):
        raise Unsupported(
            f"the connector {connector.description.venue!r} signs nothing: it takes no credentials"
        )
    return connector.hooks.auth(credentials=credentials, environment=where)


B = TypeVar("B", bound=OrderBook)


class _Opened(dict[str, B]):
    """Books by pair, with an answer for those that were not opened."""

    def __missing__(self, pair: str) -> B:
        raise LocalError(f"{pair!r} was not opened; open are {', '.join(self) or 'none'}")


def _topics(
    pairs: Iterable[str], channels: Iterable[str], variant: str, description: Description
) -> list[Topic]:
    if isinstance(pairs, str):
        raise LocalError(f"pairs is a list of pairs, not one text: [{pairs!r}]")
    if isinstance(channels, str):
        raise LocalError(f"channels is a list of channels, not one text: [{channels!r}]")
    try:
        wanted = [Channel(channel) for channel in channels]
    except ValueError as error:
        offered = dict.fromkeys(rule.channel for rule in description.topics)
        raise LocalError(f"{error}; channels are {', '.join(offered)}") from None
    varied = Channel.BOOK if Channel.BOOK in wanted else Channel.ORDERS
    topics = [
        Topic(channel, pair, variant if channel is varied else "")
        for pair in dict.fromkeys(pairs)
        for channel in wanted
    ]
    for topic in topics:
        topic_rule(topic, description)
    return topics


def _build(
    connector: LoadedConnector, where: Environment, venue: Venue, topics: list[Topic], tasks: TaskGroup
) -> Exchange:
    snapshots = Snapshots(venue)
    entries: dict[Topic, AnyEntry] = {}
    feeds = Feeds()
    owners: dict[AnyEntry, Connection] = {}

    def need(entry: AnyEntry, what: Need) -> None:
        owners[entry].need(entry, what)

    def shadow(entry: AnyEntry, need: NeedCallback) -> AnyEntry:
        return _entry(connector, venue, entry.topic, entry.rule, need)

    for topic in topics:
        rule = topic_rule(topic, venue.description)
        if rule.sync is not None:
            entry = entries[topic] = _entry(connector, venue, topic, rule.sync, need)
            entry.book.listeners.append(_teller(venue.events))
            if rule.sync.overlay and isinstance(entry, OrderBookTrackerEntry):
                feeds.overlaid[topic.instrument] = entry
            if rule.sync.snapshot is SnapshotSource.REST or rule.sync.audit is not None:
                tasks.start_soon(snapshots.audit, entry)
        elif topic.channel is Channel.TRADES:
            feeds.trades[topic.instrument] = TradeFeed()
        elif topic.channel is Channel.TOP:
            feeds.tops[topic.instrument] = Broadcast()
    connections: list[Connection] = []
    for number, part in enumerate(shard(topics, venue.description, venue.instruments), start=1):
        fed = [entry for entry in entries.values() if entry.topic in part]
        connection = Connection(f"{venue.id}.{number}", venue, part, fed, snapshots, feeds, shadow)
        connections.append(connection)
        owners.update(dict.fromkeys(fed, connection))
    exchange = Exchange(connector, where, venue, entries, feeds, connections)
    for connection in connections:
        tasks.start_soon(connection.run)
    if Capability.SERVER_TIME in venue.description.capabilities:
        tasks.start_soon(exchange.keep_clock)
    return exchange


def _entry(
    connector: LoadedConnector,
    venue: Venue,
    topic: Topic,
    rule: SyncRule,
    need: NeedCallback,
) -> AnyEntry:
    """What tracks the book of a topic: of levels, or of orders with the venue's tracker or the standard one."""
    instrument = venue.instruments[topic.instrument]
    if topic.channel is not Channel.ORDERS:
        return OrderBookTrackerEntry(topic, instrument, rule, need, venue=venue.id)
    offered = connector.offers("active_order_tracker")
    tracker = partial(connector.hooks.active_order_tracker, instrument=instrument) if offered else None
    return OrderByOrderEntry(topic, instrument, rule, need, venue=venue.id, tracker=tracker)


def _teller(events: Broadcast[Event]) -> Callable[[Any], None]:
    """A listener that passes on what is an event: not every message of a book is."""

    def tell(message: Any) -> None:
        if isinstance(message, (StateChange, BookDrift)):
            events.publish(message)

    return tell


def _spawner(tasks: TaskGroup, transports: Transports) -> Callable[[Task], None]:
    def spawn(task: Task) -> None:
        transports.started()
        tasks.start_soon(task)

    return spawn


@contextmanager
def _recording(
    transports: Transports,
    path: str | PathLike[str],
    clock: Clock,
    description: Description,
    where: Environment,
    topics: list[Topic],
) -> Iterator[NetworkTransports]:
    """The same transports, taped into `path` until the end."""
    from venuekit.tapes import Header, Recorder, RecordingHttpTransport, RecordingWebSocketTransport

    header = Header(
        venue=description.venue,
        environment=where.name,
        pairs=tuple(dict.fromkeys(topic.instrument for topic in topics)),
        topics=tuple(str(topic) for topic in topics),
        contract=CONTRACT_VERSION,
    )
    with Recorder(path, clock, header) as recorder:
        yield NetworkTransports(
            RecordingHttpTransport(transports.http, recorder),
            RecordingWebSocketTransport(transports.websockets, recorder),
        )
