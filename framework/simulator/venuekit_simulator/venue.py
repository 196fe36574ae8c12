"""The local venue: an engine, a dialect over it, and the shell around both. No transport; `in_process` and `asgi` are two.

    request, frame  ->  faults  ->  dialect  ->  engine
    reply, frames   <-  faults  <-  dialect  <-  what the engine tells

What happens, happens by the venue's `timeline`, so it needs no task of its own; see there. The reply to a request leaves
before what the request caused is told, unless a fault says otherwise.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast, runtime_checkable

from attrs import frozen

from venuekit_simulator.calls import Call, HttpExchange, SocketCall
from venuekit_simulator.engine_view import BookFault, BookHistory, EngineView
from venuekit_simulator.faults import Fault, FaultKind, FaultPlan, Target, Unreachable
from venuekit_simulator.injection import Injection, Injector
from venuekit_simulator.latency import Latency, thrower
from venuekit_simulator.sockets import MINIMUM_WAIT, Peer, ServerSocket
from venuekit_simulator.timeline import Clock, Entry, Timeline
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    CallKind,
    Dialect,
    DialectPlugin,
    Engine,
    EngineEvent,
    HttpRequest,
    HttpResponse,
    Instant,
    LocalError,
    NewOrder,
    RefusalKind,
    Seconds,
    after,
    seconds_between,
)

if TYPE_CHECKING:
    from venuekit_simulator.in_process import HttpInProcess, WebSocketsInProcess

OnPlacement = Callable[[HttpRequest | str | bytes], None]
"""Told of the request of a placement as it arrives, before anything else."""

OnOrder = Callable[[str, NewOrder], None]
"""Told of an order right before the engine gets it: the account, and the order as it was asked for."""


@runtime_checkable
class Ticking(Protocol):
    """An engine whose orders can come to an end by themselves."""

    def tick(self, now: Instant) -> Instant | None:
        """End those whose date has come; when the next one does."""
        ...


@frozen
class _Block:
    """Everybody is refused in this way until an instant."""

    kind: RefusalKind
    until: Instant


@frozen
class _Outage:
    """The way to the venue is gone in this way until an instant."""

    how: Unreachable
    until: Instant


_BLOCKS: Final[Mapping[FaultKind, RefusalKind]] = {
    FaultKind.RATE_LIMITED: RefusalKind.RATE_LIMITED,
    FaultKind.BANNED: RefusalKind.BANNED,
}


class LocalVenue:
    """A venue on this machine.

    `faults` is what is to go wrong, `latency` what a message takes one way (`venuekit_simulator.latency`), `flow` whether
    the random order flow moves the market, with `rate` actions a second. Everything is thrown from `seed`.
    `engine` continues with one that exists.

    `injected` counts the faults that were done, `injections` tells them in order, `refused` counts the requests that a rate
    limit or a ban turned down. Callbacks in `on_placement` are called at the first byte of each placement, those in
    `on_order` with each order that a client places, before the engine has it.
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
        self.refused = 0
        self._latency = latency
        self._http_latency = thrower(latency, f"{seed} http")
        self._connected = 0
        self._sockets: list[ServerSocket] = []
        self._exchanges: dict[HttpExchange, None] = {}
        self._events: deque[EngineEvent] = deque()
        self._skew: Instant = 0
        self._clock_set: Entry | None = None
        self._block: _Block | None = None
        self._outage: _Outage | None = None
        self._wake: Entry | None = None
        self._history = BookHistory(self.engine)
        self.engine.listen(self._happened)
        self._start_dialect()
        if flow:
            self._start_flow(rate)
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
        if self._outage is not None and self.timeline.now >= self._outage.until:
            self._outage = None
        return None if self._outage is None else self._outage.how

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

    def restart(self, down: Seconds = 0.0) -> None:
        """Start anew: sockets are cut, replies on their way lost, the dialect is a new one. What the engine holds is kept.

        For `down` seconds nobody listens.
        """
        self._break_connections()
        self._view.close()
        self._start_dialect()
        if down:
            self.unreachable(Unreachable.REFUSED, down)
        self.timeline.stir()

    def unreachable(self, how: Unreachable, seconds: Seconds) -> None:
        """From now on and for so many seconds the way to the venue is gone."""
        self._outage = _Outage(how, after(self.timeline.now, seconds))
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
        if (outage := self.outage) is not None:
            if outage is not Unreachable.BLACK_HOLE:
                self.timeline.after(self._http_latency(), partial(answer, None))
            return
        exchange = HttpExchange(
            _lower(request),
            answer,
            self.timeline,
            self._http_latency,
            lambda each: self._exchanges.pop(each, None),
        )
        self._exchanges[exchange] = None
        self.timeline.after(self._http_latency(), partial(self._arrived, exchange))

    def connect(
        self, request: HttpRequest, peer: Peer, answer: Callable[[ServerSocket | HttpResponse | None], None]
    ) -> None:
        """A handshake begins its way. `answer` gets the socket, the refusal, or None as for `request`."""
        self._connected += 1
        latency = thrower(self._latency, f"{self.seed} socket {self._connected}")
        self.timeline.after(latency(), partial(self._connecting, _lower(request), peer, answer, latency))

    # what sockets do

    def socket_request(self, socket: ServerSocket, frame: str | bytes) -> None:
        """A frame of a client has arrived."""
        self.did(lambda: self._serve(SocketCall(socket, frame, self.timeline)))

    def did(self, call: Callable[[], None]) -> None:
        """Call, and let everybody hear what came of it."""
        call()
        self._tell()
        self._tick()

    def forget(self, socket: ServerSocket) -> None:
        """Tell it no more events."""
        self._sockets.remove(socket)

    def machine_time(self, instant: Instant) -> Instant:
        """The timeline's instant for one of the venue's time."""
        return instant - self._skew

    # within: single requests

    def _arrived(self, exchange: HttpExchange) -> None:
        if exchange not in self._exchanges:  # lost on its way
            return
        self.did(lambda: self._serve(exchange))

    def _serve(self, call: Call) -> None:
        """One request, and what goes wrong with it."""
        now, venue_now = self.timeline.now, self.venue_now
        kind = self.dialect.kind(call.message)
        if kind is CallKind.PLACE:
            for told in self.on_placement:
                told(call.message)
        if (block := self._blocked()) is not None:
            self.refused += 1
            call.refuse(self.dialect, block.kind, seconds_between(now, block.until), venue_now)
            return
        strike = self.injector.on_request(kind, call.transport, now)
        if strike is None:
            call.handle(self.dialect, venue_now)
            call.reply()
            return
        fault = strike.fault
        if self._spoil_before(call, fault):
            return
        self._view.fault = _book_fault(fault)
        call.handle(self.dialect, self.venue_now)
        self._view.fault = None
        match fault.kind:
            case FaultKind.ERROR_AFTER:
                call.refuse(self.dialect, RefusalKind.OVERLOADED, 0.0, self.venue_now, fault.status)
            case FaultKind.LOST:
                call.lose(cut=fault.cut)
            case FaultKind.SLOW:
                call.reply(later=fault.seconds)
            case FaultKind.EVENTS_FIRST:
                self._tell()
                heard = max((socket.last_arrival for socket in self._sockets), default=0)
                call.reply(not_before=heard + MILLISECOND)
            case _:
                call.mangle(fault.kind, strike.dice)
                call.reply()

    def _spoil_before(self, call: Call, fault: Fault) -> bool:
        """What goes wrong before the request is handled; whether it is not handled any more."""
        match fault.kind:
            case FaultKind.CUT:
                call.lose(cut=True)
            case FaultKind.STALL:
                call.stall()
            case FaultKind.ERROR_BEFORE:
                call.refuse(self.dialect, RefusalKind.OVERLOADED, 0.0, self.venue_now, fault.status)
            case FaultKind.RATE_LIMITED | FaultKind.BANNED:
                self._block = _Block(_BLOCKS[fault.kind], after(self.timeline.now, fault.seconds))
                call.refuse(self.dialect, self._block.kind, fault.seconds, self.venue_now)
            case FaultKind.RESTART | FaultKind.UNREACHABLE:
                self._do(fault)
                call.lose(cut=True)
            case FaultKind.CLOCK_SKEW | FaultKind.EXPIRE_TOKENS:
                self._do(fault)
                return False
            case _:
                return False
        return True

    def _connecting(
        self,
        request: HttpRequest,
        peer: Peer,
        answer: Callable[[ServerSocket | HttpResponse | None], None],
        latency: Callable[[], Seconds],
    ) -> None:
        if (outage := self.outage) is not None:
            if outage is not Unreachable.BLACK_HOLE:
                self.timeline.after(latency(), partial(answer, None))
            return
        if (block := self._blocked()) is not None:
            self.refused += 1
            wait = seconds_between(self.timeline.now, block.until)
            refusal = self.dialect.refusal(block.kind, wait, self.venue_now)
            self.timeline.after(latency(), partial(answer, refusal))
            return
        session = self.dialect.connect(request, self.venue_now)
        if isinstance(session, HttpResponse):
            self.timeline.after(latency(), partial(answer, session))
            return
        socket = ServerSocket(self, session, peer, latency)
        self._sockets.append(socket)
        socket.last_arrival = after(self.timeline.now, latency())  # nothing overtakes the handshake
        self.timeline.at(socket.last_arrival, partial(answer, socket))
        self.did(lambda: socket.emit(session.opened(self.venue_now)))

    def _blocked(self) -> _Block | None:
        if self._block is not None and self.timeline.now >= self._block.until:
            self._block = None
        return self._block

    # within: the venue as a whole

    def _strike_itself(self, fault: Fault) -> None:
        self.injector.note(fault, self.timeline.now)
        self.did(partial(self._do, fault))

    def _do(self, fault: Fault) -> None:
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
        self._view = EngineView(self.engine, self._history, self._ordered)
        self.dialect: Dialect = self.plugin.serve(cast("Engine", self._view))
        self._tick()

    def _ordered(self, account: str, order: NewOrder) -> None:
        for told in self.on_order:
            told(account, order)

    def _tick(self) -> None:
        """Let dialect and engine do what is due, and be woken when they say."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = [self.dialect.tick(self.venue_now)]
        if isinstance(self.engine, Ticking):
            due.append(self.engine.tick(self.venue_now))
        self._tell()
        if wakes := [each for each in due if each is not None]:
            self._wake = self.timeline.at(self._soon(min(wakes)), self._tick)

    def _start_flow(self, rate: float) -> None:
        from venuekit_simulator.engine import MatchingEngine
        from venuekit_simulator.market_flow import RandomFlow

        if not isinstance(self.engine, MatchingEngine):
            raise LocalError("the order flow needs the engine of this package: say flow=False with another")
        flow = RandomFlow(self.engine, self.seed, rate=rate)
        flow.fill_books(self.venue_now)

        def step() -> None:
            wake = flow.step(self.venue_now)
            self._tell()
            self.timeline.at(self._soon(wake), step)

        self.timeline.at(self.timeline.now, step)

    def _soon(self, wake: Instant) -> Instant:
        """The timeline's instant of a wake-up, never this very one: time has to move."""
        return max(self.machine_time(wake), self.timeline.now + MINIMUM_WAIT)

    def _happened(self, event: EngineEvent) -> None:
        if not self._events and not self.timeline.running:  # somebody uses the engine directly
            self.timeline.at(self.timeline.now, self._tell)
        self._events.append(event)

    def _tell(self) -> None:
        while self._events:
            event = self._events.popleft()
            for socket in self.sockets:
                socket.emit(socket.session.event(event, self.venue_now))


def _book_fault(fault: Fault) -> BookFault | None:
    match fault.kind:
        case FaultKind.STALE_SNAPSHOT:
            return BookFault(updates=fault.updates)
        case FaultKind.CROSSED_SNAPSHOT:
            return BookFault(crossed=True)
        case _:
            return None


def _fresh_engine(plugin: DialectPlugin, seed: int) -> Engine:
    from venuekit_simulator.engine import MatchingEngine

    return MatchingEngine(plugin.listings(), plugin.accounts(), seed)


def _lower(request: HttpRequest) -> HttpRequest:
    return request.replace(headers=tuple((name.lower(), value) for name, value in request.headers))
