"""The journal of one instrument: its last trades, with all that is needed to take some of them back.

A trade that is taken back may be older than others that stay. So everything of the accounts concerned is unsettled, the newest
first, down to the oldest trade that goes; then those that stay are settled again in their order. A position, its cost and what
it realised are then what they would be without the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

from attrs import define

from venuekit_simulator.accounts import LiveOrder
from venuekit_simulator.settlement import Settled, Settlement
from venuekit_spec import Liquidity

MEMORY: Final = 10_000
"""How many trades of an instrument can be taken back."""

_LETTERS: Final[Mapping[Liquidity, str]] = {Liquidity.MAKER: "m", Liquidity.TAKER: "t"}


def execution_key(trade: int, liquidity: Liquidity) -> str:
    """The key of one side of a trade."""
    return f"{trade}{_LETTERS[liquidity]}"


def trade_number(key: str) -> int | None:
    """The trade of which this is the key of a side; None for what is no key."""
    number, letter = key[:-1], key[-1:]
    return int(number) if number.isascii() and number.isdigit() and letter in _LETTERS.values() else None


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
    """The last trades of one instrument; by its number a trade is `in` it."""

    def __init__(self) -> None:
        self._trades: deque[Trade] = deque()
        self._numbers: set[int] = set()

    def note(self, trade: Trade) -> None:
        """The newest."""
        self._trades.append(trade)
        self._numbers.add(trade.number)
        if len(self._trades) > MEMORY:
            self._numbers.discard(self._trades.popleft().number)

    @property
    def newest(self) -> Trade | None:
        """The newest trade; None where there is none, or all were taken back."""
        return self._trades[-1] if self._trades else None

    def __contains__(self, number: object) -> bool:
        return number in self._numbers

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
                self._numbers.discard(trade.number)
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
