"""Feeds: trades and best prices of an exchange, whatever socket they come by.

A venue tells its latest trades again after each subscription, and two sockets that overlap tell the same ones: a trade whose
key was seen lately is no news.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from venuekit.books.level_entry import OrderBookTrackerEntry
from venuekit.broadcast import Broadcast
from venuekit_spec import TopOfBook, Trade

REMEMBERED: Final = 2_000
"""How many trades of an instrument are remembered."""


class TradeFeed(Broadcast[Trade]):
    """The trades of one instrument, each once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()
        self._order: deque[str] = deque()

    def publish(self, item: Trade) -> None:
        """Hand on a trade that is news."""
        if item.key in self._seen:
            return
        self._seen.add(item.key)
        self._order.append(item.key)
        if len(self._order) > REMEMBERED:
            self._seen.discard(self._order.popleft())
        super().publish(item)


class Feeds:
    """The trades and best prices of all instruments of an exchange.

    `overlaid` are the books into which best prices are merged (`SyncRule.overlay`).
    """

    def __init__(self) -> None:
        self.trades: dict[str, TradeFeed] = {}
        self.tops: dict[str, Broadcast[TopOfBook]] = {}
        self.overlaid: dict[str, OrderBookTrackerEntry] = {}

    def on_trade(self, trade: Trade) -> None:
        """A trade came."""
        feed = self.trades.get(trade.instrument)
        if feed is not None:
            feed.publish(trade)

    def on_top(self, top: TopOfBook) -> None:
        """A best bid and ask came."""
        entry = self.overlaid.get(top.instrument)
        if entry is not None:
            entry.top(top)
        feed = self.tops.get(top.instrument)
        if feed is not None:
            feed.publish(top)

    def close(self) -> None:
        """End what is read from here after what is queued."""
        for trades in self.trades.values():
            trades.close()
        for tops in self.tops.values():
            tops.close()
