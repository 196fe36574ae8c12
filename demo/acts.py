"""Acts: the venues of the demo go through the story together, none ahead of the others."""

from __future__ import annotations

from typing import Final

import anyio

from venuekit_spec import Seconds

PAUSE: Final[Seconds] = 1.0
"""Between two acts, for who watches."""


class Acts:
    """Lets so many performers begin each act at the same time. `pause`: whether somebody watches."""

    def __init__(self, performers: int, *, pause: bool) -> None:
        self._performers = performers
        self._pause = PAUSE if pause else 0.0
        self._waiting = 0
        self._begin = anyio.Event()

    async def next(self) -> None:
        """Return once every performer has come to the end of this act."""
        begin = self._begin
        self._waiting += 1
        self._look()
        await begin.wait()
        await anyio.sleep(self._pause)

    def leave(self) -> None:
        """One performer less: the others do not wait for it."""
        self._performers -= 1
        self._look()

    def _look(self) -> None:
        if self._waiting >= self._performers:
            self._waiting = 0
            self._begin.set()
            self._begin = anyio.Event()
