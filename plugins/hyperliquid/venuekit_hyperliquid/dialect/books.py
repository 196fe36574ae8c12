"""Books, best prices and trades as the venue writes them, and the trades of the last seconds, for whoever comes later."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, TypeAlias

from venuekit_spec import MILLISECOND, Engine, EngineEvent, Instant, Side, TradeHappened

RECENT: Final = 10
"""Trades of a coin that are told to whoever subscribes."""

Level: TypeAlias = dict[str, Any]


class Books:
    """What is told of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recent: dict[str, deque[TradeHappened]] = defaultdict(lambda: deque(maxlen=RECENT))
        engine.listen(self._happened)

    def coin(self, instrument: str) -> str:
        """The venue's name of an instrument."""
        return self._engine.instruments[instrument].native["socket"]

    def book(self, instrument: str, depth: int, now: Instant) -> dict[str, Any]:
        """The whole book, of so many levels a side."""
        image = self._engine.book(instrument, depth)
        orders = Counter((order.side, Decimal(order.price)) for order in self._engine.resting(instrument))
        levels = [
            [_level(price, size, orders[side, price]) for price, size in rows]
            for side, rows in ((Side.BUY, image.bids), (Side.SELL, image.asks))
        ]
        return {"coin": self.coin(instrument), "time": now // MILLISECOND, "levels": levels}

    def best(self, instrument: str, now: Instant) -> dict[str, Any]:
        """Best bid and best ask; null for an empty side."""
        told = self.book(instrument, 1, now)
        bids, asks = told["levels"]
        best = [next(iter(bids), None), next(iter(asks), None)]
        return {"coin": told["coin"], "time": told["time"], "bbo": best}

    def recent(self, instrument: str) -> Sequence[TradeHappened]:
        """The last trades, oldest first."""
        return tuple(self._recent[instrument])

    def trade(self, event: TradeHappened) -> dict[str, Any]:
        """One trade."""
        digest = sha256(str(event.number).encode()).hexdigest()
        maker, taker = (f"0x{int(order):040x}" for order in (event.maker_order_id, event.taker_order_id))
        bought = event.side is Side.BUY
        return {
            "coin": self.coin(event.instrument),
            "side": "B" if bought else "A",
            "px": text(event.price),
            "sz": text(event.size),
            "time": event.time // MILLISECOND,
            "hash": f"0x{digest}",
            "tid": int(digest[:12], 16) + 1,
            "users": [taker, maker] if bought else [maker, taker],
        }

    def _happened(self, event: EngineEvent) -> None:
        if isinstance(event, TradeHappened):
            self._recent[event.instrument].append(event)


def text(number: Decimal) -> str:
    """A number as the venue writes it: without trailing zeros, but for one behind the point."""
    plain = format(number.normalize(), "f")
    return plain if "." in plain else f"{plain}.0"


def _level(price: Decimal, size: Decimal, orders: int) -> Level:
    return {"px": text(price), "sz": text(size), "n": max(orders, 1)}
