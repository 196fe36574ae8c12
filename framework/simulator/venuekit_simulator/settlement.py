"""Settlement: what an order must hold, and what changes hands when it is executed. A strategy per kind of instrument.

Spot (here): a buy holds quote, limit price times what remains; a sell holds base. Nothing is held for fees, because they are
taken from the asset that is received: base of a buy, quote of a sell. Market orders never rest and hold nothing; what they
will cost is known, and looked at, before they are matched.

Derivatives (`venuekit_simulator.perpetual`): margin is held in the settlement asset, and positions change instead of assets.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from venuekit_simulator.exact import EXACT, ZERO, cut
from venuekit_simulator.ledger import FEES, Ledger
from venuekit_spec import Fee, Instant, Instrument, Position, Side


class Settlement(Protocol):
    """How one instrument is settled."""

    def asset(self, side: Side) -> str:
        """The asset that orders of this side hold."""
        ...

    def required(
        self, account: str, side: Side, base: Decimal, quote: Decimal, *, reduce_only: bool
    ) -> Decimal:
        """What must be held (or be there) of `asset` for an order over `base` units that are worth `quote`."""
        ...

    def settle(self, account: str, side: Side, price: Decimal, quantity: Decimal, rate: Decimal) -> Fee:
        """One side of a trade: move what changes hands, charge the fee."""
        ...

    def reducible(self, account: str, side: Side) -> Decimal:
        """How much (base units) an order of this side may take from a position; zero where there is none."""
        ...

    def position(self, account: str, now: Instant) -> Position | None:
        """The position of an account, None where it is flat."""
        ...

    def take_changes(self, now: Instant) -> Sequence[tuple[str, Position]]:
        """(account, position) of each that changed since the last call."""
        ...


class SpotSettlement:
    """Base against quote."""

    def __init__(self, instrument: Instrument, ledger: Ledger) -> None:
        self._base = instrument.base
        self._quote = instrument.quote
        self._ledger = ledger

    def asset(self, side: Side) -> str:
        """Quote of a buy, base of a sell."""
        return self._quote if side is Side.BUY else self._base

    def required(
        self, account: str, side: Side, base: Decimal, quote: Decimal, *, reduce_only: bool
    ) -> Decimal:
        """All of what is given away."""
        return quote if side is Side.BUY else base

    def settle(self, account: str, side: Side, price: Decimal, quantity: Decimal, rate: Decimal) -> Fee:
        """Give the one asset, receive the other less its fee."""
        notional = EXACT.multiply(price, quantity)
        given, received = (notional, quantity) if side is Side.BUY else (quantity, notional)
        fee = Fee(self.asset(side.opposite), cut(EXACT.multiply(received, rate)))
        self._ledger.add(account, self.asset(side), given.copy_negate())
        self._ledger.add(account, fee.asset, EXACT.subtract(received, fee.amount))
        self._ledger.add(FEES, fee.asset, fee.amount)
        return fee

    def reducible(self, account: str, side: Side) -> Decimal:
        """There are no positions."""
        return ZERO

    def position(self, account: str, now: Instant) -> Position | None:
        """There are no positions."""
        return None

    def take_changes(self, now: Instant) -> Sequence[tuple[str, Position]]:
        """There are no positions."""
        return ()
