"""The HTTP driver: what was signed is what arrives, and every failure says whether something was sent."""

from __future__ import annotations

import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from venuekit.clock import SystemClock, VirtualClock
from venuekit.drivers.http import MockHttpTransport, user_agent
from venuekit.drivers.httpx_http import HttpxTransport
from venuekit.drivers.tasks import helpers
from venuekit_spec import DeadlinePassed, HttpRequest, HttpResponse, LocalError, NetworkError, Outcome

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """A server that keeps the raw bytes of every request, and answers with whatever bytes it is told."""

    def __init__(self) -> None:
        self.answer = OK
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.after_request: Callable[[SocketStream], Awaitable[None]] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, stream: SocketStream) -> None:
        self.connections += 1
        buffer = b""
        async with stream:
            try:
                while True:
                    while b"\r\n\r\n" not in buffer:
                        buffer += await stream.receive()
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    length = 0
                    for line in head.lower().split(b"\r\n"):
                        if line.startswith(b"content-length:"):
                            length = int(line.partition(b":")[2])
                    while len(buffer) < length:
                        buffer += await stream.receive()
                    self.requests.append(head + b"\r\n\r\n" + buffer[:length])
                    buffer = buffer[length:]
                    if self.after_request is not None:
                        await self.after_request(stream)
                        return
                    await stream.send(self.answer)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Server, HttpxTransport]]:
    """A server on this machine, and a transport to talk to it."""
    server = Server()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server.port = listener.extra(SocketAttribute.local_port)
    transport = HttpxTransport(SystemClock(), response_limit=1_000_000)
    async with listener, helpers() as group:
        group.start_soon(listener.serve, server.serve)
        try:
            yield server, transport
        finally:
            await transport.aclose()


TARGETS = [
    "/api/v3/order?symbol=%E5%B8%81%E5%AE%89USDT&side=BUY",
    "/a%2Fb/c%2fd?path=%2F&plus=1+2&space=a%20b&star=*",
    "/x?a=1&a=2&a=&b",
    "/x?q=%7B%22a%22%3A%5B1%2C2%5D%7D&sig=AbC%2B%2F%3D%3D",
    "/x?quote='&brackets=[1,2]&pipe=|&tilde=~&at=@&colon=:&bang=!&dollar=$&semi=;",
    "/a/../b/./c//d?x=../..",
    "/x?",
    "/x?a=%zz&b=%",
    '/x?json={"a":"b"}',
    "/",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_the_target_arrives_byte_for_byte(target: str) -> None:
    """Nothing in path or query is encoded anew, decoded, sorted or tidied: a signature covers it."""
    async with running() as (server, transport):
        response = await transport.send(HttpRequest("GET", server.url + target))
    assert server.requests[0].split(b"\r\n")[0] == b"GET " + target.encode() + b" HTTP/1.1"
    assert (response.status, response.body, response.url) == (200, b"{}", server.url + target)


@pytest.mark.parametrize(("given", "target"), [("", b"/"), ("?a=1", b"/?a=1")])
async def test_a_url_without_a_path_asks_for_the_root(given: str, target: bytes) -> None:
    """The root's slash may be left out."""
    async with running() as (server, transport):
        await transport.send(HttpRequest("GET", server.url + given))
    assert server.requests[0].split(b" ")[1] == target


async def test_body_and_headers_arrive_as_given() -> None:
    """The body's bytes, the header values and the method go out unchanged; we name ourselves unless told otherwise."""
    body = b'{"price": 0.10, "x": "\xff\x00"}'
    async with running() as (server, transport):
        await transport.send(
            HttpRequest(
                "POST", f"{server.url}/o", (("X-Key", "a+b=="), ("x-twice", "1"), ("x-twice", "2")), body
            )
        )
        await transport.send(HttpRequest("DELETE", f"{server.url}/o", (("User-Agent", "mine"),)))
    head, _, arrived = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert arrived == body
    assert lines[0] == b"POST /o HTTP/1.1"
    assert b"X-Key: a+b==" in lines
    assert [line for line in lines if line.startswith(b"x-twice")] == [b"x-twice: 1", b"x-twice: 2"]
    assert f"User-Agent: {user_agent()}".encode() in lines
    assert user_agent().startswith("venuekit/")
    second = server.requests[1].lower()
    assert second.count(b"user-agent:") == 1
    assert b"user-agent: mine" in second
    assert b"content-length" not in second


async def test_the_response_is_handed_over_whatever_its_status() -> None:
    """An error status is a response; header names are lower case, repeated ones joined; the instant is the arrival's."""
    clock = SystemClock()
    async with running() as (server, transport):
        server.answer = (
            b"HTTP/1.1 418 Nope\r\nRetry-After: 7\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n\r\nban"
        )
        before = clock.now()
        response = await transport.send(HttpRequest("GET", server.url))
    assert (response.status, response.body) == (418, b"ban")
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-a"] == "1, 2"
    assert before <= response.received <= clock.now() + 1_000_000


async def test_no_redirect_is_followed() -> None:
    """A redirect is the answer, not the way to another one: the next server has no business with our key."""
    async with running() as (server, transport):
        server.answer = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
        assert (await transport.send(HttpRequest("GET", server.url))).status == 302
    assert len(server.requests) == 1


async def test_a_connection_is_kept_and_cookies_are_not() -> None:
    """Requests in a row use one connection, and a cookie that is set does not come back."""
    async with running() as (server, transport):
        server.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}"
        for _ in range(3):
            await transport.send(HttpRequest("GET", server.url))
    assert server.connections == 1
    assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_compressed_answers_are_unpacked() -> None:
    """Gzip is asked for and undone."""
    packed = gzip.compress(b"x" * 1000)
    async with running() as (server, transport):
        server.answer = (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
        ) + packed
        assert (await transport.send(HttpRequest("GET", server.url))).body == b"x" * 1000
    assert b"accept-encoding: gzip" in server.requests[0].lower()


@pytest.mark.parametrize("packed", [False, True])
async def test_a_response_beyond_the_limit_is_an_error(packed: bool) -> None:
    """A body larger than the limit, also one that only unpacks to that, is cut off with its outcome unknown."""
    body = gzip.compress(b"0" * 2_000_000) if packed else b"0" * 2_000_000
    encoding = b"Content-Encoding: gzip\r\n" if packed else b""
    async with running() as (server, transport):
        server.answer = b"HTTP/1.1 200 OK\r\n" + encoding + b"Content-Length: %d\r\n\r\n" % len(body) + body
        with pytest.raises(NetworkError, match="larger than") as told:
            await transport.send(HttpRequest("GET", server.url))
        assert told.value.sent
        server.answer = OK
        assert (await transport.send(HttpRequest("GET", server.url))).status == 200


async def test_a_refused_connection_has_sent_nothing() -> None:
    """Where nobody listens, the outcome is definitive: nothing was sent."""
    async with running() as (server, transport):
        port = server.port
    transport = HttpxTransport(SystemClock())
    with pytest.raises(NetworkError) as told:
        await transport.send(HttpRequest("POST", f"http://127.0.0.1:{port}/o?signature=SECRET"))
    await transport.aclose()
    assert not told.value.sent
    assert told.value.outcome is Outcome.REJECTED
    assert "SECRET" not in str(told.value)


async def test_an_unknown_host_has_sent_nothing() -> None:
    """A name that does not resolve is a network error before any byte, and the error names the host."""
    transport = HttpxTransport(SystemClock())
    with pytest.raises(NetworkError) as told:
        await transport.send(HttpRequest("GET", "http://venue.invalid/"))
    await transport.aclose()
    assert not told.value.sent
    assert "venue.invalid" in str(told.value)


async def test_a_connection_that_dies_after_the_request_is_unknown() -> None:
    """A close without an answer, after the request has arrived, leaves the outcome unknown."""

    async def hang_up(stream: SocketStream) -> None:
        await stream.aclose()

    async with running() as (server, transport):
        server.after_request = hang_up
        with pytest.raises(NetworkError) as told:
            await transport.send(HttpRequest("POST", f"{server.url}/o?signature=SECRET", body=b"{}"))
    assert told.value.sent
    assert told.value.outcome is Outcome.UNKNOWN
    assert "SECRET" not in str(told.value)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"])
async def test_an_answer_that_does_not_end_passes_the_deadline(part: bytes) -> None:
    """The time-out covers the whole answer: silence and a half answer are DeadlinePassed, outcome unknown."""

    async def dawdle(stream: SocketStream) -> None:
        if part:
            await stream.send(part)
        await anyio.sleep_forever()

    async with running() as (server, transport):
        server.after_request = dawdle
        with pytest.raises(DeadlinePassed) as told:
            await transport.send(HttpRequest("GET", server.url, timeout=0.1, label="the time"))
    assert told.value.sent
    assert "the time" in str(told.value)


async def test_a_deadline_before_the_connection_has_sent_nothing() -> None:
    """A handshake that hangs before the request can go out is a network error with nothing sent."""

    async def mute(stream: SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    transport = HttpxTransport(SystemClock())
    async with listener, helpers() as group:
        group.start_soon(listener.serve, mute)
        port = listener.extra(SocketAttribute.local_port)
        with pytest.raises(NetworkError) as told:
            await transport.send(HttpRequest("GET", f"https://127.0.0.1:{port}/", timeout=0.2))
        await transport.aclose()
    assert not told.value.sent
    assert not isinstance(told.value, DeadlinePassed)


async def test_bytes_that_are_no_http_are_a_network_error() -> None:
    """An answer that is no HTTP leaves the outcome unknown."""
    async with running() as (server, transport):
        server.answer = b"\x00\x01garbage\r\n\r\n"
        with pytest.raises(NetworkError) as told:
            await transport.send(HttpRequest("GET", server.url))
    assert told.value.sent


async def test_cancelling_a_request_leaves_the_transport_usable() -> None:
    """A request that is cancelled takes its connection with it and nothing else."""

    async def silent(_stream: SocketStream) -> None:
        await anyio.sleep_forever()

    async with running() as (server, transport):
        server.after_request = silent
        async with anyio.create_task_group() as group:
            group.start_soon(transport.send, HttpRequest("GET", server.url))
            while not server.requests:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        server.after_request = None
        assert (await transport.send(HttpRequest("GET", server.url))).status == 200


@pytest.mark.parametrize(
    "url",
    ["/relative?s=SECRET", "ftp://h/?s=SECRET", "http://h/ü?s=SECRET", "http://h/x y?s=SECRET", "http://h/?s=SECRET#f",
     "http://h/\r\nX: y?s=SECRET", "http:///x?s=SECRET", "http://u:SECRET@h/", "http://[bad/?s=SECRET"],
)  # fmt: skip
async def test_a_malformed_url_is_our_mistake(url: str) -> None:
    """A URL that is not absolute, not encoded, or carries what no request has, is a LocalError without its query."""
    transport = HttpxTransport(SystemClock())
    with pytest.raises(LocalError) as told:
        await transport.send(HttpRequest("GET", url))
    await transport.aclose()
    assert "s=SECRET" not in str(told.value)


@pytest.mark.parametrize("value", ["SECRET\n", "SECRET\r\nX-Evil: 1", "SECRETé"])
async def test_a_malformed_header_is_told_without_its_value(value: str) -> None:
    """A key with a line break or a letter that is not ASCII is a LocalError that does not show it, and nothing arrives."""
    async with running() as (server, transport):
        with pytest.raises(LocalError) as told:
            await transport.send(HttpRequest("GET", server.url, (("X-Key", value),)))
        error: BaseException | None = told.value
        while error is not None:
            assert "SECRET" not in str(error)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        assert not server.requests


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At level DEBUG for everything, neither query, header nor body of a request is in any log record."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, name)
    async with running() as (server, transport):
        await transport.send(
            HttpRequest("POST", f"{server.url}/?signature=SECRET1", (("X-Key", "SECRET2"),), b"SECRET3")
        )
    assert all("SECRET" not in record.getMessage() for record in caplog.records)


async def test_a_closed_transport_refuses() -> None:
    """After aclose, which may come twice, a request is a LocalError."""
    transport = HttpxTransport(SystemClock())
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(LocalError):
        await transport.send(HttpRequest("GET", "http://127.0.0.1/"))


async def test_the_mock_plays_a_script() -> None:
    """The mock keeps requests, answers by its function, stamps the clock's instant after its latency, and closes."""
    clock = VirtualClock(1_000)

    async def later(request: HttpRequest) -> HttpResponse:
        await clock.sleep(1)
        return HttpResponse(200, request.url.encode(), received=7)

    def answer(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if request.method == "PUT":
            raise NetworkError("cut")
        return later(request) if request.method == "POST" else HttpResponse(204, b"")

    mock = MockHttpTransport(answer, clock=clock, latency=2.0)
    async with clock.autojump():
        assert (await mock.send(HttpRequest("GET", "u"))).received == 1_000 + 2_000_000_000
        assert (await mock.send(HttpRequest("POST", "u"))).received == 7
        with pytest.raises(NetworkError):
            await mock.send(HttpRequest("PUT", "u"))
    assert [request.method for request in mock.requests] == ["GET", "POST", "PUT"]
    await mock.aclose()
    with pytest.raises(LocalError):
        await mock.send(HttpRequest("GET", "u"))
    with pytest.raises(LocalError):
        MockHttpTransport(answer, latency=1.0)
