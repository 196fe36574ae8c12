"""Orders in flight: what is known of each, kept on disk before it is sent, and never lost. No network."""

from venuekit.orders.events import (
    FillUndone,
    OrderCompleted,
    OrderEventOfAccount,
    OrderFilled,
    OrderUnknownOutcome,
    OrderUpdate,
    Overfill,
    StoreFailing,
    StrayFill,
    StrayOrder,
)
from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.key_lock import KeyInUse, fingerprint, hold_key, state_directory
from venuekit.orders.nonces import NonceSource
from venuekit.orders.records import OrderRecord, StoredOrder
from venuekit.orders.sqlite_store import SqliteOrderStore
from venuekit.orders.states import OrderState
from venuekit.orders.store import InFlightOrderStore, StoreError
from venuekit.orders.tracker import OrderTracker

__all__ = [
    "FillUndone",
    "InFlightOrder",
    "InFlightOrderStore",
    "KeyInUse",
    "NonceSource",
    "OrderCompleted",
    "OrderEventOfAccount",
    "OrderFilled",
    "OrderRecord",
    "OrderState",
    "OrderTracker",
    "OrderUnknownOutcome",
    "OrderUpdate",
    "Overfill",
    "SqliteOrderStore",
    "StoreError",
    "StoreFailing",
    "StoredOrder",
    "StrayFill",
    "StrayOrder",
    "fingerprint",
    "hold_key",
    "state_directory",
]
