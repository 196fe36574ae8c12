"""WebSocket, as the core sees it: a callback per message.

What a transport promises:

1. `on_frame` is called once per complete message, text or binary, in order, with its bytes as they came (reassembled,
   decompressed, not decoded) and the instant of their arrival. Nothing is awaited or queued in between: what `on_frame` does
   is done before the next message is looked at.
2. Pings of the venue are answered; pings of ours go out every `Dial.ping` seconds. Pings and pongs that arrive are signs of
   life (`on_life`), as every message is one by itself. Whether silence lasts too long is the caller's to judge.
3. `send` never waits and keeps the order of its calls.
4. Closing takes a second at most, whatever the venue does.
5. Neither the URL's query nor headers nor frames appear in any error, reason or log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from venuekit.clock import Clock
from venuekit_spec import Dial, Instant, LocalError, VenuekitError

OnFrame: TypeAlias = Callable[[bytes, Instant], None]
OnLife: TypeAlias = Callable[[Instant], None]

CLOSED_HERE = "closed on this side"
"""The reason that `WebSocket.run` returns after `aclose`."""

ABANDONED = "abandoned"
"""What a tape tells instead where `run` was cancelled: our own decision, which whoever replays the tape takes again or not."""


class WebSocket(Protocol):
    """One open socket."""

    async def run(self, on_frame: OnFrame, on_life: OnLife) -> str:
        """Receive and send until the socket is closed; why it was, for people to read.

        To be run once. It may be cancelled; the socket is to be closed then as after any end. What a callback raises comes
        out of here as it is.
        """
        ...

    def send(self, frame: str | bytes) -> None:
        """Send text (`str`) or binary (`bytes`): it goes out while `run` runs, in the order of the calls.

        May be called from within `on_frame`, from another task, and before `run`. On a socket that is closed or closing the
        frame goes nowhere, as on one that is about to break: `run` tells the end, and what was not answered by then is
        unknown.
        """
        ...

    async def aclose(self) -> None:
        """Say goodbye and close, within a second. `run` ends by it. May be called again."""
        ...


class WebSocketTransport(Protocol):
    """Opens sockets."""

    async def open(self, dial: Dial) -> WebSocket:
        """An open socket, its handshake done.

        Raises:
            NetworkError: no connection, no TLS, or the venue refused; `code` is the HTTP status where it sent one.
            LocalError: the dial is malformed.
        """
        ...


class MockWebSocket:
    """A socket for tests, deterministic on every event loop: the test plays the venue.

    Frames that are pushed are delivered by `run`, in its own task, in order; so a test lets the loop run
    (`VirtualClock.settle`, `anyio.wait_all_tasks_blocked`) before it looks. `sent` are the frames that were sent.
    `on_send`, if set, is called with each of them right away: a scripted venue answers by `push` in there.
    """

    def __init__(self, dial: Dial, clock: Clock) -> None:
        self.dial = dial
        self.sent: list[str | bytes] = []
        self.on_send: Callable[[str | bytes], None] | None = None
        self.closed = False
        self._clock = clock
        self._inbox: deque[bytes | None] = deque()
        self._end: str | None = None
        self._stirred = anyio.Event()

    def push(self, *frames: str | bytes) -> None:
        """These messages arrive."""
        self._inbox.extend(frame.encode() if isinstance(frame, str) else frame for frame in frames)
        self._stirred.set()

    def beat(self) -> None:
        """A ping or a pong arrives."""
        self._inbox.append(None)
        self._stirred.set()

    def cut(self, reason: str = "the connection was lost") -> None:
        """The socket ends, after what was pushed before."""
        self._end = self._end or reason
        self._stirred.set()

    async def run(self, on_frame: OnFrame, on_life: OnLife) -> str:
        """Deliver what is pushed until cut or closed; the reason."""
        while True:
            while self._inbox and not self.closed:
                frame = self._inbox.popleft()
                if frame is None:
                    on_life(self._clock.now())
                else:
                    on_frame(frame, self._clock.now())
            if self._end is not None:
                await checkpoint()
                return self._end
            self._stirred = anyio.Event()
            await self._stirred.wait()

    def send(self, frame: str | bytes) -> None:
        """Keep the frame in `sent`, and tell `on_send`; nothing of it once the socket has ended."""
        if self._end is not None:
            return
        self.sent.append(frame)
        if self.on_send is not None:
            self.on_send(frame)

    async def aclose(self) -> None:
        """Close at once; frames that were not delivered yet are lost."""
        self.closed = True
        self.cut(CLOSED_HERE)
        await checkpoint()


class MockWebSocketTransport:
    """A transport for tests: hands out `MockWebSocket`s and keeps them.

    `dials` and `sockets` are what was asked for and handed out, oldest first. An error in `refusals` is raised by the next
    `open` instead. `on_open`, if set, is called with each new socket: to script it.
    """

    def __init__(self, clock: Clock, *, on_open: Callable[[MockWebSocket], None] | None = None) -> None:
        self.on_open = on_open
        self.dials: list[Dial] = []
        self.sockets: list[MockWebSocket] = []
        self.refusals: deque[VenuekitError] = deque()
        self._clock = clock

    @property
    def latest(self) -> MockWebSocket:
        """The newest socket. Raises `LocalError` where none was opened."""
        if not self.sockets:
            raise LocalError("no socket was opened yet")
        return self.sockets[-1]

    async def open(self, dial: Dial) -> MockWebSocket:
        """A new socket, or the next of `refusals`."""
        self.dials.append(dial)
        await checkpoint()
        if self.refusals:
            raise self.refusals.popleft()
        socket = MockWebSocket(dial, self._clock)
        self.sockets.append(socket)
        if self.on_open is not None:
            self.on_open(socket)
        return socket
