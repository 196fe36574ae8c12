"""The ledger: what each account has of each asset, and what of it is held for its open orders.

    total = free + held

Money is only moved: every change of a total has its counterpart in another account, so the sum of an asset over all accounts
(that of the venue's fees included) is what was deposited. A hold is a part of the total that is spoken for; releasing one
is holding a negative amount. Fees collect in the account `FEES`, which pays rebates too and may stand below zero for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from attrs import define

from venuekit_simulator.exact import EXACT, ZERO
from venuekit_spec import Balance, Instant, LocalError

FEES: Final = "(fees)"
"""The venue's own account: no user's name may be this one."""


@define(eq=False)
class Purse:
    """One asset of one account."""

    total: Decimal = ZERO
    held: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        """What may be spent or held."""
        return EXACT.subtract(self.total, self.held)

    def balance(self, asset: str, now: Instant) -> Balance:
        """How it stands, absolute."""
        return Balance(asset, total=self.total, free=self.free, held=self.held, time=now)


class Ledger:
    """All accounts of a venue. What changed since the last `take_changes` is remembered, in the order of first change."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, Purse]] = {FEES: {}}
        self._changed: dict[tuple[str, str], Purse] = {}

    def open(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """A new account with what it starts with, by asset. Raises `LocalError` where there is one of that name."""
        if account in self._accounts:
            raise LocalError(f"there is an account {account!r} already")
        self._accounts[account] = {asset: Purse(amount) for asset, amount in balances.items()}

    def free(self, account: str, asset: str) -> Decimal:
        """What the account may spend."""
        purse = self._accounts[account].get(asset)
        return ZERO if purse is None else purse.free

    def add(self, account: str, asset: str, amount: Decimal) -> None:
        """Change a total; whoever calls moves the same amount elsewhere."""
        purse = self._purse(account, asset)
        purse.total = EXACT.add(purse.total, amount)

    def hold(self, account: str, asset: str, amount: Decimal) -> None:
        """Hold more, or less where `amount` is negative."""
        if amount:
            purse = self._purse(account, asset)
            purse.held = EXACT.add(purse.held, amount)

    def balances(self, account: str, now: Instant = 0) -> Sequence[Balance]:
        """All that an account ever had, by asset."""
        return [purse.balance(asset, now) for asset, purse in self._accounts[account].items()]

    def sums(self) -> Mapping[str, Decimal]:
        """Every asset over all accounts, fees included: what was deposited."""
        sums: dict[str, Decimal] = {}
        for purses in self._accounts.values():
            for asset, purse in purses.items():
                sums[asset] = EXACT.add(sums.get(asset, ZERO), purse.total)
        return sums

    def take_changes(self, now: Instant) -> Sequence[tuple[str, Balance]]:
        """(account, balance) of each purse that changed since the last call; the venue's own are not told."""
        changed, self._changed = self._changed, {}
        return [(account, purse.balance(asset, now)) for (account, asset), purse in changed.items()]

    def _purse(self, account: str, asset: str) -> Purse:
        purses = self._accounts[account]
        purse = purses.get(asset)
        if purse is None:
            purse = purses[asset] = Purse()
        if account != FEES:
            self._changed[account, asset] = purse
        return purse
