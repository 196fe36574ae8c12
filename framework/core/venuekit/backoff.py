"""Backoff: how long to wait before trying again.

Exponential with full jitter: the n-th wait in a row is drawn evenly from zero to ``first * factor ** n``, never above
`ceiling`, so that many clients cut off at once do not come back at once. What has worked for `stable` seconds starts over;
what fails again sooner does not, or a connection that is dropped right after each login would be redialled without pause.
"""

from __future__ import annotations

from collections.abc import Callable

from venuekit_spec import Instant, LocalError, Seconds, seconds_between


class Backoff:
    """The waits of one thing that is tried again and again. Pure: instants and the dice are passed in.

    `random` returns a float in [0, 1), as ``random.Random(seed).random`` does. Durations are seconds.
    """

    __slots__ = ("_bound", "_ceiling", "_factor", "_first", "_random", "_stable", "_working_since")

    def __init__(
        self,
        random: Callable[[], float],
        *,
        first: Seconds = 0.5,
        factor: float = 2.0,
        ceiling: Seconds = 60.0,
        stable: Seconds = 60.0,
    ) -> None:
        if not (0 < first <= ceiling and factor >= 1 and stable >= 0):
            raise LocalError("a backoff needs 0 < first <= ceiling, factor >= 1 and stable >= 0")
        self._random = random
        self._first = first
        self._factor = factor
        self._ceiling = ceiling
        self._stable = stable
        self._bound = first
        self._working_since: Instant | None = None

    def worked(self, now: Instant) -> None:
        """It works since `now`: the socket is open, the request was answered."""
        if self._working_since is None:
            self._working_since = now

    def failed(self, now: Instant) -> Seconds:
        """It failed, or stopped working: how many seconds to wait before the next try."""
        since, self._working_since = self._working_since, None
        if since is not None and seconds_between(since, now) >= self._stable:
            self._bound = self._first
        wait = self._random() * self._bound
        self._bound = min(self._ceiling, self._bound * self._factor)
        return wait
