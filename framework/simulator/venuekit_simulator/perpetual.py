"""Settlement of derivatives: positions, margin and realised profit, kept simple.

- The collateral is the settlement asset (the quote where none is named). Margin is the notional divided by the leverage that
  the account has set for the instrument, ten to begin with, rounded up to eight decimals.
- An order holds margin for all that remains of it, a position for its cost; reduce-only orders hold nothing.
- A position has a quantity (negative: short) and a cost, the signed quote that it was bought for. A trade that reduces it
  realises profit: the difference goes to the balance and leaves the cost, so balances minus costs are conserved exactly.
- Fees are paid from the balance, and nothing is held for them. Nobody is liquidated: fees and losses may take what is free, and
  the balance, below zero, and then nothing new is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_UP, Decimal
from typing import Final

from attrs import define

from venuekit_simulator.exact import EXACT, FEE_QUANTUM, ZERO, cut
from venuekit_simulator.ledger import FEES, Ledger
from venuekit_simulator.settlement import Settled, move, move_back
from venuekit_spec import Fee, Instant, Instrument, Position, Side

LEVERAGE: Final = Decimal(10)
"""What an account has that has set none."""
HIGHEST_LEVERAGE: Final = Decimal(50)


@define(eq=False)
class Holding:
    """A position: `quantity` in base units, `cost` the signed quote it stands for, `held` its margin."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    held: Decimal = ZERO


class PerpetualSettlement:
    """Positions against collateral."""

    def __init__(self, instrument: Instrument, ledger: Ledger) -> None:
        self._instrument = instrument.id
        self._asset = instrument.settle or instrument.quote
        self._ledger = ledger
        self._holdings: dict[str, Holding] = {}
        self._leverages: dict[str, Decimal] = {}
        self._changed: dict[str, Holding] = {}

    def asset(self, side: Side) -> str:
        """The collateral, whatever the side."""
        return self._asset

    def required(
        self, account: str, side: Side, base: Decimal, quote: Decimal, *, reduce_only: bool
    ) -> Decimal:
        """Margin of the notional."""
        return ZERO if reduce_only else self._margin(account, quote)

    def settle(self, account: str, side: Side, price: Decimal, quantity: Decimal, rate: Decimal) -> Settled:
        """Change the position, realise what was closed, charge the fee."""
        holding = self._holdings.setdefault(account, Holding())
        before = (holding.quantity, holding.cost)
        signed = quantity if side is Side.BUY else quantity.copy_negate()
        notional = EXACT.multiply(price, quantity)
        profit = self._traded(holding, signed, price)
        fee = Fee(self._asset, cut(EXACT.multiply(notional, rate)))
        moved = ((self._asset, EXACT.subtract(profit, fee.amount)),)
        move(self._ledger, account, moved, fee)
        self._rehold(account, holding)
        return Settled(account, side, price, quantity, rate, fee, moved, before)

    def unsettle(self, settled: Settled) -> None:
        """The position is what it was before, and what was realised goes back."""
        holding = self._holdings[settled.account]
        holding.quantity, holding.cost = settled.before
        move_back(self._ledger, settled)
        self._rehold(settled.account, holding)

    def leverage(self, account: str) -> Decimal:
        """The leverage that is set."""
        return self._leverages.get(account, LEVERAGE)

    def set_leverage(self, account: str, leverage: Decimal) -> None:
        """Another leverage; the position holds margin by it. Orders are held by whoever keeps them."""
        self._leverages[account] = leverage
        if account in self._holdings:
            self._rehold(account, self._holdings[account])

    def fund(self, rate: Decimal, mark: Decimal) -> Sequence[tuple[str, Decimal, Decimal]]:
        """(account, position, amount) of every position: longs pay `rate` of the notional, shorts receive it.

        Amounts are cut towards zero; what that leaves is the venue's.
        """
        paid = []
        for account, holding in self._holdings.items():
            if holding.quantity:
                due = cut(EXACT.multiply(EXACT.multiply(holding.quantity, mark), rate))
                self._ledger.add(account, self._asset, due.copy_negate())
                self._ledger.add(FEES, self._asset, due)
                paid.append((account, holding.quantity, due.copy_negate()))
        return paid

    def reducible(self, account: str, side: Side) -> Decimal:
        """What a sell may take from a long, a buy from a short."""
        holding = self._holdings.get(account)
        if holding is None or (holding.quantity > 0) is (side is Side.BUY):
            return ZERO
        return holding.quantity.copy_abs()

    def position(self, account: str, now: Instant) -> Position | None:
        """The position of an account, None where it is flat."""
        holding = self._holdings.get(account)
        return None if holding is None or not holding.quantity else self._told(account, holding, now)

    def costs(self) -> Decimal:
        """The costs of all positions: what balances in sum differ by from what was deposited."""
        total = ZERO
        for holding in self._holdings.values():
            total = EXACT.add(total, holding.cost)
        return total

    def take_changes(self, now: Instant) -> Sequence[tuple[str, Position]]:
        """(account, position) of each that changed since the last call; a flat one has quantity zero."""
        changed, self._changed = self._changed, {}
        return [(account, self._told(account, holding, now)) for account, holding in changed.items()]

    def _margin(self, account: str, notional: Decimal) -> Decimal:
        return EXACT.divide(notional, self.leverage(account)).quantize(FEE_QUANTUM, ROUND_UP, EXACT)

    def _rehold(self, account: str, holding: Holding) -> None:
        margin = self._margin(account, holding.cost.copy_abs())
        self._ledger.hold(account, self._asset, EXACT.subtract(margin, holding.held))
        holding.held = margin
        self._changed[account] = holding

    @staticmethod
    def _traded(holding: Holding, signed: Decimal, price: Decimal) -> Decimal:
        """Apply a trade of `signed` base units; the profit that it realises."""
        before = holding.quantity
        after = EXACT.add(before, signed)
        cost = EXACT.add(holding.cost, EXACT.multiply(signed, price))
        if not before or (before > 0) is (signed > 0):
            kept = cost
        elif (after > 0) is (before > 0):
            kept = EXACT.divide(EXACT.multiply(holding.cost, after), before).quantize(
                FEE_QUANTUM, context=EXACT
            )
        else:
            kept = EXACT.multiply(after, price)
        holding.quantity, holding.cost = after, kept
        return EXACT.subtract(kept, cost)

    def _told(self, account: str, holding: Holding, now: Instant) -> Position:
        entry = (
            EXACT.divide(holding.cost, holding.quantity).quantize(FEE_QUANTUM, context=EXACT)
            if holding.quantity
            else None
        )
        return Position(
            self._instrument, holding.quantity, entry_price=entry, leverage=self.leverage(account), time=now
        )
