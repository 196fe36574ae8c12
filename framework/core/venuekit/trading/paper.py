"""Paper trading: the market is on this machine, its prices are those of the tracked books.

The engine is found through the entry point ``engine`` of the group ``venuekit.paper``; it comes with ``venuekit[paper]``. It
reads the books that the exchange tracks, and is told of each change of them; what it tells goes to the account as a venue's
user stream would. Nothing is sent anywhere, and no credentials are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from importlib.metadata import entry_points
from typing import Any, Final

from attrs import evolve, field, frozen

from venuekit.books.book import OrderBook
from venuekit.trading.requests import Number, exact
from venuekit_spec import (
    PAPER,
    Absence,
    Capability,
    Description,
    FeeRates,
    Instant,
    InstrumentTable,
    LocalError,
    PaperFactory,
    PaperMarket,
    Resolution,
    Resolver,
    Side,
    UserMessage,
)
from venuekit_spec.values import fixed

ENGINE: Final = "engine"
_FIRST: Final = 16
"""How many levels are looked at before the rest of a side."""

_CLAIMS: Final = frozenset(
    {
        Capability.AMEND,
        Capability.BATCH_CANCEL,
        Capability.BATCH_PLACE,
        Capability.BALANCE_STREAM,
        Capability.CANCEL_ALL,
        Capability.QUOTE_SIZED,
        Capability.USER_STREAM,
    }
)
_VENUES_OWN: Final = frozenset(
    {
        Capability.DEAD_MAN_SWITCH,
        Capability.FUNDING,
        Capability.LEVERAGE,
        Capability.POSITIONS,
        Capability.REST_ORDERS,
        Capability.SOCKET_ORDERS,
    }
)


def _amounts(balances: Mapping[str, Number]) -> Mapping[str, Decimal]:
    return fixed({asset: exact(amount, f"the balance of {asset}") for asset, amount in balances.items()})


def _rates(fees: FeeRates | Number) -> FeeRates:
    if isinstance(fees, FeeRates):
        return fees
    rate = exact(fees, "the fee")
    return FeeRates(maker=rate, taker=rate)


@frozen(kw_only=True)
class PaperSettings:
    """What a paper account starts with: `balances` by asset, and its `fees` (fractions of the notional; one for both sides)."""

    balances: Mapping[str, Decimal] = field(
        factory=lambda: {"USDT": Decimal(100_000), "USD": Decimal(100_000), "USDC": Decimal(100_000)},
        converter=_amounts,
        hash=False,
    )
    fees: FeeRates = field(factory=lambda: _rates("0.001"), converter=_rates)


class TrackedBook:
    """A tracked book, as a paper market reads it (`PaperBook`)."""

    def __init__(self, book: OrderBook) -> None:
        self._book = book

    @property
    def live(self) -> bool:
        """Whether it is proven right now."""
        return self._book.live

    def levels(self, side: Side) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, size), best first; as far as the book is known."""
        book = self._book.unproven
        read = book.bids if side is Side.BUY else book.asks
        first = read(_FIRST)
        yield from ((level.price, level.size) for level in first)
        if len(first) == _FIRST:
            yield from ((level.price, level.size) for level in read()[_FIRST:])


def paper_factory() -> PaperFactory:
    """The installed engine. Raises `LocalError` with the pip line where there is none."""
    for entry in entry_points(group=PAPER, name=ENGINE):
        factory: PaperFactory = entry.load()
        return factory
    raise LocalError("paper trading needs an engine; install it with: pip install 'venuekit[paper]'")


def paper_description(description: Description) -> Description:
    """What holds of a paper market on a venue's books."""
    return evolve(
        description,
        capabilities=(description.capabilities | _CLAIMS) - _VENUES_OWN,
        order_types=frozenset(),
        times_in_force=frozenset(),
        resolver=Resolver((Resolution.ASK,), Absence(after=0.0)),
        order_life=None,
        maximum_batch=100,
    )


def paper_market(
    settings: PaperSettings,
    instruments: InstrumentTable,
    books: Mapping[str, OrderBook],
    emit: Callable[[UserMessage], None],
    now: Callable[[], Instant],
) -> PaperMarket:
    """A paper market over these books, which it follows from now on. Raises `LocalError` where no engine is installed."""
    market = paper_factory()(
        instruments=instruments,
        books={id_: TrackedBook(book) for id_, book in books.items()},
        balances=settings.balances,
        fees=settings.fees,
        emit=emit,
        now=now,
    )
    for id_, book in books.items():
        book.listeners.append(_follower(market, id_))
    return market


def _follower(market: PaperMarket, instrument: str) -> Callable[[Any], None]:
    """A listener of a book that passes on that it changed."""

    def changed(_message: object) -> None:
        market.book_changed(instrument)

    return changed
