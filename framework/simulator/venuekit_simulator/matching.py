"""Price-time priority: the two sides of a book, and what an incoming order would meet there.

The best price comes first; at one price the order that came first. An order that loses its place is taken out and put in
again. A match is at the price of the one that rested. Nothing is changed while it is found out what an order meets: the
engine looks at the plan (can all of it be filled, can it be paid) before it carries it out.

An order that meets one of its own account does what its self-trade prevention says: the taker ends there, the maker is taken
out of the way, or both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from attrs import define
from sortedcontainers import SortedDict

from venuekit_simulator.accounts import LiveOrder
from venuekit_simulator.exact import EXACT, ZERO, floored
from venuekit_spec import SelfTradePrevention, Side, Unit


@define(eq=False)
class Level:
    """One price: its orders in queue order, and their sum."""

    price: Decimal
    size: Decimal
    queue: dict[int, LiveOrder]


class BookSide:
    """The resting orders of one side, by price and then by time."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._levels: SortedDict[Decimal, Level] = SortedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def levels(self) -> Iterator[Level]:
        """Best first."""
        levels = self._levels
        for price in reversed(levels) if self.side is Side.BUY else levels:
            yield levels[price]

    def best(self) -> Decimal | None:
        """The best price; None for an empty side."""
        if not self._levels:
            return None
        best, _ = self._levels.peekitem(-1 if self.side is Side.BUY else 0)
        return best

    def size(self, price: Decimal) -> Decimal:
        """What rests at a price."""
        level = self._levels.get(price)
        return ZERO if level is None else level.size

    def add(self, order: LiveOrder) -> None:
        """Rest at the tail of its price."""
        price = order.price
        assert price is not None, "an order without a price cannot rest"
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = Level(price, ZERO, {})
        level.queue[order.number] = order
        level.size = EXACT.add(level.size, order.remaining)
        order.resting = True

    def reduce(self, order: LiveOrder, by: Decimal) -> None:
        """Less of it rests, in its place; the caller changes the order itself."""
        assert order.price is not None
        level = self._levels[order.price]
        level.size = EXACT.subtract(level.size, by)

    def remove(self, order: LiveOrder) -> None:
        """Take it out with what remains of it."""
        assert order.price is not None
        level = self._levels[order.price]
        del level.queue[order.number]
        order.resting = False
        if level.queue:
            level.size = EXACT.subtract(level.size, order.remaining)
        else:
            del self._levels[order.price]


def reaches(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order of `side` with that limit may trade at `price`."""
    return limit is None or (price <= limit if side is Side.BUY else price >= limit)


@define(eq=False)
class Plan:
    """What an order would meet: base units per price (and who rests there), in order.

    `base` and `quote` are the sums. `complete`: all of the order is filled by it. `stopped`: it ends at one of its own
    account. `cancels`: its own that are taken out of the way.
    """

    matches: list[tuple[LiveOrder, Decimal]]
    cancels: list[LiveOrder]
    base: Decimal = ZERO
    quote: Decimal = ZERO
    complete: bool = False
    stopped: bool = False


class Appetite:
    """What an order still wants while it walks: base units, or quote units of which whole steps of base are bought."""

    def __init__(self, order: LiveOrder, step: Decimal) -> None:
        self._quote = order.intent.unit is Unit.QUOTE
        self._left = EXACT.subtract(order.intent.quantity, order.spent) if self._quote else order.remaining
        self._step = step
        self.base = ZERO
        self.quote = ZERO
        self.complete = False

    def take(self, price: Decimal, offered: Decimal) -> Decimal:
        """How much (base units) of an offer at this price is taken; noted. Zero: nothing more is wanted."""
        wanted = floored(EXACT.divide(self._left, price), self._step) if self._quote else self._left
        taken = min(wanted, offered)
        cost = EXACT.multiply(price, taken)
        self._left = EXACT.subtract(self._left, cost if self._quote else taken)
        self.base = EXACT.add(self.base, taken)
        self.quote = EXACT.add(self.quote, cost)
        self.complete = taken == wanted and self.base > 0
        return taken


def plan(order: LiveOrder, opposite: BookSide, step: Decimal) -> Plan:
    """What `order` would meet on the opposite side right now."""
    appetite = Appetite(order, step)
    found = Plan([], [])
    for maker in _reached(order, opposite.levels()):
        if maker.account == order.account and order.self_trade is not SelfTradePrevention.NONE:
            if order.self_trade is not SelfTradePrevention.CANCEL_TAKER:
                found.cancels.append(maker)
            if order.self_trade is not SelfTradePrevention.CANCEL_MAKER:
                found.stopped = True
                break
            continue
        assert maker.price is not None
        taken = appetite.take(maker.price, maker.remaining)
        if taken:
            found.matches.append((maker, taken))
        if not taken or appetite.complete:
            break
    found.base, found.quote, found.complete = appetite.base, appetite.quote, appetite.complete
    return found


def _reached(order: LiveOrder, levels: Iterable[Level]) -> Iterator[LiveOrder]:
    for level in levels:
        if not reaches(order.side, order.price, level.price):
            return
        yield from level.queue.values()
