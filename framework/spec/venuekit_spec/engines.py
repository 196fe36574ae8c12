"""The engine of a local venue: it matches orders and keeps accounts; what a dialect may ask of it, and what it tells.

Values first: orders, executions and books as the venue holds them, and the events; then the `Engine` itself. It refuses
with the errors of this contract (`InsufficientFunds`, `RuleViolated`, `OrderNotFound`, `DuplicateClientOrderId`, `Refused`),
whose ``code`` is an `EngineRefusal`; the dialect says it in the venue's words (`venuekit_spec.dialects`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

from attrs import frozen
from msgspec import Struct

from venuekit_spec.instruments import InstrumentStatus, InstrumentTable
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
from venuekit_spec.times import Instant


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

    def event_id(self, instrument: str) -> int:
        """`OrderEvent.last` of the book that `resting` shows; 0 before the first. (`BookImage.id` is the same by level.)"""
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


__all__ = [
    "BalanceChanged",
    "BookImage",
    "Engine",
    "EngineEvent",
    "EngineRefusal",
    "Execution",
    "FundingPaid",
    "LevelChanged",
    "OrderChanged",
    "PositionChanged",
    "SelfTradePrevention",
    "TradeHappened",
    "VenueOrder",
]
