"""Description: what is true of a venue before anything is sent, as data.

A claimed capability is tested by the conformance suite; one that is not claimed is skipped by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import evolve, field, frozen

from venuekit_spec.errors import LocalError
from venuekit_spec.flows import HttpResponse, LimitReport
from venuekit_spec.instruments import InstrumentKind
from venuekit_spec.orders import OrderLife, OrderType, Resolver, TimeInForce
from venuekit_spec.sessions import Channel
from venuekit_spec.syncing import SyncRule
from venuekit_spec.times import Seconds
from venuekit_spec.values import fixed

CONTRACT_VERSION: Final = "1.0"
"""The version of this contract: ``major.minor``. A connector works with any core of its major and at least its minor."""


class Capability(StrEnum):
    """What a connector claims to do."""

    BOOKS = "books"
    ORDER_BY_ORDER = "order_by_order"
    TRADES = "trades"
    TOP_OF_BOOK = "top_of_book"
    SERVER_TIME = "server_time"
    REST_ORDERS = "rest_orders"
    SOCKET_ORDERS = "socket_orders"
    AMEND = "amend"
    BATCH_PLACE = "batch_place"
    BATCH_CANCEL = "batch_cancel"
    CANCEL_ALL = "cancel_all"
    DEAD_MAN_SWITCH = "dead_man_switch"
    USER_STREAM = "user_stream"
    BALANCE_STREAM = "balance_stream"
    """The user stream tells balances; without it they are asked for after fills."""
    POSITIONS = "positions"
    LEVERAGE = "leverage"
    FUNDING = "funding"
    QUOTE_SIZED = "quote_sized"
    OWN_TRANSPORT = "own_transport"
    """The escape hatch: the venue cannot be sans-I/O (FIX, gRPC) and the connector brings `open_transport`."""


class PoolScope(StrEnum):
    """Who shares a rate-limit pool."""

    ADDRESS = "address"
    KEY = "key"
    ACCOUNT = "account"
    SOCKET = "socket"


class PoolKind(StrEnum):
    """How a pool refills.

    `FIXED_WINDOW`: whole at each multiple of the period (Binance minutes). `SLIDING_WINDOW`: what was spent comes back one
    period after it was spent. `LEAKY`: drains steadily, `capacity` per `period` (Kraken counters, token buckets).
    """

    FIXED_WINDOW = "fixed_window"
    SLIDING_WINDOW = "sliding_window"
    LEAKY = "leaky"


@frozen
class RatePool:
    """One rate limit: at most `capacity` of weight per `period` seconds.

    `burst` is how much a leaky pool holds (`capacity` when None). A request that names several pools takes from each
    (linked pools).
    """

    name: str
    capacity: float
    period: Seconds
    kind: PoolKind = PoolKind.SLIDING_WINDOW
    scope: PoolScope = PoolScope.ADDRESS
    burst: float | None = None


def no_limit_report(_response: HttpResponse) -> LimitReport:
    """For venues whose responses say nothing of limits."""
    return LimitReport()


@frozen
class TopicRule:
    """How one channel is subscribed to.

    `sync` for channels that carry books. `group`: topics of one instrument and one group exclude each other on a socket
    (Hyperliquid's fast and default books). `per_socket`: how many topics of this channel fit on one. `authenticated`:
    public data that wants a login (Coinbase full). `endpoint` keeps channels apart that live at other URLs.
    """

    channel: Channel
    sync: SyncRule | None = None
    variant: str = ""
    group: str = ""
    per_socket: int | None = None
    authenticated: bool = False
    endpoint: str = "public"


@frozen
class SocketLimits:
    """What one address may do with sockets: topics on one, frames it may send a second, dials in a period, how many."""

    topics: int = 200
    frames_per_second: float = 5.0
    dials: float = 30.0
    dial_period: Seconds = 60.0
    sockets: int | None = None


@frozen
class Environment:
    """One place where the venue runs: production, testnet, or this machine, per jurisdiction. `urls` by use."""

    name: str
    urls: Mapping[str, str] = field(converter=fixed, hash=False)
    real_money: bool = True

    def url(self, use: str) -> str:
        """The base URL for one use. Raises `LocalError` when the environment has none."""
        try:
            return self.urls[use]
        except KeyError:
            raise LocalError(
                f"environment {self.name!r} has no {use!r} URL; it has {', '.join(self.urls)}"
            ) from None

    def at(self, address: str) -> Environment:
        """The same environment at another address (``127.0.0.1:8701``), for a venue that runs on this machine.

        Raises `LocalError` where real money is at stake: a signed request goes to no address but the venue's.
        """
        if self.real_money:
            raise LocalError(f"environment {self.name!r} is at the venue's own address, not at {address!r}")
        return evolve(
            self,
            urls={use: urlunsplit(urlsplit(url)._replace(netloc=address)) for use, url in self.urls.items()},
        )


class Uniqueness(StrEnum):
    """How far the venue refuses a client order id that it has seen.

    `OPEN`: among open orders only, so it is no key across time (Binance, Kraken). `DAY` (Bitfinex). `EVER` (Bybit). `NEVER`:
    nothing is refused.
    """

    OPEN = "open"
    DAY = "day"
    EVER = "ever"
    NEVER = "never"


@frozen
class ClientOrderIds:
    """Which client order ids the venue takes: a pattern, a length, and how far they are unique."""

    pattern: str
    maximum_length: int
    unique: Uniqueness = Uniqueness.OPEN


@frozen
class Description:
    """Everything about a venue that is known before the first byte. `venue` is its id and the entry point's name.

    `kinds` are the instrument kinds it lists, `credentials` the names of what an account needs. `limit_report` reads
    limits from a response. `endpoint_sockets` holds for endpoints (`TopicRule.endpoint`) that differ from `sockets`.
    `order_life` where every order expires by block height: the core gives each one that names no height a height of its own.
    `links` are the pages of the venue's documentation that the connector follows.

    `contract` is what the connector was written for. Left out it is whatever is installed, and the range of `venuekit-spec` in
    the package's metadata decides alone, which the loader checks too. It is to be named where there may be no metadata.
    """

    venue: str
    name: str
    environments: tuple[Environment, ...]
    kinds: frozenset[InstrumentKind]
    capabilities: frozenset[Capability]
    topics: tuple[TopicRule, ...]
    links: tuple[str, ...]
    contract: str = CONTRACT_VERSION
    pools: tuple[RatePool, ...] = ()
    sockets: SocketLimits = SocketLimits()
    endpoint_sockets: Mapping[str, SocketLimits] = field(factory=dict, converter=fixed, hash=False)
    limit_report: Callable[[HttpResponse], LimitReport] = no_limit_report
    credentials: tuple[str, ...] = ()
    order_types: frozenset[OrderType] = frozenset()
    times_in_force: frozenset[TimeInForce] = frozenset()
    client_order_ids: ClientOrderIds | None = None
    resolver: Resolver | None = None
    order_life: OrderLife | None = None
    maximum_batch: int = 1

    def environment(self, name: str = "") -> Environment:
        """The environment of that name, the first one by default. Raises `LocalError` naming those there are.

        A name may carry an address (``local@127.0.0.1:9000``): see `Environment.at`.
        """
        if not name:
            return self.environments[0]
        name, _, address = name.partition("@")
        for environment in self.environments:
            if environment.name == name:
                return environment.at(address) if address else environment
        known = ", ".join(environment.name for environment in self.environments)
        raise LocalError(f"{self.venue} has no environment {name!r}; it has {known}")

    def socket_limits(self, endpoint: str) -> SocketLimits:
        """What holds for sockets of one endpoint."""
        return self.endpoint_sockets.get(endpoint, self.sockets)

    @property
    def book_channel(self) -> Channel:
        """The channel that its books come by unless said otherwise: of levels where it has one, else order by order."""
        levels = any(rule.channel is Channel.BOOK for rule in self.topics)
        orders = any(rule.channel is Channel.ORDERS for rule in self.topics)
        return Channel.ORDERS if orders and not levels else Channel.BOOK

    def topic_rule(self, channel: Channel, variant: str = "") -> TopicRule | None:
        """The rule of a channel, None where the venue has no such channel."""
        for rule in self.topics:
            if rule.channel is channel and rule.variant == variant:
                return rule
        return None
