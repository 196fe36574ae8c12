"""Faults: plans and their mistakes, and each kind on both transports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from framework.simulator.tests.toy import ALICE, ToyPlugin, asking, order, placing
from hypothesis import given
from hypothesis import strategies as st

from venuekit.clock import VirtualClock
from venuekit_simulator import Fault, FaultKind, FaultPlan, FaultPlanError, LocalVenue, Transport, Unreachable
from venuekit_simulator.in_process import SocketInProcess
from venuekit_spec import (
    CallKind,
    DeadlinePassed,
    Dial,
    Instant,
    NetworkError,
    Outcome,
    Seconds,
    seconds_between,
)

PLACE = frozenset({CallKind.PLACE})


# Plans


def test_a_plan_is_read_from_toml() -> None:
    """Every kind of field, and defaults for the rest."""
    plan = FaultPlan.read(
        """
        [[fault]]
        kind = "lost"
        on = ["place", "cancel"]
        transport = "http"
        probability = 0.1
        times = 3

        [[fault]]
        kind = "unreachable"
        how = "dns"
        at = 30
        seconds = 2.5
        """
    )
    assert plan.faults == (
        Fault(
            kind=FaultKind.LOST,
            on=frozenset({CallKind.PLACE, CallKind.CANCEL}),
            transport=Transport.HTTP,
            probability=0.1,
            times=3,
        ),
        Fault(kind=FaultKind.UNREACHABLE, how=Unreachable.DNS, at=30.0, seconds=2.5),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[fault]]\nkind = "lots"', "did you mean 'lost'"),
        ('[[fault]]\nkind = "lost"\nprobabilty = 0.1', "did you mean 'probability'"),
        ('[[fault]]\nkind = "lost"\non = ["plcae"]', "did you mean 'place'"),
        ('[[fault]]\nkind = "lost"\non = "place"', 'on = \\["place"\\]'),
        ('[[fault]]\nkind = "lost"\nsecond = 1', "did you mean 'seconds'"),
        ('[[fault]]\nkind = "drop"\non = ["place"]', "'drop' takes no 'on'"),
        ('[[fault]]\nkind = "drop"\nnth = 1\nat = 2.0', "not several"),
        ('[[fault]]\nkind = "drop"\nprobability = 1.5', "between 0 and 1"),
        ('[[fault]]\nkind = "drop"\nprobability = "often"', "Expected"),
        ('[[fault]]\nkind = "drop"\nnth = 0', "counts from 1"),
        ('[[fault]]\nkind = "slow"\nseconds = -1.0', "not negative"),
        ('[[fault]]\nkind = "slow"\nseconds = nan', "not negative"),
        ('[[fault]]\nkind = "error_after"\nstatus = 200', "400 to 599"),
        ('[[fault]]\nkind = "restart"', "say when"),
        ('[[fault]]\nkind = "corrupt"\non = ["place"]\ncontaining = "x"', "containing is of frames"),
        ("[[fault]]\nnth = 1", "needs its kind"),
        ('[fault]\nkind = "drop"', "two brackets"),
        ("[[faults]]", "begins with"),
        ("[[fault", "not TOML"),
    ],
)
def test_mistakes_in_a_plan_are_told(text: str, told: str) -> None:
    """An unknown name comes with the nearest known one; what a kind cannot do is refused."""
    with pytest.raises(FaultPlanError, match=told):
        FaultPlan.read(text)


def test_a_plan_that_cannot_be_read_names_its_file(tmp_path: anyio.Path) -> None:
    """Missing, or wrong within."""
    with pytest.raises(FaultPlanError, match=r"missing\.toml cannot be read"):
        FaultPlan.load(f"{tmp_path}/missing.toml")


@given(seed=st.integers(0, 10**6), probability=st.floats(0, 1))
def test_the_same_seed_strikes_the_same(seed: int, probability: float) -> None:
    """And a further fault in front of it changes nothing of what it does but what it takes away."""
    struck = []
    for _ in range(2):
        venue = LocalVenue(ToyPlugin(), clock=VirtualClock(0), seed=seed, flow=False)
        venue.inject(Fault(kind=FaultKind.DROP, probability=probability))
        struck.append([venue.injector.on_frame("x", 0) is not None for _ in range(30)])
    assert struck[0] == struck[1]


def test_kinds_are_given_in_any_collection() -> None:
    """A list, a set, a tuple: the fault is the same."""
    kinds = [CallKind.PLACE, CallKind.CANCEL]
    faults = {Fault(kind=FaultKind.LOST, on=given) for given in (kinds, tuple(kinds), set(kinds))}
    assert faults == {Fault(kind=FaultKind.LOST, on=frozenset(kinds))}


# Requests


async def _venue(clock: VirtualClock, *faults: Fault, latency: Seconds = 0.0) -> LocalVenue:
    return LocalVenue(ToyPlugin(), clock=clock, flow=False, faults=FaultPlan(faults), latency=latency)


def _open(venue: LocalVenue) -> list[str]:
    return [each.intent.client_order_id for each in venue.engine.open_orders(ALICE)]


class Client:
    """A running socket and what came: (frame, seconds since its start)."""

    def __init__(self, venue: LocalVenue, socket: SocketInProcess) -> None:
        self.socket = socket
        self.heard: list[tuple[str, float]] = []
        self.lives = 0
        self.end: str | None = None
        self._begun = venue.clock.now()

    @property
    def frames(self) -> list[str]:
        return [frame for frame, _ in self.heard]

    async def run(self) -> None:
        self.end = await self.socket.run(self._came, self._lived)

    def _came(self, frame: bytes, now: Instant) -> None:
        self.heard.append((frame.decode(), seconds_between(self._begun, now)))

    def _lived(self, _: Instant) -> None:
        self.lives += 1


@asynccontextmanager
async def _client(venue: LocalVenue, path: str = "simple") -> AsyncIterator[Client]:
    client = Client(venue, await venue.websockets.open(Dial(f"ws://toy/{path}", ping=1.0)))
    async with anyio.create_task_group() as group:
        group.start_soon(client.run)
        await venue.timeline.wait(lambda: bool(client.frames))
        yield client
        await client.socket.aclose()


def _say(id_: str) -> str:
    return json.dumps({"do": "place", **order(id_)})


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "taken"), [(FaultKind.ERROR_BEFORE, []), (FaultKind.ERROR_AFTER, ["a"])])
async def test_an_error_before_and_after_the_order_is_taken(
    clock: VirtualClock, kind: FaultKind, taken: list[str]
) -> None:
    """The same answer hides two outcomes; by socket in the session's words, or the socket closes without any."""
    venue = await _venue(clock, Fault(kind=kind, on=PLACE, nth=1))
    response = await venue.http.send(placing("a"))
    assert (response.status, response.body) == (503, b"overloaded")
    assert _open(venue) == taken
    assert (await venue.http.send(placing("b"))).status == 200
    for path, told, end in (
        ("refusing", ["refused overloaded 0"], None),
        ("simple", [], "the venue closed the socket: 1013 overloaded"),
    ):
        venue = await _venue(clock, Fault(kind=kind, on=PLACE))
        async with _client(venue, path) as client:
            client.socket.send(_say("a"))
            await clock.settle()
            frames = [frame for frame in client.frames[1:] if not frame.startswith(("level", "order"))]
            assert (frames, client.end) == (told, end)
        assert _open(venue) == taken


@pytest.mark.anyio
async def test_a_status_is_a_page_of_a_proxy(clock: VirtualClock) -> None:
    """It is in no venue's format."""
    venue = await _venue(clock, Fault(kind=FaultKind.ERROR_AFTER, status=502))
    response = await venue.http.send(placing("a"))
    assert response.status == 502
    assert b"<html>" in response.body
    assert _open(venue) == ["a"]


@pytest.mark.anyio
async def test_a_reply_is_lost(clock: VirtualClock) -> None:
    """By HTTP the connection ends; by socket the reply alone is missing, or the socket breaks as well."""
    venue = await _venue(clock, Fault(kind=FaultKind.LOST, on=PLACE))
    with pytest.raises(NetworkError) as error:
        await venue.http.send(placing("a"))
    assert error.value.sent
    assert not isinstance(error.value, DeadlinePassed)
    async with _client(venue) as client:
        client.socket.send(_say("b"))
        client.socket.send("still there?")
        await clock.settle()
        assert client.frames == ["welcome", "echo still there?"]
    assert _open(venue) == ["a", "b"]
    assert venue.injected == {FaultKind.LOST: 2}
    venue = await _venue(clock, Fault(kind=FaultKind.LOST, on=PLACE, cut=True))
    async with _client(venue) as client:
        client.socket.send(_say("c"))
        await clock.settle()
        assert client.frames == ["welcome"]
        assert client.end == "the venue ended the connection without a goodbye"
    assert _open(venue) == ["c"]


@pytest.mark.anyio
@pytest.mark.parametrize("transport", [Transport.HTTP, Transport.SOCKET])
async def test_a_request_is_lost_before_it_is_handled(clock: VirtualClock, transport: Transport) -> None:
    """`cut` with `on`: the other half of an unknown outcome."""
    venue = await _venue(clock, Fault(kind=FaultKind.CUT, on=PLACE, transport=transport))
    if transport is Transport.HTTP:
        with pytest.raises(NetworkError):
            await venue.http.send(placing("a"))
    else:
        async with _client(venue) as client:
            client.socket.send(_say("a"))
            await clock.settle()
            assert client.end is not None
    assert _open(venue) == []
    assert venue.injections[0].on is CallKind.PLACE


@pytest.mark.anyio
async def test_a_request_is_stalled(clock: VirtualClock) -> None:
    """Nothing comes, ever: not done, no reply, and on a socket no sign of life either."""
    venue = await _venue(clock, Fault(kind=FaultKind.STALL, on=PLACE))
    async with clock.autojump():
        with pytest.raises(DeadlinePassed):
            await venue.http.send(placing("a"))
    async with _client(venue) as client:
        client.socket.send(_say("b"))
        await clock.settle()
        lives = client.lives
        client.socket.send("hello?")
        await clock.advance(60)
        assert client.frames == ["welcome"]
        assert (client.lives, client.end) == (lives, None)
    assert _open(venue) == []


@pytest.mark.anyio
async def test_a_slow_reply(clock: VirtualClock) -> None:
    """The order is taken at once, its reply comes later; on a socket other frames go on."""
    venue = await _venue(clock, Fault(kind=FaultKind.SLOW, on=PLACE, seconds=3.0))
    begun = clock.now()
    async with clock.autojump():
        await venue.http.send(placing("a"))
    assert seconds_between(begun, clock.now()) == 3.0
    async with _client(venue) as client:
        client.socket.send(_say("b"))
        client.socket.send("meanwhile")
        await clock.settle()
        assert _open(venue) == ["a", "b"]
        assert client.frames == ["welcome", "echo meanwhile"]
        await clock.advance(3.0)
        assert client.heard[2] == ("ack b", 3.0)


@pytest.mark.anyio
@pytest.mark.parametrize("transport", [Transport.HTTP, Transport.SOCKET])
async def test_events_before_the_reply(clock: VirtualClock, transport: Transport) -> None:
    """What an order caused is told before its acknowledgement, on whichever way that comes."""
    for faults in ([], [Fault(kind=FaultKind.EVENTS_FIRST, on=PLACE)]):
        venue = await _venue(clock, *faults, latency=0.1)
        async with clock.autojump(), _client(venue, "") as client:
            begun = clock.now()
            if transport is Transport.HTTP:
                await venue.http.send(placing("a"))
                client.heard.append(("ack", seconds_between(begun, clock.now())))
            else:
                client.socket.send(_say("a"))
            await clock.sleep(1.0)
        places = {frame.split()[0]: place for place, frame in enumerate(client.frames)}
        instants = {frame.split()[0]: instant for frame, instant in client.heard}
        if faults:
            assert instants["level"] <= instants["ack"]
            assert places["level"] < places["ack"]
        else:
            assert instants["ack"] <= instants["level"]


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "status"), [(FaultKind.RATE_LIMITED, 429), (FaultKind.BANNED, 418)])
async def test_a_limit_holds_until_its_time_is_over(
    clock: VirtualClock, kind: FaultKind, status: int
) -> None:
    """All is refused meanwhile, on every way in, with what is left of it; who comes too early is counted."""
    venue = await _venue(clock, Fault(kind=kind, seconds=10.0, nth=1))
    first = await venue.http.send(placing("a"))
    assert (first.status, first.headers["retry-after"]) == (status, "10")
    assert venue.refused == 0
    await clock.advance(4)
    second = await venue.http.send(asking("/time"))
    assert (second.status, second.headers["retry-after"]) == (status, "6")
    with pytest.raises(NetworkError, match=f"{status}"):
        await venue.websockets.open(Dial("ws://toy/"))
    assert venue.refused == 2
    await clock.advance(6)
    assert (await venue.http.send(placing("b"))).status == 200
    assert _open(venue) == ["b"]


@pytest.mark.anyio
async def test_a_limit_on_a_socket_is_told_frame_by_frame(clock: VirtualClock) -> None:
    """Where the session has words for it."""
    venue = await _venue(clock, Fault(kind=FaultKind.RATE_LIMITED, seconds=10.0, nth=1))
    async with _client(venue, "refusing") as client:
        client.socket.send("one")
        client.socket.send("two")
        await clock.settle()
        assert client.frames == ["welcome", "refused rate_limited 10", "refused rate_limited 10"]
        await clock.advance(10)
        client.socket.send("three")
        await clock.settle()
        assert client.frames[-1] == "echo three"


@pytest.mark.anyio
async def test_a_skewed_clock(clock: VirtualClock) -> None:
    """The venue's time is ahead for a while, and then right again."""
    venue = await _venue(clock, Fault(kind=FaultKind.CLOCK_SKEW, offset=-30.0, seconds=60.0, at=5.0))

    async def offset() -> float:
        told = json.loads((await venue.http.send(asking("/time"))).body)["now"]
        return seconds_between(clock.now(), told)

    assert await offset() == 0
    await clock.advance(5)
    assert await offset() == -30
    await clock.advance(60)
    assert await offset() == 0


@pytest.mark.anyio
async def test_stale_and_crossed_snapshots(clock: VirtualClock) -> None:
    """A snapshot is as old as so many changes, with the id that it had then; crossed it has bid above ask. Others are right."""
    venue = await _venue(
        clock,
        Fault(kind=FaultKind.STALE_SNAPSHOT, on=frozenset({CallKind.SNAPSHOT}), updates=2, nth=2),
        Fault(kind=FaultKind.CROSSED_SNAPSHOT, on=frozenset({CallKind.SNAPSHOT}), nth=3),
    )

    async def book() -> dict[str, object]:
        told: dict[str, object] = json.loads((await venue.http.send(asking("/book"))).body)
        return told

    await venue.http.send(placing("a", price="9"))
    await venue.http.send(placing("b", price="8"))
    before = await book()
    await venue.http.send(placing("c", price="9"))
    await venue.http.send(placing("d", price="11", side="sell"))
    assert await book() == before
    assert await book() == {
        "id": 4,
        "bids": [["11.00", "2"], ["8.00", "1"]],
        "asks": [["9.00", "1"]],
    }
    assert await book() == {
        "id": 4,
        "bids": [["9.00", "2"], ["8.00", "1"]],
        "asks": [["11.00", "1"]],
    }


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [FaultKind.TRUNCATE, FaultKind.CORRUPT])
async def test_replies_that_cannot_be_read(clock: VirtualClock, kind: FaultKind) -> None:
    """With `on`: the order is taken, its reply is no JSON any more, on both ways."""
    venue = await _venue(clock, Fault(kind=kind, on=PLACE))
    response = await venue.http.send(placing("a"))
    assert response.status == 200
    assert response.body != b'{"placed": "x", "id": "a"}'
    assert response.body.count(b"#") == (1 if kind is FaultKind.CORRUPT else 0)
    async with _client(venue) as client:
        client.socket.send(_say("b"))
        await clock.settle()
        assert "ack b" not in client.frames
    assert _open(venue) == ["a", "b"]


@pytest.mark.anyio
async def test_tokens_expire(clock: VirtualClock) -> None:
    """The dialect is told, and sessions get a tick to tell their clients."""
    venue = await _venue(clock, Fault(kind=FaultKind.EXPIRE_TOKENS, at=2.0))
    async with _client(venue) as client:
        await clock.settle()
        await clock.advance(2)
        assert client.frames[1].startswith("tick")
        assert venue.injected[FaultKind.EXPIRE_TOKENS] == 1


# Frames


async def _echoes(clock: VirtualClock, *faults: Fault) -> Client:
    """Five frames to a client under faults, then a minute."""
    venue = await _venue(clock, *faults)
    async with _client(venue) as client:
        for number in range(1, 6):
            client.socket.send(f"{number}")
        await clock.settle()
        await clock.advance(60)
    return client


ALL = ["welcome", *(f"echo {number}" for number in range(1, 6))]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "frames"),
    [
        (Fault(kind=FaultKind.DROP, nth=3), ALL[:2] + ALL[3:]),
        (Fault(kind=FaultKind.DROP, containing="echo", nth=3), ALL[:3] + ALL[4:]),
        (Fault(kind=FaultKind.DROP, containing="echo"), ["welcome"]),
        (Fault(kind=FaultKind.DROP, containing="echo", times=2), ["welcome", "echo 3", "echo 4", "echo 5"]),
        (Fault(kind=FaultKind.DOUBLE, nth=2), ["welcome", "echo 1", *ALL[1:]]),
        (Fault(kind=FaultKind.SWAP, nth=2), ["welcome", "echo 2", "echo 1", *ALL[3:]]),
        (Fault(kind=FaultKind.SWAP, nth=6), ALL),
        (Fault(kind=FaultKind.CUT, nth=3), ["welcome"]),
        (Fault(kind=FaultKind.STALL, nth=3), ["welcome"]),
        (Fault(kind=FaultKind.DROP, probability=0.0), ALL),
    ],
)
async def test_frames_are_lost_doubled_and_swapped(
    clock: VirtualClock, fault: Fault, frames: list[str]
) -> None:
    """What the client gets; a cut or a stall also takes what was on its way."""
    client = await _echoes(clock, fault)
    assert client.frames == frames
    if fault.kind is FaultKind.CUT:
        assert client.end == "the venue ended the connection without a goodbye"


@pytest.mark.anyio
async def test_a_delayed_frame_delays_those_behind_it(clock: VirtualClock) -> None:
    """A socket keeps its order."""
    client = await _echoes(clock, Fault(kind=FaultKind.DELAY, nth=4, seconds=5.0))
    assert client.heard == [
        ("welcome", 0.0),
        ("echo 1", 0.0),
        ("echo 2", 0.0),
        ("echo 3", 5.0),
        ("echo 4", 5.0),
        ("echo 5", 5.0),
    ]


@pytest.mark.anyio
async def test_frames_are_damaged(clock: VirtualClock) -> None:
    """Half a frame, and a frame with one wrong character; the others are whole."""
    client = await _echoes(clock, Fault(kind=FaultKind.TRUNCATE, nth=3), Fault(kind=FaultKind.CORRUPT, nth=4))
    assert client.frames[:2] == ALL[:2]
    assert ALL[2].startswith(client.frames[2])
    assert len(client.frames[2]) < len(ALL[2])
    assert client.frames[3].count("#") == 1
    assert len(client.frames[3]) == len(ALL[3])
    assert client.frames[4:] == ALL[4:]


@pytest.mark.anyio
async def test_a_stalled_socket_shows_no_life(clock: VirtualClock) -> None:
    """From an instant on: no frames, no answers to pings, no end."""
    venue = await _venue(clock, Fault(kind=FaultKind.STALL, at=5.5))
    async with _client(venue) as client:
        await clock.settle()
        await clock.advance(60)
        assert client.lives == 5
        assert client.end is None


# Outages


@pytest.mark.anyio
@pytest.mark.parametrize("how", list(Unreachable))
async def test_the_way_to_the_venue_is_gone(clock: VirtualClock, how: Unreachable) -> None:
    """Refused and unknown names: nothing was sent. A black hole: nobody knows. Afterwards all is as before."""
    venue = await _venue(clock)
    await venue.http.send(placing("a"))
    async with _client(venue) as client:
        venue.inject(Fault(kind=FaultKind.UNREACHABLE, how=how, seconds=3600.0))
        await clock.settle()
        assert (client.end is not None) == (how is Unreachable.REFUSED)
        async with clock.autojump():
            with pytest.raises(NetworkError) as error:
                await venue.http.send(placing("b"))
            with pytest.raises(NetworkError) as dial:
                await venue.websockets.open(Dial("ws://toy/"))
        assert error.value.sent == (how is Unreachable.BLACK_HOLE)
        assert not dial.value.sent
        client.socket.send("hello")
        await clock.settle()
        assert ("echo hello" in client.frames) == (how is Unreachable.DNS)
        await clock.advance(3600)
        assert (await venue.http.send(placing("c"))).status == 200
    assert _open(venue) == ["a", "c"]


@pytest.mark.anyio
async def test_a_black_hole_swallows_what_is_on_its_way(clock: VirtualClock) -> None:
    """A request that was sent before is never answered."""
    venue = await _venue(
        clock, Fault(kind=FaultKind.UNREACHABLE, how=Unreachable.BLACK_HOLE, at=1.5), latency=1.0
    )
    async with clock.autojump():
        with pytest.raises(DeadlinePassed):
            await venue.http.send(placing("a"))
    assert _open(venue) == ["a"]


@pytest.mark.anyio
async def test_a_restart_by_plan(clock: VirtualClock) -> None:
    """At its time the venue is gone for a while, and comes back with its orders."""
    venue = await _venue(clock, Fault(kind=FaultKind.RESTART, at=10.0, seconds=2.0))
    await venue.http.send(placing("a"))
    async with _client(venue) as client:
        await clock.settle()
        await clock.advance(10)
        assert client.end is not None
    with pytest.raises(NetworkError, match="refused"):
        await venue.http.send(placing("b"))
    await clock.advance(2)
    assert (await venue.http.send(asking("/order?id=a"))).status == 200
    assert venue.injected == {FaultKind.RESTART: 1}


@pytest.mark.anyio
async def test_a_restart_on_a_request_loses_that_request(clock: VirtualClock) -> None:
    """It had not been handled yet."""
    venue = await _venue(clock, Fault(kind=FaultKind.RESTART, on=PLACE, nth=1, seconds=0.0))
    with pytest.raises(NetworkError) as error:
        await venue.http.send(placing("a"))
    assert error.value.sent
    assert _open(venue) == []
    assert (await venue.http.send(placing("b"))).status == 200


@pytest.mark.anyio
async def test_two_runs_of_one_seed_are_the_same(clock: VirtualClock) -> None:
    """Same faults, same frames, same instants, with a market, latency and several faults at once."""
    runs: list[tuple[object, ...]] = []
    for _ in range(2):
        own = VirtualClock(clock.now())
        venue = LocalVenue(
            ToyPlugin(),
            clock=own,
            seed=11,
            latency=(0.0, 0.2),
            faults=FaultPlan.of(
                Fault(kind=FaultKind.DROP, probability=0.1),
                Fault(kind=FaultKind.SWAP, probability=0.1),
                Fault(kind=FaultKind.CORRUPT, probability=0.1),
                Fault(kind=FaultKind.SLOW, probability=0.3),
            ),
        )
        async with own.autojump(), _client(venue, "") as client:
            for number in range(5):
                await venue.http.send(placing(f"{number}"))
            await own.sleep(3.0)
        runs.append((client.heard, venue.injections, own.now() > clock.now()))
    assert runs[0] == runs[1]
    assert len(runs[0][0]) > 50  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Handshakes


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(kind=FaultKind.ERROR_BEFORE, on=[CallKind.CONNECT], times=1), "HTTP 503"),
        (Fault(kind=FaultKind.ERROR_AFTER, on=[CallKind.CONNECT], times=1, status=502), "HTTP 502"),
        (Fault(kind=FaultKind.RATE_LIMITED, on=[CallKind.CONNECT], times=1, seconds=0.0), "HTTP 429"),
        (Fault(kind=FaultKind.CUT, on=[CallKind.CONNECT], times=1), "broke off"),
        (Fault(kind=FaultKind.LOST, on=[CallKind.CONNECT], times=1), "broke off"),
        (Fault(kind=FaultKind.STALL, on=[CallKind.CONNECT], times=1), "did not open"),
        (Fault(kind=FaultKind.RESTART, on=[CallKind.CONNECT], times=1, seconds=0.0), "broke off"),
    ],
)
async def test_a_handshake_is_struck_by_faults_that_name_it(
    clock: VirtualClock, fault: Fault, told: str
) -> None:
    """The client gets no socket, and the venue keeps none; the next handshake succeeds."""
    venue = await _venue(clock, fault)
    async with clock.autojump():
        with pytest.raises(NetworkError, match=told) as failed:
            await venue.websockets.open(Dial("ws://toy/"))
    assert failed.value.outcome is Outcome.REJECTED
    assert not venue.sockets
    socket = await venue.websockets.open(Dial("ws://toy/"))
    assert len(venue.sockets) == 1
    await socket.aclose()


@pytest.mark.anyio
async def test_a_slow_handshake_opens_later(clock: VirtualClock) -> None:
    """By as much as the fault says."""
    venue = await _venue(clock, Fault(kind=FaultKind.SLOW, on=[CallKind.CONNECT], seconds=3.0))
    begun = clock.now()
    async with clock.autojump():
        socket = await venue.websockets.open(Dial("ws://toy/"))
    assert seconds_between(begun, clock.now()) == 3.0
    await socket.aclose()


@pytest.mark.anyio
async def test_faults_that_name_no_kind_leave_handshakes_alone(clock: VirtualClock) -> None:
    """A plan that counts requests does not count sockets."""
    venue = await _venue(clock, Fault(kind=FaultKind.ERROR_BEFORE, nth=1))
    socket = await venue.websockets.open(Dial("ws://toy/"))
    assert not venue.injections
    await socket.aclose()
