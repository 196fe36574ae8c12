"""Order-by-order feeds for tests: messages of ``P1-USD``, a model to compare with, and a market that goes on for long."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from attrs import define, field
from framework.core.tests.venues import START

from venuekit_spec import OrderAction, OrderBookSnapshot, OrderEvent, RestingOrder, Side

OPEN, CHANGE, MATCH, DONE, NOTHING = OrderAction
BUY, SELL = Side


def event(action: OrderAction, order_id: str = "", **told: Any) -> OrderEvent:
    """An event of ``P1-USD``."""
    return OrderEvent(instrument="P1-USD", action=action, order_id=order_id, received=START, **told)


def snapshot(*orders: RestingOrder, last: int | None = None) -> OrderBookSnapshot:
    """A snapshot of ``P1-USD``."""
    return OrderBookSnapshot(instrument="P1-USD", orders=orders, last=last, received=START)


@define
class Model:
    """Every resting order, ``[id, side, price, size]``, oldest first; those of one price are its queue."""

    orders: list[list[Any]] = field(factory=list)
    own: frozenset[str] = frozenset()

    def find(self, order_id: str) -> list[Any] | None:
        return next((order for order in self.orders if order[0] == order_id), None)

    def apply(self, told: OrderEvent) -> None:
        found = self.find(told.order_id)
        size = Decimal(told.size or 0)
        if told.action is OPEN:
            if found and size and found[1:] == [told.side, Decimal(told.price), size]:
                return
            if found:
                self.orders.remove(found)
            if size:
                self.orders.append([told.order_id, told.side, Decimal(told.price), size])
        elif found is None or told.action is NOTHING:
            return
        elif told.action is CHANGE:
            price = Decimal(told.price) if told.price else found[2]
            size = size if told.size else found[3]
            if price != found[2] or size > found[3]:
                self.orders.remove(found)
                self.orders.append(found)
            found[2:] = price, size
        elif told.action is MATCH:
            found[3] -= size
        else:
            found[3] = Decimal(0)
        self.orders = [order for order in self.orders if order[3] > 0]

    def levels(self) -> dict[tuple[Side, Decimal], tuple[Decimal, int, Decimal]]:
        """Size, orders and own size of each price."""
        found: dict[tuple[Side, Decimal], tuple[Decimal, int, Decimal]] = {}
        for order_id, side, price, size in self.orders:
            total, count, own = found.get((side, price), (Decimal(0), 0, Decimal(0)))
            found[side, price] = total + size, count + 1, own + (size if order_id in self.own else 0)
        return found

    def queues(self) -> dict[tuple[Side, Decimal], list[tuple[str, Decimal]]]:
        """Ids and sizes of each price, in queue order."""
        found: dict[tuple[Side, Decimal], list[tuple[str, Decimal]]] = {}
        for order_id, side, price, size in self.orders:
            found.setdefault((side, price), []).append((order_id, size))
        return found


@define
class Market:
    """Generates events of a plausible market, and knows what rests: id -> ``[side, ticks, lots, rank in its queue]``.

    Prices are in ticks of 0.01, sizes in lots of 0.001.
    """

    random: Random
    resting: dict[str, list[Any]] = field(factory=dict)
    ids: list[str] = field(factory=list)
    rank: int = 0
    mid: int = 1_000_000

    def next(self) -> OrderEvent:
        """The next event; it has happened here already."""
        random, self.rank = self.random, self.rank + 1
        roll = random.random()
        if roll < 0.01:
            return event(random.choice((CHANGE, DONE)), f"never-{self.rank}", size="1", last=self.rank)
        if roll < 0.40 or len(self.ids) < 100:
            return self._open()
        place = random.randrange(len(self.ids))
        order_id = self.ids[place]
        order = self.resting[order_id]
        if roll < 0.75:
            self._remove(place)
            return event(DONE, order_id, last=self.rank)
        if roll < 0.90:
            lots = random.randint(1, order[2])
            order[2] -= lots
            if not order[2]:
                self._remove(place)
            return event(MATCH, order_id, size=_lots(lots), last=self.rank)
        lots, ticks = random.randint(1, 5000), self._ticks(order[0]) if roll > 0.97 else order[1]
        told = {"size": _lots(lots), "price": "" if ticks == order[1] else _ticks(ticks)}
        if lots > order[2] or ticks != order[1]:
            order[3] = self.rank
        order[1] = ticks
        order[2] = lots
        return event(CHANGE, order_id, last=self.rank, **told)

    def _open(self) -> OrderEvent:
        side = self.random.choice((BUY, SELL))
        order_id, ticks, lots = f"o{self.rank}", self._ticks(side), self.random.randint(1, 5000)
        self.resting[order_id] = [side, ticks, lots, self.rank]
        self.ids.append(order_id)
        return event(OPEN, order_id, side=side, price=_ticks(ticks), size=_lots(lots), last=self.rank)

    def _ticks(self, side: Side) -> int:
        away = 1 + int(self.random.expovariate(0.01))
        return self.mid - away if side is BUY else self.mid + away

    def _remove(self, place: int) -> None:
        del self.resting[self.ids[place]]
        self.ids[place] = self.ids[-1]
        self.ids.pop()

    def queues(self, side: Side) -> list[tuple[Decimal, list[tuple[str, Decimal]]]]:
        """Price, and ids and sizes in queue order, of each level, best first."""
        levels: dict[int, list[tuple[int, str, int]]] = {}
        for order_id, (its_side, ticks, lots, rank) in self.resting.items():
            if its_side is side:
                levels.setdefault(ticks, []).append((rank, order_id, lots))
        return [
            (
                Decimal(_ticks(ticks)),
                [(order_id, Decimal(_lots(lots))) for _, order_id, lots in sorted(levels[ticks])],
            )
            for ticks in sorted(levels, reverse=side is BUY)
        ]


def _ticks(count: int) -> str:
    return f"{count // 100}.{count % 100:02}"


def _lots(count: int) -> str:
    return f"{count // 1000}.{count % 1000:03}"
