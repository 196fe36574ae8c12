"""What an account tells besides its orders: balances, positions, and how its view is kept true.

The events of orders are in `venuekit.orders.events`; `Exchange.events` yields all of them. Each names its account.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from venuekit_spec import Balance, FundingPayment, Instant, Position, VenuekitError


class BalanceUpdate(Struct, frozen=True, kw_only=True):
    """What the account holds of an asset has changed, or was asked for. `balance` is whole, never a change."""

    account: str
    balance: Balance
    at: Instant


class PositionUpdate(Struct, frozen=True, kw_only=True):
    """A derivative position, as the venue told it last."""

    account: str
    position: Position
    at: Instant


class FundingPaid(Struct, frozen=True, kw_only=True):
    """A perpetual position was paid funding, or paid it. Each payment is told once."""

    account: str
    payment: FundingPayment
    at: Instant


class StreamHole(Struct, frozen=True, kw_only=True):
    """The user stream may have lost messages: store and venue are compared."""

    account: str
    reason: str
    at: Instant


class Reconciled(Struct, frozen=True, kw_only=True):
    """Store and venue were compared, for `reason`.

    `asked`: how many orders were asked for one by one; `absent`: how many the venue does not have any more; `fills`: how many
    executions it told; `strays`: its open orders that are not ours. `failures`: what could not be asked; it is tried again.
    """

    account: str
    reason: str
    open: int
    asked: int
    absent: int
    fills: int
    strays: int
    failures: tuple[VenuekitError, ...]
    at: Instant


class KillSwitch(Struct, frozen=True, kw_only=True):
    """The kill switch was thrown (`killed`) or reset."""

    account: str
    killed: bool
    reason: str
    at: Instant


class CommandFailed(Struct, frozen=True, kw_only=True):
    """Something that the account does by itself failed and is tried again: cancelling, re-arming a dead man's switch."""

    account: str
    command: str
    error: VenuekitError
    at: Instant


AccountEvent: TypeAlias = (
    BalanceUpdate | PositionUpdate | FundingPaid | StreamHole | Reconciled | KillSwitch | CommandFailed
)
"""Everything of this module."""
