"""The random order flow on a venue's timeline: one step after another, until it is paused."""

from __future__ import annotations

from collections.abc import Callable

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.market_flow import RandomFlow
from venuekit_simulator.timeline import Entry, Timeline
from venuekit_spec import Engine, Instant, LocalError


class FlowSteps:
    """Steps of a `RandomFlow`. `now` is the venue's time, `wake_at` the timeline's instant for one of it, `tell` what to call
    after each step. Raises `LocalError` for an engine of another make.
    """

    def __init__(
        self,
        engine: Engine,
        timeline: Timeline,
        *,
        seed: int,
        rate: float,
        now: Callable[[], Instant],
        wake_at: Callable[[Instant], Instant],
        tell: Callable[[], None],
    ) -> None:
        if not isinstance(engine, MatchingEngine):
            raise LocalError("the order flow needs the engine of this package: say flow=False with another")
        self._flow = RandomFlow(engine, seed, rate=rate)
        self._timeline = timeline
        self._now = now
        self._wake_at = wake_at
        self._tell = tell
        self._next: Entry | None = None
        self._flow.fill_books(now())
        self.resume()

    def pause(self) -> None:
        """No step until `resume`. What the flow has quoted stays."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def resume(self) -> None:
        """Go on at once, with the dice as they lay; nothing where it was not paused."""
        if self._next is None:
            self._next = self._timeline.at(self._timeline.now, self._step)

    def _step(self) -> None:
        this = self._next
        wake = self._flow.step(self._now())
        if self._next is this:  # nobody who heard of it paused the flow
            self._next = self._timeline.at(self._wake_at(wake), self._step)
        self._tell()
