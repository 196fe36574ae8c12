"""Orders: what is asked, what comes back, and what an unknown outcome means.

A placement has three outcomes and the type says so: `Accepted`, `Rejected` (definitive evidence), `Unknown` (everything
else). The venue's `Resolver` tells how an unknown one becomes known. Reports are patches: only what the venue said is set.
Identity is the client order id of the intent; the venue's ids are attributes and may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

from attrs import field, frozen

from venuekit_spec.errors import Refused, VenueError
from venuekit_spec.messages import Side
from venuekit_spec.times import Instant, Seconds
from venuekit_spec.values import fixed


class OrderType(StrEnum):
    """How an order executes."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"


class TimeInForce(StrEnum):
    """How long an order stands: until cancelled, immediate or cancel, fill or kill, until a date, until a block height."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"
    GTB = "gtb"


class OrderEntry(StrEnum):
    """How orders travel: each in an HTTP request, or as a call on an open socket."""

    REST = "rest"
    SOCKET = "socket"


class Unit(StrEnum):
    """What a quantity counts."""

    BASE = "base"
    QUOTE = "quote"


@frozen
class NewOrder:
    """One order to be placed. Prices in quote units; `quantity` in `unit`.

    `client_order_id` is the venue's form of our id (`Market.client_order_id` made it). `expires` belongs to
    `TimeInForce.GTD`, `expires_at_height` to `TimeInForce.GTB`. `deadline`: the venue refuses the order if it
    would act after this instant of its time (Kraken, OKX, Gate, KuCoin, Hyperliquid), which bounds how long an outcome can
    be unknown.
    """

    instrument: str
    side: Side
    quantity: Decimal
    client_order_id: str
    type: OrderType = OrderType.LIMIT
    price: Decimal | None = None
    unit: Unit = Unit.BASE
    trigger_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    expires: Instant | None = None
    expires_at_height: int | None = None
    deadline: Instant | None = None
    options: Mapping[str, Any] = field(factory=dict, converter=fixed, hash=False)
    """What only this venue knows (self-trade prevention, iceberg size), by the venue's names."""


@frozen
class OrderRef:
    """How to name an order to the venue: by our id, by its id, or both; some venues need the instrument as well.

    `intent` is the order as it stands, where the store has it: Hyperliquid amends by sending the whole order again, a cancel
    on dYdX repeats its flags and expiry. `placed`: when it was, where ids are unique only per day (Bitfinex).
    """

    instrument: str
    client_order_id: str = ""
    order_id: str = ""
    placed: Instant | None = None
    intent: NewOrder | None = None


class OrderStatus(StrEnum):
    """Where an order is, in the venue's eyes.

    `PENDING`: taken, not yet resting. `CANCELING`: a cancel is under way and may lose the race.
    """

    PENDING = "pending"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCELING = "canceling"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether it is over: a terminal status is never left."""
        return self in {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}


class Liquidity(StrEnum):
    """Who was there first."""

    MAKER = "maker"
    TAKER = "taker"


class Finality(StrEnum):
    """Whether the venue may still take something back (reversible blocks)."""

    PROVISIONAL = "provisional"
    FINAL = "final"
    UNDONE = "undone"


@frozen
class Fee:
    """What was paid; negative is a rebate."""

    asset: str
    amount: Decimal


@frozen
class Fill:
    """One execution of one of our orders. `key` is the venue's, unique for the account: it de-duplicates.

    `fees` None: not told yet; a later report of the same key completes it (KuCoin, Bitfinex ``te`` then ``tu``).
    """

    key: str
    instrument: str
    side: Side
    price: Decimal
    quantity: Decimal
    order_id: str = ""
    client_order_id: str = ""
    fees: tuple[Fee, ...] | None = None
    liquidity: Liquidity | None = None
    finality: Finality = Finality.FINAL
    time: Instant = 0
    received: Instant = 0


@frozen
class OrderReport:
    """What the venue said of one of our orders: a patch. None means not said, never zero.

    `filled` and `remaining` are cumulative, in base units. `replaces` is the id this order had before an amendment. `error`
    goes with REJECTED, where the connector knows what kind of refusal the venue's `reason` is (a block may reject an order
    that was accepted); without it the order's error is a plain `Refused`.
    """

    instrument: str
    order_id: str = ""
    client_order_id: str = ""
    status: OrderStatus | None = None
    filled: Decimal | None = None
    remaining: Decimal | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    average_price: Decimal | None = None
    side: Side | None = None
    type: OrderType | None = None
    reason: str = ""
    replaces: str = ""
    finality: Finality = Finality.FINAL
    time: Instant = 0
    received: Instant = 0
    error: Refused | None = field(default=None, eq=False)


@frozen
class Balance:
    """What the account holds of an asset, in a `wallet` where it has many. `delta`: the numbers are a change."""

    asset: str
    wallet: str = ""
    total: Decimal | None = None
    free: Decimal | None = None
    held: Decimal | None = None
    delta: bool = False
    time: Instant = 0


@frozen
class Position:
    """A derivative position; `quantity` negative is short."""

    instrument: str
    quantity: Decimal
    entry_price: Decimal | None = None
    unrealized: Decimal | None = None
    leverage: Decimal | None = None
    time: Instant = 0


@frozen
class FundingPayment:
    """What a perpetual position was paid (positive) or paid (negative), in `asset`; `key` is unique for the account."""

    key: str
    instrument: str
    asset: str
    amount: Decimal
    rate: Decimal | None = None
    position: Decimal | None = None
    time: Instant = 0


@frozen
class FeeRates:
    """Fractions of the notional: 0.001 is ten basis points. Negative is a rebate."""

    maker: Decimal
    taker: Decimal


@frozen
class Permissions:
    """What a key may do, as far as the venue tells: None is not told."""

    read: bool | None = None
    trade: bool | None = None
    withdraw: bool | None = None
    addresses: tuple[str, ...] = ()
    """The network addresses it is bound to; empty for any."""
    expires: Instant | None = None


@frozen
class StreamSequence:
    """The number of a user-stream message in its sequence: a hole means reconcile."""

    n: int
    scope: str = ""


@frozen
class BlockHeight:
    """The height a venue's chain has reached: what absence and finality are measured by."""

    height: int
    time: Instant = 0


UserMessage: TypeAlias = (
    OrderReport | Fill | Balance | Position | FundingPayment | StreamSequence | BlockHeight
)
"""Everything that the private side of a session emits."""


@frozen
class Accepted:
    """The venue has the order. `report` is what it said of it; `fills` came with the answer."""

    report: OrderReport
    fills: tuple[Fill, ...] = ()


@frozen
class Rejected:
    """The venue does not have the order, and never will: definitive evidence."""

    error: VenueError


@frozen
class Unknown:
    """Nobody knows yet. Never "failed"; the `Resolver` settles it."""

    error: VenueError | None = None


Placed: TypeAlias = Accepted | Rejected | Unknown
"""The three outcomes of a placement, of a cancel, of an amendment: one per item, always."""


class Resolution(StrEnum):
    """A way to settle an unknown outcome."""

    ASK = "ask"
    """Query by client order id (status, open orders, closed orders, fills)."""
    RESEND = "resend"
    """Send the identical bytes again: the venue executes them at most once."""
    BURN_NONCE = "burn_nonce"
    """Spend the nonce on nothing, so that the pending order can no longer land."""


@frozen
class Absence:
    """From when on "the venue knows no such order" is a proof and no longer a delay.

    After `after` seconds from the send; or `after_deadline` seconds beyond the deadline that the order carried; or once the
    chain is above the order's expiry height. What is None does not make it final.
    """

    after: Seconds | None = None
    after_deadline: Seconds | None = None
    above_expiry_height: bool = False


@frozen
class OrderLife:
    """On a venue where every order expires by block height: how many blocks it lives unless said otherwise, and at most."""

    blocks: int
    maximum: int


@frozen
class Resolver:
    """What an unknown outcome means on this venue, as data: what to try, in order, and when absence is final.

    `found_closed`: a query also finds orders that are already closed; where False (Gate by text) absence among the open
    ones proves nothing. `purged`: cancelled orders without fills vanish (Coinbase), so absence of an order once
    confirmed means cancelled.
    """

    steps: tuple[Resolution, ...]
    absence: Absence
    found_closed: bool = True
    purged: bool = False
