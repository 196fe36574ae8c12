"""Streams: what is known of one subscription, and of a frame about several. See `subscribing` for what moves them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

from venuekit_spec.sessions import Topic
from venuekit_spec.times import Instant


class Phase(Enum):
    """How far a subscription has come."""

    WAITING = auto()
    ASKED = auto()
    LIVE = auto()
    PARTING = auto()
    LEAVING = auto()


_BEGINNING: Final = frozenset({Phase.WAITING, Phase.ASKED})
_ENDING: Final = frozenset({Phase.PARTING, Phase.LEAVING})


class Stream:
    """A subscription: its topic, and the `name` by which the session finds it.

    `id` is what the venue calls it once it is confirmed, where that is another name. `fresh` until the session says
    otherwise: nothing of it has come yet. `asked`: it may have begun at the venue. `vain` is how many requests in a row were
    not answered; `group` keeps apart what one frame may not ask for together.
    """

    __slots__ = ("asked", "fresh", "group", "id", "name", "phase", "request", "topic", "vain")

    def __init__(self, topic: Topic, name: Any) -> None:
        self.topic = topic
        self.name = name
        self.id: Any = None
        self.phase = Phase.WAITING
        self.request: StreamRequest | None = None
        self.asked = False
        self.vain = 0
        self.group: object = None
        self.fresh = True

    @property
    def live(self) -> bool:
        """Whether no confirmation is awaited any more; also of one that is being left."""
        return self.phase not in _BEGINNING

    @property
    def leaving(self) -> bool:
        """Whether it is being left: what comes of it now is nobody's."""
        return self.phase in _ENDING


class StreamRequest:
    """A frame that asks for streams (`asks`) or leaves them. `number` is one that no other on this socket has."""

    __slots__ = ("asks", "due", "number", "streams")

    def __init__(self, number: int, streams: Sequence[Stream], due: Instant, *, asks: bool) -> None:
        self.number = number
        self.streams = streams
        self.due = due
        self.asks = asks

    @property
    def open(self) -> list[Stream]:
        """The streams for which the answer is still to come."""
        return [stream for stream in self.streams if stream.request is self]
