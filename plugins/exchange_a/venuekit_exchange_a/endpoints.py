"""Everything that can be asked of Exchange A, as one table: where, how, and what it costs.

The connector builds requests from it, the dialect routes and counts by it, and a test compares it with PROTOCOL.md. A call on
a socket has the name of the endpoint as its method and costs the same.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from venuekit_spec import Cost

WEIGHT: Final = "weight"
RAW: Final = "raw"
ORDERS: Final = "orders"
"""The names of the rate-limit pools."""

API: Final = "/v1"


class Endpoint(Struct, frozen=True):
    """One thing to ask. `orders` counts against the orders of a key; `on_socket`: it can be asked by a call too."""

    name: str
    method: str
    path: str
    weight: int = 1
    orders: int = 0
    signed: bool = True
    trades: bool = False
    """It needs the permission to trade."""
    on_socket: bool = False

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What asking takes from the pools, by REST."""
        return (Cost(RAW), *self.call_costs)

    @property
    def call_costs(self) -> tuple[Cost, ...]:
        """What asking takes from the pools, by a call on a socket."""
        orders = (Cost(ORDERS, self.orders),) if self.orders else ()
        return (Cost(WEIGHT, self.weight), *orders)


TIME: Final = Endpoint("time", "GET", "/v1/time", signed=False)
INSTRUMENTS: Final = Endpoint("instruments", "GET", "/v1/instruments", weight=10, signed=False)
DEPTH: Final = Endpoint("depth", "GET", "/v1/depth", weight=20, signed=False)

PLACE: Final = Endpoint("order.place", "POST", "/v1/order", orders=1, trades=True, on_socket=True)
AMEND: Final = Endpoint("order.amend", "PUT", "/v1/order", orders=1, trades=True, on_socket=True)
CANCEL: Final = Endpoint("order.cancel", "DELETE", "/v1/order", trades=True, on_socket=True)
STATUS: Final = Endpoint("order.status", "GET", "/v1/order", weight=2)
CANCEL_BATCH: Final = Endpoint("orders.cancel", "DELETE", "/v1/orders", weight=3, trades=True, on_socket=True)
OPEN_ORDERS: Final = Endpoint("orders.open", "GET", "/v1/orders", weight=5)
CANCEL_ALL: Final = Endpoint("orders.cancel_all", "DELETE", "/v1/orders/all", weight=5, trades=True)
FILLS: Final = Endpoint("fills", "GET", "/v1/fills", weight=5)
COUNTDOWN: Final = Endpoint("countdown", "POST", "/v1/countdown", trades=True)

BALANCES: Final = Endpoint("account.balances", "GET", "/v1/account/balances", weight=5)
FEES: Final = Endpoint("account.fees", "GET", "/v1/account/fees", weight=2)
PERMISSIONS: Final = Endpoint("account.permissions", "GET", "/v1/account/permissions")
LIMITS: Final = Endpoint("account.limits", "GET", "/v1/account/limits")

NEW_TOKEN: Final = Endpoint("token.new", "POST", "/v1/stream-token", weight=2)
RENEW_TOKEN: Final = Endpoint("token.renew", "PUT", "/v1/stream-token", weight=2)

ENDPOINTS: Final = (
    TIME,
    INSTRUMENTS,
    DEPTH,
    PLACE,
    AMEND,
    CANCEL,
    STATUS,
    CANCEL_BATCH,
    OPEN_ORDERS,
    CANCEL_ALL,
    FILLS,
    COUNTDOWN,
    BALANCES,
    FEES,
    PERMISSIONS,
    LIMITS,
    NEW_TOKEN,
    RENEW_TOKEN,
)
