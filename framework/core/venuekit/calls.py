"""Calls: requests on an open socket, and their answers.

An answer finds its call by the key. Rules:

1. Two calls of one key are never under way at once: the second is refused before it is sent.
2. An acknowledgement is no result. A result has as many parts as the request says; an error ends the call at once.
3. What was not answered by its deadline, or by the end of the socket, is unknown: `DeadlinePassed`, `NetworkError`. Only where
   nothing of it had left yet (its frame still waited for its turn) it is certain that nothing happened (``sent=False``).
4. A call whose caller was cancelled is forgotten.
5. An answer that nobody waits for is counted and told: it may be that of a call that was given up.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from attrs import define, field

from venuekit.clock import Clock
from venuekit.drivers.tasks import helpers
from venuekit_spec import (
    Answer,
    DeadlinePassed,
    Instant,
    LocalError,
    NetworkError,
    SocketRequest,
    SocketResponse,
    VenueError,
    after,
)


@define(eq=False)
class _Pending:
    request: SocketRequest
    parts: list[object] = field(factory=list)
    acknowledged: bool = False
    error: VenueError | None = None
    received: Instant = 0
    settled: anyio.Event = field(factory=anyio.Event)


class PendingCalls:
    """The calls of one socket that wait for their answers.

    `withdraw` takes back what of a call has not left yet, and tells whether there was anything. `late` is told answers that
    nobody waits for, `idle` that no call waits any more.
    """

    def __init__(
        self,
        clock: Clock,
        venue: str,
        *,
        withdraw: Callable[[str], bool],
        late: Callable[[Answer], None],
        idle: Callable[[], None],
    ) -> None:
        self.late = 0
        """How many answers came that nobody waited for."""
        self._clock = clock
        self._venue = venue
        self._withdraw = withdraw
        self._tell = late
        self._idle = idle
        self._pending: dict[str, _Pending] = {}

    @property
    def waiting(self) -> bool:
        """Whether any call waits for its answer."""
        return bool(self._pending)

    async def ask(self, request: SocketRequest, send: Callable[[SocketRequest], None]) -> SocketResponse:
        """Send a call, and have its answer.

        Raises the error of the answer; `DeadlinePassed`; `NetworkError` where the socket ended first; `LocalError` where a
        call of that key is under way; and what `send` raises.
        """
        key = request.key
        if key in self._pending:
            raise LocalError(f"a call {key!r} is under way on this socket")
        pending = self._pending[key] = _Pending(request)
        try:
            send(request)
            if not pending.settled.is_set():
                async with helpers() as tasks:
                    tasks.start_soon(self._expire, pending, after(self._clock.now(), request.deadline))
                    await pending.settled.wait()
        finally:
            del self._pending[key]
            if not pending.settled.is_set():
                self._withdraw(key)
            if not self._pending:
                self._idle()
        if pending.error is not None:
            raise pending.error
        return SocketResponse(tuple(pending.parts), pending.received)

    def answer(self, answer: Answer) -> None:
        """An answer came."""
        pending = self._pending.get(answer.key)
        if pending is None or pending.settled.is_set():
            self.late += 1
            self._tell(answer)
            return
        pending.received = self._clock.now()
        if answer.error is not None:
            self._settle(pending, answer.error)
        elif answer.acknowledgement:
            pending.acknowledged = True
        else:
            pending.parts.append(answer.payload)
            if len(pending.parts) >= pending.request.parts:
                self._settle(pending)

    def end(self, reason: str) -> None:
        """The socket is gone: no answer will come."""
        for pending in self._pending.values():
            if not pending.settled.is_set():
                self._settle(pending, self._lost(pending, NetworkError, f"the socket ended ({reason})"))

    async def _expire(self, pending: _Pending, deadline: Instant) -> None:
        await self._clock.sleep_until(deadline)
        told = f"no answer within {pending.request.deadline:g} s"
        self._settle(pending, self._lost(pending, DeadlinePassed, told))

    def _lost(self, pending: _Pending, kind: type[NetworkError], told: str) -> NetworkError:
        """The error of a call that has no answer."""
        sent = pending.acknowledged or not self._withdraw(pending.request.key)
        known = ", though the venue has acknowledged it" if pending.acknowledged else ""
        unsent = "" if sent else "; nothing was sent"
        return kind(f"{pending.request.method}: {told}{known}{unsent}", venue=self._venue, sent=sent)

    def _settle(self, pending: _Pending, error: VenueError | None = None) -> None:
        pending.error = error
        pending.settled.set()
