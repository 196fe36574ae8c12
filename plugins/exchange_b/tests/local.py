"""Connector and dialect face to face, without a core and a shell: flows and sessions are driven by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, TypeVar

from venuekit_exchange_b.auth import ExchangeBAuth
from venuekit_exchange_b.codec import GzipCodec
from venuekit_exchange_b.data_source import ExchangeBDataSource
from venuekit_exchange_b.description import DESCRIPTION, chain_of
from venuekit_exchange_b.dialect import accounts, listings
from venuekit_exchange_b.dialect.chain import Chain
from venuekit_exchange_b.dialect.server import ExchangeBDialect
from venuekit_exchange_b.market import ExchangeBMarket
from venuekit_exchange_b.user_stream import ExchangeBUserStream
from venuekit_simulator.engine import MatchingEngine
from venuekit_spec import (
    SECOND,
    Accepted,
    Channel,
    Credentials,
    EngineEvent,
    Flow,
    Hangup,
    HttpRequest,
    HttpResponse,
    Instant,
    Login,
    MalformedMessage,
    NewOrder,
    OrderRef,
    Output,
    Send,
    ServerOutput,
    ServerSession,
    Session,
    Side,
    TimeInForce,
    Topic,
    VenuekitError,
    Wake,
)

T = TypeVar("T")

START: Instant = 1_767_225_600 * SECOND + SECOND // 4
LOCAL = DESCRIPTION.environment("local")
FOREVER: Instant = 2**63


def ref(order: NewOrder) -> OrderRef:
    """How to name an order by our id."""
    return OrderRef(order.instrument, client_order_id=order.client_order_id)


class LocalB:
    """A venue, and one account's client of it. `now` is everybody's time; `asked` are the requests that were sent."""

    def __init__(
        self, account: str = "alice", engine: MatchingEngine | None = None, now: Instant = START
    ) -> None:
        self.now = now
        self.account = account
        self.engine = engine or MatchingEngine(listings(), accounts(), seed=7)
        self.sockets: list[Pair] = []
        self.asked: list[HttpRequest] = []
        self.instead: HttpRequest | None = None
        """What is sent in place of the next request."""
        self.replies: list[HttpResponse | VenuekitError] = []
        """What is answered instead of the venue's reply, in turn; the venue acts all the same."""
        self.start()
        self.instruments = self.engine.instruments
        self.credentials = self.of(account)
        self.auth = ExchangeBAuth(self.credentials, chain_of(LOCAL))
        self.data = ExchangeBDataSource(LOCAL)
        self.market = ExchangeBMarket(LOCAL, self.instruments, self.credentials)
        self.stream = ExchangeBUserStream(LOCAL)
        self._nonce = 0
        self._number = 0

    @staticmethod
    def of(account: str) -> Credentials:
        """The credentials of an account."""
        return next(each.credentials for each in accounts() if each.name == account)

    def start(self) -> None:
        """The venue starts, with its memory empty."""
        for pair in self.sockets:
            pair.hung_up = 1006
        self.dialect = ExchangeBDialect(Chain(self.engine, accounts()))
        self.dialect.tick(self.now)
        self.engine.listen(self._happened)

    @property
    def chain(self) -> Chain:
        """The venue's chain."""
        return self.dialect.chain

    def order(
        self,
        side: Side,
        price: str,
        quantity: str,
        instrument: str = "BTC-USDC",
        *,
        blocks: int = 100,
        time_in_force: TimeInForce = TimeInForce.GTB,
        **more: Any,
    ) -> NewOrder:
        """A limit order that nobody placed before, and that lives so many blocks."""
        self._number += 1
        return NewOrder(
            instrument,
            side,
            Decimal(quantity),
            self.market.client_order_id(self._number),
            price=Decimal(price),
            time_in_force=time_in_force,
            expires_at_height=self.chain.height + blocks,
            **more,
        )

    def nonce(self) -> int:
        """A nonce that was not used before."""
        self._nonce = max(self.now // 1_000_000, self._nonce + 1)
        return self._nonce

    def send(self, request: HttpRequest) -> HttpResponse:
        """Sign what is to be signed, and ask the venue."""
        if request.signed:
            nonce = self.nonce() if request.nonce is None else request.nonce
            request = self.auth.sign(request, self.now, nonce)
        request, self.instead = self.instead or request, None
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
                assert isinstance(request, HttpRequest)
                try:
                    response = self.send(request)
                except VenuekitError as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    def place(self, *orders: NewOrder) -> list[Accepted]:
        """Place orders that are taken into the pool."""
        placed = self.run(self.market.place(orders))
        accepted = [each for each in placed if isinstance(each, Accepted)]
        assert len(accepted) == len(orders), placed
        return accepted

    def watch(self) -> Pair:
        """A socket of the account stream, logged in."""
        dial = self.run(self.stream.dial(self.stream.topics()))
        return self.connect(dial.url, self.stream.session(dial, self.instruments), self.stream.topics())

    def books(self, *instruments: str) -> Pair:
        """A socket of the public stream, with orders and trades of these instruments."""
        topics = [Topic(channel, id_) for id_ in instruments for channel in (Channel.ORDERS, Channel.TRADES)]
        dial = self.run(self.data.dial(topics))
        pair = self.connect(dial.url, self.data.session(dial, self.instruments), topics)
        self.advance(0.1 * len(topics) + 0.1)
        return pair

    def connect(self, url: str, session: Session, topics: Collection[Topic]) -> Pair:
        """A socket at a URL, with both its ends."""
        server = self.dialect.connect(HttpRequest("GET", url), self.now)
        assert not isinstance(server, HttpResponse), server.body
        pair = Pair(self, session, server)
        self.sockets.append(pair)
        pair.open(frozenset(topics))
        return pair

    def block(self, blocks: int = 1) -> None:
        """Let so many blocks be added."""
        for _ in range(blocks):
            self.advance(1.0)

    def advance(self, seconds: float) -> None:
        """Let time pass; whoever wants to be woken meanwhile is."""
        end = self.now + round(seconds * SECOND)
        while True:
            ticks = (self.dialect.tick(self.now), self.engine.tick(self.now))
            due = min([*(each or FOREVER for each in ticks), *(each.wakes() for each in self.sockets)])
            if due > end:
                break
            self.now = max(self.now + 1, due)
            self.dialect.tick(self.now)
            self.engine.tick(self.now)
            for pair in self.sockets:
                pair.tick()
        self.now = max(self.now, end)
        self.dialect.tick(self.now)

    def _happened(self, event: EngineEvent) -> None:
        for pair in self.sockets:
            pair.event(event)


class Pair:
    """One socket: the connector's session and the dialect's, with nothing but the codec between them.

    `told` is what the session told since it was last read by `take`; `frames` is all that the venue sent, unpacked.
    """

    def __init__(self, local: LocalB, session: Session, server: ServerSession) -> None:
        self.local = local
        self.session = session
        self.server = server
        self.told: list[Output] = []
        self.frames: list[bytes] = []
        self.sent: list[str | bytes] = []
        self.malformed: list[MalformedMessage] = []
        self.hung_up: int | None = None
        self.lose = 0
        """How many of the venue's next frames are lost."""
        self.mute = False
        """Whether what the client says is lost."""
        self._codec = GzipCodec()
        self._client_wake: Instant = FOREVER
        self._server_wake: Instant = FOREVER

    def open(self, topics: frozenset[Topic]) -> None:
        """Both ends learn of it, and the topics are wanted."""
        self.to_server(self.session.opened(self.local.now))
        self.want(topics)
        self.to_client(self.server.opened(self.local.now))

    def want(self, topics: frozenset[Topic]) -> None:
        """These topics are wanted."""
        self.to_server(self.session.want(topics, self.local.now))

    def take(self) -> list[Output]:
        """What was told since."""
        told, self.told = self.told, []
        return told

    def of(self, kind: type[T]) -> list[T]:
        """What was told of one kind since the last `take`."""
        return [each for each in self.told if isinstance(each, kind)]

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
                assert isinstance(output.frame, bytes)
                self._arrive(output.frame)
            elif isinstance(output, Wake):
                self._server_wake = FOREVER if output.at is None else output.at
            elif isinstance(output, Hangup):
                self.hung_up = output.code

    def to_server(self, outputs: Iterable[Output]) -> None:
        """What the session says is done, or kept."""
        for output in outputs:
            if isinstance(output, Login):
                frame = self.local.auth.login(self.local.now, self.local.nonce(), output.challenge)
                assert frame is not None
                self._say(frame)
            elif isinstance(output, Send):
                self._say(output.frame)
            elif isinstance(output, Wake):
                self._client_wake = FOREVER if output.at is None else output.at
            else:
                self.told.append(output)

    def _say(self, frame: str | bytes) -> None:
        self.sent.append(frame)
        if not self.mute:
            self.to_client(self.server.feed(frame, self.local.now))

    def _arrive(self, frame: bytes) -> None:
        [message] = self._codec.decode(frame)
        self.frames.append(message)
        if self.lose:
            self.lose -= 1
            return
        try:
            outputs = self.session.feed(message, self.local.now)
        except MalformedMessage as error:
            self.malformed.append(error)
        else:
            self.to_server(outputs)
