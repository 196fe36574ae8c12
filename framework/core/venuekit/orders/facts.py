"""What is known of one order: its attributes, what follows from them, and its way to the store and back. Pure.

How a word of the venue changes it stands in `patches.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from venuekit.orders.records import OrderRecord
from venuekit.orders.states import OrderState
from venuekit_spec import Fill, Finality, Instant, NewOrder, OrderStatus, Unit, VenueError, VenuekitError

NOTHING: Final = Decimal(0)


class OrderFacts:
    """What is known of one order. To be read; only the `OrderTracker` changes it."""

    account: str
    client_order_id: str
    number: int
    """Our running number, which the client order id was made of; 0 where the caller chose the id."""
    intent: NewOrder
    """As it was asked; `quantity` and `price` follow amendments."""
    instrument: str
    quantity: Decimal
    """In the units of the intent."""
    price: Decimal | None
    state: OrderState
    order_id: str
    """The venue's current id; empty while unknown."""
    ids: tuple[str, ...]
    """The ids the venue gave it, the latest last; of very many amendments the last ones."""
    error: VenuekitError | None
    """Why it was rejected or its outcome is unknown; after a restart a plain `VenueError` with the same text."""
    reason: str
    """What the venue said of its state, or why it ended."""
    created: Instant
    updated: Instant
    sent: Instant | None
    """When its first byte was about to leave."""
    noted: bool
    """Whether `sent` is on disk before the first byte leaves: then an order without it has provably never left."""
    nonce: int | None
    payload: bytes | None
    """The bytes as sent, where the venue's resolver sends them again; None once its outcome is known."""
    confirmed: bool
    """Whether the venue has ever said that it has it."""
    cancel_requested: bool
    """Whether a cancel of ours is under way, or waits for the outcome of the placement."""
    cancel_taken: Instant | None
    """When the venue took that cancel; None while it has not, and after a restart."""
    amending: int
    """Amendments whose outcome is not known."""
    doubt: str
    """Why the venue must be asked about it although its state is known; empty where it need not."""
    provisional: OrderStatus | None
    """How it ended, where the venue may still take that back."""
    complete: bool
    """Over, and the fills add up. Never taken back."""
    overfill_told: bool
    _told: Decimal | None
    _final: Decimal | None
    _told_average: Decimal | None
    _told_remaining: Decimal | None

    def __init__(self, record: OrderRecord, fills: Iterable[Fill] = ()) -> None:
        """From what the store keeps; fills that were undone are among `fills`, marked so."""
        self.account = record.account
        self.client_order_id = record.client_order_id
        self.number = record.number
        self.intent = record.intent
        self.instrument = record.intent.instrument
        self.quantity = record.quantity
        self.price = record.price
        self.state = record.state
        self.order_id = record.order_id
        self.ids = record.ids
        self.error = VenueError(record.error) if record.error else None
        self.reason = record.reason
        self.created = record.created
        self.updated = record.updated
        self.sent = record.sent
        self.noted = record.noted
        self.nonce = record.nonce
        self.payload = record.payload
        self.confirmed = record.confirmed
        self.cancel_requested = record.cancel_requested
        self.amending = record.amending
        self.doubt = record.doubt
        self.provisional = record.provisional
        self.complete = record.complete
        self.overfill_told = record.overfill_told
        self._told = record.told
        self._final = record.final
        self._told_average = record.told_average
        self._told_remaining = record.told_remaining
        self._status_at = record.status_at
        self._quantity_at = record.quantity_at
        self._price_at = record.price_at
        self._undone_at = record.undone_at
        self.cancel_taken: Instant | None = None
        self._fills: dict[str, Fill] = {}
        self._undone: dict[str, Fill] = {}
        for fill in fills:
            (self._undone if fill.finality is Finality.UNDONE else self._fills)[fill.key] = fill
        self._add_up()

    # --- what is known

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.state.terminal

    @property
    def known(self) -> bool:
        """Whether it is known if the venue has it: the outcome of its placement is neither awaited nor lost."""
        return self.state not in {OrderState.PENDING, OrderState.UNKNOWN}

    @property
    def fills(self) -> Sequence[Fill]:
        """Its fills, in the order of arrival."""
        return tuple(self._fills.values())

    @property
    def kept_fills(self) -> Sequence[Fill]:
        """What the store keeps of its fills: those that were undone too."""
        return (*self._fills.values(), *self._undone.values())

    def fill_of(self, key: str) -> Fill:
        """The fill of that key. Raises `KeyError`."""
        return self._fills[key]

    @property
    def traded(self) -> Decimal:
        """What its fills add up to, base units."""
        return self._traded

    @property
    def filled(self) -> Decimal:
        """What is filled, base units: told by the venue or by fills, whichever is more."""
        return self._traded if self._told is None else max(self._told, self._traded)

    @property
    def remaining(self) -> Decimal | None:
        """What is not filled, base units; of a quote-sized order what the venue said, None where it did not."""
        if self.intent.unit is Unit.QUOTE:
            return self._told_remaining
        return max(self.quantity - self.filled, NOTHING)

    @property
    def average_price(self) -> Decimal | None:
        """The mean price of what is filled; None before anything is, or while only its amount is known."""
        if self._traded and self._traded == self.filled:
            return self._cost / self._traded
        return self._told_average

    @property
    def fees(self) -> Mapping[str, Decimal]:
        """What was paid so far, by asset; negative is a rebate."""
        return MappingProxyType(self._fees)

    @property
    def expected(self) -> Decimal | None:
        """What its fills must add up to, now that it is over; None while it is not, or while nobody said."""
        if not self.done:
            return None
        told = NOTHING if self._told is None else self._told
        if self._final is not None:
            return max(self._final, told)
        if self.state is OrderState.REJECTED:
            return told
        if self.state is OrderState.FILLED and self.intent.unit is Unit.BASE and not self.amending:
            return max(self.quantity, told)
        return None

    @property
    def overfilled(self) -> bool:
        """Whether more is filled than was ordered.

        Not judged while an amendment is under way. Where fills may still be undone those count that may not: the word that one
        of them was undone may come after the fill in its place.
        """
        certain = self._traded_finally if self._traded_finally < self._traded else self.filled
        return self.intent.unit is Unit.BASE and not self.amending and certain > self.quantity

    @property
    def needs_asking(self) -> bool:
        """Whether only a question to the venue can bring it further."""
        if self.complete:
            return False
        filled_up = self.intent.unit is Unit.BASE and self.filled >= self.quantity
        waits = self.done or self.cancel_taken is not None or self.state is OrderState.UNKNOWN
        return waits or bool(self.doubt) or filled_up

    def _add_up(self) -> None:
        self._traded = self._traded_finally = self._cost = NOTHING
        self._fees: dict[str, Decimal] = {}
        for fill in self._fills.values():
            self._count(fill)

    def _count(self, fill: Fill) -> None:
        self._traded += fill.quantity
        self._cost += fill.quantity * fill.price
        if fill.finality is Finality.FINAL:
            self._traded_finally += fill.quantity
        for fee in fill.fees or ():
            self._fees[fee.asset] = self._fees.get(fee.asset, NOTHING) + fee.amount

    # --- to the store and back

    def record(self) -> OrderRecord:
        """What the store keeps, without the fills."""
        return OrderRecord(
            account=self.account,
            client_order_id=self.client_order_id,
            number=self.number,
            intent=self.intent,
            quantity=self.quantity,
            price=self.price,
            state=self.state,
            order_id=self.order_id,
            ids=self.ids,
            error="" if self.error is None else str(self.error),
            reason=self.reason,
            created=self.created,
            updated=self.updated,
            sent=self.sent,
            noted=self.noted,
            nonce=self.nonce,
            payload=self.payload,
            confirmed=self.confirmed,
            cancel_requested=self.cancel_requested,
            amending=self.amending,
            doubt=self.doubt,
            provisional=self.provisional,
            complete=self.complete,
            overfill_told=self.overfill_told,
            told=self._told,
            final=self._final,
            told_average=self._told_average,
            told_remaining=self._told_remaining,
            status_at=self._status_at,
            quantity_at=self._quantity_at,
            price_at=self._price_at,
            undone_at=self._undone_at,
        )
