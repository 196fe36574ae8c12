"""The venue in process: what its transports promise, and what a venue does by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import anyio
import pytest
from framework.simulator.tests.toy import ALICE, BOB, PAIR, ToyPlugin, asking, order, placing

from venuekit.clock import VirtualClock
from venuekit.exchange import Transports
from venuekit_simulator.in_process import SocketInProcess
from venuekit_simulator.sockets import SocketState
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import (
    DeadlinePassed,
    Dial,
    EngineEvent,
    HttpRequest,
    Instant,
    LevelChanged,
    LocalError,
    NetworkError,
    NewOrder,
    OrderChanged,
    Outcome,
    Ping,
    Side,
    after,
    seconds_between,
)

pytestmark = pytest.mark.anyio


class Client:
    """Runs a socket and keeps what came: frames with their instants, signs of life, and the end."""

    def __init__(self, clock: VirtualClock, socket: SocketInProcess) -> None:
        self.socket = socket
        self.frames: list[str] = []
        self.times: list[Instant] = []
        self.lives: list[Instant] = []
        self.end: str | None = None
        self._clock = clock

    async def run(self) -> None:
        self.end = await self.socket.run(self._came, self.lives.append)

    def has(self, *frames: str) -> Callable[[], bool]:
        """Whether these are the frames so far."""
        return lambda: self.frames == list(frames)

    def count(self, number: int) -> Callable[[], bool]:
        return lambda: len(self.frames) >= number

    def _came(self, frame: bytes, now: Instant) -> None:
        assert now == self._clock.now()
        self.frames.append(frame.decode())
        self.times.append(now)


async def test_the_core_takes_a_venue_for_its_transports(clock: VirtualClock) -> None:
    """Structurally: the type checker compares them, and `started` may be called at any time."""
    transports: Transports = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    transports.started()
    assert (await transports.http.send(asking("/time"))).status == 200
    socket = await transports.websockets.open(Dial("ws://toy/"))
    await socket.aclose()


async def test_a_request_is_answered_by_the_dialect(clock: VirtualClock) -> None:
    """A placement reaches the engine, and its reply comes back with headers, URL and the instant of arrival."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    response = await venue.http.send(placing("a"))
    assert response.status == 200
    assert response.headers["x-toy"] == "yes"
    assert response.received == clock.now()
    assert response.url == "http://toy/order"
    assert [each.intent.client_order_id for each in venue.engine.open_orders(ALICE)] == ["a"]


async def test_headers_reach_the_dialect_in_lower_case_and_the_url_as_it_is(clock: VirtualClock) -> None:
    """Nothing of a request is encoded anew."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    url = "http://toy/odd?b=%7e&a=%C3%A4&a=+"
    response = await venue.http.send(HttpRequest("GET", url, headers=(("X-Key", "AbC"),)))
    assert json.loads(response.body)["url"] == url
    assert json.loads(response.body)["headers"] == [["x-key", "AbC"]]


async def test_latency_passes_both_ways_and_is_the_same_for_the_same_seed(clock: VirtualClock) -> None:
    """Each message takes its own time within the range; the same seed gives the same times, another gives others."""
    taken: dict[int, list[float]] = {}
    for run, seed in enumerate((1, 1, 2)):
        venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, seed=seed, latency=(0.01, 0.05))
        taken[run] = []
        for _ in range(5):
            begun = clock.now()
            async with clock.autojump():
                await venue.http.send(asking("/time"))
            taken[run].append(seconds_between(begun, clock.now()))
    assert all(0.02 <= each <= 0.1 for each in taken[0])
    assert len(set(taken[0])) == 5
    assert taken[0] == pytest.approx(taken[1])
    assert taken[0] != pytest.approx(taken[2])


async def test_a_latency_may_be_any_function_of_the_dice(clock: VirtualClock) -> None:
    """A distribution of one's own."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=lambda _: 0.25)
    begun = clock.now()
    async with clock.autojump():
        await venue.http.send(asking("/time"))
    assert seconds_between(begun, clock.now()) == 0.5


async def test_a_negative_latency_is_refused(clock: VirtualClock) -> None:
    """A message arrives after it was sent."""
    with pytest.raises(LocalError, match="not negative"):
        LocalVenue(ToyPlugin(), clock=clock, latency=(-1.0, 2.0))


async def test_a_reply_that_takes_longer_than_the_deadline(clock: VirtualClock) -> None:
    """The request was sent: its outcome is unknown, and the venue may have done it."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=3.0)
    async with clock.autojump():
        with pytest.raises(DeadlinePassed) as error:
            await venue.http.send(placing("a").replace(timeout=5.0))
    assert error.value.sent
    assert error.value.outcome is Outcome.UNKNOWN
    assert venue.engine.open_orders(ALICE)


async def test_a_closed_transport_sends_nothing(clock: VirtualClock) -> None:
    """Each use of `http` is a transport of its own; closing one leaves the others."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    closed = venue.http
    await closed.aclose()
    with pytest.raises(LocalError):
        await closed.send(asking("/time"))
    assert (await venue.http.send(asking("/time"))).status == 200


async def test_a_socket_talks_and_hears(clock: VirtualClock) -> None:
    """Welcome, echo, ack and result; what the order caused comes after the reply to it."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    client = Client(clock, await venue.websockets.open(Dial("ws://toy/", ping=None)))
    async with anyio.create_task_group() as group:
        group.start_soon(client.run)
        client.socket.send(b"hello")
        client.socket.send(json.dumps({"do": "place", **order("a")}))
        await clock.settle()
        assert client.frames[:3] == ["welcome", "echo hello", "ack a"]
        assert json.loads(client.frames[3])["id"] == "a"
        assert client.frames[4].startswith("order a")
        assert client.frames[-1] == "level 1 buy 10.00 1"
        await client.socket.aclose()
    assert client.end == "closed on this side"
    venue.timeline.catch_up()
    assert not venue.sockets


async def test_everybody_hears_of_what_anybody_does(clock: VirtualClock) -> None:
    """A placement by HTTP is told on sockets, also where the test uses the engine directly."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    client = Client(clock, await venue.websockets.open(Dial("ws://toy/", ping=None)))
    async with anyio.create_task_group() as group:
        group.start_soon(client.run)
        await venue.http.send(placing("a"))
        await clock.settle()
        assert "level 1 buy 10.00 1" in client.frames
        venue.engine.place(BOB, _sale("b"), clock.now())
        await clock.settle()
        assert "level 2 buy 10.00 0" in client.frames
        await client.socket.aclose()


async def test_frames_keep_their_order_under_latency(clock: VirtualClock) -> None:
    """However long each takes, none overtakes another, in either direction."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=(0.0, 1.0), seed=3)
    async with clock.autojump():
        client = Client(clock, await venue.websockets.open(Dial("ws://toy/simple", ping=None)))
        async with anyio.create_task_group() as group:
            group.start_soon(client.run)
            for number in range(20):
                client.socket.send(f"{number}")
            await venue.timeline.wait(client.count(21))
            await client.socket.aclose()
    assert client.frames == ["welcome", *(f"echo {number}" for number in range(20))]
    assert client.times[-1] > client.times[0]


async def test_a_session_is_woken_when_it_asks(clock: VirtualClock) -> None:
    """`Wake` comes at its instant, once."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    client = Client(clock, await venue.websockets.open(Dial("ws://toy/", ping=None)))
    begun = clock.now()
    async with anyio.create_task_group() as group:
        group.start_soon(client.run)
        client.socket.send("wake 2.5")
        await clock.settle()
        await clock.advance(60)
        await client.socket.aclose()
    assert client.frames == ["welcome", f"tick {after(begun, 2.5)}"]
    assert client.times[-1] == after(begun, 2.5)


async def test_answers_to_pings_are_signs_of_life(clock: VirtualClock) -> None:
    """On a socket that is alive and says nothing, every `Dial.ping` seconds."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    client = Client(clock, await venue.websockets.open(Dial("ws://toy/", ping=10.0)))
    begun = clock.now()
    async with anyio.create_task_group() as group:
        group.start_soon(client.run)
        await clock.settle()
        await clock.advance(35)
        await client.socket.aclose()
    assert [seconds_between(begun, each) for each in client.lives] == [10, 20, 30]


async def test_the_venue_hangs_up_after_what_it_said(clock: VirtualClock) -> None:
    """The last words arrive, then the end with code and reason."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=0.1)
    async with clock.autojump():
        client = Client(clock, await venue.websockets.open(Dial("ws://toy/", ping=None)))
        client.socket.send("bye")
        await client.run()
    assert client.frames == ["welcome", "adieu"]
    assert client.end == "the venue closed the socket: 4000 as you like"
    assert not venue.sockets


async def test_a_socket_is_run_once(clock: VirtualClock) -> None:
    """As on the real transport."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    socket = await venue.websockets.open(Dial("ws://toy/"))
    await socket.aclose()
    client = Client(clock, socket)
    await client.run()
    with pytest.raises(LocalError):
        await client.run()


async def test_a_refused_handshake_tells_status_and_advice(clock: VirtualClock) -> None:
    """As the real transport tells it; nothing was sent."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    with pytest.raises(NetworkError, match="HTTP 403, to be tried again after 7") as error:
        await venue.websockets.open(Dial("ws://toy/refuse"))
    assert error.value.code == "403"
    assert not error.value.sent


async def test_a_dial_that_is_given_up_leaves_no_socket(clock: VirtualClock) -> None:
    """Cancelled while the handshake is on its way: the venue closes what comes of it."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=1.0)
    async with anyio.create_task_group() as group:
        group.start_soon(venue.websockets.open, Dial("ws://toy/"))
        await clock.settle()
        await clock.advance(1.5)
        group.cancel_scope.cancel()
    assert len(venue.sockets) == 1
    await clock.advance(10)
    venue.timeline.catch_up()
    assert not venue.sockets


async def test_a_restart_keeps_orders_and_loses_what_was_in_memory(clock: VirtualClock) -> None:
    """Sockets are cut, the dialect is a new one that hears of events, the old one hears nothing any more."""
    plugin = ToyPlugin()
    venue = LocalVenue(plugin, clock=clock, flow=False)
    await venue.http.send(placing("a"))
    client = Client(clock, await venue.websockets.open(Dial("ws://toy/")))
    old = venue.dialect
    heard = len(old.heard)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    venue.restart()
    await client.run()
    assert client.end == "the venue ended the connection without a goodbye"
    assert plugin.served == 2
    assert json.loads((await venue.http.send(asking("/order?id=a"))).body) == {"status": "open"}
    await venue.http.send(placing("b"))
    assert len(old.heard) == heard  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


async def test_a_restart_loses_replies_that_are_on_their_way(clock: VirtualClock) -> None:
    """The order was taken; its reply never comes, and that is said at once."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=1.0)
    async with anyio.create_task_group() as group:
        group.start_soon(_expect_network_error, venue, placing("a"))
        await clock.settle()
        await clock.advance(1.5)
        venue.restart()
        await clock.settle()
        assert not group.cancel_scope.cancel_called
    assert venue.engine.open_orders(ALICE)


async def test_placements_are_told_before_anything_else(clock: VirtualClock) -> None:
    """At the first byte the venue has done nothing yet; the engine's order is told right before it is one."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    told: list[tuple[str, int]] = []
    venue.on_placement.append(
        lambda message: told.append((str(getattr(message, "body", message)), len(venue.engine.orders(ALICE))))
    )
    venue.on_order.append(
        lambda account, new: told.append(
            (f"{account} {new.client_order_id}", len(venue.engine.orders(ALICE)))
        )
    )
    await venue.http.send(placing("a"))
    await venue.http.send(asking("/book"))
    assert [count for _, count in told] == [0, 0]
    assert '"a"' in told[0][0]
    assert told[1][0] == "alice a"


async def test_what_nobody_awaited_has_happened_when_somebody_comes(clock: VirtualClock) -> None:
    """The market moves while no client is there, each step at its instant; two venues of one seed are the same."""
    books = []
    for _ in range(2):
        venue = LocalVenue(ToyPlugin(), clock=VirtualClock(clock.now()), seed=5)
        assert isinstance(venue.clock, VirtualClock)
        await venue.http.send(asking("/book"))
        await venue.clock.advance(20)
        books.append((await venue.http.send(asking("/book"))).body)
    assert books[0] == books[1]
    assert len(json.loads(books[0])["bids"]) > 3
    assert json.loads(books[0])["id"] > 100


async def test_the_state_of_a_socket_is_told(clock: VirtualClock) -> None:
    """A cut socket is gone, and cutting it again changes nothing."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    await venue.websockets.open(Dial("ws://toy/"))
    (socket,) = venue.sockets
    assert socket.state is SocketState.OPEN
    socket.cut()
    socket.cut()
    assert socket.state is SocketState.GONE
    assert repr(venue) == "<LocalVenue, 0 sockets, 0 faults injected>"


async def _expect_network_error(venue: LocalVenue, request: HttpRequest) -> None:
    with pytest.raises(NetworkError) as error:
        await venue.http.send(request)
    assert error.value.sent
    assert not isinstance(error.value, DeadlinePassed)


def _sale(id_: str) -> NewOrder:
    return NewOrder(PAIR, Side.SELL, Decimal(1), id_, price=Decimal(10))


async def test_the_order_flow_pauses_and_goes_on(clock: VirtualClock) -> None:
    """Paused, the market stands still and everything else works; resumed, it moves again. Twice is once."""
    venue = LocalVenue(ToyPlugin(), clock=clock, seed=1)
    moved: list[EngineEvent] = []
    venue.engine.listen(moved.append)
    async with clock.autojump():
        await clock.sleep(5.0)
        assert venue.sockets == ()
        assert moved
        for _ in range(2):
            venue.pause_flow()
        moved.clear()
        await clock.sleep(60.0)
        assert (await venue.http.send(placing("a"))).status == 200
        assert {each.order.account for each in moved if isinstance(each, OrderChanged)} == {ALICE}
        moved.clear()
        for _ in range(2):
            venue.resume_flow()
        await clock.sleep(10.0)
        assert venue.sockets == ()
    trades = [each for each in moved if isinstance(each, OrderChanged)]
    assert 100 < len(trades) < 2000


async def test_a_listener_may_pause_the_flow(clock: VirtualClock) -> None:
    """In the midst of a step: that one is the last."""
    venue = LocalVenue(ToyPlugin(), clock=clock, seed=1)
    heard: list[EngineEvent] = []

    def pause(event: EngineEvent) -> None:
        heard.append(event)
        venue.pause_flow()

    venue.engine.listen(pause)
    async with clock.autojump():
        await clock.sleep(30.0)
        assert venue.sockets == ()
    assert len({each.time for each in heard if isinstance(each, LevelChanged)}) == 1


async def test_a_venue_without_flow_has_none_to_pause(clock: VirtualClock) -> None:
    """Nothing happens."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False)
    venue.pause_flow()
    venue.resume_flow()
    assert venue.timeline.next is None


async def test_a_ping_of_the_venue_is_a_sign_of_life(clock: VirtualClock) -> None:
    """It comes in its place among the frames, and is none; a stalled socket has none any more."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=0.5)
    heard: list[str] = []
    async with clock.autojump(), anyio.create_task_group() as group:
        socket = await venue.websockets.open(Dial("ws://toy/simple", ping=None))

        async def run() -> None:
            await socket.run(lambda frame, _: heard.append(frame.decode()), lambda _: heard.append("life"))

        group.start_soon(run)
        socket.send("ping me")
        await clock.sleep(2.0)
        assert heard == ["welcome", "before", "life", "after"]
        [server] = venue.sockets
        server.stall()
        server.emit([Ping()])
        await clock.sleep(2.0)
        assert heard[4:] == []
        await socket.aclose()


async def test_a_hangup_without_a_goodbye_lets_arrive_what_was_said(clock: VirtualClock) -> None:
    """The connection is gone after the last frame, and the venue's session with it."""
    venue = LocalVenue(ToyPlugin(), clock=clock, flow=False, latency=0.5)
    async with clock.autojump():
        socket = await venue.websockets.open(Dial("ws://toy/simple", ping=None))
        client = Client(clock, socket)
        socket.send("vanish")
        await client.run()
        await socket.aclose()
    assert client.frames == ["welcome", "last words"]
    assert client.end is not None
    assert "without a goodbye" in client.end
    assert not venue.sockets
