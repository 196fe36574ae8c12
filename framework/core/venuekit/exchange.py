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
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from os import PathLike
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import CancelScope
from anyio.abc import TaskGroup

from venuekit.books.book import OrderBook
from venuekit.books.counters import Counters
from venuekit.books.order_book import OrderByOrderBook
from venuekit.books.order_entry import OrderByOrderEntry
from venuekit.books.orders import OrderCounters
from venuekit.books.states import BookState
from venuekit.books.tracker import AnyEntry
from venuekit.broadcast import Broadcast, Subscription
from venuekit.building import build, wanted_topics
from venuekit.clock import Clock, SystemClock
from venuekit.clock_offset import ClockOffset, OffsetEstimate
from venuekit.connection import DIALS, Connection
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.tasks import helpers
from venuekit.events import Event
from venuekit.feeds import Feeds
from venuekit.link import LinkCounters
from venuekit.loader import LoadedConnector, load_connector
from venuekit.pacing import PACERS, PacerRegistry
from venuekit.trading_face import TradingFace
from venuekit.transports import NetworkTransports, Transports, recording
from venuekit.venue import Task, Venue
from venuekit_spec import (
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
    Topic,
    TopOfBook,
    Trade,
    Unsupported,
    VenuekitError,
)

if TYPE_CHECKING:
    from venuekit.credentials import Source
    from venuekit.orders import InFlightOrderStore
    from venuekit.trading import (
        PaperSettings,
        PreTradeLimits,
    )

MAIN: Final = "main"
"""The name of the only account, where its credentials name none."""

OFFSET_PERIOD: Final[Seconds] = 300.0
"""How often the venue's clock is asked for."""

_log = logging.getLogger(__name__)


B = TypeVar("B", bound=OrderBook)


class _Opened(dict[str, B]):
    """Books by pair, with an answer for those that were not opened."""

    def __missing__(self, pair: str) -> B:
        raise LocalError(f"{pair!r} was not opened; open are {', '.join(self) or 'none'}")


class Exchange(TradingFace):
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
        connections: Sequence[Connection],
    ) -> None:
        super().__init__()
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

    async def wait_ready(self) -> None:
        """Return once every book is proven and every account is ready (`Account.wait_ready`).

        That takes as long as it takes; `anyio.fail_after` bounds it.
        """
        await self.wait_live()
        for account in self.accounts.values():
            await account.wait_ready()

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
    channels: Iterable[str] | None = None,
    variant: str = "",
    record: str | PathLike[str] | None = None,
    cassette: str | PathLike[str] | None = None,
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
    ``trades``, ``top``; without any, the venue's books in the form it has them. `variant` picks among several book
    feeds where a venue has them (Kraken's depths), or among several of orders where no ``book`` is opened. `record`
    tapes the whole session into a file; `cassette` is a second one beside it, for what HTTP said (docs/tapes.md).
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
    topics = wanted_topics(pairs, channels, variant, description)
    async with AsyncExitStack() as stack:
        clock = clock or SystemClock()
        transports = transports or NetworkTransports.on(clock)
        if record is not None:
            transports = stack.enter_context(
                recording(
                    transports, record, clock, description, where, topics, keys.values(), cassette=cassette
                )
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
        running = stack.enter_context(ExitStack())
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
        parts = build(connector, shared, topics)
        exchange = Exchange(connector, where, shared, parts.entries, parts.feeds, parts.connections)
        for entry in parts.audited:
            tasks.start_soon(parts.snapshots.audit, entry)
        for connection in parts.connections:
            tasks.start_soon(connection.run)
        if Capability.SERVER_TIME in description.capabilities:
            tasks.start_soon(exchange.keep_clock)
        try:
            if paper or (keys and connector.offers("market")):
                from venuekit.trading.opening import Opening
                from venuekit.trading.own_orders import OwnOrders
                from venuekit.trading.paper import PaperSettings as Settings

                opening = Opening(
                    connector=connector,
                    where=where,
                    venue=shared,
                    http=transports.http,
                    pacers=pacers,
                    pools=pools,
                    books=exchange.books,
                    own_orders=OwnOrders(exchange.order_books),
                    store=store,
                    order_entry=order_entry,
                    limits=limits,
                    running=running,
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


def _spawner(tasks: TaskGroup, transports: Transports) -> Callable[[Task], None]:
    def spawn(task: Task) -> None:
        transports.started()
        tasks.start_soon(task)

    return spawn


__all__ = ["MAIN", "Exchange", "NetworkTransports", "Transports", "open_exchange"]
