"""venuekit: trading venues, as Python objects that can be trusted.

`open_exchange` opens one venue and keeps live, *proven* order books of it; each venue is a connector, installed separately
and found through its entry point (`installed_connectors`).
"""

from venuekit.books import (
    BookDrift,
    BookNotLive,
    BookOrder,
    BookState,
    BookView,
    Drift,
    Level,
    LevelsUnknown,
    OrderBook,
    OrderByOrderBook,
    Proof,
    StateChange,
)
from venuekit.broadcast import Overflow, Subscription
from venuekit.clock import Clock, SystemClock, VirtualClock
from venuekit.events import Event, FrameRefused, LinkChange, LinkState, SnapshotFailed, TopicRefused
from venuekit.exchange import Exchange, NetworkTransports, Transports, open_exchange
from venuekit.faults import UnexpectedError
from venuekit.loader import (
    ConnectorBroken,
    ConnectorError,
    ConnectorNotInstalled,
    ContractMismatch,
    InstalledConnector,
    LoadedConnector,
    connect,
    installed_connectors,
    load_connector,
)
from venuekit_spec import (
    Instrument,
    LocalError,
    MalformedMessage,
    Side,
    Trade,
    UnknownInstrument,
    VenueError,
    VenuekitError,
)

__all__ = [
    "BookDrift",
    "BookNotLive",
    "BookOrder",
    "BookState",
    "BookView",
    "Clock",
    "ConnectorBroken",
    "ConnectorError",
    "ConnectorNotInstalled",
    "ContractMismatch",
    "Drift",
    "Event",
    "Exchange",
    "FrameRefused",
    "InstalledConnector",
    "Instrument",
    "Level",
    "LevelsUnknown",
    "LinkChange",
    "LinkState",
    "LoadedConnector",
    "LocalError",
    "MalformedMessage",
    "NetworkTransports",
    "OrderBook",
    "OrderByOrderBook",
    "Overflow",
    "Proof",
    "Side",
    "SnapshotFailed",
    "StateChange",
    "Subscription",
    "SystemClock",
    "TopicRefused",
    "Trade",
    "Transports",
    "UnexpectedError",
    "UnknownInstrument",
    "VenueError",
    "VenuekitError",
    "VirtualClock",
    "connect",
    "installed_connectors",
    "load_connector",
    "open_exchange",
]
