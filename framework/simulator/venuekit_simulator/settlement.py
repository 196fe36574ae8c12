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

from attrs import frozen

from venuekit_simulator.exact import EXACT, ZERO, cut
from venuekit_simulator.ledger import FEES, Ledger
from venuekit_spec import Fee, Instant, Instrument, Position, Side


@frozen
class Settled:
    """One side of a trade that has been settled, with all that is needed to settle it again, or to take it back.

    `moved` is what the account's totals changed by, the fee included; `before` what its position was (quantity, cost).
    """

    account: str
    side: Side
    price: Decimal
    quantity: Decimal
    rate: Decimal
    fee: Fee
    moved: tuple[tuple[str, Decimal], ...]
    before: tuple[Decimal, Decimal] = (ZERO, ZERO)


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

    def settle(self, account: str, side: Side, price: Decimal, quantity: Decimal, rate: Decimal) -> Settled:
        """One side of a trade: move what changes hands, charge the fee."""
        ...

    def unsettle(self, settled: Settled) -> None:
        """Take back the newest of an account that is not taken back yet: totals and position are what they were."""
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


def move(ledger: Ledger, account: str, moved: Sequence[tuple[str, Decimal]], fee: Fee) -> None:
    """Move what changes hands, and the fee to the venue."""
    for asset, amount in moved:
        ledger.add(account, asset, amount)
    ledger.add(FEES, fee.asset, fee.amount)


def move_back(ledger: Ledger, settled: Settled) -> None:
    """The reverse of `move`."""
    for asset, amount in settled.moved:
        ledger.add(settled.account, asset, amount.copy_negate())
    ledger.add(FEES, settled.fee.asset, settled.fee.amount.copy_negate())


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

    def settle(self, account: str, side: Side, price: Decimal, quantity: Decimal, rate: Decimal) -> Settled:
        """Give the one asset, receive the other less its fee."""
        notional = EXACT.multiply(price, quantity)
        given, received = (notional, quantity) if side is Side.BUY else (quantity, notional)
        fee = Fee(self.asset(side.opposite), cut(EXACT.multiply(received, rate)))
        moved = ((self.asset(side), given.copy_negate()), (fee.asset, EXACT.subtract(received, fee.amount)))
        move(self._ledger, account, moved, fee)
        return Settled(account, side, price, quantity, rate, fee, moved)

    def unsettle(self, settled: Settled) -> None:
        """All goes back the way that it came."""
        move_back(self._ledger, settled)

    def reducible(self, account: str, side: Side) -> Decimal:
        """There are no positions."""
        return ZERO

    def position(self, account: str, now: Instant) -> Position | None:
        """There are no positions."""
        return None

    def take_changes(self, now: Instant) -> Sequence[tuple[str, Position]]:
        """There are no positions."""
        return ()
