"""Dialects: a venue's protocol seen from the venue, without I/O. The mirror of a connector.

A local venue (venuekit-simulator) has an engine that matches orders and keeps accounts, and a shell that speaks HTTP and
WebSocket. Between the two stands a dialect: it turns one venue's requests into calls of the engine, and what the engine
tells into that venue's replies and frames. Like a connector it is pure: bytes in, values out, `now` an argument.

A connector ships its dialect under an entry point of the group ``venuekit.dialects`` whose name is the venue id and whose
value is a module (or an object) that satisfies `DialectPlugin`::

    [project.entry-points."venuekit.dialects"]
    my_venue = "venuekit_my_venue.dialect"

The engine refuses with the errors of this contract (`InsufficientFunds`, `RuleViolated`, `OrderNotFound`,
`DuplicateClientOrderId`, `Refused`), whose ``code`` is an `EngineRefusal`; the dialect says it in the venue's words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen
from msgspec import Struct

from venuekit_spec.auth import Credentials
from venuekit_spec.flows import HttpRequest, HttpResponse
from venuekit_spec.instruments import Instrument, InstrumentStatus, InstrumentTable
from venuekit_spec.messages import OrderEvent, RestingOrder, Side, StatusChange
from venuekit_spec.orders import (
    Balance,
    Fee,
    FeeRates,
    Fill,
    FundingPayment,
    NewOrder,
    OrderRef,
    OrderStatus,
    Position,
)
from venuekit_spec.sessions import Send, Wake
from venuekit_spec.times import Instant, Seconds
from venuekit_spec.values import fixed

DIALECTS: Final = "venuekit.dialects"
"""Entry-point group of dialects; the entry's name is the venue id."""


# What a local venue starts with


STANDARD_FEES: Final = FeeRates(maker=Decimal("0.001"), taker=Decimal("0.002"))


@frozen
class Listing:
    """An instrument that the local venue lists: where its price begins, and what its trades cost."""

    instrument: Instrument
    price: Decimal
    fees: FeeRates = STANDARD_FEES


@frozen
class VenueAccount:
    """An account of the local venue: its name there, the keys that open it, and what it holds (by asset)."""

    name: str
    credentials: Credentials
    balances: Mapping[str, Decimal] = field(factory=dict, converter=fixed, hash=False)


# What the engine says


class EngineRefusal(StrEnum):
    """Why the engine refuses, as the ``code`` of the error it raises."""

    UNKNOWN_INSTRUMENT = "unknown_instrument"
    NOT_TRADING = "not_trading"
    PRICE = "price"
    QUANTITY = "quantity"
    NOTIONAL = "notional"
    UNSUPPORTED = "unsupported"
    FUNDS = "funds"
    DUPLICATE = "duplicate"
    OPEN_ORDERS = "open_orders"
    POST_ONLY = "post_only"
    FILL_OR_KILL = "fill_or_kill"
    REDUCE_ONLY = "reduce_only"
    NOT_FOUND = "not_found"
    NO_LIQUIDITY = "no_liquidity"
    DEADLINE = "deadline"
    """It came after the deadline that it carries."""


class SelfTradePrevention(StrEnum):
    """What happens when an order would trade with one of the same account: which of the two is cancelled."""

    NONE = "none"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_BOTH = "cancel_both"


@frozen
class VenueOrder:
    """An order as the venue holds it, at one moment. `number` rises over all orders of the venue, `order_id` is its text.

    `quantity`, `filled`, `remaining` in base units; `spent` is the quote paid or received so far. `quantity` of an order
    sized in quote units is None (`intent.quantity` has what was asked). `revision` rises with each change.
    """

    account: str
    order_id: str
    number: int
    intent: NewOrder
    status: OrderStatus
    quantity: Decimal | None
    filled: Decimal
    spent: Decimal
    price: Decimal | None
    created: Instant
    updated: Instant
    revision: int = 0
    triggered: bool = False
    reason: str = ""

    @property
    def remaining(self) -> Decimal:
        """What is left to fill, in base units; zero where the order is sized in quote units."""
        return Decimal(0) if self.quantity is None else self.quantity - self.filled


@frozen
class Execution:
    """One side of a trade: what happened to one order. `key` is unique over the venue, `trade` shared by both sides."""

    key: str
    trade: int
    order: VenueOrder
    fill: Fill

    @property
    def account(self) -> str:
        """Whose it is."""
        return self.order.account

    @property
    def fees(self) -> tuple[Fee, ...]:
        """What it cost."""
        return self.fill.fees or ()


class OrderChanged(Struct, frozen=True):
    """An order was taken, opened, filled, amended, cancelled, or expired; `execution` is set where it was filled."""

    order: VenueOrder
    execution: Execution | None = None


class TradeHappened(Struct, frozen=True):
    """A public trade. `side` is the taker's."""

    instrument: str
    number: int
    price: Decimal
    size: Decimal
    side: Side
    maker_order_id: str
    taker_order_id: str
    time: Instant


class LevelChanged(Struct, frozen=True):
    """A price level has another size now (base units); zero: it is gone. `id` rises by one over all of an instrument."""

    instrument: str
    id: int
    side: Side
    price: Decimal
    size: Decimal
    time: Instant


class BalanceChanged(Struct, frozen=True):
    """An account holds another amount of an asset; the balance is absolute."""

    account: str
    balance: Balance


class FundingPaid(Struct, frozen=True):
    """A position was paid, or paid, funding."""

    account: str
    payment: FundingPayment


class PositionChanged(Struct, frozen=True):
    """An account's position in a derivative is another one; it is absolute."""

    account: str
    position: Position


EngineEvent: TypeAlias = (
    OrderChanged
    | TradeHappened
    | LevelChanged
    | OrderEvent
    | BalanceChanged
    | PositionChanged
    | FundingPaid
    | StatusChange
)
"""All that the engine tells: about orders, public trades, the book by level and (`OrderEvent`) by order, accounts, status."""


@frozen
class BookImage:
    """The book of one instrument at one moment: (price, size) rows, best first; `id` is that of the last `LevelChanged`."""

    instrument: str
    id: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    time: Instant = 0


class Engine(Protocol):
    """What a dialect may ask of the engine. Synchronous; every effect is told to listeners before the call returns.

    All methods raise the contract's errors with an `EngineRefusal` as their code. Prices in quote units, quantities in base
    units unless the order says otherwise.
    """

    @property
    def instruments(self) -> InstrumentTable:
        """What is listed, each with the status it has now."""
        ...

    def listen(self, listener: Callable[[EngineEvent], None]) -> Callable[[], None]:
        """Tell `listener` of every event from now on; the result ends it."""
        ...

    def place(
        self,
        account: str,
        order: NewOrder,
        now: Instant,
        *,
        self_trade: SelfTradePrevention = SelfTradePrevention.CANCEL_TAKER,
    ) -> VenueOrder:
        """Take an order and match it; how it stands afterwards (also filled, or expired unfilled as IOC and FOK do).

        Raises where it is not taken at all: `RuleViolated`, `InsufficientFunds`, `DuplicateClientOrderId`, `Refused`.
        """
        ...

    def cancel(self, account: str, order: OrderRef, now: Instant, *, reason: str = "") -> VenueOrder:
        """Cancel an open order. Raises `OrderNotFound` where there is no open one."""
        ...

    def amend(
        self, account: str, order: OrderRef, now: Instant, *, price: Decimal | None, quantity: Decimal | None
    ) -> VenueOrder:
        """Change price or total quantity of an open order; it keeps its place where only the quantity falls.

        Raises `OrderNotFound`, and what `place` raises.
        """
        ...

    def order(self, account: str, order: OrderRef) -> VenueOrder:
        """One order, open or not, by our id or the venue's. Raises `OrderNotFound`."""
        ...

    def open_orders(self, account: str, instruments: Collection[str] | None = None) -> Sequence[VenueOrder]:
        """The open orders of an account, oldest first."""
        ...

    def orders(self, account: str) -> Sequence[VenueOrder]:
        """Every order of an account, oldest first."""
        ...

    def executions(
        self, account: str, instrument: str | None = None, since: Instant = 0
    ) -> Sequence[Execution]:
        """What an account has traded from an instant on, oldest first."""
        ...

    def balances(self, account: str) -> Sequence[Balance]:
        """What an account holds, by asset; absolute."""
        ...

    def positions(self, account: str) -> Sequence[Position]:
        """An account's positions in derivatives that are not flat."""
        ...

    def fee_rates(self, account: str, instrument: str) -> FeeRates:
        """What an account pays."""
        ...

    def book(self, instrument: str, depth: int | None = None) -> BookImage:
        """The book by level, the best `depth` levels of each side."""
        ...

    def resting(self, instrument: str) -> Sequence[RestingOrder]:
        """The book by order: bids then asks, best first, in queue order."""
        ...

    def undo(self, keys: Collection[str], now: Instant) -> Sequence[VenueOrder]:
        """Take back trades, by the keys of their executions; their orders as they stand then, oldest first.

        One key takes back both sides. Balances, positions and filled amounts are as if these trades had not happened, whatever
        happened since, and they are not among `executions` any more. An order that had ended by being filled is open again: at
        the tail of its price where it can rest there, and otherwise (it would trade at once, or may not rest) outside of the
        book, from where it enters again at the first command, or `tick`, of a later instant. An order that ended in another way
        stays ended. Open orders whose money is gone are cancelled, the newest first; an account that has spent what it received
        has less than nothing until it makes up for it. No event tells that a public trade was taken back.

        Raises `Refused` (`EngineRefusal.NOT_FOUND`), and takes nothing back, where there is no such trade, or it is too old.
        """
        ...

    def tick(self, now: Instant) -> Instant | None:
        """Do what is due by itself (dates of orders, orders that enter again); when to be called next, None for no need.

        Every command does as much; so this is for a venue on which nothing else happens.
        """
        ...

    def pay_funding(self, instrument: str, rate: Decimal, now: Instant) -> None:
        """Every position in a perpetual pays `rate` of its notional at the mark price; short ones receive it."""
        ...

    def funding(self, account: str, since: Instant = 0) -> Sequence[FundingPayment]:
        """What an account was paid, or has paid, from an instant on, oldest first."""
        ...

    def set_leverage(self, account: str, instrument: str, leverage: Decimal, now: Instant) -> None:
        """How many times its margin a position of this account may be. Raises `RuleViolated`."""
        ...

    def leverage(self, account: str, instrument: str) -> Decimal:
        """The leverage that is set."""
        ...

    def set_status(self, instrument: str, status: InstrumentStatus, now: Instant) -> None:
        """Halt an instrument, or let it trade again."""
        ...


# What a dialect answers


class CallKind(StrEnum):
    """What a request is about: fault plans choose by it, the same on every venue."""

    PLACE = "place"
    CANCEL = "cancel"
    AMEND = "amend"
    QUERY = "query"
    """Private reads: orders, fills, balances."""
    SNAPSHOT = "snapshot"
    """A book asked for."""
    TOKEN = "token"  # noqa: S105  # a kind of call
    SUBSCRIBE = "subscribe"
    CONNECT = "connect"
    """The handshake of a socket; a dialect is not asked what it is."""
    OTHER = "other"


class RefusalKind(StrEnum):
    """Refusals that come from in front of the venue, whatever was asked."""

    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"


class Hangup(Struct, frozen=True):
    """Close this socket, with a code and a reason of the WebSocket protocol; what was said before still arrives.

    Code 0 is an end without a goodbye: the connection is gone, and the client's side makes 1006 of it.
    """

    code: int = 1000
    reason: str = ""


class Ping(Struct, frozen=True):
    """A ping of the WebSocket protocol: a sign of life that no session sees. Its pong is not told."""


ServerOutput: TypeAlias = Send | Wake | Ping | Hangup
ServerOutputs: TypeAlias = Sequence[ServerOutput]


class ServerSession(Protocol):
    """One client's socket, on the venue's side. State lives here; it dies with the socket."""

    def opened(self, now: Instant) -> ServerOutputs:
        """The handshake is done: a welcome, or nothing."""
        ...

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A frame of the client, text or binary; the replies to it. Never raises: nonsense is answered as the venue does."""
        ...

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """Something happened at the venue; what this client is to hear of it."""
        ...

    def tick(self, now: Instant) -> ServerOutputs:
        """The instant of the last `Wake` has come."""
        ...

    def closed(self) -> None:
        """The socket is gone."""
        ...


@runtime_checkable
class RefusingSession(ServerSession, Protocol):
    """A session that can word the refusal of one frame, where the venue takes calls by socket.

    The local venue closes a socket (1013, "try again later") whose session cannot.
    """

    def refuse(self, frame: str | bytes, kind: RefusalKind, wait: Seconds, now: Instant) -> ServerOutputs:
        """How the venue refuses this frame before everything, as `Dialect.refusal` does a request by HTTP."""
        ...


class Dialect(Protocol):
    """One venue's protocol over one engine. Made anew when the venue restarts: what only lived in its memory is gone.

    `now` is the venue's time. Headers of requests are lower case, their URLs absolute or beginning with the path.
    """

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request. Never raises: nonsense is answered as the venue does."""
        ...

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A client's WebSocket handshake (its GET request): the session of its socket, or the refusal."""
        ...

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        ...

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How the venue words a refusal that comes before everything; `wait` is how long it lasts (0: not told)."""
        ...

    def expire_tokens(self, now: Instant) -> None:
        """Every token of a private stream is worthless from now on, and sockets that live by one learn it as they would."""
        ...

    def tick(self, now: Instant) -> Instant | None:
        """Do what is due (blocks, timers of the venue); when to be called next, None for no need.

        Called once before anything else, and after every call of `http` and `feed` too.
        """
        ...


class DialectPlugin(Protocol):
    """What the entry point of a dialect names."""

    def listings(self) -> Sequence[Listing]:
        """What a fresh venue lists."""
        ...

    def accounts(self) -> Sequence[VenueAccount]:
        """The accounts of a fresh venue; the first is the one that examples use. Their keys open nothing anywhere else."""
        ...

    def serve(self, engine: Engine) -> Dialect:
        """The venue's protocol over this engine."""
        ...


__all__ = [
    "DIALECTS",
    "STANDARD_FEES",
    "BalanceChanged",
    "BookImage",
    "CallKind",
    "Dialect",
    "DialectPlugin",
    "Engine",
    "EngineEvent",
    "EngineRefusal",
    "Execution",
    "FundingPaid",
    "Hangup",
    "LevelChanged",
    "Listing",
    "OrderChanged",
    "Ping",
    "PositionChanged",
    "RefusalKind",
    "RefusingSession",
    "SelfTradePrevention",
    "ServerOutput",
    "ServerOutputs",
    "ServerSession",
    "TradeHappened",
    "VenueAccount",
    "VenueOrder",
]
