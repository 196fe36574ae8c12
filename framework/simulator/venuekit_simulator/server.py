"""The venue on a port, by uvicorn: the only module that imports it.

Lost replies and cuts are real here: the TCP connection ends. A stalled socket is not read from any more, so that not even
its pings are answered. Where the way to the venue is gone (`unreachable`, a restart), its port still takes connections, and
drops them without a word.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, Final, cast

import anyio
import uvicorn
from websockets.frames import Frame, Opcode

from venuekit_simulator.asgi import Scope, VenueApp
from venuekit_simulator.plugins import PORT
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import LocalError, Seconds

HOST: Final = "127.0.0.1"

GRACE: Final[Seconds] = 2.0
"""For how long connections may come to an end when the server does."""


class _Server(uvicorn.Server):
    """A server that says when it is ready, ends quietly on a signal, and gives the app a way to its connections."""

    def __init__(self, venue: LocalVenue, ready: Callable[[], None]) -> None:
        self._app = VenueApp(venue, wire=self)
        self._ready = ready
        super().__init__(
            uvicorn.Config(
                self._app,
                http="h11",
                ws="websockets-sansio",
                ws_ping_interval=None,  # a venue's pings are its dialect's to send
                lifespan="on",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=round(GRACE),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        """Serve until told to end. Being cancelled is that too: what was started is ended before the cancellation goes on."""
        try:
            await super().main_loop()
        except asyncio.CancelledError:
            await self.shutdown()
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, without waiting for what is held in silence."""
        self._app.close()
        with anyio.CancelScope(shield=True):
            await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on SIGTERM and Ctrl-C; asked twice, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True

    # as `Wire`

    def abort(self, scope: Scope) -> bool:
        """End the connection at once."""
        found = list(self._transports(scope))
        for transport in found:
            transport.abort()
        return bool(found)

    def hold(self, scope: Scope) -> bool:
        """Read nothing more from the connection."""
        found = list(self._transports(scope))
        for transport in found:
            transport.pause_reading()
        return bool(found)

    def ping(self, scope: Scope) -> bool:
        """Send a ping. The frame goes to the transport itself: uvicorn's own pings are timers, not calls."""
        found = list(self._transports(scope))
        for transport in found:
            transport.write(Frame(Opcode.PING, b"").serialize(mask=False))
        return bool(found)

    def _transports(self, scope: Scope) -> Iterator[asyncio.Transport]:
        """The connection of a scope; uvicorn knows it by the client's address."""
        client = tuple(scope.get("client") or ())
        connections = cast("Iterable[Any]", self.server_state.connections)  # of uvicorn's several kinds
        for protocol in connections:
            if protocol.client is not None and tuple(protocol.client) == client:
                yield protocol.transport


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `LocalError` where the address cannot be had.

    It says by name that it is TCP: asyncio switches Nagle's algorithm off for such connections only. With it, a reply of two
    writes (head, body) on a connection that is kept would wait for the client's delayed acknowledgement.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise LocalError(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
    return socket.socket(listener.family, listener.type, socket.IPPROTO_TCP, fileno=listener.detach())


async def serve(
    venue: LocalVenue, host: str = HOST, port: int = PORT, *, ready: Callable[[str], None] | None = None
) -> None:
    """Serve a venue until cancelled or told to end (SIGTERM, Ctrl-C). On asyncio.

    `ready` is called with the URL once it can be connected to. Port 0 takes a free one. Raises `LocalError` where the
    address cannot be had.
    """
    with listen(host, port) as listener:
        bound: int = listener.getsockname()[1]
        url = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
        await _Server(venue, lambda: ready(url) if ready is not None else None).serve(sockets=[listener])
