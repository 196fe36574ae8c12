"""Pre-trade limits: what this program may do at most, whatever the venue would take.

1. Each order is judged before it is stored, together with what is open and what is being placed at the same moment.
2. Money is counted in quote units, so a limit in money is one number per quote asset, or one for all of them alike.
3. What an order without a price is worth is told by the tracked book, only while that is LIVE. Where it is not, a limit
   that needs it refuses, unless `without_book` allows.
4. The collar holds limit prices within a fraction of the middle of the book, both ways; a market order is judged by what the
   known levels would make it pay. A limit price behind a trigger is measured from the trigger price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from attrs import field, frozen

from venuekit.books.book import LevelsUnknown, OrderBook
from venuekit.trading.requests import Number, exact
from venuekit.trading.rules import TRIGGERED
from venuekit_spec import Instrument, LocalError, NewOrder, Side, Unit
from venuekit_spec.values import fixed

_EXACT: Final = Context(prec=100)

Money: TypeAlias = Decimal | Mapping[str, Decimal]
"""Quote units: one number for every quote asset, or one for each that may be traded in."""


class LimitBroken(LocalError):
    """An order beyond our own limits; nothing was stored or sent. `limit` is its name."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class Killed(LocalError):
    """The kill switch is thrown: no order is placed until `revive`."""


class WithoutBook(StrEnum):
    """What a limit does that needs a live book where there is none."""

    REFUSE = "refuse"
    ALLOW = "allow"


def _money(value: Number | Mapping[str, Number] | None) -> Money | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return fixed({asset: exact(amount, f"the limit in {asset}") for asset, amount in value.items()})
    return exact(value, "the limit")


def _fraction(value: Number | None) -> Decimal | None:
    if value is None:
        return None
    fraction = exact(value, "the collar")
    if fraction <= 0:
        raise LocalError(f"a price collar is a fraction above zero, not {fraction}")
    return fraction


@frozen(kw_only=True)
class PreTradeLimits:
    """Limits of one account; None is no limit.

    `order_notional`: the most that one order may be worth, `open_notional`: all open orders of one quote asset together
    (quote units; one number, or a mapping from quote asset, where an asset that is not in it is refused). `open_orders`: how
    many may be open. `price_collar`: how far from the middle of the book a price may be, as a fraction (``"0.05"``).
    """

    order_notional: Money | None = field(default=None, converter=_money, hash=False)
    open_orders: int | None = None
    open_notional: Money | None = field(default=None, converter=_money, hash=False)
    price_collar: Decimal | None = field(default=None, converter=_fraction)
    without_book: WithoutBook = field(default=WithoutBook.REFUSE, converter=WithoutBook)


@frozen
class Standing:
    """What is open beside the orders that are judged.

    `count`: how many. `worth`: by instrument, in quote units, of those whose price is known. `others`: those that `worth`
    leaves out; the quantity of each is what may still be filled of it.
    """

    count: int
    worth: Mapping[str, Decimal] = field(hash=False)
    others: Sequence[NewOrder] = ()


def check_limits(
    limits: PreTradeLimits,
    orders: Iterable[NewOrder],
    beside: Standing,
    instruments: Mapping[str, Instrument],
    books: Mapping[str, OrderBook],
) -> None:
    """Raise `LimitBroken` where these new orders, one after the other, break a limit beside those that are open."""
    judge = _Judge(limits, instruments, books)
    count = beside.count
    exposed: dict[str, Decimal] = {}
    if limits.open_notional is not None:
        for instrument, worth in beside.worth.items():
            judge.expose(exposed, instrument, worth)
        for order in beside.others:
            judge.add(exposed, order)
    for new in orders:
        if limits.open_orders is not None and count >= limits.open_orders:
            raise LimitBroken(
                f"{count} orders are open, the limit is {limits.open_orders}", limit="open orders"
            )
        count += 1
        judge.collar(new)
        judge.order(new)
        if limits.open_notional is not None:
            judge.add(exposed, new)
            judge.total(exposed, new)


class _Judge:
    """The limits, with what is needed to price an order."""

    def __init__(
        self, limits: PreTradeLimits, instruments: Mapping[str, Instrument], books: Mapping[str, OrderBook]
    ) -> None:
        self._limits = limits
        self._instruments = instruments
        self._books = books

    def order(self, new: NewOrder) -> None:
        """One order's notional against the limit."""
        most = self._limit(self._limits.order_notional, new, "order notional")
        if most is None:
            return
        notional = self._notional(new, "order notional")
        if notional is not None and notional > most:
            raise LimitBroken(
                f"an order of {new.instrument} worth {notional} is above the limit of {most} for one order",
                limit="order notional",
            )

    def add(self, exposed: dict[str, Decimal], order: NewOrder) -> None:
        """Count what an order is worth among what is open in its quote asset."""
        notional = self._notional(order, "open notional")
        if notional is not None:
            self.expose(exposed, order.instrument, notional)

    def expose(self, exposed: dict[str, Decimal], instrument: str, worth: Decimal) -> None:
        """Count so much among what is open in the quote asset of an instrument."""
        quote = self._instruments[instrument].quote
        exposed[quote] = _EXACT.add(exposed.get(quote, Decimal(0)), worth)

    def total(self, exposed: Mapping[str, Decimal], new: NewOrder) -> None:
        """What is open in the quote asset of `new`, that included, against the limit."""
        most = self._limit(self._limits.open_notional, new, "open notional")
        quote = self._instruments[new.instrument].quote
        total = exposed.get(quote, Decimal(0))
        if most is not None and total > most:
            raise LimitBroken(
                f"open orders would be worth {total} {quote}, the limit is {most}", limit="open notional"
            )

    def collar(self, new: NewOrder) -> None:
        """The price of an order against the middle of its book."""
        fraction = self._limits.price_collar
        if fraction is None or (new.type in TRIGGERED and new.price is None):
            return
        if new.type in TRIGGERED:
            middle, what = new.trigger_price, "trigger price"
        else:
            middle, what = self._middle(new, "price collar"), "middle of the book"
        price = self._average(new, "price collar") if new.price is None else new.price
        if middle is None or price is None:
            return
        distance = _EXACT.multiply(middle, fraction)
        low, high = _EXACT.subtract(middle, distance), _EXACT.add(middle, distance)
        if not low <= price <= high:
            raise LimitBroken(
                f"price {price} is outside {low} to {high}, {fraction} around the {what} {middle} of {new.instrument}",
                limit="price collar",
            )

    def _limit(self, money: Money | None, new: NewOrder, limit: str) -> Decimal | None:
        if not isinstance(money, Mapping):
            return money
        quote = self._instruments[new.instrument].quote
        if quote not in money:
            raise LimitBroken(
                f"there is no {limit} limit in {quote}: {new.instrument} is refused", limit=limit
            )
        return money[quote]

    def _notional(self, order: NewOrder, limit: str) -> Decimal | None:
        if order.unit is Unit.QUOTE:
            return order.quantity
        price = order.price or order.trigger_price or self._touch(order, limit)
        return None if price is None else _EXACT.multiply(price, order.quantity)

    def _book(self, order: NewOrder, limit: str) -> OrderBook | None:
        book = self._books.get(order.instrument)
        if book is not None and book.live:
            return book
        if self._limits.without_book is WithoutBook.ALLOW:
            return None
        raise LimitBroken(
            f"the {limit} limit needs the live book of {order.instrument}, which is "
            f"{'not open' if book is None else book.state}",
            limit=limit,
        )

    def _touch(self, order: NewOrder, limit: str) -> Decimal | None:
        """The best price on the other side."""
        book = self._book(order, limit)
        if book is None:
            return None
        best = book.best_ask if order.side is Side.BUY else book.best_bid
        return best.price if best else self._without_price(order, limit)

    def _middle(self, order: NewOrder, limit: str) -> Decimal | None:
        book = self._book(order, limit)
        if book is None:
            return None
        if book.mid is not None:
            return book.mid
        only = book.best_bid or book.best_ask
        return only.price if only else self._without_price(order, limit)

    def _average(self, order: NewOrder, limit: str) -> Decimal | None:
        """What a market order would pay on average, by the levels that are known."""
        book = self._book(order, limit)
        if book is None:
            return None
        if order.unit is Unit.QUOTE:
            return self._touch(order, limit)
        try:
            return book.average_price(order.side, order.quantity)
        except LevelsUnknown as error:
            if self._limits.without_book is WithoutBook.ALLOW:
                return None
            raise LimitBroken(str(error), limit=limit) from None

    def _without_price(self, order: NewOrder, limit: str) -> Decimal | None:
        """The book is live and empty."""
        if self._limits.without_book is WithoutBook.ALLOW:
            return None
        raise LimitBroken(
            f"the {limit} limit needs prices, the book of {order.instrument} is empty", limit=limit
        )
