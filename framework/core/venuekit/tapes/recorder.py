"""Recording: what passes through the drivers is written down, scrubbed, and passed on unchanged.

1. A frame is written down before it is handed on, so that what it causes comes after it on the tape.
2. Everything goes through one `Scrubber`: URLs, bodies, frames, reasons. Request headers are not recorded at all, of the
   response's only rate limits, date and type.
3. The frame callback pays for scrubbing and encoding (a few microseconds) and for nothing else: compressing and writing
   are a thread's (`venuekit.tapes.writing`).
4. Lines are handed to that thread when there are enough of them or the oldest has waited long enough. It is the next
   record that notices; a recording that falls silent is handed over by `flush` and `finish`.
5. Where there is a cassette beside the tape, bodies of HTTP go there, through the same scrubber.
"""

from __future__ import annotations

from datetime import UTC, datetime
from os import PathLike
from os.path import relpath
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec.structs import replace

from venuekit.clock import Clock
from venuekit.drivers.http import HttpTransport, user_agent
from venuekit.drivers.websocket import (
    ABANDONED,
    CLOSED_HERE,
    OnFrame,
    OnLife,
    WebSocket,
    WebSocketTransport,
)
from venuekit.tapes.cassettes import CassetteWriter, cassette_form
from venuekit.tapes.records import (
    Direction,
    Header,
    Record,
    encode_header,
    encode_record,
    frame_line,
    is_binary,
    line_middle,
)
from venuekit.tapes.scrub import Scrubber
from venuekit.tapes.writing import TapeWriter
from venuekit_spec import SECOND, Dial, HttpRequest, HttpResponse, Instant, NetworkError, Seconds

_HTTP: Final = "http"


class Recorder:
    """One tape being made. Wrap the transports of a connection with it, and `finish` it, or use it in a ``with``.

    `path` ends in ``.jsonl``, ``.jsonl.gz`` or ``.jsonl.zst``. `header` says what is recorded; by whom and when is
    filled in. `scrubber` knows the secrets of the session; without one they are found by their names only. Lines are written
    once they hold `flush_bytes` or the oldest is `flush_after` seconds old. `cassette` is a second file, for the bodies of
    HTTP (`venuekit.tapes.cassettes`). Raises what `TapeWriter` raises, and `LocalError` where no cassette can be written.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        clock: Clock,
        header: Header,
        *,
        scrubber: Scrubber | None = None,
        cassette: str | PathLike[str] | None = None,
        flush_after: Seconds = 1.0,
        flush_bytes: int = 1 << 18,
    ) -> None:
        self.clock = clock
        self.scrubber = scrubber if scrubber is not None else Scrubber()
        self.records = 0
        """How many records there are so far."""
        self.cassette: CassetteWriter | None = None
        """Where bodies of HTTP go; None: onto the tape."""
        if cassette is not None:
            header = replace(header, cassette=Path(relpath(cassette, Path(path).parent)).as_posix())
            self.cassette = cassette_form().write(Path(cassette), header, self.scrubber)
        self._writer = TapeWriter(Path(path))
        self._flush_after = round(flush_after * SECOND)
        self._flush_bytes = flush_bytes
        self._lines: list[bytes] = []
        self._bytes = 0
        self._flushed = clock.now()
        self._sockets = 0
        began, by = header.recorded or _iso(self._flushed), header.by or user_agent()
        self._lines.append(encode_header(replace(header, recorded=began, by=by)))

    def __repr__(self) -> str:
        return f"<Recorder {self._writer.path.name}, {self.records} records>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    @property
    def failure(self) -> str:
        """Why nothing is recorded any more; empty while all is well."""
        return self._writer.failure

    def write(self, record: Record) -> None:
        """Append a record as it is: its texts have been through the scrubber."""
        self._append(encode_record(record), record.instant)

    def frame(self, instant: Instant, middle: bytes, frame: bytes) -> None:
        """Append a frame of the connection that `middle` belongs to, scrubbed."""
        self._append(frame_line(instant, middle, self.scrubber.frame(frame)), instant)

    def flush(self) -> None:
        """Hand over what has gathered; a reader of the unfinished file sees it soon after."""
        if self._lines:
            self._writer.hand_over(self._lines)
            self._lines = []
            self._bytes = 0

    def finish(self) -> None:
        """Write the rest, wait for the disk, give the files their names. Raises `TapeNotWritten`."""
        self.flush()
        if self.cassette is not None:
            self.cassette.finish()  # before the tape: one that is whole has its cassette
        self._writer.finish()

    def next_socket(self) -> str:
        """A name for the next socket: ``ws.1``, ``ws.2``, ..."""
        self._sockets += 1
        return f"ws.{self._sockets}"

    def _append(self, line: bytes, instant: Instant) -> None:
        self.records += 1
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= self._flush_bytes or instant - self._flushed >= self._flush_after:
            self._flushed = instant
            self.flush()


class RecordingHttpTransport:
    """An `HttpTransport` that tapes: each request as it goes out (scrubbed, without headers), its response or failure."""

    def __init__(self, inner: HttpTransport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    async def send(self, request: HttpRequest) -> HttpResponse:
        """As the inner transport does it."""
        recorder = self._recorder
        url = recorder.scrubber.url(request.url)
        body = None if recorder.cassette is not None else request.body or None
        self._tape("out", recorder.clock.now(), url, request, body)
        try:
            response = await self._inner.send(request)
        except NetworkError as error:
            reason = _reason(recorder, error)
            self._tape("fail", recorder.clock.now(), url, request, reason, sent=error.sent)
            raise
        instant = response.received or recorder.clock.now()
        if recorder.cassette is None:
            self._tape("in", instant, url, request, response.body, response=response)
        else:
            take = recorder.cassette.add(request.replace(url=url), response)
            self._tape("in", instant, url, request, None, response=response, take=take)
        return response

    async def aclose(self) -> None:
        """Close the inner transport; the recorder stays open."""
        await self._inner.aclose()

    def _tape(
        self,
        direction: Direction,
        instant: Instant,
        url: str,
        request: HttpRequest,
        payload: bytes | None,
        *,
        response: HttpResponse | None = None,
        sent: bool = False,
        take: int = -1,
    ) -> None:
        scrubber = self._recorder.scrubber
        kept = None if payload is None else scrubber.frame(payload)
        record = Record(
            instant,
            "http",
            direction,
            _HTTP,
            url,
            kept,
            binary=kept is not None and is_binary(kept),
            method=request.method,
            status=response.status if response else 0,
            headers=scrubber.headers(response.headers) if response else {},
            sent=sent,
            take=take,
        )
        self._recorder.write(record)


class RecordingWebSocketTransport:
    """A `WebSocketTransport` whose sockets are taped. A dial that fails is taped as such."""

    def __init__(self, inner: WebSocketTransport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    async def open(self, dial: Dial) -> RecordingWebSocket:
        """As the inner transport does it."""
        recorder = self._recorder
        connection = recorder.next_socket()
        url = recorder.scrubber.url(dial.url, secret=dial.secret_url)
        try:
            socket = await self._inner.open(dial)
        except NetworkError as error:
            reason = _reason(recorder, error)
            status = int(error.code) if error.code.isdigit() else 0
            now = recorder.clock.now()
            recorder.write(Record(now, "ws", "fail", connection, url, reason, status=status, sent=error.sent))
            raise
        recorder.write(Record(recorder.clock.now(), "ws", "open", connection, url))
        return RecordingWebSocket(socket, recorder, connection, url)


class RecordingWebSocket:
    """One taped socket: frames both ways, signs of life, and why it closed."""

    def __init__(self, inner: WebSocket, recorder: Recorder, connection: str, url: str) -> None:
        self._inner = inner
        self._recorder = recorder
        self._connection = connection
        self._url = url
        self._closed = False
        self._sent = line_middle("ws", "out", connection, url)

    async def run(self, on_frame: OnFrame, on_life: OnLife) -> str:
        """As the inner socket does it."""
        tape = self._recorder.frame
        middle = line_middle("ws", "in", self._connection, self._url)

        def taped_frame(frame: bytes, instant: Instant) -> None:
            tape(instant, middle, frame)
            on_frame(frame, instant)

        def taped_life(instant: Instant) -> None:
            self._write("ping", instant)
            on_life(instant)

        reason = ABANDONED
        try:
            reason = await self._inner.run(taped_frame, taped_life)
        finally:
            self._close(reason)
        return reason

    def send(self, frame: str | bytes) -> None:
        """As the inner socket does it."""
        now = self._recorder.clock.now()
        if isinstance(frame, str):
            self._recorder.frame(now, self._sent, frame.encode())
        else:
            kept = self._recorder.scrubber.frame(frame)
            self._recorder.write(Record(now, "ws", "out", self._connection, self._url, kept, binary=True))
        self._inner.send(frame)

    async def aclose(self) -> None:
        """As the inner socket does it."""
        await self._inner.aclose()
        self._close(CLOSED_HERE)

    def _close(self, reason: str) -> None:
        if not self._closed:
            self._closed = True
            now = self._recorder.clock.now()
            self._write("close", now, self._recorder.scrubber.text(reason).encode())

    def _write(self, direction: Direction, instant: Instant, payload: bytes | None = None) -> None:
        self._recorder.write(Record(instant, "ws", direction, self._connection, self._url, payload))


def _reason(recorder: Recorder, error: NetworkError) -> bytes:
    """What an error says, without the venue and code that it puts before it."""
    return recorder.scrubber.text(str(error.args[0])).encode()


def _iso(instant: Instant) -> str:
    return datetime.fromtimestamp(instant // SECOND, UTC).isoformat().replace("+00:00", "Z")
