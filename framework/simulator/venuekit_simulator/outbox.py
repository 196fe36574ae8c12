"""The outbox: what has happened and is to be told. Listeners hear it in the order in which it happened, each event once.

A listener may give commands of its own: what they cause is noted meanwhile, and told after the event that it heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count

from venuekit_spec import EngineEvent


class Outbox:
    """Events on their way to listeners."""

    def __init__(self) -> None:
        self._untold: deque[EngineEvent] = deque()
        self._listeners: dict[int, Callable[[EngineEvent], None]] = {}
        self._numbers = count()
        self._telling = False

    def listen(self, listener: Callable[[EngineEvent], None]) -> Callable[[], None]:
        """Tell `listener` of every event from now on; the result ends it."""
        number = next(self._numbers)
        self._listeners[number] = listener

        def end() -> None:
            self._listeners.pop(number, None)

        return end

    def note(self, event: EngineEvent) -> None:
        """It has happened."""
        self._untold.append(event)

    def tell(self) -> None:
        """Tell everything; inside a listener that is left to whoever is telling already."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                event = self._untold.popleft()
                for listener in tuple(self._listeners.values()):
                    listener(event)
        finally:
            self._telling = False
