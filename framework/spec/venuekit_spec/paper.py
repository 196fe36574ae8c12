"""Paper trading: a market that matches orders against the books that the core tracks live.

The core finds the engine through the entry point ``engine`` of the group ``venuekit.paper`` (extra ``venuekit[paper]``). Its
value is a `PaperFactory`. What it makes is a `Market` like a connector's, whose flows need no request: the core drives it as
it drives any venue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, Protocol

from venuekit_spec.instruments import InstrumentTable
from venuekit_spec.messages import Side
from venuekit_spec.orders import FeeRates, UserMessage
from venuekit_spec.protocols import Market
from venuekit_spec.times import Instant

PAPER: Final = "venuekit.paper"
"""Entry-point group of paper engines; the one that is used is called ``engine``."""


class PaperBook(Protocol):
    """A tracked book, as a paper market sees it."""

    @property
    def live(self) -> bool:
        """Whether it is proven right now: nothing is matched against a book that is not."""
        ...

    def levels(self, side: Side) -> Iterable[tuple[Decimal, Decimal]]:
        """(price, size) of bids (`Side.BUY`) or asks, best first."""
        ...


class PaperMarket(Market, Protocol):
    """A market on this machine."""

    def book_changed(self, instrument: str) -> None:
        """The book of an instrument has changed: resting orders that it has reached are filled."""
        ...


class PaperFactory(Protocol):
    """Makes a paper market."""

    def __call__(
        self,
        *,
        instruments: InstrumentTable,
        books: Mapping[str, PaperBook],
        balances: Mapping[str, Decimal],
        fees: FeeRates,
        emit: Callable[[UserMessage], None],
        now: Callable[[], Instant],
    ) -> PaperMarket:
        """A market with an account that holds `balances` (by asset) and pays `fees`.

        Everything that a user stream would tell goes to `emit`; `now` is the time.
        """
        ...


__all__ = ["PAPER", "PaperBook", "PaperFactory", "PaperMarket"]
