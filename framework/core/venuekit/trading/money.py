"""Money: what an account holds, is paid and pays, as the venue tells it and as it is asked.

Balances and positions are told by the user stream where it does so, else asked for after fills; the whole of both is asked for
with each comparison of store and venue, and so is funding since the last one. A funding payment is told once, however often the
venue does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Final

from venuekit.trading.desk import Desk
from venuekit.trading.events import BalanceUpdate, CommandFailed, FundingPaid, PositionUpdate
from venuekit.trading.holdings import Holdings
from venuekit.trading.settling import OVERLAP
from venuekit_spec import (
    SECOND,
    Balance,
    Capability,
    FundingPayment,
    Instant,
    Position,
    VenuekitError,
)

PAYMENTS: Final = 10_000
"""How many keys of funding payments are remembered."""


class Money:
    """The money of one account. `claims` are what the venue offers; `failed` is told where balances could not be had."""

    def __init__(self, desk: Desk, claims: Container[Capability], failed: Callable[[str], None]) -> None:
        self._desk = desk
        self._claims = claims
        self._failed = failed
        self._asked = False
        self._payments: dict[str, None] = {}
        self._funded = desk.now()
        self.holdings = Holdings()

    def balance(self, told: Balance) -> None:
        """The user stream told a balance."""
        whole = self.holdings.balance(told)
        if whole is not None:
            self._tell_balance(whole)
        elif told.delta:
            self.ask_soon()

    def position(self, told: Position) -> None:
        """The user stream told a position."""
        if self.holdings.position(told):
            self._tell_position(told)

    def paid(self, payment: FundingPayment) -> None:
        """The venue told a funding payment."""
        if payment.key in self._payments:
            return
        self._payments[payment.key] = None
        if len(self._payments) > PAYMENTS:
            del self._payments[next(iter(self._payments))]
        desk = self._desk
        desk.publish(FundingPaid(account=desk.account, payment=payment, at=desk.now()))

    async def balances(self) -> Sequence[Balance]:
        """Ask for the whole account. Raises what the venue answers."""
        told = await self._desk.ask(self._desk.market.balances)
        for balance in self.holdings.all_balances(told):
            self._tell_balance(balance)
        return told

    async def positions(self) -> Sequence[Position]:
        """Ask for every position. Raises what the venue answers."""
        told = await self._desk.ask(self._desk.market.positions)
        for position in self.holdings.all_positions(told):
            self._tell_position(position)
        return told

    async def funding(self, since: Instant) -> Sequence[FundingPayment]:
        """Ask for funding since an instant. Raises what the venue answers."""
        return await self._desk.ask(lambda: self._desk.market.funding(since))

    async def refresh(self) -> Sequence[VenuekitError]:
        """Ask for everything; what failed."""
        asks: list[Callable[[], Awaitable[object]]] = [self.balances]
        if Capability.POSITIONS in self._claims:
            asks.append(self.positions)
        if Capability.FUNDING in self._claims:
            asks.append(self._catch_up)
        failures: list[VenuekitError] = []
        for ask in asks:
            try:
                await ask()
            except VenuekitError as error:
                failures.append(error)
        return failures

    def ask_soon(self) -> None:
        """Ask for the balances, once for all that happens at this moment."""
        if self._asked:
            return
        self._asked = True

        async def ask() -> None:
            self._asked = False
            desk = self._desk
            try:
                await self.balances()
            except VenuekitError as error:
                desk.publish(
                    CommandFailed(account=desk.account, command="balances", error=error, at=desk.now())
                )
                self._failed("balances could not be had")

        self._desk.venue.spawn(ask)

    async def _catch_up(self) -> None:
        """Tell the funding that was paid since the last time."""
        asked = self._desk.now()
        for payment in await self.funding(self._funded - round(OVERLAP * SECOND)):
            self.paid(payment)
        self._funded = asked

    def _tell_balance(self, balance: Balance) -> None:
        desk = self._desk
        desk.publish(BalanceUpdate(account=desk.account, balance=balance, at=desk.now()))

    def _tell_position(self, position: Position) -> None:
        desk = self._desk
        whole = self.holdings.positions.get(position.instrument, position)
        desk.publish(PositionUpdate(account=desk.account, position=whole, at=desk.now()))
