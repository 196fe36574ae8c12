"""Connector and dialect face to face, without a core and a shell: flows and sessions are driven by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, TypeVar

from venuekit_exchange_a.auth import ExchangeAAuth
from venuekit_exchange_a.description import DESCRIPTION
from venuekit_exchange_a.dialect import accounts, listings
from venuekit_exchange_a.dialect.server import ExchangeADialect
from venuekit_exchange_a.market import ExchangeAMarket
from venuekit_exchange_a.user_stream import ExchangeAUserStream
from venuekit_simulator.engine import MatchingEngine
from venuekit_spec import (
    SECOND,
    Answer,
    Channel,
    EngineEvent,
    Flow,
    Hangup,
    HttpRequest,
    HttpResponse,
    Instant,
    NetworkError,
    NewOrder,
    OrderEntry,
    OrderRef,
    Output,
    Run,
    Send,
    ServerOutput,
    ServerSession,
    Session,
    Side,
    SocketRequest,
    SocketResponse,
    Topic,
    VenuekitError,
    Wake,
)

T = TypeVar("T")

START: Instant = 1_767_225_600 * SECOND
LOCAL = DESCRIPTION.environment("local")


def limit(
    client_order_id: str, side: Side, price: str, quantity: str, instrument: str = "BTC-USDT", **more: Any
) -> NewOrder:
    """A limit order."""
    return NewOrder(instrument, side, Decimal(quantity), client_order_id, price=Decimal(price), **more)


def ref(order: NewOrder) -> OrderRef:
    """How to name an order by our id."""
    return OrderRef(order.instrument, client_order_id=order.client_order_id)


class LocalA:
    """A venue, and one account's client of it. `now` is everybody's time; `asked` are the requests that were sent."""

    def __init__(self, order_entry: OrderEntry = OrderEntry.REST, account: str = "alice") -> None:
        self.now = START
        self.account = account
        self.engine = MatchingEngine(listings(), accounts(), seed=7)
        self.dialect = ExchangeADialect(self.engine, accounts())
        self.instruments = self.engine.instruments
        [credentials] = [each.credentials for each in accounts() if each.name == account]
        self.auth = ExchangeAAuth(credentials)
        self.market = ExchangeAMarket(LOCAL, self.instruments, order_entry)
        self.stream = ExchangeAUserStream(LOCAL)
        self.asked: list[HttpRequest] = []
        self.replies: list[HttpResponse | VenuekitError] = []
        """What is answered instead of the venue's reply, in turn; the venue acts all the same."""
        self.sockets: list[Pair] = []
        self._calls: Pair | None = None
        self.engine.listen(self._happened)

    def send(self, request: HttpRequest) -> HttpResponse:
        """Sign what is to be signed, and ask the venue."""
        if request.signed:
            request = self.auth.sign(request, self.now, 0)
        self.asked.append(request)
        response = self.dialect.http(request, self.now)
        self.dialect.tick(self.now)
        if self.replies:
            reply = self.replies.pop(0)
            if isinstance(reply, VenuekitError):
                raise reply
            response = reply
        return HttpResponse(response.status, response.body, response.headers, self.now, request.url)

    def run(self, flow: Flow[T]) -> T:
        """The result of a flow."""
        try:
            request = next(flow)
            while True:
                try:
                    response = self.send(request) if isinstance(request, HttpRequest) else self.call(request)
                except VenuekitError as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    def call(self, request: SocketRequest) -> SocketResponse:
        """The result of a call, on a socket that takes them."""
        if self._calls is None:
            self._calls = self.open([Topic(Channel.CALLS)])
        outputs = self._calls.call(self.auth.sign_call(request, self.now, 0))
        acknowledged, *rest = [output for output in outputs if isinstance(output, Answer)]
        assert acknowledged.acknowledgement
        if not rest:
            raise NetworkError("no answer", sent=True)
        [answer] = rest
        assert answer.key == request.key
        if answer.error is not None:
            raise answer.error
        return SocketResponse((answer.payload,), self.now)

    def open(self, topics: Collection[Topic]) -> Pair:
        """A private socket for these topics."""
        dial = self.run(self.stream.dial(topics))
        return self.connect(dial.url, self.stream.session(dial, self.instruments), topics)

    def connect(self, url: str, session: Session, topics: Collection[Topic]) -> Pair:
        """A socket at a URL, with both its ends."""
        server = self.dialect.connect(HttpRequest("GET", url), self.now)
        assert not isinstance(server, HttpResponse), server.body
        pair = Pair(self, session, server)
        self.sockets.append(pair)
        pair.open(frozenset(topics))
        return pair

    def advance(self, seconds: float) -> None:
        """Let time pass; whoever wants to be woken meanwhile is."""
        end = self.now + round(seconds * SECOND)
        while True:
            due = min((each.wakes() for each in self.sockets), default=FOREVER)
            if due > end:
                break
            self.now = max(self.now, due)
            for pair in self.sockets:
                pair.tick()
        self.now = end
        self.dialect.tick(self.now)

    def _happened(self, event: EngineEvent) -> None:
        for pair in self.sockets:
            pair.event(event)


FOREVER: Instant = 2**63


class Pair:
    """One socket: the connector's session and the dialect's, with nothing between them.

    `told` is what the session told since it was last read by `take`; `frames` is all that the venue sent.
    """

    def __init__(self, local: LocalA, session: Session, server: ServerSession) -> None:
        self.local = local
        self.session = session
        self.server = server
        self.told: list[Output] = []
        self.frames: list[bytes] = []
        self.hung_up: int | None = None
        self.lose = 0
        """How many of the venue's next frames are lost."""
        self._client_wake: Instant = FOREVER
        self._server_wake: Instant = FOREVER

    def open(self, topics: frozenset[Topic]) -> None:
        """Both ends learn of it, and the topics are wanted."""
        self.to_client(self.server.opened(self.local.now))
        self.to_server(self.session.opened(self.local.now))
        self.want(topics)

    def want(self, topics: frozenset[Topic]) -> None:
        """These topics are wanted."""
        self.to_server(self.session.want(topics, self.local.now))

    def call(self, request: SocketRequest) -> list[Output]:
        """What a call comes to."""
        self.take()
        self.to_server(self.session.call(request, self.local.now))
        return self.take()

    def take(self) -> list[Output]:
        """What was told since."""
        told, self.told = self.told, []
        return told

    def event(self, event: EngineEvent) -> None:
        """Something happened at the venue."""
        if self.hung_up is None:
            self.to_client(self.server.event(event, self.local.now))

    def wakes(self) -> Instant:
        """When one of the ends wants to be woken."""
        return FOREVER if self.hung_up is not None else min(self._client_wake, self._server_wake)

    def tick(self) -> None:
        """Wake whoever it is time for."""
        if self._server_wake <= self.local.now and self.hung_up is None:
            self._server_wake = FOREVER
            self.to_client(self.server.tick(self.local.now))
        if self._client_wake <= self.local.now and self.hung_up is None:
            self._client_wake = FOREVER
            self.to_server(self.session.tick(self.local.now))

    def to_client(self, outputs: Iterable[ServerOutput]) -> None:
        """What the venue says reaches the session."""
        for output in outputs:
            if isinstance(output, Send):
                assert isinstance(output.frame, str)
                self.frames.append(output.frame.encode())
                if self.lose:
                    self.lose -= 1
                else:
                    self.to_server(self.session.feed(output.frame.encode(), self.local.now))
            elif isinstance(output, Wake):
                self._server_wake = FOREVER if output.at is None else output.at
            elif isinstance(output, Hangup):
                self.hung_up = output.code

    def to_server(self, outputs: Iterable[Output]) -> None:
        """What the session says is done, or kept."""
        for output in outputs:
            if isinstance(output, Send):
                self.to_client(self.server.feed(output.frame, self.local.now))
            elif isinstance(output, Wake):
                self._client_wake = FOREVER if output.at is None else output.at
            elif isinstance(output, Run):
                self.to_server(self.session.answered(output.tag, self._result(output), self.local.now))
            else:
                self.told.append(output)

    def _result(self, wanted: Run) -> Any:
        try:
            return self.local.run(wanted.flow)
        except VenuekitError as error:
            return error
