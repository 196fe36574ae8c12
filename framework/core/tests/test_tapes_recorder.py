"""Recording: what passes the drivers is on the tape, scrubbed, and passes unchanged."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import anyio
import pytest

from venuekit.clock import VirtualClock
from venuekit.drivers.http import MockHttpTransport
from venuekit.drivers.websocket import MockWebSocket, MockWebSocketTransport
from venuekit.tapes import (
    Header,
    Record,
    Recorder,
    RecordingHttpTransport,
    RecordingWebSocketTransport,
    Scrubber,
    TapeNotWritten,
    open_tape,
    writing,
)
from venuekit.tapes.records import line_middle
from venuekit_spec import SECOND, Dial, HttpRequest, HttpResponse, LocalError, NetworkError, Secret

START = 1_700_000_000 * SECOND + 123_456_789
KEY = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnP"
MIDDLE = line_middle("ws", "in", "ws.1", "wss://x")


@pytest.fixture
def clock() -> VirtualClock:
    """A clock at the start."""
    return VirtualClock(START)


def read(path: Path) -> list[Record]:
    """The records of a tape."""
    return [record for _, record in open_tape(path)]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_a_recording_is_there_when_it_is_finished(tmp_path: Path, clock: VirtualClock, suffix: str) -> None:
    """The file gets its name when it is whole, with header and records; until then it is a ``.part``."""
    path = tmp_path / f"T{suffix}"
    with Recorder(path, clock, Header(venue="kraken"), flush_bytes=1_000) as recorder:
        for n in range(500):
            recorder.frame(START + n, MIDDLE, b'{"n":%d}' % n)
        assert not path.exists()
        assert (tmp_path / f"T{suffix}.part").exists()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    tape = open_tape(path)
    assert tape.header is not None
    assert (tape.header.venue, tape.header.recorded) == ("kraken", "2023-11-14T22:13:20Z")
    assert tape.header.by.startswith("venuekit/")
    assert read(path) == [
        Record(START + n, "ws", "in", "ws.1", "wss://x", b'{"n":%d}' % n) for n in range(500)
    ]
    assert recorder.records == 500


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_what_a_crash_leaves_can_be_read(tmp_path: Path, clock: VirtualClock, suffix: str) -> None:
    """Whatever was flushed before a crash is read from the unfinished file, which is flagged where it can tell."""
    path = tmp_path / f"T{suffix}"
    with Recorder(path, clock, Header(), flush_after=1e9) as recorder:
        recorder.frame(START, MIDDLE, b"flushed")
        recorder.flush()
        recorder.frame(START, MIDDLE, b"still in memory")
        unfinished = tmp_path / f"T{suffix}.part"
        while b"flushed" not in (payloads := [record.payload for record in read(unfinished)]):
            pass  # the writer's thread needs a moment
        assert payloads == [b"flushed"]
        tape = open_tape(unfinished)
        list(tape)
        assert tape.truncated == (suffix != ".jsonl")


def test_time_flushes(tmp_path: Path, clock: VirtualClock) -> None:
    """A record that comes `flush_after` seconds after the last flush takes everything before it to the disk."""
    with Recorder(tmp_path / "T.jsonl", clock, Header(), flush_after=2.0) as recorder:
        recorder.frame(START + SECOND, MIDDLE, b"1")
        recorder.frame(START + 2 * SECOND, MIDDLE, b"2")
        recorder.frame(START + 3 * SECOND, MIDDLE, b"3")
        while len(read(tmp_path / "T.jsonl.part")) < 2:
            pass  # the writer's thread needs a moment
        assert [record.payload for record in read(tmp_path / "T.jsonl.part")] == [b"1", b"2"]


def test_nothing_is_overwritten(tmp_path: Path, clock: VirtualClock) -> None:
    """Neither a tape nor what a crash left of one is overwritten, and a name that is no tape's is refused."""
    (tmp_path / "T.jsonl").touch()
    with pytest.raises(LocalError, match="overwrites nothing"):
        Recorder(tmp_path / "T.jsonl", clock, Header())
    (tmp_path / "U.jsonl.part").touch()
    with pytest.raises(LocalError, match="crash"):
        Recorder(tmp_path / "U.jsonl", clock, Header())
    with pytest.raises(LocalError, match=r"\*\.jsonl\.gz"):
        Recorder(tmp_path / "T.txt", clock, Header())


def test_zstandard_is_asked_for_by_name(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the zstandard package the error carries the pip line, and no file is left behind."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(LocalError, match=r"pip install 'venuekit\[zstd\]'"):
        Recorder(tmp_path / "T.jsonl.zst", clock, Header())
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_the_recording_and_nothing_else(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fails frames are still taken; `failure` says why, and `finish` raises and keeps what there is."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    recorder = Recorder(tmp_path / "T.jsonl", clock, Header())
    recorder.frame(START, MIDDLE, b"1")
    with pytest.raises(TapeNotWritten, match=os.strerror(errno.ENOSPC)):
        recorder.finish()
    assert recorder.failure
    recorder.frame(START, MIDDLE, b"2")
    recorder.finish()
    assert [file.name for file in tmp_path.iterdir()] == ["T.jsonl.part"]


def test_a_slow_disk_ends_the_recording_and_nothing_else(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When more waits for the disk than is allowed the recording ends there, whole up to that point."""
    monkeypatch.setattr(writing, "BACKLOG", 1_000)
    recorder = Recorder(tmp_path / "T.jsonl", clock, Header())
    recorder.frame(START, MIDDLE, b"small")
    recorder.flush()
    recorder.frame(START, MIDDLE, bytes(2_000))
    recorder.flush()
    recorder.frame(START, MIDDLE, b"too late")
    with pytest.raises(TapeNotWritten, match="slower"):
        recorder.finish()
    assert [record.payload for record in read(tmp_path / "T.jsonl.part")] == [b"small"]


@pytest.mark.anyio
async def test_an_exchange_is_taped_scrubbed(tmp_path: Path, clock: VirtualClock) -> None:
    """Request and response are on the tape without secrets; what the caller gets is untouched."""

    def answer(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(
            200, b'{"listenKey":"pqia91ma19a5s61cv6"}', {"x-ratelimit-left": "9", "set-cookie": "a=b"}
        )

    request = HttpRequest(
        "POST",
        f"https://x/order?symbol=A&signature=abc&who={KEY}",
        (("X-MBX-APIKEY", KEY),),
        f"nonce=1&note={KEY}".encode(),
    )
    mock = MockHttpTransport(answer, clock=clock, latency=0.5)
    path = tmp_path / "T.jsonl"
    with Recorder(path, clock, Header(), scrubber=Scrubber([Secret(KEY)])) as recorder:
        http = RecordingHttpTransport(mock, recorder)
        async with clock.autojump():
            response = await http.send(request)
        await http.aclose()
    assert mock.requests == [request]
    assert mock.closed
    assert response == answer(request).__class__(200, response.body, response.headers, START + SECOND // 2)
    assert b"pqia91ma19a5s61cv6" in response.body
    url = "https://x/order?symbol=A&signature=REDACTED&who=REDACTED"
    assert read(path) == [
        Record(START, "http", "out", "http", url, b"nonce=1&note=REDACTED", method="POST"),
        Record(
            START + SECOND // 2,
            "http",
            "in",
            "http",
            url,
            b'{"listenKey":"REDACTED"}',
            method="POST",
            status=200,
            headers={"x-ratelimit-left": "9"},
        ),
    ]
    assert KEY.encode() not in path.read_bytes()


@pytest.mark.anyio
async def test_a_failed_exchange_is_taped(tmp_path: Path, clock: VirtualClock) -> None:
    """A `NetworkError` goes through to the caller and is on the tape, with what is known of the sending."""

    def answer(_request: HttpRequest) -> HttpResponse:
        raise NetworkError(f"lost, {KEY}", sent=False)

    path = tmp_path / "T.jsonl"
    with (
        Recorder(path, clock, Header(), scrubber=Scrubber([KEY])) as recorder,
        pytest.raises(NetworkError, match=KEY),
    ):
        await RecordingHttpTransport(MockHttpTransport(answer), recorder).send(
            HttpRequest("GET", "https://x/a")
        )
    assert [(record.direction, record.payload, record.sent) for record in read(path)] == [
        ("out", None, False),
        ("fail", b"lost, REDACTED", False),
    ]


@pytest.mark.anyio
async def test_a_socket_is_taped(tmp_path: Path, clock: VirtualClock) -> None:
    """Opening, frames of both directions, signs of life and the end are on the tape in order; callbacks see all of it."""
    seen: list[tuple[bytes, int]] = []
    lives: list[int] = []

    def scripted(socket: MockWebSocket) -> None:
        socket.push("hello", b"\xff\x00")
        socket.beat()

    mock = MockWebSocketTransport(clock, on_open=scripted)
    path = tmp_path / "T.jsonl"
    with Recorder(path, clock, Header()) as recorder:
        socket = await RecordingWebSocketTransport(mock, recorder).open(
            Dial("wss://x/ws?token=abcdefghijklmnopqrst", secret_url=True)
        )

        def on_frame(frame: bytes, instant: int) -> None:
            seen.append((frame, instant))
            if frame == b"hello":
                socket.send('{"op":"auth","args":[1]}')
                socket.send(b"\x01")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.run, on_frame, lives.append)
            await clock.settle()
            await clock.advance(1.0)
            mock.latest.cut("going away")
    assert seen == [(b"hello", START), (b"\xff\x00", START)]
    assert lives == [START]
    assert mock.latest.sent == ['{"op":"auth","args":[1]}', b"\x01"]
    records = read(path)
    assert {record.url for record in records} == {"wss://x/ws?token=REDACTED"}
    assert [(record.direction, record.payload, record.instant - START) for record in records] == [
        ("open", None, 0),
        ("in", b"hello", 0),
        ("out", b'{"op":"auth","args":"REDACTED"}', 0),
        ("out", b"\x01", 0),
        ("in", b"\xff\x00", 0),
        ("ping", None, 0),
        ("close", b"going away", SECOND),
    ]


@pytest.mark.anyio
async def test_closing_is_taped_once(tmp_path: Path, clock: VirtualClock) -> None:
    """A socket that is closed on this side has one end on the tape, and one that is cancelled has one as well."""
    mock = MockWebSocketTransport(clock)
    path = tmp_path / "T.jsonl"
    with Recorder(path, clock, Header()) as recorder:
        transport = RecordingWebSocketTransport(mock, recorder)
        closed, cancelled = await transport.open(Dial("wss://x")), await transport.open(Dial("wss://x"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(closed.run, lambda _frame, _instant: None, lambda _instant: None)
            tasks.start_soon(cancelled.run, lambda _frame, _instant: None, lambda _instant: None)
            await clock.settle()
            await closed.aclose()
            await clock.settle()
            tasks.cancel_scope.cancel()
        await closed.aclose()
    ends = [(record.connection, record.payload) for record in read(path) if record.direction == "close"]
    assert ends == [("ws.1", b"closed on this side"), ("ws.2", b"abandoned")]


@pytest.mark.anyio
async def test_a_refused_dial_is_taped(tmp_path: Path, clock: VirtualClock) -> None:
    """A dial that fails raises as before and is on the tape with its status."""
    mock = MockWebSocketTransport(clock)
    refusal = NetworkError("refused", sent=False)
    refusal.code = "503"
    mock.refusals.append(refusal)
    path = tmp_path / "T.jsonl"
    with Recorder(path, clock, Header()) as recorder, pytest.raises(NetworkError):
        await RecordingWebSocketTransport(mock, recorder).open(Dial("wss://x"))
    assert read(path) == [Record(START, "ws", "fail", "ws.1", "wss://x", b"refused", status=503)]
