"""What all sockets have in common: the books as they are, and the numbers of trades.

A socket is told the difference between the best levels it knows and the best there are, so that it needs the true book,
whatever went wrong with a snapshot that it asked for. Trades of a symbol are numbered by one; after a restart the numbers go
on higher up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from itertools import count, islice
from typing import Final, TypeAlias

from msgspec import Struct

from venuekit_spec import Engine, EngineEvent, LevelChanged, Side, TradeHappened

Levels: TypeAlias = dict[Decimal, Decimal]
"""Price -> size, best first."""

REMEMBERED: Final = 1_000
"""Trades, over all symbols: more than happen between two moments at which the sockets are told."""


class NumberedTrade(Struct, frozen=True):
    """A trade, and its number among those of its symbol."""

    number: int
    trade: TradeHappened


class Market:
    """Follows the engine, event by event as it happens."""

    def __init__(self, engine: Engine) -> None:
        self._books: dict[str, dict[Side, Levels]] = {}
        self._last: dict[str, int] = {}
        for id_ in engine.instruments:
            book = engine.book(id_)
            self._books[id_] = {Side.BUY: dict(book.bids), Side.SELL: dict(book.asks)}
            self._last[id_] = book.id
        self._numbers: dict[str, count[int]] = {}
        self._trades: deque[NumberedTrade] = deque(maxlen=REMEMBERED)
        self._counted = 0
        engine.listen(self._happened)

    def best(self, instrument: str, side: Side, depth: int) -> Levels:
        """The best levels of one side."""
        levels = self._books[instrument][side]
        return dict(islice(sorted(levels.items(), reverse=side is Side.BUY), depth))

    def complete(self, event: LevelChanged) -> bool:
        """Whether nothing has happened to this book after `event`."""
        return self._last[event.instrument] == event.id

    @property
    def trades(self) -> int:
        """How many trades there were."""
        return self._counted

    def trades_since(self, position: int) -> Sequence[NumberedTrade]:
        """The trades after the first `position`, as far as they are remembered."""
        new = min(self._counted - position, len(self._trades))
        return [*islice(self._trades, len(self._trades) - new, None)]

    def _happened(self, event: EngineEvent) -> None:
        if isinstance(event, LevelChanged):
            self._last[event.instrument] = event.id
            levels = self._books[event.instrument][event.side]
            if event.size:
                levels[event.price] = event.size
            else:
                levels.pop(event.price, None)
        elif isinstance(event, TradeHappened):
            numbers = self._numbers.setdefault(event.instrument, count(event.number))
            self._trades.append(NumberedTrade(next(numbers), event))
            self._counted += 1
