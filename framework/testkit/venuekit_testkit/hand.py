"""Flows driven by hand, one step after another: against answers that are given (`answered`), or against the venue's dialect.

A `Hand` is connector and dialect face to face, without core, transports and loops. It sends what flows ask, opens sockets, and
lets time pass; what is true at the venue is read from its engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import Any, Final, TypeVar

from attrs import evolve

from venuekit import OrderRequest, quantise_price, quantise_quantity
from venuekit.orders.nonces import UNITS
from venuekit_simulator.engine import MatchingEngine
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    Auth,
    Channel,
    Credentials,
    DataSource,
    Dialect,
    EngineEvent,
    Flow,
    Hangup,
    HttpRequest,
    HttpResponse,
    Instant,
    InstrumentTable,
    Market,
    NetworkError,
    NewOrder,
    OrderEntry,
    OrderRef,
    Request,
    Response,
    Seconds,
    Side,
    SocketRequest,
    SocketResponse,
    Topic,
    UserStream,
    VenuekitError,
    VenueOrder,
)
from venuekit_spec import Answer as CallAnswer
from venuekit_testkit.catalogue import Unclaimed
from venuekit_testkit.facing import Pair
from venuekit_testkit.subject import Subject
from venuekit_testkit.talking import START

T = TypeVar("T")

PRIVATE: Final = frozenset({Channel.USER, Channel.CALLS})
"""What a user stream's sockets carry."""

Answer = Callable[[HttpRequest, HttpResponse], "HttpResponse | VenuekitError"]
"""What a request is answered instead: the venue has acted all the same."""


def drive(flow: Flow[T], ask: Callable[[Request], Response]) -> T:
    """The result of a flow whose requests `ask` answers. What that raises of the contract's errors reaches the flow first."""
    try:
        request = next(flow)
        while True:
            try:
                response = ask(request)
            except VenuekitError as error:
                request = flow.throw(error)
            else:
                request = flow.send(response)
    except StopIteration as end:
        result: T = end.value
        return result


def answered(flow: Flow[T], *answers: HttpResponse | VenuekitError) -> tuple[T, list[HttpRequest]]:
    """What a flow comes to whose requests are answered so, in turn, and what it asked.

    Raises what the flow raises, and `AssertionError` where it asks for more or for less than that.
    """
    asked: list[HttpRequest] = []
    waiting = list(answers)

    def ask(request: Request) -> Response:
        assert isinstance(request, HttpRequest), f"it makes a call: {request}"
        asked.append(request)
        assert waiting, f"it asks for more: {request.url}"
        answer = waiting.pop(0)
        if isinstance(answer, VenuekitError):
            raise answer
        return answer

    result = drive(flow, ask)
    assert not waiting, f"it asked {len(asked)} times only"
    return result, asked


def reply(body: object, status: int = 200, *, received: Instant = START) -> HttpResponse:
    """An answer to a request: a body of bytes as it is, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, content, received=received)


def first_request(flow: Flow[Any]) -> HttpRequest:
    """What a flow asks first."""
    request = next(flow)
    assert isinstance(request, HttpRequest), f"it makes a call: {request}"
    return request


class Hand:
    """A venue without a shell, and one account's hooks. `now` is everybody's time.

    `asked` are the requests that were sent, with the venue's answers; the first is that for the list of instruments, unless
    `silent`: then these are the engine's. `account` is one of the dialect's, by name; without, the first. `way` is how orders
    travel.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        account: str = "",
        way: OrderEntry = OrderEntry.REST,
        now: Instant = START,
        silent: bool = False,
    ) -> None:
        self.subject = subject
        self.now = now
        self.way = way
        plugin = subject.venue_side
        self.engine = MatchingEngine(plugin.listings(), plugin.accounts(), 1)
        self.sockets: list[Pair] = []
        self._calls: Pair | None = None
        self.restart()
        self.asked: list[tuple[HttpRequest, HttpResponse]] = []
        self.answer: Answer | None = None
        self.replies: list[HttpResponse | VenuekitError] = []
        """What the next requests are answered instead, in turn; the venue acts all the same."""
        self.rewrite: Callable[[HttpRequest], HttpRequest] | None = None
        """What becomes of a request once it is signed, on its way."""
        self.prices = {listing.instrument.id: listing.price for listing in plugin.listings()}
        self.source: DataSource = subject.connector.hooks.data_source(environment=subject.environment)
        self.account = account or next((each.name for each in plugin.accounts()), "")
        """The venue's name of our account."""
        self.credentials = self.key_of(account) if account else subject.credentials
        self._signer: Auth | None = None
        self._count = 0
        self.engine.listen(self._happened)
        self.instruments: InstrumentTable = self.engine.instruments
        if not silent:
            self.instruments = InstrumentTable(self.run(self.source.instruments()))

    def restart(self) -> None:
        """The venue starts, with its memory empty: its sockets break, what the engine has stays."""
        for pair in self.sockets:
            pair.line.hangup = Hangup(1006)
        self._calls = None
        self.dialect: Dialect = self.subject.venue_side.serve(self.engine)
        self.dialect.tick(self.now)

    def key_of(self, account: str) -> Credentials:
        """The credentials of an account of the dialect, by name."""
        return next(each.credentials for each in self.subject.venue_side.accounts() if each.name == account)

    @property
    def requests(self) -> list[HttpRequest]:
        """The requests that were sent."""
        return [request for request, _ in self.asked]

    @property
    def signer(self) -> Auth:
        """The signer of our account."""
        if self._signer is None:
            self._signer = self.auth()
        return self._signer

    def auth(self, credentials: Credentials | None = None) -> Auth:
        """A signer. Raises `Unclaimed` where the dialect has no account."""
        credentials = credentials or self.credentials
        if credentials is None:
            raise Unclaimed("its dialect has no account")
        return self.subject.connector.hooks.auth(
            credentials=credentials, environment=self.subject.environment
        )

    def use(self, auth: Auth) -> None:
        """Sign with this one from now on."""
        self._signer = auth

    def market(self, way: OrderEntry | None = None) -> Market:
        """The hook, a new one each time. Raises `Unclaimed` where orders do not travel so."""
        way = way or self.way
        if way not in self.subject.ways:
            raise Unclaimed(f"orders do not travel by {way}")
        credentials = self.credentials
        if credentials is None:
            raise Unclaimed("its dialect has no account")
        return self.subject.connector.hooks.market(
            environment=self.subject.environment,
            instruments=self.instruments,
            credentials=credentials,
            order_entry=way,
        )

    def user_stream(self) -> UserStream:
        """The hook."""
        credentials = self.credentials
        if credentials is None:
            raise Unclaimed("its dialect has no account")
        return self.subject.connector.hooks.user_stream(
            environment=self.subject.environment, instruments=self.instruments, credentials=credentials
        )

    def nonce(self) -> int:
        """One above the last, in the unit that the core gives it in."""
        self._count += 1
        return self.now // UNITS.get(self.signer.nonces, MILLISECOND) + self._count

    def send(self, request: HttpRequest) -> HttpResponse:
        """Sign what is to be signed, and ask the venue."""
        if request.signed:
            nonce = self.nonce() if request.nonce is None else request.nonce
            request = self.signer.sign(request, self.now, nonce)
        if self.rewrite is not None:
            request = self.rewrite(request)
        lower = request.replace(headers=tuple((name.lower(), value) for name, value in request.headers))
        response = self.dialect.http(lower, self.now)
        self.dialect.tick(self.now)
        response = HttpResponse(response.status, response.body, response.headers, self.now, request.url)
        self.asked.append((request, response))
        heard: HttpResponse | VenuekitError = response
        if self.replies:
            heard = self.replies.pop(0)
        elif self.answer is not None:
            heard = self.answer(request, response)
        if isinstance(heard, VenuekitError):
            raise heard
        return evolve(heard, received=self.now, url=request.url)

    def call(self, request: SocketRequest) -> SocketResponse:
        """The answer to a call, on a socket of its own. Raises `NetworkError` where none comes at once."""
        if self._calls is None or self._calls.hung_up is not None:
            self._calls = self.open(Topic(Channel.CALLS))
        told = self._calls.call(self.signer.sign_call(request, self.now, self.nonce()))
        parts: list[Any] = []
        for each in told:
            if isinstance(each, CallAnswer) and each.key == request.key and not each.acknowledgement:
                if each.error is not None:
                    raise each.error
                parts.append(each.payload)
        if len(parts) < request.parts:
            raise NetworkError("no answer", sent=True)
        return SocketResponse(tuple(parts), self.now)

    def run(self, flow: Flow[T]) -> T:
        """The result of a flow. Raises what it raises."""
        return drive(
            flow,
            lambda request: self.send(request) if isinstance(request, HttpRequest) else self.call(request),
        )

    # sockets

    def open(self, *topics: Topic) -> Pair:
        """A socket that is told these topics: of the user stream where one of them is private, else of the public side."""
        private = any(topic.channel in PRIVATE for topic in topics)
        speaker: DataSource | UserStream = self.user_stream() if private else self.source
        dial = self.run(speaker.dial(topics))
        pair = Pair(self, dial, speaker.session(dial, self.instruments))
        self.sockets.append(pair)
        return pair.open(*topics)

    def watch(self) -> Pair:
        """A socket of the user stream, with all that it streams."""
        return self.open(*self.user_stream().topics())

    def _happened(self, event: EngineEvent) -> None:
        for pair in self.sockets:
            pair.line.event(event, self.now)

    def advance(self, seconds: Seconds) -> None:
        """Let time pass; the venue does what is due, and whoever wants to be woken is."""
        end = self.now + round(seconds * SECOND)
        while (due := self._due()) is not None and due <= end:
            self.now = max(due, self.now + 1)
            for pair in self.sockets:
                pair.wake_up()
        self.now = end
        self.dialect.tick(self.now)

    def _due(self) -> Instant | None:
        ticks = (self.dialect.tick(self.now), self.engine.tick(self.now))
        dues = (*ticks, *(pair.due for pair in self.sockets))
        return min((each for each in dues if each is not None), default=None)

    # orders

    @property
    def orders(self) -> list[VenueOrder]:
        """Our account's orders, as the venue holds them."""
        return list(self.engine.orders(self.account))

    @property
    def pair(self) -> str:
        """The first that is listed."""
        return next(iter(self.prices))

    def limit(
        self, number: int = 1, *, side: Side = Side.BUY, away: str = "0.05", pair: str = "", **more: Any
    ) -> NewOrder:
        """A limit order that rests, under an id of ours."""
        instrument = self.instruments[pair or self.pair]
        price = self.prices[instrument.id]
        sign = -1 if side is Side.BUY else 1
        limit = quantise_price(instrument, price * (1 + sign * Decimal(away)), ROUND_DOWN)
        size = instrument.size
        least = max(size.minimum or size.step, (instrument.minimum_notional or Decimal(0)) * 2 / price)
        quantity = quantise_quantity(instrument, least, ROUND_CEILING) * 10
        id_ = self.market(self.subject.ways[0]).client_order_id(number)
        told: dict[str, Any] = {"side": side, "quantity": quantity, "price": limit} | more
        order = OrderRequest(pair=instrument.id, **told).intent(id_)
        life = self.subject.description.order_life
        if life is None or order.expires_at_height is not None:
            return order
        height = self.run(self.market().height()).height
        return evolve(order, expires_at_height=height + life.blocks)


def ref(order: NewOrder, order_id: str = "") -> OrderRef:
    """How to name an order."""
    return OrderRef(
        order.instrument,
        client_order_id=order.client_order_id,
        order_id=order_id,
        placed=START,
        intent=order,
    )


__all__ = ["START", "Answer", "Hand", "answered", "drive", "first_request", "ref", "reply"]
