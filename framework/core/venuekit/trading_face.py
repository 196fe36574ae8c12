"""The trading face of an exchange: what it hands on to its accounts.

With one account nobody needs to name it: `buy`, `cancel` and their kin are those of the first account, or of the account that
an order is of.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from anyio import create_task_group

from venuekit_spec import (
    Balance,
    Description,
    FeeRates,
    Fill,
    FundingPayment,
    Instant,
    LocalError,
    OrderReport,
    Permissions,
    Position,
    Seconds,
    VenuekitError,
)

if TYPE_CHECKING:
    from venuekit.orders import InFlightOrder
    from venuekit.trading import Account, Number, OrderRequest, Placement


class TradingFace(ABC):
    """The accounts of an exchange, and what is done with the first of them."""

    def __init__(self) -> None:
        self.accounts: Mapping[str, Account] = MappingProxyType({})
        """By name; empty where it was opened without credentials."""

    @property
    @abstractmethod
    def description(self) -> Description:
        """What is true of the venue."""

    def account(self, name: str = "") -> Account:
        """An account by name, the first one by default. Raises `LocalError` where it was opened without credentials."""
        if not self.accounts:
            raise LocalError(
                f"{self.description.venue} was opened without credentials: it has no account to trade with; "
                "open it with credentials=..., or with paper=True"
            )
        if not name:
            return next(iter(self.accounts.values()))
        try:
            return self.accounts[name]
        except KeyError:
            raise LocalError(f"no account {name!r}; there is {', '.join(self.accounts)}") from None

    async def buy(self, pair: str, quantity: Number, price: Number | None = None, **more: Any) -> Placement:
        """`Account.buy` of the first account."""
        return await self.account().buy(pair, quantity, price, **more)

    async def sell(self, pair: str, quantity: Number, price: Number | None = None, **more: Any) -> Placement:
        """`Account.sell` of the first account."""
        return await self.account().sell(pair, quantity, price, **more)

    async def place(self, request: OrderRequest) -> Placement:
        """`Account.place` of the first account."""
        return await self.account().place(request)

    async def place_many(self, requests: Iterable[OrderRequest]) -> Sequence[Placement]:
        """`Account.place_many` of the first account."""
        return await self.account().place_many(requests)

    async def cancel(self, order: InFlightOrder | str) -> Placement:
        """`Account.cancel` of the account that the order is of."""
        return await self._account_of(order).cancel(order)

    async def cancel_all(self, pairs: Iterable[str] | None = None) -> Sequence[Placement]:
        """`Account.cancel_all` of the first account."""
        return await self.account().cancel_all(pairs)

    async def amend(
        self, order: InFlightOrder | str, *, price: Number | None = None, quantity: Number | None = None
    ) -> Placement:
        """`Account.amend` of the account that the order is of."""
        return await self._account_of(order).amend(order, price=price, quantity=quantity)

    async def order_status(self, order: InFlightOrder | str) -> InFlightOrder:
        """`Account.order_status` of the account that the order is of."""
        return await self._account_of(order).order_status(order)

    async def open_orders(self, pairs: Iterable[str] | None = None) -> Sequence[OrderReport]:
        """`Account.open_orders` of the first account."""
        return await self.account().open_orders(pairs)

    @property
    def orders(self) -> Mapping[str, InFlightOrder]:
        """`Account.orders` of the first account."""
        return self.account().orders

    async def fills(self, pair: str, since: Instant) -> Sequence[Fill]:
        """`Account.fills` of the first account."""
        return await self.account().fills(pair, since)

    async def balances(self) -> Sequence[Balance]:
        """`Account.balances` of the first account."""
        return await self.account().balances()

    async def positions(self) -> Sequence[Position]:
        """`Account.positions` of the first account."""
        return await self.account().positions()

    async def funding(self, since: Instant) -> Sequence[FundingPayment]:
        """`Account.funding` of the first account."""
        return await self.account().funding(since)

    async def set_leverage(self, pair: str, leverage: Number) -> None:
        """`Account.set_leverage` of the first account."""
        await self.account().set_leverage(pair, leverage)

    async def fee_rates(self, pair: str) -> FeeRates:
        """`Account.fee_rates` of the first account."""
        return await self.account().fee_rates(pair)

    async def permissions(self) -> Permissions:
        """`Account.permissions` of the first account."""
        return await self.account().permissions()

    async def kill(self, reason: str = "") -> None:
        """`Account.kill` of every account: each refuses at once, then each cancels. Raises as that does, when all are done."""
        self.account()
        failures: list[VenuekitError] = []

        async def kill(account: Account) -> None:
            try:
                await account.kill(reason)
            except VenuekitError as error:
                failures.append(error)

        async with create_task_group() as tasks:
            for account in self.accounts.values():
                tasks.start_soon(kill, account)
        if failures:
            raise failures[0]

    def revive(self) -> None:
        """`Account.revive` of every account."""
        self.account()
        for account in self.accounts.values():
            account.revive()

    async def dead_man_switch(self, timeout: Seconds | None) -> None:  # noqa: ASYNC109  # the venue's
        """`Account.dead_man_switch` of the first account."""
        await self.account().dead_man_switch(timeout)

    def _account_of(self, order: InFlightOrder | str) -> Account:
        """The account that knows an order; the first one where none does, which then says so."""
        first = self.account()
        known = (account for account in self.accounts.values() if account.knows(order))
        return next(known, first)


__all__ = ["TradingFace"]
