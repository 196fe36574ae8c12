"""Books: messages become proven order books here. No I/O, no clock, no venue."""

from venuekit.books.audit import Drift
from venuekit.books.book import BookNotLive, BookView, Level, LevelsUnknown, OrderBook, Proof
from venuekit.books.changes import BookDrift, BookMessage, Changes, EveryChange, StateChange
from venuekit.books.counters import Counters
from venuekit.books.keeping import Need
from venuekit.books.level_entry import OrderBookTrackerEntry
from venuekit.books.order_book import BookOrder, OrderByOrderBook, OrderByOrderView
from venuekit.books.order_entry import OrderByOrderEntry
from venuekit.books.orders import ActiveOrders, OrderCounters
from venuekit.books.states import BookEvent, BookState, IllegalTransition
from venuekit.books.sync import Follower, Verdict
from venuekit.books.tracker import TrackerEntry

__all__ = [
    "ActiveOrders",
    "BookDrift",
    "BookEvent",
    "BookMessage",
    "BookNotLive",
    "BookOrder",
    "BookState",
    "BookView",
    "Changes",
    "Counters",
    "Drift",
    "EveryChange",
    "Follower",
    "IllegalTransition",
    "Level",
    "LevelsUnknown",
    "Need",
    "OrderBook",
    "OrderBookTrackerEntry",
    "OrderByOrderBook",
    "OrderByOrderEntry",
    "OrderByOrderView",
    "OrderCounters",
    "Proof",
    "StateChange",
    "TrackerEntry",
    "Verdict",
]
