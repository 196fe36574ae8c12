"""Replay: a tape is the venue and the clock of the code that runs live."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from venuekit.clock import Clock, VirtualClock
from venuekit.drivers.http import HttpTransport, MockHttpTransport
from venuekit.drivers.tasks import helpers
from venuekit.drivers.websocket import MockWebSocketTransport, WebSocketTransport
from venuekit.tapes import (
    Header,
    Played,
    Record,
    Recorder,
    RecordingHttpTransport,
    RecordingWebSocketTransport,
    Scrubber,
    Tape,
    TapeDiverged,
    TapePlayer,
    open_tape,
)
from venuekit.tapes.player import TURN
from venuekit.tapes.records import encode_header, encode_record
from venuekit_spec import SECOND, Dial, HttpRequest, HttpResponse, Instant, LocalError, NetworkError

pytestmark = pytest.mark.anyio

T0 = 1_700_000_000 * SECOND
Log = list[tuple[str, bytes | str, Instant]]


def make(folder: Path, *records: Record, header: Header | None = None) -> Tape:
    """A tape of these records."""
    path = folder / "T.jsonl"
    head = encode_header(header) if header else b""
    path.write_bytes(head + b"".join(encode_record(record) for record in records))
    return open_tape(path)


def ws(
    direction: str,
    payload: bytes | None = None,
    at: float = 0,
    connection: str = "ws.1",
    url: str = "wss://x/ws",
) -> Record:
    """A record of a socket, `at` seconds after the start."""
    return Record(T0 + round(at * SECOND), "ws", direction, connection, url, payload)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def response(url: str, payload: bytes, at: float = 0, method: str = "", status: int = 0) -> Record:
    """A recorded response, `at` seconds after the start."""
    return Record(T0 + round(at * SECOND), "http", "in", "http", url, payload, method=method, status=status)


async def listen(sockets: WebSocketTransport, log: Log, url: str = "wss://x/ws", hello: str = "") -> None:
    """A session that notes what it hears."""
    socket = await sockets.open(Dial(url))
    if hello:
        socket.send(hello)
    reason = await socket.run(
        lambda frame, instant: log.append(("frame", frame, instant)),
        lambda instant: log.append(("life", b"", instant)),
    )
    log.append(("end", reason, 0))


async def ask(http: HttpTransport, log: Log, url: str, method: str = "GET") -> None:
    """A flow that notes its answer."""
    try:
        answer = await http.send(HttpRequest(method, url))
        log.append((str(answer.status), answer.body, answer.received))
    except NetworkError as error:
        log.append(("lost", str(error), 0))


async def replay(
    player: TapePlayer,
    *tasks: Callable[[], Coroutine[Any, Any, None]],
    on_record: Callable[[int | None, Record], None] | None = None,
) -> Played:
    """Play while these tasks run."""
    async with helpers() as group:
        for task in tasks:
            group.start_soon(task)
        return await player.play(on_record=on_record)
    raise AssertionError("play neither returned nor raised")


# --- one session, live and replayed


async def session(http: HttpTransport, sockets: WebSocketTransport, clock: Clock, log: Log) -> None:
    """Asks for a snapshot, listens, asks again for each gap, acts by the clock, and redials once."""
    async with anyio.create_task_group() as tasks:

        def on_frame(frame: bytes, instant: Instant) -> None:
            log.append(("frame", frame, instant))
            if frame == b"gap":
                tasks.start_soon(ask, http, log, "https://x/api/v3/depth?symbol=A")
            if frame == b"ping":
                socket.send("pong")

        async def tick() -> None:
            for _ in range(3):
                await clock.sleep(1.5)
                log.append(("tick", b"", clock.now()))

        await ask(http, log, "https://x/api/v3/exchangeInfo")
        tasks.start_soon(tick)
        for _ in range(2):
            socket = await sockets.open(Dial("wss://x/ws"))
            socket.send("subscribe")
            log.append(
                (
                    "end",
                    await socket.run(on_frame, lambda instant: log.append(("life", b"", instant))),
                    clock.now(),
                )
            )


async def live(folder: Path, suffix: str) -> tuple[Path, Log]:
    """The session against mock drivers, recorded."""
    clock, log, depths = VirtualClock(T0), Log(), iter(range(100))

    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b"depth %d" % next(depths) if "depth" in request.url else b"\xffinfo")

    http, sockets = MockHttpTransport(answer, clock=clock, latency=0.25), MockWebSocketTransport(clock)
    path = folder / f"S{suffix}"
    with Recorder(path, clock, Header()) as recorder:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                session,
                RecordingHttpTransport(http, recorder),
                RecordingWebSocketTransport(sockets, recorder),
                clock,
                log,
            )
            await clock.settle()
            await clock.advance(1.0)
            sockets.latest.push(b"one", "gap", b"\xff\x01")
            await clock.settle()
            await clock.advance(1.000000001)
            sockets.latest.push("ping")
            sockets.latest.beat()
            await clock.settle()
            await clock.advance(1.0)
            sockets.latest.cut("going away")
            await clock.settle()
            await clock.advance(0.5)
            sockets.latest.push("two", "gap")
            await clock.settle()
            await clock.advance(2.0)
            sockets.latest.cut("done")
    return path, log


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
async def test_a_replay_is_what_was_recorded(tmp_path: Path, suffix: str) -> None:
    """A session sees in a replay what it saw live: the same frames, answers and ends, at the same instants, in order."""
    path, seen_live = await live(tmp_path, suffix)
    assert [what for what, _, _ in seen_live].count("frame") == 6
    assert {what for what, _, _ in seen_live} == {"200", "frame", "life", "tick", "end"}
    seen: Log = []
    player = TapePlayer(open_tape(path), strict=True)
    played = await replay(player, lambda: session(player.http, player.websockets, player.clock, seen))
    assert seen == seen_live
    assert played == Played(player.records, skipped=0, unanswered=0, undialled=0, unused=0, truncated=False)
    assert [(sent.connection, sent.frame) for sent in player.sent] == [
        ("ws.1", "subscribe"),
        ("ws.1", "pong"),
        ("ws.2", "subscribe"),
    ]


# --- records, clock, pace


async def test_every_record_is_told_after_it_was_handed_over(tmp_path: Path) -> None:
    """`on_record` sees each record with its index, the clock at its instant, and what the record caused."""
    log: Log = []
    told: list[tuple[int | None, int, Instant]] = []
    tape = make(tmp_path, ws("open"), ws("in", b"1", 1), response("https://x/a", b"2", 2), ws("in", b"3", 2))
    player = TapePlayer(tape)
    await replay(
        player,
        lambda: listen(player.websockets, log),
        lambda: ask(player.http, log, "https://x/a"),
        on_record=lambda index, _record: told.append((index, len(log), player.clock.now())),
    )
    assert told == [(0, 0, T0), (1, 1, T0 + SECOND), (2, 2, T0 + 2 * SECOND), (3, 3, T0 + 2 * SECOND)]


async def test_sleepers_wake_between_records_in_their_time(tmp_path: Path) -> None:
    """Between two records far apart every sleeper wakes at its own deadline, and acts before the next record."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1", 1), ws("in", b"2", 5)))

    async def sleeper() -> None:
        for _ in range(3):
            await player.clock.sleep(1.5)
            log.append(("tick", b"", player.clock.now()))

    await replay(player, lambda: listen(player.websockets, log), sleeper)
    instants = [(what, (instant - T0) / SECOND) for what, _, instant in log[:-1]]
    assert instants == [("frame", 1.0), ("tick", 1.5), ("tick", 3.0), ("tick", 4.5), ("frame", 5.0)]


async def test_time_never_goes_back(tmp_path: Path) -> None:
    """A record that lies before the one played last has its own instant and leaves the clock alone."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1", 5), ws("in", b"2", 4)))
    await replay(player, lambda: listen(player.websockets, log))
    assert [instant for _, _, instant in log[:2]] == [T0 + 5 * SECOND, T0 + 4 * SECOND]
    assert player.clock.now() == T0 + 5 * SECOND


async def test_other_tasks_get_their_turn(tmp_path: Path) -> None:
    """While thousands of frames are played without a pause another task runs at every turn, or every other one.

    Trio runs those that are ready in an order by chance: first in one round and last in the next is two turns apart.
    """
    log: Log = []
    drawn: list[int] = []
    player = TapePlayer(make(tmp_path, ws("open"), *(ws("in", b"1", 1) for _ in range(4_000))))

    async def screen() -> None:
        while player.records <= 4_000:
            drawn.append(player.records)
            await checkpoint()

    async with anyio.create_task_group() as tasks:

        def on_record(index: int | None, _record: Record) -> None:
            if index == 1:
                tasks.start_soon(screen)

        tasks.start_soon(listen, player.websockets, log)
        await player.play(on_record=on_record)
    assert drawn[-1] > 4_000 - 2 * TURN
    assert all(later - earlier <= 2 * TURN for earlier, later in pairwise([0, *drawn]))
    assert len(log) == 4_001


async def test_a_paced_replay_takes_its_time(tmp_path: Path) -> None:
    """At speed 20 a tape of four seconds takes a fifth of one; a sleeper between its records wakes between them."""
    log: Log = []
    began = anyio.current_time()
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1", 4)))
    woke: list[float] = []

    async def sleeper() -> None:
        await player.clock.sleep(2.0)
        woke.append(anyio.current_time() - began)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, player.websockets, log)
        tasks.start_soon(sleeper)
        await player.play(speed=20)
    assert anyio.current_time() - began >= 0.2
    assert 0.1 <= woke[0] < anyio.current_time() - began


async def test_a_player_plays_once_and_forwards(tmp_path: Path) -> None:
    """A second `play`, and a speed that is none, are errors of the caller."""
    player = TapePlayer(make(tmp_path, ws("open")))
    with pytest.raises(LocalError, match="positive"):
        await player.play(speed=0)
    await player.play()
    with pytest.raises(LocalError, match="once"):
        await player.play()


async def test_an_empty_tape_ends_at_once(tmp_path: Path) -> None:
    """A tape without records is played, and fails what waits for it."""
    log: Log = []
    player = TapePlayer(make(tmp_path))
    await replay(player, lambda: ask(player.http, log, "https://x/a"))
    assert log == [("lost", "end of tape", 0)]


@pytest.mark.parametrize(("told_of", "done"), [(True, [0, 1, 2]), (False, [0, 0, 0])])
async def test_started_tells_of_hidden_work(tmp_path: Path, told_of: bool, done: list[int]) -> None:
    """Work that a frame started, and that no transport saw, is done before the next record if `started` was called."""
    told: list[int] = []
    finished: list[bytes] = []
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1"), ws("in", b"2")))

    async def work(frame: bytes) -> None:
        await checkpoint()
        finished.append(frame)

    async with anyio.create_task_group() as tasks:

        def on_frame(frame: bytes, _instant: Instant) -> None:
            tasks.start_soon(work, frame)
            if told_of:
                player.started()

        async def listener() -> None:
            socket = await player.websockets.open(Dial("wss://x/ws"))
            await socket.run(on_frame, lambda _instant: None)

        tasks.start_soon(listener)
        await player.play(on_record=lambda _index, _record: told.append(len(finished)))
    assert told == done


# --- responses


async def test_responses_find_their_requests(tmp_path: Path) -> None:
    """Waiting requests are answered by path and parameters, each by one response, the one that waits longest first."""
    log: Log = []
    tape = make(
        tmp_path,
        response("https://x/api/v1/depth?symbol=B&limit=10", b"B", 1),
        response("https://x/api/v1/depth?symbol=A&limit=10", b"A", 2, "GET", 429),
        response("https://x/api/v1/depth?symbol=A&limit=10", b"A again", 3),
        response("https://x/api/v1/order", b"placed", 4, "POST"),
    )
    player = TapePlayer(tape)
    await replay(
        player,
        lambda: ask(player.http, log, "https://y/api/v3/depth?symbol=A&limit=5000"),
        lambda: ask(player.http, log, "https://y/api/v3/depth?symbol=A&limit=5000"),
        lambda: ask(player.http, log, "https://y/api/v3/depth?symbol=B"),
        lambda: ask(player.http, log, "https://y/api/v3/order"),
        lambda: ask(player.http, log, "https://y/api/v3/order", "POST"),
    )
    assert log == [
        ("200", b"B", T0 + SECOND),
        ("429", b"A", T0 + 2 * SECOND),
        ("200", b"A again", T0 + 3 * SECOND),
        ("200", b"placed", T0 + 4 * SECOND),
        ("lost", "end of tape", 0),
    ]


async def test_responses_are_kept_for_later_requests(tmp_path: Path) -> None:
    """A later request gets the latest response to a GET, and the oldest to anything else, at the instant it asks."""
    log: Log = []
    tape = make(
        tmp_path,
        response("https://x/a", b"old", 1),
        response("https://x/a", b"new", 2),
        response("https://x/b", b"first", 1, "POST"),
        response("https://x/b", b"second", 2, "POST"),
        ws("open", at=5),
    )
    player = TapePlayer(tape)

    async def later() -> None:
        await player.clock.sleep_until(T0 + 4 * SECOND)
        await ask(player.http, log, "https://x/b", "POST")
        await ask(player.http, log, "https://x/a")
        await ask(player.http, log, "https://x/b", "POST")

    played = await replay(player, later)
    assert log == [
        (status, body, T0 + 4 * SECOND)
        for status, body in [("200", b"first"), ("200", b"new"), ("200", b"second")]
    ]
    assert (played.unused, played.unanswered) == (0, 0)


async def test_a_whole_path_is_preferred(tmp_path: Path) -> None:
    """Of two requests that a response could answer it goes to the one with its very path."""
    log: Log = []
    player = TapePlayer(make(tmp_path, response("https://x/api/v3/a", b"three")))
    played = await replay(
        player,
        lambda: ask(player.http, log, "https://x/api/v1/a"),
        lambda: ask(player.http, log, "https://x/api/v3/a"),
    )
    assert sorted(log) == [("200", b"three", T0), ("lost", "end of tape", 0)]
    assert played.unanswered == 1


async def test_header_and_caller_add_what_to_ignore(tmp_path: Path) -> None:
    """Parameters named by the header or by the caller do not keep a response from its request."""
    log: Log = []
    tape = make(tmp_path, response("https://x/a?n=1&m=1", b""), header=Header(ignore=("n",)))
    player = TapePlayer(tape, ignore={"m"})
    await replay(player, lambda: ask(player.http, log, "https://x/a?n=2&m=2"))
    assert log == [("200", b"", T0)]


async def test_recorded_failures_fail_again(tmp_path: Path) -> None:
    """A request that the network lost is lost again, with what was known of the sending; so is a dial."""
    failures: list[NetworkError] = []
    tape = make(
        tmp_path,
        Record(T0, "http", "fail", "http", "https://x/a", b"reset", method="GET", sent=True),
        Record(T0, "ws", "fail", "ws.1", "wss://x/ws", b"refused", status=503),
    )
    player = TapePlayer(tape)

    async def request() -> None:
        with pytest.raises(NetworkError) as caught:
            await player.http.send(HttpRequest("GET", "https://x/a"))
        failures.append(caught.value)

    async def dial() -> None:
        with pytest.raises(NetworkError) as caught:
            await player.websockets.open(Dial("wss://x/ws"))
        failures.append(caught.value)

    await replay(player, request, dial)
    assert [(str(error), error.sent) for error in failures] == [("reset", True), ("503: refused", False)]


async def test_a_request_that_is_given_up_takes_no_answer(tmp_path: Path) -> None:
    """A response goes to the next request when the first one was cancelled."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("open"), response("https://x/a", b"late", 9)))

    async def impatient() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, player.http, log, "https://x/a")
            await player.clock.sleep(1.0)
            tasks.cancel_scope.cancel()
        await ask(player.http, log, "https://x/a")

    await replay(player, impatient)
    assert log == [("200", b"late", T0 + 9 * SECOND)]


# --- connections


async def test_dials_find_their_connections(tmp_path: Path) -> None:
    """A dial waits for the connection most like it, though another one is opened before."""
    spot: Log = []
    linear: Log = []
    tape = make(
        tmp_path,
        ws("open", connection="ws.1", url="wss://old/v5/linear"),
        ws("open", connection="ws.2", url="wss://old/v5/spot"),
        ws("in", b"l", connection="ws.1", url="wss://old/v5/linear"),
        ws("in", b"s", connection="ws.2", url="wss://old/v5/spot"),
    )
    player = TapePlayer(tape)

    async def later() -> None:
        await player.clock.sleep(0)
        await listen(player.websockets, linear, "wss://new/v5/linear")

    await replay(player, lambda: listen(player.websockets, spot, "wss://new/v5/spot"), later)
    assert [spot[0][:2], linear[0][:2]] == [("frame", b"s"), ("frame", b"l")]


async def test_the_only_connection_is_taken(tmp_path: Path) -> None:
    """Where the tape has one connection a dial gets it, whatever the addresses are."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("open", url="wss://old/a"), ws("in", b"1", url="wss://old/a")))
    await replay(player, lambda: listen(player.websockets, log, "wss://new/b"))
    assert log[0][:2] == ("frame", b"1")


async def test_equal_connections_are_taken_in_order_or_by_name(tmp_path: Path) -> None:
    """Of connections with one address a dial gets the first, or the one that the header or the caller names."""
    records = [ws("open", connection=f"ws.{n}") for n in (1, 2, 3)]
    records += [ws("in", b"%d" % n, connection=f"ws.{n}") for n in (1, 2, 3)]
    for header, connections, heard in (((), (), b"1"), (("ws.2",), (), b"2"), (("ws.2",), ("ws.3",), b"3")):
        log: Log = []
        tape = make(tmp_path, *records, header=Header(connections=header))
        player = TapePlayer(tape, connections=connections)
        played = await replay(player, lambda log=log, player=player: listen(player.websockets, log))  # type: ignore[misc]
        assert [entry[:2] for entry in log[:-1]] == [("frame", heard)]
        assert played.skipped == 2


async def test_a_late_dial_joins(tmp_path: Path) -> None:
    """A connection that is open and has no listener is joined; the frames before that are skipped and counted."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1", 1), ws("in", b"2", 3)))

    async def late() -> None:
        await player.clock.sleep(2.0)
        await listen(player.websockets, log)

    played = await replay(player, late)
    assert [entry[:2] for entry in log] == [("frame", b"2"), ("end", "end of tape")]
    assert played.skipped == 1


async def test_a_tape_may_begin_in_the_middle(tmp_path: Path) -> None:
    """A connection whose opening is not on the tape is open from its first frame on."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("in", b"1"), ws("ping", at=1)))
    await replay(player, lambda: listen(player.websockets, log))
    assert log == [("frame", b"1", T0), ("life", b"", T0 + SECOND), ("end", "end of tape", 0)]


async def test_frames_wait_for_a_listener(tmp_path: Path) -> None:
    """Frames that arrive between `open` and `run` are delivered by `run`, in order, with their instants."""
    log: Log = []
    player = TapePlayer(
        make(tmp_path, ws("open"), ws("in", b"1", 1), ws("in", b"2", 2), ws("close", b"bye", 9))
    )

    async def slow() -> None:
        socket = await player.websockets.open(Dial("wss://x/ws"))
        await player.clock.sleep(5.0)
        reason = await socket.run(
            lambda frame, instant: log.append(("frame", frame, instant)), lambda _instant: None
        )
        log.append(("end", reason, player.clock.now()))

    await replay(player, slow)
    assert log == [
        ("frame", b"1", T0 + SECOND),
        ("frame", b"2", T0 + 2 * SECOND),
        ("end", "bye", T0 + 9 * SECOND),
    ]


async def test_a_socket_closed_here_hears_no_more(tmp_path: Path) -> None:
    """After `aclose` the rest of the connection is skipped, `run` ends, and nothing can be sent."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1", 1), ws("in", b"2", 3), ws("in", b"3", 4)))

    async def leaving() -> None:
        socket = await player.websockets.open(Dial("wss://x/ws"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                socket.run,
                lambda frame, instant: log.append(("frame", frame, instant)),
                lambda _instant: None,
            )
            await player.clock.sleep(2.0)
            await socket.aclose()
        with pytest.raises(NetworkError, match="closed") as caught:
            socket.send("too late")
        assert not caught.value.sent
        log.append(("end", "", player.clock.now()))

    played = await replay(player, leaving)
    assert [entry[0] for entry in log] == ["frame", "end"]
    assert played.skipped == 2


async def test_what_a_callback_raises_comes_out_of_run(tmp_path: Path) -> None:
    """As on a live socket a failing callback ends `run` with its error, and the rest of the tape is still played."""
    caught: list[ValueError] = []
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1"), ws("in", b"2")))

    async def failing() -> None:
        socket = await player.websockets.open(Dial("wss://x/ws"))

        def on_frame(_frame: bytes, _instant: Instant) -> None:
            raise ValueError("no such frame")

        with pytest.raises(ValueError, match="no such frame") as error:
            await socket.run(on_frame, lambda _instant: None)
        caught.append(error.value)

    played = await replay(player, failing)
    assert len(caught) == 1
    assert (played.records, played.skipped) == (3, 1)


async def test_connections_may_stay_open_for_a_look(tmp_path: Path) -> None:
    """With ``close=False`` sessions live on after the last record, until `close` ends them."""
    log: Log = []
    player = TapePlayer(make(tmp_path, ws("open"), ws("in", b"1")))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, player.websockets, log)
        await player.play(close=False)
        assert [entry[0] for entry in log] == ["frame"]
        await player.close()
        assert [entry[:2] for entry in log[1:]] == [("end", "end of tape")]
        with pytest.raises(NetworkError, match="end of tape"):
            await player.websockets.open(Dial("wss://x/ws"))


# --- strict replays


async def strict(tape: Tape, *frames: str, scrubber: Scrubber | None = None) -> None:
    """Replay strictly with a session that sends these frames."""
    player = TapePlayer(tape, strict=True, scrubber=scrubber)

    async def talk() -> None:
        socket = await player.websockets.open(Dial("wss://x/ws"))
        for frame in frames:
            socket.send(frame)
        await socket.run(lambda _frame, _instant: None, lambda _instant: None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talk)
        try:
            await player.play()
        finally:
            tasks.cancel_scope.cancel()


async def test_a_strict_replay_wants_the_same_frames(tmp_path: Path) -> None:
    """The same frames pass, also as other JSON of the same content and with secrets that were scrubbed."""
    tape = make(
        tmp_path, ws("open"), ws("out", b'{"a":1,"b":2}'), ws("out", b'{"sign":"REDACTED"}'), ws("in", b"")
    )
    await strict(tape, '{"b":2, "a":1}', '{"sign":"abc"}')
    known = make(tmp_path, ws("open"), ws("out", b"I am REDACTED"))
    await strict(known, "I am hidden-name", scrubber=Scrubber(["hidden-name"]))


@pytest.mark.parametrize(
    ("frames", "reason"), [((), "1 recorded"), (("a", "b"), "1 frames"), (("c",), "another")]
)
async def test_a_strict_replay_notices_other_frames(
    tmp_path: Path, frames: tuple[str, ...], reason: str
) -> None:
    """A frame that is missing, one too many, or another one raises `TapeDiverged`."""
    tape = make(tmp_path, ws("open"), ws("out", b"a"), ws("in", b""))
    with pytest.raises(ExceptionGroup) as caught:
        await strict(tape, *frames)
    assert caught.group_contains(TapeDiverged, match=reason)
