"""Books: messages become proven order books here. No I/O, no clock, no venue."""

from venuekit.books.audit import Drift
from venuekit.books.book import BookNotLive, BookView, Level, LevelsUnknown, OrderBook, Proof
from venuekit.books.changes import BookDrift, BookMessage, Changes, EveryChange, StateChange
from venuekit.books.states import BookEvent, BookState, IllegalTransition
from venuekit.books.sync import Follower, Verdict
from venuekit.books.tracker import Counters, Need, OrderBookTrackerEntry

__all__ = [
    "BookDrift",
    "BookEvent",
    "BookMessage",
    "BookNotLive",
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
    "Proof",
    "StateChange",
    "Verdict",
]
