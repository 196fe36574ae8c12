"""The WebSocket driver against a real server: messages whole and in order, and every end told, soon."""

from __future__ import annotations

import logging
import socket as sockets
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from venuekit.clock import SystemClock, VirtualClock
from venuekit.drivers.anyio_websocket import AnyioWebSocket, AnyioWebSocketTransport
from venuekit.drivers.http import user_agent
from venuekit.drivers.tasks import helpers
from venuekit.drivers.websocket import CLOSED_HERE, MockWebSocket, MockWebSocketTransport, WebSocket
from venuekit_spec import SECOND, Dial, Instant, LocalError, NetworkError, Outcome

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
"""Seconds after which a peer that never answers has evidently been waited for."""


class Peer:
    """The venue's end of one socket, on the sans-I/O server protocol: scripts send and await frames through it."""

    def __init__(self, stream: ByteStream, protocol: ServerProtocol) -> None:
        self.stream = stream
        self.protocol = protocol
        self.request: Request | None = None
        self.frames: list[Frame] = []

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send(data)
            else:
                await self.stream.aclose()

    async def text(self, *texts: str) -> None:
        for each in texts:
            self.protocol.send_text(each.encode())
        await self.flush()

    async def receive(self) -> Frame:
        """The next frame that came; EndOfStream at the end."""
        while not self.frames:
            self.protocol.receive_data(await self.stream.receive(2**18))
            self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
            await self.flush()
        return self.frames.pop(0)

    async def accept(self) -> None:
        while self.request is None:
            self.protocol.receive_data(await self.stream.receive())
            for event in self.protocol.events_received():
                assert isinstance(event, Request)
                self.request = event
        self.protocol.send_response(self.protocol.accept(self.request))
        await self.flush()


Script = Callable[[Peer], Awaitable[None]]


class Heard:
    """What the callbacks were told."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.instants: list[Instant] = []
        self.lives: list[Instant] = []

    def frame(self, frame: bytes, now: Instant) -> None:
        assert type(frame) is bytes
        self.frames.append(frame)
        self.instants.append(now)

    def life(self, now: Instant) -> None:
        self.lives.append(now)


@asynccontextmanager
async def served(
    script: Script, *, compression: bool = True, raw: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server on this machine that plays `script` on every socket (`raw`: without accepting it first); its URL."""

    async def handle(stream: ByteStream) -> None:
        extensions = [ServerPerMessageDeflateFactory()] if compression else None
        protocol = ServerProtocol(
            extensions=extensions,
            subprotocols=[Subprotocol("v2")],
            select_subprotocol=lambda _protocol, offered: offered[-1] if offered else None,
            max_size=None,
            logger=logging.Logger("the venue's own", logging.CRITICAL),  # noqa: LOG001 - what it logs is not the subject
        )
        peer = Peer(stream, protocol)
        async with stream:
            try:
                if not raw:
                    await peer.accept()
                await script(peer)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with listener, helpers() as group:
        if tls is None:
            group.start_soon(listener.serve, handle)
        else:
            group.start_soon(TLSListener(listener, tls, standard_compatible=False).serve, handle)
        yield f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}/ws"


@asynccontextmanager
async def opened(url: str, **dial: object) -> AsyncIterator[AnyioWebSocket]:
    """A socket to `url`, closed at the end."""
    transport = AnyioWebSocketTransport(SystemClock(), open_timeout=5.0, close_timeout=0.2)
    socket = await transport.open(Dial(url, **{"ping": None, **dial}))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    try:
        yield socket
    finally:
        await socket.aclose()


async def conversation(script: Script, *, packing: bool = True, **dial: object) -> tuple[Heard, str]:
    """One socket from dial to end, on a server that compresses or not: what was heard, and why it ended."""
    heard = Heard()
    with anyio.fail_after(20):
        async with served(script, compression=packing) as url, opened(url, **dial) as socket:
            reason = await socket.run(heard.frame, heard.life)
    return heard, reason


async def farewell(peer: Peer, code: int = 1000, reason: str = "") -> None:
    """The venue closes the socket properly."""
    peer.protocol.send_close(code, reason)
    await peer.flush()
    await peer.receive()


@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("offered", [False, True])
async def test_messages_arrive_whole_and_in_order(compression: bool, offered: bool) -> None:
    """Text and binary come as their bytes, in order, with and without compression, whichever side does not want it."""
    negotiated: list[bool] = []

    async def script(peer: Peer) -> None:
        negotiated.append(bool(peer.protocol.extensions))
        for number in range(500):
            peer.protocol.send_text(f'{{"n": {number}, "pad": "äöü {"x" * number}"}}'.encode())
        peer.protocol.send_binary(b"\x00\xff\xfe")
        peer.protocol.send_text(b"")
        await peer.flush()
        await farewell(peer)

    heard, reason = await conversation(script, packing=compression, compression=offered)
    assert heard.frames[:500] == [f'{{"n": {n}, "pad": "äöü {"x" * n}"}}'.encode() for n in range(500)]
    assert heard.frames[500:] == [b"\x00\xff\xfe", b""]
    assert negotiated == [compression and offered]
    assert "1000" in reason
    assert heard.instants == sorted(heard.instants)


@pytest.mark.parametrize("compression", [False, True])
async def test_fragments_are_reassembled_around_pings(compression: bool) -> None:
    """A message in many fragments, with control frames in between, is one callback."""

    async def script(peer: Peer) -> None:
        peer.protocol.send_text(b"one ", fin=False)
        peer.protocol.send_ping(b"in between")
        peer.protocol.send_continuation(b"two ", fin=False)
        await peer.flush()
        assert (await peer.receive()).opcode is Opcode.PONG  # so the rest comes with a later receive
        peer.protocol.send_continuation(b"three", fin=True)
        peer.protocol.send_binary(b"next")
        await peer.flush()
        await farewell(peer)

    heard, _ = await conversation(script, packing=compression)
    assert heard.frames == [b"one two three", b"next"]
    assert len(heard.lives) == 1


@pytest.mark.parametrize("compression", [False, True])
async def test_a_frame_of_ten_megabytes(compression: bool) -> None:
    """A very large message arrives whole, and so does one that we send."""
    large = bytes(range(256)) * (10 * 2**20 // 256)
    echoed: list[bytes] = []

    async def script(peer: Peer) -> None:
        peer.protocol.send_binary(large)
        await peer.flush()
        echoed.append(bytes((await peer.receive()).data))
        await farewell(peer)

    heard = Heard()
    with anyio.fail_after(30):
        async with served(script, compression=compression) as url, opened(url) as socket:
            socket.send(large)
            await socket.run(heard.frame, heard.life)
    assert heard.frames == [large]
    assert echoed == [large]


@pytest.mark.parametrize("fragmented", [False, True])
@pytest.mark.parametrize("compression", [False, True])
async def test_a_message_beyond_the_maximum_ends_the_socket(fragmented: bool, compression: bool) -> None:
    """A message larger than maximum_frame, whole, in fragments or only when unpacked, is refused and told."""

    async def script(peer: Peer) -> None:
        peer.protocol.send_text(b"small")
        peer.protocol.send_text(b"x" * 600, fin=not fragmented)
        if fragmented:
            peer.protocol.send_continuation(b"x" * 600, fin=True)
        else:
            peer.protocol.send_text(b"x" * 1200)
        await peer.flush()
        await peer.receive()

    heard, reason = await conversation(script, packing=compression, maximum_frame=1000)
    assert heard.frames[0] == b"small"
    assert all(len(frame) < 1000 for frame in heard.frames)
    assert "broke the protocol" in reason
    assert "1000" in reason


async def test_what_comes_with_the_handshake_is_not_lost() -> None:
    """Frames in the same packet as the handshake's answer are delivered when run starts."""

    async def script(peer: Peer) -> None:
        peer.request = None
        while peer.request is None:
            peer.protocol.receive_data(await peer.stream.receive())
            for event in peer.protocol.events_received():
                assert isinstance(event, Request)
                peer.request = event
        peer.protocol.send_response(peer.protocol.accept(peer.request))
        peer.protocol.send_text(b"welcome")
        await peer.stream.send(b"".join(peer.protocol.data_to_send()))
        await farewell(peer)

    heard = Heard()
    with anyio.fail_after(5):
        async with served(script, raw=True) as url, opened(url) as socket:
            await socket.run(heard.frame, heard.life)
    assert heard.frames == [b"welcome"]


async def test_sending_keeps_the_order() -> None:
    """Frames sent before run, from within on_frame and from another task arrive in the order of the calls, as their kind."""
    got: list[tuple[Opcode, bytes]] = []

    async def script(peer: Peer) -> None:
        got.append(((frame := await peer.receive()).opcode, bytes(frame.data)))
        await peer.text("go")
        got.extend([((frame := await peer.receive()).opcode, bytes(frame.data)) for _ in range(4)])
        await farewell(peer)

    with anyio.fail_after(5):
        async with served(script) as url, opened(url) as socket, anyio.create_task_group() as group:
            inside = anyio.Event()

            def on_frame(_frame: bytes, _now: Instant) -> None:
                socket.send("inside 1")
                socket.send(b"inside 2")
                inside.set()

            async def other() -> None:
                await inside.wait()
                socket.send("outside 1")
                socket.send("outside 2")

            group.start_soon(other)
            socket.send("bef\u00f6re")
            await socket.run(on_frame, lambda _now: None)
    text, binary = Opcode.TEXT, Opcode.BINARY
    assert got == [
        (text, "bef\u00f6re".encode()),
        (text, b"inside 1"),
        (binary, b"inside 2"),
        (text, b"outside 1"),
        (text, b"outside 2"),
    ]


async def test_pings_go_out_by_the_clock_and_pongs_are_life() -> None:
    """Every Dial.ping seconds of the clock a ping goes out; the pong that answers it is a sign of life."""
    clock = VirtualClock(0, cushion=0.02)
    pings: list[Instant] = []

    async def script(peer: Peer) -> None:
        for _ in range(3):
            assert (await peer.receive()).opcode is Opcode.PING
            pings.append(clock.now())
        await farewell(peer)

    heard = Heard()
    with anyio.fail_after(10):
        async with served(script) as url:
            socket = await AnyioWebSocketTransport(clock).open(Dial(url, ping=20.0))
            async with clock.autojump():
                await socket.run(heard.frame, heard.life)
                await socket.aclose()
    assert pings == [20 * SECOND, 40 * SECOND, 60 * SECOND]
    assert heard.lives == pings


async def test_pings_of_the_venue_are_answered_with_their_payload() -> None:
    """A server ping gets its pong at once and counts as life."""
    payloads: list[bytes] = []

    async def script(peer: Peer) -> None:
        peer.protocol.send_ping(b"1700000000")
        await peer.flush()
        payloads.append(bytes((await peer.receive()).data))
        await farewell(peer)

    heard, _ = await conversation(script)
    assert payloads == [b"1700000000"]
    assert len(heard.lives) == 1
    assert not heard.frames


async def test_a_proper_close_tells_code_and_reason() -> None:
    """The venue's close code and words are the reason."""
    _, reason = await conversation(lambda peer: farewell(peer, 1008, "too many subscriptions"))
    assert "1008" in reason
    assert "too many subscriptions" in reason


async def test_a_silent_close_is_noticed() -> None:
    """A connection that ends without a CLOSE frame ends run, and says so."""

    async def script(peer: Peer) -> None:
        await peer.text("last words")
        await peer.stream.aclose()

    heard, reason = await conversation(script)
    assert heard.frames == [b"last words"]
    assert "without a goodbye" in reason


async def test_an_abrupt_reset_is_noticed() -> None:
    """A TCP reset ends run with a reason and without an exception."""

    async def script(peer: Peer) -> None:
        raw = peer.stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        await peer.receive()
        await peer.stream.aclose()

    heard = Heard()
    with anyio.fail_after(5):
        async with served(script) as url, opened(url) as socket:
            socket.send("reset me")
            reason = await socket.run(heard.frame, heard.life)
    assert "broke" in reason or "without a goodbye" in reason


async def test_garbage_is_a_broken_protocol() -> None:
    """Bytes that are no frames end the socket and are told as the venue's mistake."""

    async def script(peer: Peer) -> None:
        await peer.stream.send(b"\xff" * 64)
        await peer.receive()

    _, reason = await conversation(script)
    assert "broke the protocol" in reason


async def test_a_message_that_is_cut_off_is_not_delivered() -> None:
    """Half a frame before the end of the connection is no message."""

    async def script(peer: Peer) -> None:
        peer.protocol.send_text(b"x" * 1000)
        await peer.stream.send(b"".join(peer.protocol.data_to_send())[:500])
        await peer.stream.aclose()

    heard, reason = await conversation(script, packing=False)
    assert not heard.frames
    assert reason


async def test_closing_is_polite_and_ends_run() -> None:
    """Aclose from another task sends a CLOSE that the venue sees, and run returns that it was us."""
    codes: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.text("ready")
        codes.append(bytes((await peer.receive()).data))

    with anyio.fail_after(5):
        async with served(script) as url, opened(url) as socket, anyio.create_task_group() as group:

            def on_frame(_frame: bytes, _now: Instant) -> None:
                group.start_soon(socket.aclose)
                group.start_soon(socket.aclose)

            assert await socket.run(on_frame, lambda _now: None) == CLOSED_HERE
    assert codes == [struct.pack("!H", 1000)]


@pytest.mark.parametrize("running", [False, True])
async def test_an_unanswered_close_takes_no_longer_than_its_timeout(running: bool) -> None:
    """A venue that never answers our CLOSE costs the close time-out, not ten seconds, and run ends."""
    ready = anyio.Event()

    async def script(_peer: Peer) -> None:
        ready.set()
        await anyio.sleep_forever()

    reasons: list[str] = []
    async with served(script) as url, anyio.create_task_group() as group:
        socket = await AnyioWebSocketTransport(SystemClock(), close_timeout=0.1).open(Dial(url, ping=None))

        async def run() -> None:
            reasons.append(await socket.run(lambda _frame, _now: None, lambda _now: None))

        if running:
            group.start_soon(run)
        await ready.wait()
        with anyio.fail_after(PATIENCE):
            await socket.aclose()
    assert reasons == [CLOSED_HERE] * running


async def test_a_socket_that_was_closed_before_it_ran_ends_at_once() -> None:
    """Run after aclose, or begun while it closes, returns that it was us."""

    async def script(_peer: Peer) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with served(script) as url, anyio.create_task_group() as group:
            socket = await AnyioWebSocketTransport(SystemClock(), close_timeout=0.05).open(
                Dial(url, ping=None)
            )
            group.start_soon(socket.aclose)
            await anyio.wait_all_tasks_blocked()
            assert await socket.run(lambda _frame, _now: None, lambda _now: None) == CLOSED_HERE


async def test_a_venue_that_says_goodbye_and_stays_is_left() -> None:
    """After the venue's CLOSE we do not wait for it to hang up longer than the close time-out."""

    async def script(peer: Peer) -> None:
        peer.protocol.send_close(1001, "going")
        await peer.stream.send(b"".join(peer.protocol.data_to_send()))
        await anyio.sleep_forever()

    with anyio.fail_after(PATIENCE):
        _, reason = await conversation(script)
    assert "1001" in reason


async def test_cancelling_run_leaves_a_socket_that_can_be_closed() -> None:
    """Run may be cancelled at any time; a polite close is still possible, also from within a cancelled scope."""
    goodbyes: list[Opcode] = []

    async def script(peer: Peer) -> None:
        await peer.text("ready")
        goodbyes.append((await peer.receive()).opcode)

    with anyio.fail_after(5):
        async with served(script) as url:
            socket = await AnyioWebSocketTransport(SystemClock()).open(Dial(url))
            with anyio.CancelScope() as scope:
                try:
                    await socket.run(lambda _frame, _now: scope.cancel(), lambda _now: None)
                finally:
                    await socket.aclose()
            assert scope.cancelled_caught
            socket.send("into the void")
    assert goodbyes == [Opcode.CLOSE]


async def test_an_error_of_the_callback_comes_out_bare() -> None:
    """What on_frame raises is raised by run as it is, at that frame."""

    async def script(peer: Peer) -> None:
        await peer.text("good", "bad", "never")
        await peer.receive()

    frames: list[bytes] = []

    def on_frame(frame: bytes, _now: Instant) -> None:
        frames.append(frame)
        if frame == b"bad":
            raise ZeroDivisionError("mine")

    with anyio.fail_after(5):
        async with served(script) as url, opened(url) as socket:
            with pytest.raises(ZeroDivisionError, match="mine"):
                await socket.run(on_frame, lambda _now: None)
    assert frames == [b"good", b"bad"]


async def test_a_socket_is_run_once() -> None:
    """A second run is our mistake."""
    async with served(farewell) as url, opened(url) as socket:
        await socket.run(lambda _frame, _now: None, lambda _now: None)
        with pytest.raises(LocalError):
            await socket.run(lambda _frame, _now: None, lambda _now: None)


async def test_a_slow_venue_does_not_hold_up_what_arrives() -> None:
    """While the venue does not read what we send, what it sends is still delivered."""

    async def script(peer: Peer) -> None:
        await peer.text("a", "b", "c")
        await anyio.sleep_forever()

    heard = Heard()
    with anyio.fail_after(10):
        async with served(script, compression=False) as url, opened(url) as socket:

            def on_frame(frame: bytes, now: Instant) -> None:
                heard.frame(frame, now)
                if frame == b"c":
                    raise KeyboardInterrupt

            socket.send(b"x" * 50_000_000)
            with pytest.raises(KeyboardInterrupt):
                await socket.run(on_frame, heard.life)
    assert heard.frames == [b"a", b"b", b"c"]


async def test_the_handshake_carries_what_the_dial_says() -> None:
    """Path, query, headers and subprotocols arrive as given; we name ourselves unless told otherwise."""
    requests: list[Request] = []

    async def script(peer: Peer) -> None:
        assert peer.request is not None
        requests.append(peer.request)
        await farewell(peer)

    async with served(script) as url:
        headers = (("X-Key", "k"), ("Origin", "https://o"))
        for more in ((), (("user-agent", "mine"),)):
            async with opened(
                f"{url}/a%2Fb?t=%2B+a&t=2", headers=headers + more, subprotocols=("v1", "v2")
            ) as socket:
                await socket.run(lambda _frame, _now: None, lambda _now: None)
    first, second = requests
    assert first.path == "/ws/a%2Fb?t=%2B+a&t=2"
    assert first.headers["X-Key"] == "k"
    assert first.headers["Origin"] == "https://o"
    assert first.headers["Sec-WebSocket-Protocol"] == "v1, v2"
    assert first.headers.get_all("User-Agent") == [user_agent()]
    assert second.headers.get_all("User-Agent") == ["mine"]


@pytest.mark.parametrize(
    ("answer", "said", "code"),
    [
        (b"HTTP/1.1 429 Too Many\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", "429.*17", "429"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nSECRET", "403", "403"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200", "200"),
        (b"HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "Accept", ""),
        (b"SSH-2.0-server\r\n\r\n", "refused", ""),
        (b"", "refused", ""),
    ],
)
async def test_a_refused_handshake_is_a_network_error(answer: bytes, said: str, code: str) -> None:
    """Whatever answers that is no WebSocket, the error tells its status, and shows neither token nor body."""

    async def script(peer: Peer) -> None:
        await peer.stream.receive()
        if answer:
            await peer.stream.send(answer)

    with anyio.fail_after(5):
        async with served(script, raw=True) as url:
            transport = AnyioWebSocketTransport(SystemClock())
            with pytest.raises(NetworkError, match=said) as told:
                await transport.open(Dial(f"{url}?token=SECRET"))
    assert told.value.code == code
    assert "SECRET" not in str(told.value)
    assert told.value.outcome is Outcome.REJECTED


async def test_a_handshake_that_hangs_ends() -> None:
    """A server that never answers costs the open time-out."""

    async def script(_peer: Peer) -> None:
        await anyio.sleep_forever()

    async with served(script, raw=True) as url:
        with pytest.raises(NetworkError, match="did not open"):
            await AnyioWebSocketTransport(SystemClock(), open_timeout=0.1).open(Dial(url))


async def test_nobody_there_is_a_network_error() -> None:
    """A refused connection and an unknown name are network errors that show no token, in path or query."""
    async with served(farewell) as url:
        pass
    transport = AnyioWebSocketTransport(SystemClock())
    for address in (f"{url}/SECRET?SECRET", "ws://venue.invalid/SECRET?SECRET"):
        with pytest.raises(NetworkError) as told:
            await transport.open(Dial(address, secret_url=True))
        assert "SECRET" not in str(told.value)
        assert not told.value.sent


@pytest.mark.parametrize(
    "dial",
    [
        Dial("http://host/?s=SECRET"),
        Dial("ws:///x?s=SECRET"),
        Dial("ws://h/ü?s=SECRET"),
        Dial("ws://h:x/?s=SECRET"),
        Dial("ws://h/?s=SECRET#fragment"),
        Dial("ws://h/", headers=(("X-Key", "SECRET\r\nX-Evil: 1"),)),
    ],
)
async def test_a_malformed_dial_is_our_mistake(dial: Dial) -> None:
    """A URL or a header that cannot be sent is a LocalError that shows nothing secret."""
    with pytest.raises(LocalError) as told:
        await AnyioWebSocketTransport(SystemClock()).open(dial)
    assert "SECRET" not in str(told.value)


def test_the_close_timeout_is_short() -> None:
    """A close time-out above a second is refused: a hanging close holds up the redial."""
    with pytest.raises(LocalError):
        AnyioWebSocketTransport(SystemClock(), close_timeout=10.0)


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At level DEBUG for everything, neither URL query nor headers nor frames are in any log record."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "websockets.client")

    async def script(peer: Peer) -> None:
        await peer.receive()
        await farewell(peer)

    async with served(script) as url, opened(f"{url}?SECRET1", headers=(("X-Key", "SECRET2"),)) as socket:
        socket.send("SECRET3")
        await socket.run(lambda _frame, _now: None, lambda _now: None)
    assert all("SECRET" not in record.getMessage() for record in caplog.records)


async def test_tls_is_verified() -> None:
    """Wss works with the right authority; with the system's, an unknown certificate is a network error before any byte."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)

    async def script(peer: Peer) -> None:
        await peer.text("secure")
        await farewell(peer)

    heard = Heard()
    with anyio.fail_after(10):
        async with served(script, tls=server) as url:
            socket = await AnyioWebSocketTransport(SystemClock(), ssl_context=client).open(Dial(url))
            await socket.run(heard.frame, heard.life)
            await socket.aclose()
            with pytest.raises(NetworkError, match=r"(?i)certificate") as told:
                await AnyioWebSocketTransport(SystemClock()).open(Dial(url))
    assert heard.frames == [b"secure"]
    assert not told.value.sent


async def test_the_mock_plays_a_venue() -> None:
    """A test pushes frames and beats, reads what was sent, answers from a script, and cuts the socket."""
    clock = VirtualClock(5)
    transport = MockWebSocketTransport(clock)
    dial = Dial("wss://venue/")
    with pytest.raises(LocalError):
        _ = transport.latest
    socket: WebSocket = await transport.open(dial)
    mock = transport.latest
    mock.on_send = lambda frame: mock.push(f"ack {frame!r}")
    heard, reasons = Heard(), []

    async def run() -> None:
        reasons.append(await socket.run(heard.frame, heard.life))

    async with anyio.create_task_group() as group:
        socket.send("early")
        group.start_soon(run)
        await clock.settle()
        await clock.advance(1)
        mock.push("text", b"\x00")
        mock.beat()
        await clock.settle()
        mock.push("last")
        mock.cut("gone")
        socket.send("too late")
    assert heard.frames == [b"ack 'early'", b"text", b"\x00", b"last"]
    assert heard.instants == [5, 5 + SECOND, 5 + SECOND, 5 + SECOND]
    assert heard.lives == [5 + SECOND]
    assert (mock.sent, reasons, transport.dials) == (["early"], ["gone"], [dial])


async def test_the_mock_refuses_and_closes_as_the_real_one() -> None:
    """A refusal is raised by the next open; aclose ends run at once, as from our side; a callback's error comes out."""
    clock = VirtualClock(0)
    scripted: list[MockWebSocket] = []
    transport = MockWebSocketTransport(clock, on_open=scripted.append)
    transport.refusals.append(NetworkError("no", sent=False))
    with pytest.raises(NetworkError):
        await transport.open(Dial("wss://venue/"))
    socket = await transport.open(Dial("wss://venue/"))
    assert scripted == [socket]
    async with anyio.create_task_group() as group:
        group.start_soon(socket.aclose)
        assert await socket.run(lambda _frame, _now: None, lambda _now: None) == CLOSED_HERE
    assert socket.closed
    other = await transport.open(Dial("wss://venue/"))
    other.push("x")

    def fail(_frame: bytes, _now: Instant) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await other.run(fail, lambda _now: None)
