"""The journal of one instrument: its last trades, with all that is needed to take some of them back.

A trade that is taken back may be older than others that stay. So everything of the accounts concerned is unsettled, the newest
first, down to the oldest trade that goes; then those that stay are settled again in their order. A position, its cost and what
it realised are then what they would be without the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final

from attrs import define

from venuekit_simulator.accounts import LiveOrder
from venuekit_simulator.settlement import Settled, Settlement

MEMORY: Final = 10_000
"""How many trades of an instrument can be taken back."""


@define(eq=False)
class Trade:
    """A trade that has happened. `last` was the last price before it."""

    number: int
    maker: LiveOrder
    taker: LiveOrder
    price: Decimal
    quantity: Decimal
    last: Decimal
    settled: tuple[Settled, ...]
    """Of the maker, of the taker."""


class Journal:
    """The last trades of one instrument."""

    def __init__(self) -> None:
        self._trades: deque[Trade] = deque(maxlen=MEMORY)

    def note(self, trade: Trade) -> None:
        """The newest."""
        self._trades.append(trade)

    def numbers(self) -> Collection[int]:
        """Those of all trades that can be taken back."""
        return {trade.number for trade in self._trades}

    def take_back(self, numbers: Collection[int], settlement: Settlement) -> Sequence[Trade]:
        """Unsettle these trades, and forget them; they are returned, the newest first."""
        later: list[Trade] = []
        gone = [trade for trade in reversed(self._trades) if trade.number in numbers]
        accounts = {side.account for trade in gone for side in trade.settled}
        missing = len(gone)
        while missing:
            trade = self._trades.pop()
            for side in reversed(trade.settled):
                if side.account in accounts:
                    settlement.unsettle(side)
            if trade.number in numbers:
                missing -= 1
                if later:
                    later[-1].last = trade.last
            else:
                later.append(trade)
        for trade in reversed(later):
            trade.settled = tuple(
                settlement.settle(side.account, side.side, side.price, side.quantity, side.rate)
                if side.account in accounts
                else side
                for side in trade.settled
            )
            self._trades.append(trade)
        return gone
