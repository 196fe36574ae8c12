"""The venue on a port: real sockets, real faults, a clean end. Uvicorn runs on asyncio, and so do these tests."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from urllib.parse import urlsplit

import anyio
import pytest
from click.testing import CliRunner
from framework.simulator.tests.toy import ALICE, ToyPlugin, order, placing

from venuekit.clock import SystemClock
from venuekit.drivers.anyio_websocket import AnyioWebSocketTransport
from venuekit.drivers.httpx_http import HttpxTransport
from venuekit.loader import load_connector
from venuekit_simulator import Fault, FaultKind, FaultPlan, LocalVenue, MachineClock
from venuekit_simulator.cli import command
from venuekit_simulator.plugins import PORT, DialectError, load_dialect, local_port
from venuekit_simulator.server import listen, serve
from venuekit_spec import CONNECTORS, CallKind, DeadlinePassed, Dial, HttpRequest, LocalError, NetworkError

PLACE = frozenset({CallKind.PLACE})


@pytest.fixture
def anyio_backend() -> str:
    """Only the loop that uvicorn runs on."""
    return "asyncio"


@asynccontextmanager
async def _served(*faults: Fault) -> AsyncIterator[tuple[LocalVenue, str]]:
    venue = LocalVenue(ToyPlugin(), clock=MachineClock(), flow=False, faults=FaultPlan(faults))
    urls: list[str] = []
    there = anyio.Event()

    def ready(url: str) -> None:
        urls.append(url)
        there.set()

    async def run() -> None:
        await serve(venue, port=0, ready=ready)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        with anyio.fail_after(10):
            await there.wait()
        yield venue, urls[0]
        os.kill(os.getpid(), signal.SIGINT)


@asynccontextmanager
async def _http() -> AsyncIterator[HttpxTransport]:
    transport = HttpxTransport(SystemClock())
    try:
        yield transport
    finally:
        await transport.aclose()


@pytest.mark.anyio
async def test_requests_arrive_byte_by_byte() -> None:
    """Path, query, headers and body are what was sent, and the reply is what the dialect said."""
    async with _served() as (_, url), _http() as http:
        target = "/odd%2Fpath?b=%7e&a=%C3%A4&a=+"
        request = HttpRequest("GET", f"{url}{target}", headers=(("X-Key", "AbC"),), body=b"\x00\xff")
        response = await http.send(request)
        told = json.loads(response.body)
        assert told["url"] == target
        assert ["x-key", "AbC"] in told["headers"]
        assert told["body"] == "\x00\xff"
        assert response.headers["x-toy"] == "yes"
        assert "server" not in response.headers


@pytest.mark.anyio
async def test_a_socket_over_the_network() -> None:
    """Text, binary, the end with its code, and the refusal with its status."""
    frames: list[bytes] = []
    async with _served() as (venue, url):
        transport = AnyioWebSocketTransport(SystemClock())
        address = url.replace("http", "ws")
        socket = await transport.open(Dial(f"{address}/simple"))
        socket.send("one")
        socket.send(b"two")
        socket.send("bye")
        with anyio.fail_after(10):
            end = await socket.run(lambda frame, _: frames.append(frame), lambda _: None)
        await socket.aclose()
        assert frames == [b"welcome", b"echo one", b"echo two", b"adieu"]
        assert "4000" in end
        assert "as you like" in end
        assert not venue.sockets
        with pytest.raises(NetworkError) as error:
            await transport.open(Dial(f"{address}/refuse"))
        assert error.value.code == "403"


@pytest.mark.anyio
async def test_a_ping_of_the_dialect_goes_over_the_network() -> None:
    """It is a sign of life between the frames around it, to a client that sends no pings."""
    heard: list[str] = []
    async with _served() as (_, url):
        transport = AnyioWebSocketTransport(SystemClock())
        socket = await transport.open(Dial(f"{url.replace('http', 'ws')}/simple", ping=None))
        socket.send("ping me")
        socket.send("bye")
        with anyio.fail_after(10):
            await socket.run(lambda frame, _: heard.append(frame.decode()), lambda _: heard.append("life"))
        await socket.aclose()
    assert heard == ["welcome", "before", "life", "after", "adieu"]


@pytest.mark.anyio
async def test_a_hangup_without_a_goodbye_is_one() -> None:
    """What was said before arrives, and no close frame."""
    frames: list[bytes] = []
    async with _served() as (venue, url):
        transport = AnyioWebSocketTransport(SystemClock())
        socket = await transport.open(Dial(f"{url.replace('http', 'ws')}/simple"))
        socket.send("vanish")
        with anyio.fail_after(10):
            end = await socket.run(lambda frame, _: frames.append(frame), lambda _: None)
        await socket.aclose()
        assert frames == [b"welcome", b"last words"]
        assert "without a goodbye" in end or "broke" in end
        assert not venue.sockets


@pytest.mark.anyio
async def test_a_lost_reply_ends_the_connection() -> None:
    """The order is there, no byte of a reply is; a lost request is the same to the client, and the order is not there."""
    async with (
        _served(Fault(kind=FaultKind.LOST, on=PLACE, nth=1), Fault(kind=FaultKind.CUT, on=PLACE, nth=2)) as (
            venue,
            url,
        ),
        _http() as http,
    ):
        for id_ in ("a", "b"):
            with pytest.raises(NetworkError) as error:
                await http.send(placing(id_).replace(url=f"{url}/order"))
            assert error.value.sent
            assert not isinstance(error.value, DeadlinePassed)
        placed = await http.send(placing("c").replace(url=f"{url}/order"))
        assert placed.status == 200
        assert [each.intent.client_order_id for each in venue.engine.open_orders(ALICE)] == ["a", "c"]


@pytest.mark.anyio
async def test_a_cut_socket_has_no_goodbye() -> None:
    """The connection breaks in the middle of it."""
    async with _served(Fault(kind=FaultKind.CUT, containing="ack")) as (_, url):
        transport = AnyioWebSocketTransport(SystemClock())
        socket = await transport.open(Dial(f"{url.replace('http', 'ws')}/simple"))
        socket.send(json.dumps({"do": "place", **order("a")}))
        with anyio.fail_after(10):
            end = await socket.run(lambda *_: None, lambda _: None)
        await socket.aclose()
        assert "without a goodbye" in end or "broke" in end


@pytest.mark.anyio
async def test_a_stalled_socket_answers_no_ping_and_delays_no_end() -> None:
    """Not one sign of life after the stall; the server ends nevertheless."""
    lives: list[int] = []
    frames: list[bytes] = []
    async with _served(Fault(kind=FaultKind.STALL, containing="echo two")) as (venue, url):
        transport = AnyioWebSocketTransport(SystemClock())
        socket = await transport.open(Dial(f"{url.replace('http', 'ws')}/simple", ping=0.02))
        async with anyio.create_task_group() as group:

            async def run() -> None:
                await socket.run(lambda frame, _: frames.append(frame), lives.append)

            group.start_soon(run)
            with anyio.fail_after(10):
                while not lives:  # noqa: ASYNC110 - counted by a callback
                    await anyio.sleep(0.01)
                socket.send("one")
                socket.send("two")
                while not venue.injected:  # noqa: ASYNC110 - likewise
                    await anyio.sleep(0.01)
            await anyio.sleep(0.05)  # for what was on its way
            before = len(lives)
            await anyio.sleep(0.2)  # time for ten answers that must not come
            assert len(lives) == before
            assert frames[:1] == [b"welcome"]
            assert b"echo two" not in frames
            await socket.aclose()


@pytest.mark.anyio
async def test_a_port_that_is_taken_is_told() -> None:
    """In one sentence, before anything starts."""
    async with _served() as (_, url):
        port = int(url.rpartition(":")[2])
        venue = LocalVenue(ToyPlugin(), clock=MachineClock(), flow=False)
        with pytest.raises(LocalError, match=f"cannot listen at 127.0.0.1:{port}"):
            await serve(venue, port=port)


def test_importing_the_package_is_light() -> None:
    """Neither a server nor the engine comes along."""
    code = (
        "import sys, venuekit_simulator, venuekit_simulator.cli\n"
        "print([name for name in ('uvicorn', 'websockets', 'asyncio', 'venuekit_simulator.engine') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"[]", "['asyncio']"}


def test_an_unknown_dialect_names_the_installed_ones() -> None:
    """And the nearest of them."""
    with pytest.raises(DialectError, match=r"no dialect 'krakenn' is installed \(installed: .*kraken"):
        load_dialect("krakenn")


@pytest.mark.parametrize("venue", ["binance", "kraken"])
def test_a_venue_is_where_its_connector_expects_it(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command without options serves at the address of the environment `local`; a port that is named is taken."""
    served: list[str] = []

    async def take_note(_: LocalVenue, host: str, port: int, **__: object) -> None:
        served.append(f"{host}:{port}")

    monkeypatch.setattr("venuekit_simulator.server.serve", take_note)
    for options in ((), ("--port", "8799")):
        result = CliRunner().invoke(command, ["start", venue, "--quiet-market", *options])
        assert result.exit_code == 0, result.output
    urls = load_connector(venue).description.environment("local").urls.values()
    assert {urlsplit(url).netloc for url in urls} == {served[0]}
    assert served[1] == "127.0.0.1:8799"


def test_a_venue_without_a_connector_has_the_usual_port() -> None:
    """Nobody expects it anywhere."""
    assert local_port("nobody_connects_to_this") == PORT


def test_a_connector_that_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, with the cause."""
    entry = metadata.EntryPoint("broken", "no_such_module_anywhere", CONNECTORS)
    monkeypatch.setattr(metadata, "entry_points", lambda **_: (entry,))
    with pytest.raises(DialectError, match=r"the connector .broken. .* tells no port: .*no_such_module"):
        local_port("broken")


def test_the_command_lists_without_importing() -> None:
    """From metadata alone."""
    result = CliRunner().invoke(command, ["list"])
    assert result.exit_code == 0
    assert "kraken" in result.output


def test_a_bad_plan_is_one_line() -> None:
    """As `python -m`, with exit code 1 and no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "venuekit_simulator", "start", "kraken", "--faults", "/nowhere/plan.toml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"venuekit: the fault plan .* cannot be read: .*\n", done.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_says_where_it_is_and_ends_cleanly(number: signal.Signals) -> None:
    """One line when it is ready, and nothing else, on either signal."""
    code = (
        "from framework.simulator.tests.toy import ToyPlugin\n"
        "from venuekit_simulator import cli\n"
        "cli.load_dialect = lambda venue: ToyPlugin()\n"
        "cli.command(['start', 'toy', '--port', '0', '--seed', '3'], standalone_mode=False)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert re.fullmatch(r"toy at http://127\.0\.0\.1:\d+ \(seed 3\)\n", line)
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert (rest, errors, process.returncode) == ("", "", 0)


@pytest.mark.anyio
async def test_connections_are_without_nagles_algorithm() -> None:
    """A reply of two writes would wait for a delayed acknowledgement, 40 ms."""
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()

    async def told(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer.get_extra_info("socket"))
        writer.close()

    with listen("127.0.0.1", 0) as listener:
        async with await asyncio.start_server(told, sock=listener):
            _, client = await asyncio.open_connection(*listener.getsockname())
            with anyio.fail_after(10):
                connection = await accepted.get()
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            client.close()
            await client.wait_closed()
