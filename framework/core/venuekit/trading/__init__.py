"""Trading: an account, what it asks of its venue, and how it learns what came of it."""

from venuekit.trading.account import Account
from venuekit.trading.events import (
    AccountEvent,
    BalanceUpdate,
    CommandFailed,
    FundingPaid,
    KillSwitch,
    PositionUpdate,
    Reconciled,
    StreamHole,
)
from venuekit.trading.limits import Killed, LimitBroken, PreTradeLimits, WithoutBook
from venuekit.trading.paper import PaperSettings
from venuekit.trading.private import PrivateStream
from venuekit.trading.requests import (
    NotExact,
    Number,
    OrderAccepted,
    OrderRejected,
    OrderRequest,
    OrderUnknown,
    Placement,
)
from venuekit.trading.rules import RuleBroken, quantise_price, quantise_quantity

__all__ = [
    "Account",
    "AccountEvent",
    "BalanceUpdate",
    "CommandFailed",
    "FundingPaid",
    "KillSwitch",
    "Killed",
    "LimitBroken",
    "NotExact",
    "Number",
    "OrderAccepted",
    "OrderRejected",
    "OrderRequest",
    "OrderUnknown",
    "PaperSettings",
    "Placement",
    "PositionUpdate",
    "PreTradeLimits",
    "PrivateStream",
    "Reconciled",
    "RuleBroken",
    "StreamHole",
    "WithoutBook",
    "quantise_price",
    "quantise_quantity",
]
