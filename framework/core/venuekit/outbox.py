"""The outbox: frames on their way to one socket, in order, and paced where they carry costs.

A frame that must wait for its turn holds back those behind it: none overtakes. What belongs to a call is withdrawn once
nobody waits for its answer any more, so that an order that was given up is not sent late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import define

from venuekit.clock import Clock
from venuekit.drivers.flows import FlowRunner
from venuekit.venue import Task
from venuekit_spec import RateLimited, Seconds, Send

RETRY: Final[Seconds] = 1.0
"""After how long a turn is asked for again that would come later than anybody waits for."""


@define(eq=False)
class _Waiting:
    command: Send
    owner: str


class Outbox:
    """What is to be sent on one socket.

    `send` is the socket's, `fail` is called with the error of a frame that can never have a turn.
    """

    def __init__(
        self,
        send: Callable[[str | bytes], None],
        flows: FlowRunner,
        clock: Clock,
        spawn: Callable[[Task], None],
        fail: Callable[[Exception], object],
    ) -> None:
        self._send = send
        self._flows = flows
        self._clock = clock
        self._spawn = spawn
        self._fail = fail
        self._waiting: deque[_Waiting] = deque()
        self._closed = False

    def put(self, command: Send, owner: str = "") -> bool:
        """Send a frame: at once where none waits before it and its turn has come; whether that was so.

        `owner` is the key of the call that it begins, empty where a frame of that call has left already. Raises `LocalError`
        for costs of a pool that the venue does not have.
        """
        if self._closed:
            return False
        if not self._waiting:
            if not command.costs or self._flows.turn_at_once(command.costs):
                self._send(command.frame)
                return True
            self._spawn(self._drain)
        self._waiting.append(_Waiting(command, owner))
        return False

    def withdraw(self, owner: str) -> bool:
        """Send nothing of a call of which nothing has left yet; whether it was so. Otherwise its rest goes after it."""
        kept = [waiting for waiting in self._waiting if waiting.owner != owner]
        withdrawn = len(kept) < len(self._waiting)
        self._waiting = deque(
            kept
        )  # the running task looks whether the frame that it waits for is still the first
        return withdrawn

    def close(self) -> None:
        """The socket is gone, and what waits goes nowhere."""
        self._closed = True

    async def _drain(self) -> None:
        try:
            while self._waiting and not self._closed:
                await self._next(self._waiting[0])
        except Exception as error:  # noqa: BLE001  # as any error of a session, it costs this socket alone
            self._waiting.clear()
            self._fail(error)

    async def _next(self, head: _Waiting) -> None:
        """Wait for the turn of the first frame, and send it."""
        costs = head.command.costs
        if costs:
            try:
                granted = await self._flows.turn(costs)
            except RateLimited as refused:
                await self._clock.sleep(refused.retry_after or RETRY)
                return
            if self._closed or not self._waiting or self._waiting[0] is not head:
                self._flows.give_back(costs, granted)
                return
        self._waiting.popleft()
        for later in self._waiting:
            if later.owner == head.owner:
                later.owner = ""
        self._send(head.command.frame)
