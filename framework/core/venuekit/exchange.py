"""Exchange: the first user's face. One venue, opened; its books, trades and events.

    async with venuekit.open_exchange("binance", pairs=["BTC-USDT"]) as exchange:
        book = exchange.books["BTC-USDT"]
        await book.wait_live()
        print(book.best_bid, book.best_ask, book.proof)
        async for book in book.changes():
            ...

With credentials (or ``paper=True``) it has accounts, and trades:

    async with venuekit.open_exchange("exchange_a", pairs=["BTC-USDT"], credentials="env") as exchange:
        placement = await exchange.buy("BTC-USDT", "0.5", "30000")

Everything runs in one task group that ends with the ``async with``: no task and no socket is left behind. What trades is
imported only when it is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from os import PathLike
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from anyio import CancelScope, create_task_group
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
    Auth,
    Balance,
    Capability,
    Channel,
    Credentials,
    Description,
    Environment,
    FeeRates,
    Fill,
    Instant,
    InstrumentTable,
    LocalError,
    OrderReport,
    Permissions,
    Position,
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

if TYPE_CHECKING:
    from venuekit.credentials import Source
    from venuekit.orders import InFlightOrder, InFlightOrderStore
    from venuekit.trading import (
        Account,
        Number,
        OrderRequest,
        PaperSettings,
        Placement,
        PreTradeLimits,
    )

MAIN: Final = "main"
"""The name of the only account, where its credentials name none."""

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

    Its orders are those of an account (`account`); with one account `buy`, `cancel` and their kin are that account's.

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
        self.accounts: Mapping[str, Account] = MappingProxyType({})
        """By name; empty where it was opened without credentials."""
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

    # --- trading

    def account(self, name: str = "") -> Account:
        """An account by name, the first one by default. Raises `LocalError` where it was opened without credentials."""
        if not self.accounts:
            raise LocalError(
                f"{self._venue.id} was opened without credentials: it has no account to trade with; "
                "open it with credentials=..., or with paper=True"
            )
        if not name:
            return next(iter(self.accounts.values()))
        try:
            return self.accounts[name]
        except KeyError:
            raise LocalError(f"no account {name!r}; there is {', '.join(self.accounts)}") from None

    async def buy(self, pair: str, quantity: Number, price: Number | None = None, **more: Any) -> Placement:
        """`Account.buy` of the first account."""
        return await self.account().buy(pair, quantity, price, **more)

    async def sell(self, pair: str, quantity: Number, price: Number | None = None, **more: Any) -> Placement:
        """`Account.sell` of the first account."""
        return await self.account().sell(pair, quantity, price, **more)

    async def place(self, request: OrderRequest) -> Placement:
        """`Account.place` of the first account."""
        return await self.account().place(request)

    async def place_many(self, requests: Iterable[OrderRequest]) -> Sequence[Placement]:
        """`Account.place_many` of the first account."""
        return await self.account().place_many(requests)

    async def cancel(self, order: InFlightOrder | str) -> Placement:
        """`Account.cancel` of the account that the order is of."""
        return await self._account_of(order).cancel(order)

    async def cancel_all(self, pairs: Iterable[str] | None = None) -> Sequence[Placement]:
        """`Account.cancel_all` of the first account."""
        return await self.account().cancel_all(pairs)

    async def amend(
        self, order: InFlightOrder | str, *, price: Number | None = None, quantity: Number | None = None
    ) -> Placement:
        """`Account.amend` of the account that the order is of."""
        return await self._account_of(order).amend(order, price=price, quantity=quantity)

    async def order_status(self, order: InFlightOrder | str) -> InFlightOrder:
        """`Account.status` of the account that the order is of."""
        return await self._account_of(order).status(order)

    async def open_orders(self, pairs: Iterable[str] | None = None) -> Sequence[OrderReport]:
        """`Account.open_orders` of the first account."""
        return await self.account().open_orders(pairs)

    @property
    def orders(self) -> Mapping[str, InFlightOrder]:
        """`Account.orders` of the first account."""
        return self.account().orders

    async def fills(self, pair: str, since: Instant) -> Sequence[Fill]:
        """`Account.fills` of the first account."""
        return await self.account().fills(pair, since)

    async def balances(self) -> Sequence[Balance]:
        """`Account.balances` of the first account."""
        return await self.account().balances()

    async def positions(self) -> Sequence[Position]:
        """`Account.positions` of the first account."""
        return await self.account().positions()

    async def fee_rates(self, pair: str) -> FeeRates:
        """`Account.fee_rates` of the first account."""
        return await self.account().fee_rates(pair)

    async def permissions(self) -> Permissions:
        """`Account.permissions` of the first account."""
        return await self.account().permissions()

    async def kill(self, reason: str = "") -> None:
        """`Account.kill` of every account: each refuses at once, then each cancels."""
        self.account()
        async with create_task_group() as tasks:
            for account in self.accounts.values():
                tasks.start_soon(account.kill, reason)

    def revive(self) -> None:
        """`Account.revive` of every account."""
        self.account()
        for account in self.accounts.values():
            account.revive()

    async def dead_man_switch(self, timeout: Seconds | None) -> None:  # noqa: ASYNC109  # the venue's
        """`Account.dead_man_switch` of the first account."""
        await self.account().dead_man_switch(timeout)

    def _account_of(self, order: InFlightOrder | str) -> Account:
        """The account that knows an order; the first one where none does, which then says so."""
        first = self.account()
        known = (account for account in self.accounts.values() if account.knows(order))
        return next(known, first)

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
        """What happens to books, connections, orders and accounts from now on."""
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
        await self._venue.measure_clock()

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
    pairs: Iterable[str] = (),
    environment: str = "",
    channels: Iterable[str] = ("book",),
    variant: str = "",
    record: str | PathLike[str] | None = None,
    clock: Clock | None = None,
    transports: Transports | None = None,
    pacers: PacerRegistry = PACERS,
    credentials: Source | Mapping[str, Source] | None = None,
    store: str | PathLike[str] | InFlightOrderStore | None = None,
    order_entry: str = "",
    limits: PreTradeLimits | None = None,
    paper: bool | PaperSettings = False,
    seed: int | None = None,
) -> AsyncIterator[Exchange]:
    """Open a venue: load its connector and its instruments, track these pairs and trade until the ``async with`` ends.

    `pairs` are canonical ids (``BTC-USDT``, ``BTC-USDT-PERP``). `channels` are of ``book``, ``orders`` (order by order),
    ``trades``, ``top``; `variant` picks among several book feeds where a venue has them (Kraken's depths), or among several
    of orders where no ``book`` is opened. `record` tapes the whole session into a file.
    `clock` and `transports` are the machine's and the network's unless given; `seed` makes the jitter repeatable.

    `credentials` open an account (feeds that want a login use them too): themselves, or a source of them
    (`venuekit.credentials`), or a mapping of either by the names of several accounts. `store` is where orders are kept: a file,
    ``":memory:"``, or a store of one's own; by default a file of this key in the user's state directory. `order_entry` is
    ``rest`` or ``socket`` where the venue has both. `limits` hold for each account.
    `paper` opens an account on this machine in their place, over the books of `pairs`; its orders are forgotten at the end
    unless there is a `store`.

    Raises `ConnectorNotInstalled` and its kin, `UnknownInstrument` for a pair that the venue does not list, `LocalError` for
    a channel or environment it does not have, `KeyInUse` where another process trades with a key, `StoreError` where the order
    store cannot be opened, and `VenueError` when the instruments could not be had.
    """
    connector = load_connector(venue) if isinstance(venue, str) else venue
    description = connector.description
    where = description.environment(environment)
    source = connector.hooks.data_source(environment=where)
    keys = _credentials(credentials, description)
    signer = _signer(connector, where, next(iter(keys.values()), None))
    topics = _topics(pairs, channels, variant, description)
    async with AsyncExitStack() as stack:
        clock = clock or SystemClock()
        transports = transports or NetworkTransports.on(clock)
        if record is not None:
            transports = stack.enter_context(
                _recording(transports, record, clock, description, where, topics, keys.values())
            )
        stack.push_async_callback(transports.http.aclose)
        random = Random(seed)  # noqa: S311  # jitter, not cryptography
        pools = (*description.pools, _dials(description))
        flows = FlowRunner(
            transports.http,
            clock,
            pacers.pacer(f"{description.venue} {where.name}", pools),
            random=random.random,
            limit_report=description.limit_report,
        )
        instruments = InstrumentTable(await flows.run(source.instruments()))
        for topic in topics:
            instruments[topic.instrument]
        kept = await stack.enter_async_context(_shielded())
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
            if paper or (keys and connector.offers("market")):
                from venuekit.trading.opening import Opening
                from venuekit.trading.paper import PaperSettings as Settings

                opening = Opening(
                    connector=connector,
                    where=where,
                    venue=shared,
                    http=transports.http,
                    pacers=pacers,
                    pools=pools,
                    books=exchange.books,
                    store=store,
                    order_entry=order_entry,
                    limits=limits,
                )
                if paper:
                    settings = Settings() if paper is True else paper
                    accounts = [await opening.paper(settings, kept)]
                else:
                    accounts = [await opening.account(name, key, kept) for name, key in keys.items()]
                exchange.accounts = MappingProxyType({account.name: account for account in accounts})
            yield exchange
        finally:
            tasks.cancel_scope.cancel()
            exchange.close()


@asynccontextmanager
async def _shielded() -> AsyncIterator[AsyncExitStack]:
    """What is closed to its end also when the exchange is closed by a cancellation: the order stores."""
    stack = AsyncExitStack()
    try:
        yield stack
    finally:
        with CancelScope(shield=True):
            await stack.aclose()


def _credentials(
    given: Source | Mapping[str, Source] | None, description: Description
) -> Mapping[str, Credentials]:
    """The credentials of each account by its name."""
    if given is None:
        return {}
    from venuekit.credentials import load_credentials

    if isinstance(given, Mapping):
        return {name: load_credentials(source, description, name) for name, source in given.items()}
    credentials = load_credentials(given, description)
    return {credentials.account or MAIN: credentials}


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
        connection = Connection(
            f"{venue.id}.{number}", venue, venue.source, part, fed, snapshots, feeds, shadow
        )
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
    entry: AnyEntry
    if topic.channel is not Channel.ORDERS:
        entry = OrderBookTrackerEntry(topic, instrument, rule, need, venue=venue.id)
    else:
        offered = connector.offers("active_order_tracker")
        tracker = partial(connector.hooks.active_order_tracker, instrument=instrument) if offered else None
        entry = OrderByOrderEntry(topic, instrument, rule, need, venue=venue.id, tracker=tracker)
    venue.tracked.add(entry)
    return entry


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
    keys: Iterable[Credentials],
) -> Iterator[NetworkTransports]:
    """The same transports, taped into `path` until the end."""
    from venuekit.tapes import Header, Recorder, RecordingHttpTransport, RecordingWebSocketTransport, Scrubber

    header = Header(
        venue=description.venue,
        environment=where.name,
        pairs=tuple(dict.fromkeys(topic.instrument for topic in topics)),
        topics=tuple(str(topic) for topic in topics),
        contract=CONTRACT_VERSION,
    )
    scrubber = Scrubber([secret for key in keys for secret in key.fields.values()])
    with Recorder(path, clock, header, scrubber=scrubber) as recorder:
        yield NetworkTransports(
            RecordingHttpTransport(transports.http, recorder),
            RecordingWebSocketTransport(transports.websockets, recorder),
        )
