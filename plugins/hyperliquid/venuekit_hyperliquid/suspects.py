"""Subscriptions that may have closed a socket.

The venue closes a socket without a word when it is asked for a coin that it does not know, and every stream on the socket
ends with it. The instrument list says what it knows, but the list may be older than a delisting. So, from one session to the
next:

=====================================================  =================================================
what happens                                           effect
=====================================================  =================================================
a socket ends while requests are unanswered            each of them is suspected
a socket that was known to work ends while a           one strike against it
suspected request is the only unanswered one
the venue answers a request                            it is suspected no more
`STRIKES` strikes                                      it is guilty, and not asked for again
=====================================================  =================================================

A suspected request is sent last and alone, so it takes down nobody whom it need not, and a venue that is down, and closes
every socket, makes nobody guilty: such a socket answers nothing before.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from venuekit_spec import Topic

STRIKES: Final = 2
"""How often a socket must have ended at a request for it to be guilty."""


class Suspects:
    """What is held against topics. See the module."""

    __slots__ = ("_strikes",)

    def __init__(self) -> None:
        self._strikes: dict[Topic, int] = {}

    def __bool__(self) -> bool:
        return bool(self._strikes)

    def __contains__(self, topic: Topic) -> bool:
        return topic in self._strikes

    def guilty(self, topic: Topic) -> bool:
        """Whether asking for this closes sockets."""
        return self._strikes.get(topic, 0) >= STRIKES

    def cleared(self, topic: Topic) -> None:
        """The venue answered."""
        self._strikes.pop(topic, None)

    def died(self, unanswered: Collection[Topic], *, worked: bool) -> None:
        """A socket ended while these were unanswered; `worked`: the venue had answered something on it before."""
        alone = worked and len(unanswered) == 1
        for topic in unanswered:
            strike = 1 if alone and topic in self._strikes else 0
            self._strikes[topic] = self._strikes.get(topic, 0) + strike
