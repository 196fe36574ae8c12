"""A private stream for tests: a user stream whose frames are small JSON objects, and the venue behind it, played by a test.

The venue says one of

    {"live": "user"}                                      that topic is confirmed
    {"lost": "user", "reason": "...", "final": true}      that topic is refused or ended
    {"redial": "maintenance"}                             this socket is about to end
    {"report": "c1"}                                      something about the order of that client order id
    {"balance": "5", "delta": true}                       what the account holds of USD
    {"funding": "f1"}                                     a payment of that key
    {"tick": "0.5", "listed": "P1-USD", "named": "..."}   an instrument has another tick, or another name
    {"answer": "k1", "payload": 7}                        an answer to a call; "ack": true, or "error": "..."

and each of them may carry ``"n"``, the number of the message in the stream, or ``"frame"``, that of the frame on the socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any, Final

import anyio
import msgspec
from attrs import evolve, field, frozen
from framework.core.tests.venues import START, ToySource, instrument

from venuekit.broadcast import Broadcast
from venuekit.clock import VirtualClock
from venuekit.clock_offset import ClockOffset
from venuekit.connection import DIALS
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.http import MockHttpTransport
from venuekit.drivers.tasks import helpers
from venuekit.drivers.websocket import MockWebSocket, MockWebSocketTransport
from venuekit.pacing import Pacer
from venuekit.trading.private import PrivateStream
from venuekit.venue import Task, Venue, microseconds
from venuekit_spec import (
    NOTHING,
    Answer,
    Balance,
    Capability,
    Channel,
    ClockSkewed,
    Continuity,
    Cost,
    Description,
    Dial,
    Environment,
    Flow,
    FundingPayment,
    HttpRequest,
    HttpResponse,
    Instant,
    InstrumentChange,
    InstrumentKind,
    InstrumentTable,
    Login,
    MalformedMessage,
    NetworkError,
    NonceRule,
    OrderReport,
    Output,
    Outputs,
    RatePool,
    Redial,
    Refused,
    Send,
    SocketRequest,
    StreamSequence,
    Topic,
    TopicLive,
    TopicLost,
    TopicRule,
    Unsupported,
    UserMessage,
    http,
)

USER: Final = Topic(Channel.USER)
CALLS: Final = Topic(Channel.CALLS)
PRIVATE: Final = Dial("toy://private", ping=None)


FAILURES: Final[dict[str, Exception]] = {
    "unsupported": Unsupported("no such call"),
    "malformed": MalformedMessage("no way to say that"),
    "broken": ZeroDivisionError("a bug"),
}
"""What the session makes of calls of these methods."""


class Frame(msgspec.Struct):
    """All that the venue says, in one structure."""

    n: int | None = None
    frame: int | None = None
    funding: str = ""
    live: str = ""
    lost: str = ""
    reason: str = ""
    final: bool = True
    redial: str = ""
    report: str = ""
    balance: str = ""
    delta: bool = False
    answer: str = ""
    payload: int | None = None
    error: str = ""
    ack: bool = False
    tick: str = ""
    listed: str = "P1-USD"
    named: str = ""


_frame = msgspec.json.Decoder(Frame)


class PrivateSession:
    """Says ``{"want": [...]}`` for what it wants, ``{"call": key, "method": ..., "signed": nonce}`` for a call.

    A call of one of the methods in `FAILURES` fails; ``twice`` takes two frames; one with the parameter ``cost`` costs that
    much of the pool ``frames``.
    """

    def __init__(self, *, login: bool) -> None:
        self._login = login

    def opened(self, now: Instant) -> Outputs:
        return (Login(),) if self._login else NOTHING

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        return (Send(msgspec.json.encode({"want": sorted(map(str, topics))}).decode()),)

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        if request.method in FAILURES:
            raise FAILURES[request.method]
        said = {"call": request.key, "method": request.method, **request.params}
        costs = tuple(Cost("frames", weight) for weight in [request.params.get("cost")] if weight)
        frame = Send(msgspec.json.encode(said).decode(), costs)
        return (frame, frame) if request.method == "twice" else (frame,)

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        try:
            return self._outputs(_frame.decode(frame), now)
        except msgspec.MsgspecError as error:
            raise MalformedMessage("nonsense", venue="toy", frame=frame) from error

    def tick(self, now: Instant) -> Outputs:
        return NOTHING

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        return NOTHING

    def closed(self, reason: str) -> None:
        pass

    def _outputs(self, frame: Frame, now: Instant) -> Outputs:
        said: list[Output] = [] if frame.n is None else [StreamSequence(frame.n)]
        if frame.frame is not None:
            said.append(Continuity(scope="", n=frame.frame))
        if frame.funding:
            said.append(FundingPayment(frame.funding, "P1-USD", "USD", Decimal(1)))
        if frame.live:
            said.append(TopicLive(Topic(Channel(frame.live))))
        if frame.lost:
            said.append(TopicLost(Topic(Channel(frame.lost)), frame.reason, final=frame.final))
        if frame.redial:
            said.append(Redial(frame.redial, planned=True))
        if frame.report:
            said.append(OrderReport("P1-USD", client_order_id=frame.report, received=now))
        if frame.balance:
            said.append(Balance("USD", total=Decimal(frame.balance), delta=frame.delta))
        if frame.tick:
            traded = instrument(frame.listed, frame.tick)
            named = evolve(traded, native={"name": frame.named or traded.id})
            said.append(InstrumentChange(instrument=named, received=now))
        if frame.answer:
            error = Refused(frame.error) if frame.error else None
            said.append(Answer(frame.answer, frame.payload, error, acknowledgement=frame.ack))
        return said


@frozen
class PrivateToy:
    """The user stream.

    `signed`: it dials with a token that it asks for in a signed request. `skewed`: the first of them is refused for its time.
    """

    wanted: tuple[Topic, ...] = (USER, CALLS)
    socket: Dial = PRIVATE
    signed: bool = False
    login: bool = False
    skewed: bool = False
    asked: list[bool] = field(factory=list)

    def topics(self) -> Collection[Topic]:
        return self.wanted

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        token = ""
        if self.signed:
            response = yield from http(HttpRequest("POST", "toy://rest/token", signed=True))
            token = response.body.decode()
            self.asked.append(True)
            if self.skewed and len(self.asked) == 1:
                raise ClockSkewed("the request is from yesterday")
        return evolve(self.socket, url=f"{self.socket.url}/{token}")

    def session(self, dial: Dial, instruments: InstrumentTable) -> PrivateSession:
        return PrivateSession(login=self.login)


class ToyAuth:
    """Signs with the nonce, in plain sight."""

    nonces = NonceRule.STRICT

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        return request.replace(headers=(("signature", str(nonce)),))

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        return evolve(request, params={**request.params, "signed": nonce})

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str:
        return msgspec.json.encode({"login": nonce}).decode()

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> dict[str, str]:
        return {}


class Told:
    """What an account was told, in order."""

    def __init__(self) -> None:
        self.messages: list[UserMessage] = []
        self.holes: list[str] = []
        self.log: list[str] = []
        self.late: list[str] = []

    @property
    def reports(self) -> list[str]:
        """The client order ids of reports."""
        return [message.client_order_id for message in self.messages if isinstance(message, OrderReport)]

    @property
    def balances(self) -> list[Decimal | None]:
        """The totals of balances."""
        return [message.total for message in self.messages if isinstance(message, Balance)]

    @property
    def opened(self) -> int:
        """How often the stream was whole again."""
        return self.log.count("opened")

    @property
    def lost(self) -> int:
        """How often it was lost."""
        return len(self.log) - self.opened


class PrivateVenue:
    """The venue's side. `mute`: topics whose subscription is not confirmed. `heard` are the frames of all clients."""

    def __init__(self, *, endpoints: bool = False, capacity: float = 1.0) -> None:
        self.clock = VirtualClock(START)
        self.http = MockHttpTransport(lambda _: HttpResponse(200, b"t0k3n"), clock=self.clock)
        self.websockets = MockWebSocketTransport(self.clock, on_open=self._script)
        self.heard: list[dict[str, Any]] = []
        self.mute: set[str] = set()
        self.told = Told()
        self.measure: Callable[[], Awaitable[None]] = self._unmeasured
        self.nonces: Callable[[Instant], int] = microseconds
        self._running = anyio.CancelScope()
        self.auth: ToyAuth | None = ToyAuth()
        pools = (RatePool(DIALS, 1000, 1.0), RatePool("frames", capacity, 5.0))
        self.description = Description(
            venue="toy",
            name="Toy",
            environments=(Environment("local", {"rest": "toy://rest"}, real_money=False),),
            kinds=frozenset({InstrumentKind.SPOT}),
            capabilities=frozenset({Capability.USER_STREAM}),
            topics=(
                TopicRule(Channel.USER, endpoint="user"),
                TopicRule(Channel.CALLS, endpoint="calls" if endpoints else "user"),
            ),
            links=("https://toy.example/docs",),
            pools=pools,
        )
        self.flows = FlowRunner(
            self.http, self.clock, Pacer(pools), random=Random(1).random, skewed=self._skewed
        )

    @property
    def socket(self) -> MockWebSocket:
        """The newest socket."""
        return self.websockets.latest

    @property
    def calls(self) -> list[str]:
        """The keys of the calls that came."""
        return [frame["call"] for frame in self.heard if "call" in frame]

    def push(self, *frames: dict[str, Any] | str, socket: MockWebSocket | None = None) -> None:
        """Frames arrive, on the newest socket unless another is named."""
        for frame in frames:
            text = frame if isinstance(frame, str) else msgspec.json.encode(frame)
            (socket or self.socket).push(text)

    async def say(self, *frames: dict[str, Any] | str, socket: MockWebSocket | None = None) -> None:
        """Frames arrive, and everybody has run who has something to do then."""
        self.push(*frames, socket=socket)
        await self.clock.settle()

    async def until(self, condition: Callable[[], bool], limit: float = 120.0) -> None:
        """Let time pass until something is so."""
        await self.clock.run_until(condition, limit)

    @asynccontextmanager
    async def opened(self, stream: PrivateToy | None = None) -> AsyncIterator[PrivateStream]:
        """A private stream on this venue, running."""
        told = self.told
        async with helpers() as tasks:

            def spawn(task: Task) -> None:
                tasks.start_soon(task)

            venue = Venue(
                self.description,
                ToySource(Dial("toy://socket")),
                InstrumentTable([instrument()]),
                self.clock,
                self.flows,
                self.websockets,
                spawn,
                Broadcast(),
                Random(1),
                ClockOffset(),
                self.auth,
                self.nonces,
            )
            self.venue = venue
            private = PrivateStream(
                venue,
                PrivateToy() if stream is None else stream,
                receive=told.messages.append,
                hole=told.holes.append,
                opened=lambda: told.log.append("opened"),
                lost=lambda reason: told.log.append(f"lost: {reason}"),
                late=lambda answer: told.late.append(answer.key),
            )

            async def run() -> None:
                with self._running:
                    await private.run()

            tasks.start_soon(run)
            await self.clock.settle()
            yield private

    def dialled(self, times: int) -> Callable[[], bool]:
        """Whether so many sockets have been opened."""
        return lambda: len(self.websockets.sockets) == times

    async def _skewed(self) -> None:
        await self.measure()

    async def _unmeasured(self) -> None:
        raise NetworkError("there is no time to be had", sent=False)

    def stop(self) -> None:
        """Cancel the stream, and nothing around it."""
        self._running.cancel()

    def _script(self, socket: MockWebSocket) -> None:
        def on_send(frame: str | bytes) -> None:
            said = msgspec.json.decode(frame)
            self.heard.append(said)
            names: Iterable[str] = said.get("want", ())
            for name in names:
                if name not in self.mute:
                    self.push({"live": name}, socket=socket)

        socket.on_send = on_send
