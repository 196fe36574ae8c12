"""WebSocket over anyio's streams, on asyncio and trio: the `websockets` package keeps the protocol, we move the bytes.

One receive may bring many messages; each goes to the callback from within the same loop, and what they made us send goes out
together. Three tasks serve a socket, only while `run` runs: the caller's own reads, one writes, one pings.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from typing import Final

import anyio
from anyio.abc import ByteStream
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from venuekit.clock import Clock
from venuekit.drivers.http import user_agent
from venuekit.drivers.tasks import helpers
from venuekit.drivers.websocket import CLOSED_HERE, OnFrame, OnLife
from venuekit_spec import Dial, Instant, LocalError, NetworkError, Seconds, excerpt

OPEN_TIMEOUT: Final[Seconds] = 10.0
CLOSE_TIMEOUT: Final[Seconds] = 1.0

RECEIVE_SIZE: Final = 2**18
"""Bytes taken from the stream at once: what asyncio reads from a socket at most."""

NORMAL_CLOSURE: Final = 1000

# The protocol's own logger would show URLs, headers and frames at level DEBUG, and they carry secrets. This one stands
# outside of the logging tree, where nobody can turn it on.
_SILENT = logging.Logger("venuekit.silent", logging.CRITICAL + 1)  # noqa: LOG001 - so

_TEXT, _BINARY, _CONTINUATION, _CLOSE = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.CLOSE


class AnyioWebSocketTransport:
    """A `WebSocketTransport` for asyncio and trio.

    `ssl_context` replaces the default one (the system's authorities). `open_timeout` covers name, connection, TLS and
    handshake together. `close_timeout`, at most a second, is how long a venue may take to say goodbye.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ssl_context: ssl.SSLContext | None = None,
        open_timeout: Seconds = OPEN_TIMEOUT,
        close_timeout: Seconds = CLOSE_TIMEOUT,
    ) -> None:
        if not 0 <= close_timeout <= CLOSE_TIMEOUT:
            raise LocalError(f"a close time-out is between 0 and {CLOSE_TIMEOUT} s")
        self._clock = clock
        self._ssl_context = ssl_context
        self._open_timeout = open_timeout
        self._close_timeout = close_timeout

    async def open(self, dial: Dial) -> AnyioWebSocket:
        """An open socket. Raises as `WebSocketTransport.open` says."""
        uri = _parse(dial.url)
        place = dial.shown_url
        protocol = _protocol(uri, dial)
        with anyio.move_on_after(self._open_timeout):
            stream = await self._connect(uri, place)
            try:
                await _handshake(stream, protocol, place)
            except BaseException:
                await anyio.aclose_forcefully(stream)
                raise
            return AnyioWebSocket(stream, protocol, self._clock, dial.ping, self._close_timeout)
        raise NetworkError(f"{place} did not open within {self._open_timeout} s", sent=False)

    async def _connect(self, uri: WebSocketURI, place: str) -> ByteStream:
        try:
            if not uri.secure:
                return await anyio.connect_tcp(uri.host, uri.port)
            if self._ssl_context is None:
                self._ssl_context = ssl.create_default_context()
            return await anyio.connect_tcp(
                uri.host,
                uri.port,
                tls=True,
                ssl_context=self._ssl_context,
                tls_hostname=uri.host,
                tls_standard_compatible=False,  # the CLOSE frame tells a proper end; a TLS goodbye would be waited for
            )
        except ssl.SSLError as error:
            raise NetworkError(f"no TLS with {place}: {error}", sent=False) from error
        except (OSError, UnicodeError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise NetworkError(f"no connection to {place}: {_told(error)}", sent=False) from error


class AnyioWebSocket:
    """A `WebSocket`; made by `AnyioWebSocketTransport.open`."""

    def __init__(
        self,
        stream: ByteStream,
        protocol: ClientProtocol,
        clock: Clock,
        ping: Seconds | None,
        close_timeout: Seconds,
    ) -> None:
        self._stream = stream
        self._protocol = protocol
        self._clock = clock
        self._ping = ping
        self._close_timeout = close_timeout
        self._fragments: list[bytes] = []
        self._to_send = anyio.Event()
        self._finished: anyio.Event | None = None
        self._leaving = anyio.Event()
        self._closed = anyio.Event()

    async def run(self, on_frame: OnFrame, on_life: OnLife) -> str:
        """Receive and send until closed. Raises as `WebSocket.run` says; `LocalError` if run before."""
        if self._finished is not None:
            raise LocalError("a socket is run once")
        finished = self._finished = anyio.Event()
        if self._leaving.is_set():  # closed before it came to run
            finished.set()
            await self._closed.wait()
            return CLOSED_HERE
        try:
            async with helpers() as group:
                group.start_soon(self._write)
                if self._ping is not None:
                    group.start_soon(self._send_pings, self._ping)
                reason = await self._read(on_frame, on_life)
                if self._protocol.close_expected():
                    self._to_send.set()
                    with anyio.move_on_after(self._close_timeout):
                        await self._outlast()
            return CLOSED_HERE if self._leaving.is_set() else reason
        finally:
            finished.set()

    def send(self, frame: str | bytes) -> None:
        """Queue a frame; on a socket that is closed or closing it goes nowhere."""
        if self._protocol.state is not State.OPEN:
            return
        if isinstance(frame, str):
            self._protocol.send_text(frame.encode())
        else:
            self._protocol.send_binary(frame)
        self._to_send.set()

    async def aclose(self) -> None:
        """Close within `close_timeout`, also when cancelled."""
        if self._leaving.is_set():
            await self._closed.wait()
            return
        self._leaving.set()
        try:
            with anyio.move_on_after(self._close_timeout, shield=True):
                if self._protocol.state is State.OPEN:
                    self._protocol.send_close(NORMAL_CLOSURE)
                    self._to_send.set()
                if self._finished is not None and not self._finished.is_set():
                    await self._finished.wait()
                elif self._protocol.state is not State.CLOSED:
                    await self._flush()
                    await self._outlast()
        finally:
            await anyio.aclose_forcefully(self._stream)
            self._closed.set()

    async def _read(self, on_frame: OnFrame, on_life: OnLife) -> str:
        """Hand out messages until there are no more; why."""
        protocol, receive, now = self._protocol, self._stream.receive, self._clock.now
        early = protocol.events_received()  # a venue may speak in the same packet as the handshake
        self._hand_out(early, on_frame, on_life, now())
        while not protocol.close_expected():
            try:
                data = await receive(RECEIVE_SIZE)
            except anyio.EndOfStream:
                protocol.receive_eof()
                return "the venue ended the connection without a goodbye"
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
                protocol.receive_eof()
                return f"the connection broke: {_told(error)}"
            received = now()
            protocol.receive_data(data)
            self._hand_out(protocol.events_received(), on_frame, on_life, received)
            if protocol.writes:
                self._to_send.set()
        if protocol.close_rcvd is not None:
            return f"the venue closed the socket: {excerpt(str(protocol.close_rcvd))}"
        return f"the venue broke the protocol: {protocol.parser_exc}"

    def _hand_out(self, events: Sequence[object], on_frame: OnFrame, on_life: OnLife, now: Instant) -> None:
        for frame in events:
            if not isinstance(frame, Frame):
                continue
            opcode = frame.opcode
            if (opcode is _TEXT or opcode is _BINARY) and frame.fin:
                on_frame(bytes(frame.data), now)
            elif opcode is _TEXT or opcode is _BINARY or opcode is _CONTINUATION:
                self._fragments.append(bytes(frame.data))
                if frame.fin:
                    message = b"".join(self._fragments)
                    self._fragments.clear()
                    on_frame(message, now)
            elif opcode is not _CLOSE:
                on_life(now)

    async def _write(self) -> None:
        while True:
            await self._flush()
            self._to_send = anyio.Event()
            if not self._protocol.writes:
                await self._to_send.wait()

    async def _flush(self) -> None:
        """Send what the protocol has to send; a broken stream is the reader's to notice."""
        data = b"".join(self._protocol.data_to_send())
        if data:
            try:
                await self._stream.send(data)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                return

    async def _send_pings(self, interval: Seconds) -> None:
        while True:
            await self._clock.sleep(interval)
            if self._protocol.state is State.OPEN:
                self._protocol.send_ping(b"")
                self._to_send.set()

    async def _outlast(self) -> None:
        """Wait for the venue to end the connection; what it still says does not matter."""
        try:
            while self._protocol.state is not State.CLOSED:
                self._protocol.receive_data(await self._stream.receive(RECEIVE_SIZE))
                self._protocol.events_received()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            self._protocol.receive_eof()


def _told(error: Exception) -> str:
    """What an error of a stream says; anyio often says it in the cause only."""
    return str(error) or str(error.__cause__ or "") or type(error).__name__


def _parse(url: str) -> WebSocketURI:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise LocalError("the URL of a WebSocket is not percent-encoded")
    try:
        return parse_uri(url)
    except (InvalidURI, ValueError):  # both may show a token
        raise LocalError("the URL of a WebSocket is malformed") from None


def _protocol(uri: WebSocketURI, dial: Dial) -> ClientProtocol:
    """The protocol of one connection, its handshake request ready to be sent."""
    deflate = ClientPerMessageDeflateFactory(client_max_window_bits=True, compress_settings={"memLevel": 5})
    protocol = ClientProtocol(
        uri,
        extensions=[deflate] if dial.compression else None,
        subprotocols=[Subprotocol(name) for name in dial.subprotocols] or None,
        max_size=dial.maximum_frame,
        logger=_SILENT,
    )
    request = protocol.connect()
    headers = list(dial.headers)
    if not any(name.lower() == "user-agent" for name, _ in headers):
        headers.append(("User-Agent", user_agent()))
    for name, value in headers:
        if not (name + value).isascii() or not (name + value).isprintable():
            raise LocalError("a header of the handshake has characters that no header may have")
        if name in request.headers:
            del request.headers[name]
    for name, value in headers:
        request.headers[name] = value
    protocol.send_request(request)
    return protocol


async def _handshake(stream: ByteStream, protocol: ClientProtocol, place: str) -> None:
    """Raises `NetworkError` where the venue does not agree to a WebSocket."""
    try:
        await stream.send(b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            protocol.receive_data(await stream.receive(RECEIVE_SIZE))
    except anyio.EndOfStream:
        protocol.receive_eof()
    except (anyio.BrokenResourceError, OSError) as error:
        raise NetworkError(f"{place} broke off the handshake: {_told(error)}", sent=False) from error
    refusal = protocol.handshake_exc
    if isinstance(refusal, InvalidStatus):
        status = refusal.response.status_code
        after = refusal.response.headers.get("Retry-After")
        advice = f", to be tried again after {excerpt(after, 40)}" if after else ""
        failed = NetworkError(f"{place} refused the WebSocket: HTTP {status}{advice}", sent=False)
        failed.code = str(status)
        raise failed
    if refusal is not None:
        raise NetworkError(f"{place} refused the WebSocket: {refusal.__cause__ or refusal}", sent=False)
