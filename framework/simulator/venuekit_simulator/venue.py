"""The local venue: an engine, a dialect over it, and the shell around both. No transport; `in_process` and `asgi` are two.

    request, frame  ->  faults  ->  dialect  ->  engine
    reply, frames   <-  faults  <-  dialect  <-  what the engine tells

What happens, happens by the venue's `timeline`, so it needs no task of its own; see there. The reply to a request leaves
before what the request caused is told, unless a fault says otherwise.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from venuekit_simulator.calls import Handshake, HttpExchange, SocketCall
from venuekit_simulator.engine_view import BookHistory, EngineView
from venuekit_simulator.faults import Fault, FaultKind, FaultPlan, Target, Unreachable
from venuekit_simulator.gate import Gate
from venuekit_simulator.injection import Injection, Injector
from venuekit_simulator.latency import Latency, thrower
from venuekit_simulator.reception import Reception
from venuekit_simulator.sockets import MINIMUM_WAIT, Peer, ServerSocket
from venuekit_simulator.timeline import Clock, Entry, Timeline
from venuekit_spec import (
    SECOND,
    Dialect,
    DialectPlugin,
    Engine,
    EngineEvent,
    HttpRequest,
    HttpResponse,
    Instant,
    NewOrder,
    Seconds,
    ServerSession,
    after,
)

if TYPE_CHECKING:
    from venuekit_simulator.flow_steps import FlowSteps
    from venuekit_simulator.in_process import HttpInProcess, WebSocketsInProcess

OnPlacement = Callable[[HttpRequest | str | bytes], None]
"""Told of the request of a placement as it arrives, before anything else."""

OnOrder = Callable[[str, NewOrder], None]
"""Told of an order right before the engine gets it: the account, and the order as it was asked for."""


class LocalVenue:
    """A venue on this machine.

    `faults` is what is to go wrong, `latency` what a message takes one way (`venuekit_simulator.latency`), `flow` whether
    the random order flow moves the market, with `rate` actions a second. Everything is thrown from `seed`.
    `engine` continues with one that exists.

    `injected` counts the faults that were done, `injections` tells them in order. Callbacks in `on_placement` are called at the
    first byte of each placement, those in `on_order` with each order that a client places, before the engine has it.
    """

    def __init__(
        self,
        plugin: DialectPlugin,
        *,
        clock: Clock,
        seed: int = 0,
        faults: FaultPlan | None = None,
        flow: bool = True,
        rate: float = 50.0,
        latency: Latency = 0.0,
        engine: Engine | None = None,
    ) -> None:
        self.plugin = plugin
        self.clock = clock
        self.seed = seed
        self.timeline = Timeline(clock)
        self.injector = Injector(seed)
        self.engine: Engine = _fresh_engine(plugin, seed) if engine is None else engine
        self.on_placement: list[OnPlacement] = []
        self.on_order: list[OnOrder] = []
        self._latency = latency
        self._http_latency = thrower(latency, f"{seed} http")
        self._connected = 0
        self._sockets: list[ServerSocket] = []
        self._exchanges: dict[HttpExchange, None] = {}
        self._events: deque[EngineEvent] = deque()
        self._skew: Instant = 0
        self._clock_set: Entry | None = None
        self.gate = Gate()
        self._reception = Reception(self)
        self._flow: FlowSteps | None = None
        self._wake: Entry | None = None
        self._history = BookHistory(self.engine)
        self.engine.listen(self._happened)
        self._start_dialect()
        if flow:
            self._flow = self._start_flow(rate)
        for fault in faults.faults if faults is not None else ():
            self.inject(fault)

    def __repr__(self) -> str:
        return f"<LocalVenue, {len(self._sockets)} sockets, {self.injected.total()} faults injected>"

    # what tests and reports ask

    @property
    def injected(self) -> Counter[FaultKind]:
        """How many faults of each kind were done."""
        return self.injector.counts

    @property
    def injections(self) -> Sequence[Injection]:
        """The faults that were done, in order."""
        return self.injector.history

    @property
    def refused(self) -> int:
        """How many requests a rate limit or a ban turned down."""
        return self.gate.refused

    @property
    def sockets(self) -> Sequence[ServerSocket]:
        """The clients' sockets that are open."""
        self.timeline.catch_up()
        return tuple(self._sockets)

    @property
    def venue_now(self) -> Instant:
        """The venue's own time: the timeline's, unless its clock is skewed."""
        return self.timeline.now + self._skew

    @property
    def outage(self) -> Unreachable | None:
        """How the way to the venue is gone right now; None where it is not."""
        return self.gate.outage(self.timeline.now)

    @property
    def http(self) -> HttpInProcess:
        """A transport for requests in this process; each use is one of its own."""
        from venuekit_simulator.in_process import HttpInProcess

        return HttpInProcess(self)

    @property
    def websockets(self) -> WebSocketsInProcess:
        """A transport for sockets in this process."""
        from venuekit_simulator.in_process import WebSocketsInProcess

        return WebSocketsInProcess(self)

    def started(self) -> None:
        """Nothing: the venue waits for nobody."""

    async def run(self) -> None:
        """Live on while nobody asks anything, until cancelled: for a venue that serves a network."""
        await self.timeline.run()

    # what happens to the venue

    def inject(self, fault: Fault) -> None:
        """From now on this fault can strike; one of the venue as a whole strikes at once, or `Fault.at` seconds from now."""
        if fault.target is not Target.VENUE:
            self.injector.arm(fault, self.timeline.now)
        elif fault.at is None:
            self._strike_itself(fault)
        else:
            self.timeline.after(fault.at, partial(self._strike_itself, fault))

    def pause_flow(self) -> None:
        """The random order flow makes no step from now on; its quotes stay, and all else goes on."""
        if self._flow is not None:
            self._flow.pause()

    def resume_flow(self) -> None:
        """The random order flow goes on."""
        if self._flow is not None:
            self._flow.resume()

    def restart(self, down: Seconds = 0.0) -> None:
        """Start anew: sockets are cut, replies on their way lost, the dialect is a new one. What the engine holds is kept.

        For `down` seconds nobody listens.
        """
        self._break_connections()
        self.view.close()
        self._start_dialect()
        if down:
            self.unreachable(Unreachable.REFUSED, down)
        self.timeline.stir()

    def unreachable(self, how: Unreachable, seconds: Seconds) -> None:
        """From now on and for so many seconds the way to the venue is gone."""
        self.gate.cut_off(how, after(self.timeline.now, seconds))
        if how is Unreachable.REFUSED:
            self._break_connections()
        elif how is Unreachable.BLACK_HOLE:
            for socket in self.sockets:
                socket.stall()
            for exchange in tuple(self._exchanges):
                exchange.stall()

    def skew(self, offset: Seconds, seconds: Seconds) -> None:
        """For so many seconds the venue's clock is `offset` seconds ahead (behind, where negative)."""
        if self._clock_set is not None:
            self._clock_set.cancel()
        self._skew = round(offset * SECOND)
        self._clock_set = self.timeline.after(seconds, self._set_clock)

    def expire_tokens(self) -> None:
        """Every token of a private stream is worthless from now on; sessions are ticked, to tell their clients."""
        self.did(self._expire_tokens)

    # what transports do

    def request(self, request: HttpRequest, answer: Callable[[HttpResponse | None], None]) -> None:
        """A request begins its way. `answer` gets the response later, None where the connection ends without one."""
        self._receive(
            HttpExchange(_lower(request), answer, self.timeline, self._http_latency, self._ended),
            answer,
            self._http_latency,
        )

    def connect(
        self, request: HttpRequest, peer: Peer, answer: Callable[[ServerSocket | HttpResponse | None], None]
    ) -> None:
        """A handshake begins its way. `answer` gets the socket, the refusal, or None as for `request`."""
        self._connected += 1
        latency = thrower(self._latency, f"{self.seed} socket {self._connected}")
        accept = partial(self._accepted, peer, answer, latency)
        self._receive(
            Handshake(_lower(request), answer, self.timeline, latency, self._ended, accept), answer, latency
        )

    # what sockets do

    def socket_request(self, socket: ServerSocket, frame: str | bytes) -> None:
        """A frame of a client has arrived."""
        self.did(lambda: self._reception.serve(SocketCall(socket, frame, self.timeline)))

    def did(self, call: Callable[[], None]) -> None:
        """Call, and let everybody hear what came of it."""
        call()
        self.tell()
        self._tick()

    def forget(self, socket: ServerSocket) -> None:
        """Tell it no more events."""
        self._sockets.remove(socket)

    def machine_time(self, instant: Instant) -> Instant:
        """The timeline's instant for one of the venue's time."""
        return instant - self._skew

    # within: single requests

    def _receive(
        self, exchange: HttpExchange, answer: Callable[[None], None], latency: Callable[[], Seconds]
    ) -> None:
        if (outage := self.outage) is not None:
            if outage is not Unreachable.BLACK_HOLE:
                self.timeline.after(latency(), partial(answer, None))
            return
        self._exchanges[exchange] = None
        self.timeline.after(latency(), partial(self._arrived, exchange))

    def _ended(self, exchange: HttpExchange) -> None:
        self._exchanges.pop(exchange, None)

    def _arrived(self, exchange: HttpExchange) -> None:
        if exchange in self._exchanges:  # not lost on its way
            self.did(lambda: self._reception.serve(exchange))

    def _accepted(
        self,
        peer: Peer,
        answer: Callable[[ServerSocket], None],
        latency: Callable[[], Seconds],
        session: ServerSession,
        later: Seconds,
    ) -> None:
        socket = ServerSocket(self, session, peer, latency)
        self._sockets.append(socket)
        socket.last_arrival = after(self.timeline.now, latency() + later)  # nothing overtakes the handshake
        self.timeline.at(socket.last_arrival, partial(answer, socket))
        socket.emit(session.opened(self.venue_now))

    # within: the venue as a whole

    def _strike_itself(self, fault: Fault) -> None:
        self.injector.note(fault, self.timeline.now)
        self.did(partial(self.strike, fault))

    def strike(self, fault: Fault) -> None:
        """Do a fault of the venue as a whole."""
        match fault.kind:
            case FaultKind.CUT:
                for socket in self.sockets:
                    socket.cut()
            case FaultKind.STALL:
                for socket in self.sockets:
                    socket.stall()
            case FaultKind.CLOCK_SKEW:
                self.skew(fault.offset, fault.seconds)
            case FaultKind.EXPIRE_TOKENS:
                self._expire_tokens()
            case FaultKind.RESTART:
                self.restart(fault.seconds)
            case FaultKind.UNREACHABLE:
                self.unreachable(fault.how, fault.seconds)
            case _:
                raise AssertionError(f"{fault.kind} is not of the venue as a whole")

    def _break_connections(self) -> None:
        for socket in self.sockets:
            socket.cut()
        for exchange in tuple(self._exchanges):
            exchange.lose()

    def _set_clock(self) -> None:
        self._skew = 0

    def _expire_tokens(self) -> None:
        self.dialect.expire_tokens(self.venue_now)
        for socket in self.sockets:
            socket.emit(socket.session.tick(self.venue_now))

    def _start_dialect(self) -> None:
        self.view = EngineView(self.engine, self._history, self._ordered)
        self.dialect: Dialect = self.plugin.serve(cast("Engine", self.view))
        self._tick()

    def _ordered(self, account: str, order: NewOrder) -> None:
        for told in self.on_order:
            told(account, order)

    def _tick(self) -> None:
        """Let dialect and engine do what is due, and be woken when they say."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = (self.dialect.tick(self.venue_now), self.engine.tick(self.venue_now))
        self.tell()
        if wakes := [each for each in due if each is not None]:
            self._wake = self.timeline.at(self._soon(min(wakes)), self._tick)

    def _start_flow(self, rate: float) -> FlowSteps:
        from venuekit_simulator.flow_steps import FlowSteps

        return FlowSteps(
            self.engine,
            self.timeline,
            seed=self.seed,
            rate=rate,
            now=lambda: self.venue_now,
            wake_at=self._soon,
            tell=self.tell,
        )

    def _soon(self, wake: Instant) -> Instant:
        """The timeline's instant of a wake-up, never this very one: time has to move."""
        return max(self.machine_time(wake), self.timeline.now + MINIMUM_WAIT)

    def _happened(self, event: EngineEvent) -> None:
        if not self._events and not self.timeline.running:  # somebody uses the engine directly
            self.timeline.at(self.timeline.now, self.tell)
        self._events.append(event)

    def tell(self) -> None:
        """Let every socket hear what has happened."""
        while self._events:
            event = self._events.popleft()
            for socket in self.sockets:
                socket.emit(socket.session.event(event, self.venue_now))


def _fresh_engine(plugin: DialectPlugin, seed: int) -> Engine:
    from venuekit_simulator.engine import MatchingEngine

    return MatchingEngine(plugin.listings(), plugin.accounts(), seed)


def _lower(request: HttpRequest) -> HttpRequest:
    return request.replace(headers=tuple((name.lower(), value) for name, value in request.headers))
