"""Sides whose rows carry stamps: each says when its level last changed, and an older one must not undo a newer.

`SyncRule.row_ids` tells where in a row the stamp stands. A level keeps its stamp when it is removed, so a late row does not
bring it back. Where a snapshot stands at an id, that is the stamp of every level that has none of its own (KuCoin: changes
that the snapshot already has are skipped one by one).

With `Crossed.UNCROSS` the stamps also tell which of two crossing levels is the older one, and that is dropped; of two that
are equally old the smaller size is taken off both (dYdX: https://docs.dydx.xyz/interaction/data/watch-orderbook).
"""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Any, Self

from venuekit.books.ladder import Ladder, exact
from venuekit.books.sides import LevelSides
from venuekit_spec import BookDelta, BookSnapshot, Row, Rows


class StampedSides(LevelSides):
    """Of a feed whose rows carry stamps at `index`. `uncross`: drop the older of two levels that cross."""

    __slots__ = ("base", "index", "stamps", "uncross")

    def __init__(self, bids: Ladder, asks: Ladder, index: int, *, uncross: bool = False) -> None:
        super().__init__(bids, asks)
        self.index = index
        self.uncross = uncross
        self.base: float = -inf
        self.stamps: tuple[dict[Any, int], dict[Any, int]] = ({}, {})

    def load(self, snapshot: BookSnapshot) -> None:
        """Become what a snapshot says, stamps included."""
        super().load(snapshot)
        self.base = -inf if snapshot.last is None else snapshot.last
        self.stamps = ({}, {})
        for ladder, rows, stamps in self._with_stamps(snapshot.bids, snapshot.asks):
            for row in rows:
                if len(row) > self.index:
                    stamps[ladder.key(exact(row[0]))] = int(row[self.index])
        self._uncross()

    def apply(self, delta: BookDelta, /) -> None:
        """Change what a delta says, level by level, where it is newer than what the level has."""
        for ladder, rows, stamps in self._with_stamps(delta.bids, delta.asks):
            ladder.apply([row for row in rows if self._newer(ladder, stamps, row)])
        self._uncross()

    def fresh(self) -> Self:
        """The same, and empty."""
        return type(self)(*self._empty(), self.index, uncross=self.uncross)

    def adopt(self, other: Any) -> None:
        """Become what others are, stamps included."""
        super().adopt(other)
        self.base, self.stamps = other.base, other.stamps

    def _newer(self, ladder: Ladder, stamps: dict[Any, int], row: Row) -> bool:
        key, stamp = ladder.key(exact(row[0])), int(row[self.index])
        if stamp <= stamps.get(key, self.base):
            return False
        stamps[key] = stamp
        return True

    def _with_stamps(self, bids: Rows, asks: Rows) -> tuple[tuple[Ladder, Rows, dict[Any, int]], ...]:
        return (self.bids, bids, self.stamps[0]), (self.asks, asks, self.stamps[1])

    def _uncross(self) -> None:
        while self.uncross and self.bids.keys and self.asks.keys and self.bids.keys[-1] > -self.asks.keys[-1]:
            bid, ask = self._best(self.bids, 0), self._best(self.asks, 1)
            kept = abs(bid[1] - ask[1]) if bid[2] == ask[2] else Decimal(0)
            bid_goes = bid[2] < ask[2] or (bid[2] == ask[2] and bid[1] <= ask[1])
            ask_goes = ask[2] < bid[2] or (bid[2] == ask[2] and ask[1] <= bid[1])
            for ladder, (row, _, _stamp), goes in ((self.bids, bid, bid_goes), (self.asks, ask, ask_goes)):
                if goes:
                    ladder.apply([(row[0], "0")])
                elif bid[2] == ask[2]:
                    less: Row = (row[0], f"{kept:f}", *row[2:])
                    ladder.apply([less])

    def _best(self, ladder: Ladder, place: int) -> tuple[Row, Decimal, float]:
        key = ladder.keys[-1]
        row = ladder.rows[key]
        return row, Decimal(row[1]), self.stamps[place].get(key, self.base)
