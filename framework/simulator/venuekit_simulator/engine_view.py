"""The engine as a dialect sees it: all of it, and books that may be old or crossed.

A dialect belongs to one life of the venue. Its view ends with it, and so does whatever it listens to.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from attrs import evolve, frozen
from msgspec.structs import replace

from venuekit_spec import (
    BookImage,
    Engine,
    EngineEvent,
    Instant,
    LevelChanged,
    NewOrder,
    RestingOrder,
    SelfTradePrevention,
    Side,
    VenueOrder,
)

HISTORY: Final = 1_000
"""For how many changes of an instrument its book can be wound back."""

OnOrder = Callable[[str, NewOrder], None]
"""Told of an order right before the engine gets it: the account, and the order as it was asked for."""


@frozen
class BookFault:
    """What is wrong with books: so many changes old, crossed."""

    updates: int = 0
    crossed: bool = False


@frozen
class _Change:
    """A level before it was changed."""

    id: int
    side: Side
    price: Decimal
    before: Decimal
    time: Instant


class BookHistory:
    """The last changes of every book, to wind a book back by."""

    def __init__(self, engine: Engine) -> None:
        self._levels: dict[str, dict[tuple[Side, Decimal], Decimal]] = {}
        self._changes: dict[str, deque[_Change]] = defaultdict(lambda: deque(maxlen=HISTORY))
        for id_ in engine.instruments:
            book = engine.book(id_)
            sides = ((Side.BUY, book.bids), (Side.SELL, book.asks))
            self._levels[id_] = {(side, price): size for side, rows in sides for price, size in rows}
        engine.listen(self._note)

    def wound_back(self, book: BookImage, updates: int) -> BookImage:
        """The whole book as it was so many changes ago, or as long ago as is known."""
        changes = list(self._changes[book.instrument])
        undone = changes[max(0, len(changes) - updates) :]
        if not undone:
            return book
        levels = dict(self._levels[book.instrument])
        for change in reversed(undone):
            levels[change.side, change.price] = change.before
        rows = [(side, price, size) for (side, price), size in levels.items() if size]
        return evolve(
            book,
            id=undone[0].id - 1,
            bids=tuple(sorted(((p, s) for side, p, s in rows if side is Side.BUY), reverse=True)),
            asks=tuple(sorted((p, s) for side, p, s in rows if side is Side.SELL)),
            time=undone[0].time,
        )

    def _note(self, event: EngineEvent) -> None:
        if isinstance(event, LevelChanged):
            levels, key = self._levels.setdefault(event.instrument, {}), (event.side, event.price)
            before = levels.pop(key, Decimal(0))
            if event.size:
                levels[key] = event.size
            self._changes[event.instrument].append(
                _Change(event.id, event.side, event.price, before, event.time)
            )


class EngineView:
    """An `Engine` for one dialect: `close` ends what it listens to. `fault` holds for books asked for from now on.

    It says itself what it changes, and leaves the rest to the engine.
    """

    def __init__(self, engine: Engine, history: BookHistory, on_order: OnOrder) -> None:
        self.fault: BookFault | None = None
        self._engine = engine
        self._history = history
        self._on_order = on_order
        self._endings: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        """Whatever is not here is the engine's own."""
        return getattr(self._engine, name)

    def close(self) -> None:
        """The dialect is gone: it hears nothing any more."""
        for end in self._endings:
            end()
        self._endings.clear()

    def listen(self, listener: Callable[[EngineEvent], None]) -> Callable[[], None]:
        """As the engine's, until this view is closed."""
        end = self._engine.listen(listener)
        self._endings.append(end)

        def once() -> None:
            if end in self._endings:
                self._endings.remove(end)
                end()

        return once

    def place(
        self,
        account: str,
        order: NewOrder,
        now: Instant,
        *,
        self_trade: SelfTradePrevention = SelfTradePrevention.CANCEL_TAKER,
    ) -> VenueOrder:
        """As the engine's, after `on_order`."""
        self._on_order(account, order)
        return self._engine.place(account, order, now, self_trade=self_trade)

    def book(self, instrument: str, depth: int | None = None) -> BookImage:
        """As the engine's; old or crossed while `fault` says so."""
        if self.fault is None:
            return self._engine.book(instrument, depth)
        book = self._engine.book(instrument)
        if self.fault.updates:
            book = self._history.wound_back(book, self.fault.updates)
        bids, asks = book.bids, book.asks
        if self.fault.crossed and bids and asks:
            bids, asks = ((asks[0][0], bids[0][1]), *bids[1:]), ((bids[0][0], asks[0][1]), *asks[1:])
        return evolve(book, bids=bids[:depth], asks=asks[:depth])

    def resting(self, instrument: str) -> Sequence[RestingOrder]:
        """As the engine's; crossed while `fault` says so."""
        orders = self._engine.resting(instrument)
        best = {
            side: next((o.price for o in orders if o.side is side), None) for side in (Side.BUY, Side.SELL)
        }
        if self.fault is None or not self.fault.crossed or None in best.values():
            return orders
        other = {Side.BUY: best[Side.SELL] or "", Side.SELL: best[Side.BUY] or ""}
        return [replace(o, price=other[o.side]) if o.price == best[o.side] else o for o in orders]
