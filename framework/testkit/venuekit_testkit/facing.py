"""Both ends of a socket, without the socket: what a session says is heard by the dialect at once, and the other way round.

`Line` is the dialect's end. `Pair` is the connector's session on it, made by `Hand.open`. `Visitor` is a client of the dialect
that is not the connector: what it hears is what the dialect says, so a dialect can be tested without its mirror.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.market_flow import RandomFlow
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    Dial,
    Dialect,
    DialectPlugin,
    EngineEvent,
    Hangup,
    HttpRequest,
    HttpResponse,
    Instant,
    Login,
    NetworkError,
    Output,
    Ping,
    Run,
    Seconds,
    Send,
    ServerOutputs,
    ServerSession,
    Session,
    Sign,
    Topic,
    VenuekitError,
    Wake,
)
from venuekit_testkit.talking import START, Driver

if TYPE_CHECKING:
    from venuekit_testkit.hand import Hand

STEP: Final[Instant] = 7 * MILLISECOND
"""How often the market of a `Visitor` moves."""


class Line:
    """The dialect's end of one socket. `hear` is called with each frame; `hangup` says how the venue has ended it."""

    def __init__(self, server: ServerSession, hear: Callable[[str | bytes], None]) -> None:
        self.server = server
        self.wake: Instant | None = None
        self.hangup: Hangup | None = None
        self.pings: list[Instant] = []
        """When the venue sent pings of the WebSocket protocol."""
        self._hear = hear

    @classmethod
    def to(
        cls,
        dialect: Dialect,
        url: str,
        now: Instant,
        hear: Callable[[str | bytes], None],
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Self:
        """A socket at a URL. Raises `NetworkError` where the venue refuses the handshake."""
        lower = tuple((name.lower(), value) for name, value in headers)
        server = dialect.connect(HttpRequest("GET", url, lower), now)
        if isinstance(server, HttpResponse):
            raise NetworkError(f"the handshake was refused: {server.status}")
        return cls(server, hear)

    def open(self, now: Instant) -> None:
        """The handshake is done."""
        self._take(self.server.opened(now), now)

    def say(self, frame: str | bytes, now: Instant) -> None:
        """The client sends a frame."""
        if self.hangup is None:
            self._take(self.server.feed(frame, now), now)

    def event(self, event: EngineEvent, now: Instant) -> None:
        """Something happened at the venue."""
        if self.hangup is None:
            self._take(self.server.event(event, now), now)

    def tick(self, now: Instant) -> None:
        """Wake the venue's end, if it is time."""
        if self.hangup is None and self.wake is not None and self.wake <= now:
            self.wake = None
            self._take(self.server.tick(now), now)

    def _take(self, outputs: ServerOutputs, now: Instant) -> None:
        for output in outputs:
            match output:
                case Send():
                    self._hear(output.frame)
                case Wake():
                    self.wake = output.at
                case Ping():
                    self.pings.append(now)
                case Hangup():
                    self.hangup = output


class Pair(Driver):
    """A session of the connector and the dialect's, with nothing between them but the codec. Their time is the hand's.

    `frames` is all that the venue sent, unpacked. Flows, logins and signatures that the session asks for are the hand's work.
    """

    def __init__(self, hand: Hand, dial: Dial, session: Session) -> None:
        self.hand = hand
        super().__init__(session, hand.now)
        self.frames: list[bytes] = []
        self.lose = 0
        """How many of the venue's next frames are lost."""
        self.mute = False
        """Whether what the session sends is lost."""
        self._codec = dial.codec
        self.line = Line.to(hand.dialect, dial.url, hand.now, self._arrive, dial.headers)

    @property
    def now(self) -> Instant:
        """The hand's time."""
        return self.hand.now

    @now.setter
    def now(self, now: Instant) -> None:
        self.hand.now = now

    @property
    def hung_up(self) -> int | None:
        """The code with which the venue has ended the socket."""
        return None if self.line.hangup is None else self.line.hangup.code

    @property
    def due(self) -> Instant | None:
        """When one of the ends wants to be woken."""
        wakes = [each for each in (self.wake, self.line.wake) if each is not None]
        return None if self.line.hangup is not None else min(wakes, default=None)

    def open(self, *topics: Topic) -> Self:
        """Both ends learn that the socket is open, and these topics are wanted."""
        super().open(*topics)
        self.line.open(self.now)
        return self

    def sleep_until(self, end: Instant) -> list[Any]:
        """Time passes until this instant, for everybody."""
        start = len(self.told)
        self.hand.advance((end - self.now) / SECOND)
        return self.told[start:]

    def wake_up(self) -> None:
        """Wake whoever it is time for."""
        self.line.tick(self.now)
        if self.line.hangup is None and self.wake is not None and self.wake <= self.now:
            self.tick()

    def _arrive(self, packed: str | bytes) -> None:
        frame = packed.encode() if isinstance(packed, str) else packed
        for each in [frame] if self._codec is None else self._codec.decode(frame):
            self.frames.append(each)
            if self.lose:
                self.lose -= 1
            else:
                self.hear(each)

    def _carried_out(self, output: Output) -> bool:
        match output:
            case Send():
                super()._carried_out(output)
                self._say(output.frame)
            case Run():
                self.answered(output.tag, self._result(output))
            case Sign():
                fields = self.hand.signer.topic_fields(output.topic, self.now, self.hand.nonce())
                self.answered(output.tag, fields)
            case Login():
                frame = self.hand.signer.login(self.now, self.hand.nonce(), output.challenge)
                if frame is not None:
                    self._carried_out(Send(frame))
            case _:
                return super()._carried_out(output)
        return True

    def _say(self, frame: str | bytes) -> None:
        if not self.mute:
            self.line.say(frame, self.now)

    def _result(self, wanted: Run) -> Any:
        try:
            return self.hand.run(wanted.flow)
        except VenuekitError as error:
            return error


class Visitor:
    """A client of a dialect that is not the connector, by hand, at a venue whose books are full.

    `url` is where it opens its one socket; a subclass says how its venue is asked. `heard` is what came since it was last read:
    JSON with exact numbers, or the frame where it is none.
    """

    depth: ClassVar[int] = 20
    """How many quotes a side the books have."""

    def __init__(self, plugin: DialectPlugin, url: str) -> None:
        self.now = START
        self.engine = MatchingEngine(plugin.listings(), plugin.accounts(), 1)
        self.flow = RandomFlow(self.engine, 1, depth=self.depth)
        self.flow.fill_books(self.now)
        self.dialect = plugin.serve(self.engine)
        self.dialect.tick(self.now)
        self.url = url
        self.heard: list[Any] = []
        self.line = Line.to(self.dialect, url, self.now, self._hear)
        self.engine.listen(lambda event: self.line.event(event, self.now))
        self.line.open(self.now)

    @property
    def hangup(self) -> Hangup | None:
        """How the venue has ended the socket."""
        return self.line.hangup

    def ask(self, path: str, body: object = b"", method: str = "", **headers: str) -> HttpResponse:
        """A request by HTTP at a path of the same host: GET without a body, else POST; what is not bytes goes as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        place = urlsplit(self.url)
        request = HttpRequest(
            method or ("POST" if raw else "GET"),
            f"http://{place.netloc}{path}",
            tuple((name.replace("_", "-"), value) for name, value in headers.items()),
            raw,
        )
        response = self.dialect.http(request, self.now)
        self.dialect.tick(self.now)
        return response

    def say(self, said: object) -> list[Any]:
        """Send a frame: text as it is, anything else as JSON. What was heard since the last."""
        self.line.say(said if isinstance(said, str | bytes) else json.dumps(said), self.now)
        return self.read()

    def read(self) -> list[Any]:
        """What was heard."""
        heard, self.heard = self.heard, []
        return heard

    def sleep(self, seconds: Seconds) -> None:
        """Time passes, and the venue's end is woken whenever it asked to be."""
        self.sleep_until(self.now + round(seconds * SECOND))

    def sleep_until(self, end: Instant) -> None:
        """Time passes until this instant."""
        while self.line.hangup is None and self.line.wake is not None and self.line.wake <= end:
            self.now = max(self.now, self.line.wake)
            self.line.tick(self.now)
        self.now = end

    def trade(self, steps: int) -> None:
        """The market moves, every seven milliseconds."""
        for _ in range(steps):
            self.flow.step(self.now)
            self.sleep_until(self.now + STEP)

    def _hear(self, frame: str | bytes) -> None:
        try:
            self.heard.append(json.loads(frame, parse_float=Decimal))
        except ValueError:
            self.heard.append(frame)
