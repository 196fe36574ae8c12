"""Connector and dialect face to face, without core, transports and loops: flows are driven by hand, one step after another."""

from __future__ import annotations

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
    Credentials,
    DataSource,
    Dialect,
    Flow,
    HttpRequest,
    HttpResponse,
    Instant,
    InstrumentTable,
    Market,
    NewOrder,
    OrderEntry,
    OrderRef,
    Seconds,
    Side,
    UserStream,
    VenuekitError,
    VenueOrder,
)
from venuekit_testkit.catalogue import Unclaimed
from venuekit_testkit.subject import Subject

T = TypeVar("T")

START: Final[Instant] = 1_767_225_600 * SECOND

Answer = Callable[[HttpRequest, HttpResponse], "HttpResponse | VenuekitError"]
"""What a request is answered instead: the venue has acted all the same."""


class Hand:
    """A venue without a shell, and one account's hooks. `now` is everybody's time; `asked` are the requests that were sent."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.now = START
        plugin = subject.venue_side
        self.engine = MatchingEngine(plugin.listings(), plugin.accounts(), 1)
        self.dialect: Dialect = plugin.serve(self.engine)
        self.dialect.tick(self.now)
        self.asked: list[tuple[HttpRequest, HttpResponse]] = []
        self.answer: Answer | None = None
        self.rewrite: Callable[[HttpRequest], HttpRequest] | None = None
        """What becomes of a request once it is signed, on its way."""
        self.prices = {listing.instrument.id: listing.price for listing in plugin.listings()}
        self.source: DataSource = subject.connector.hooks.data_source(environment=subject.environment)
        self._signer: Auth | None = None
        self._count = 0
        self.instruments = InstrumentTable(self.run(self.source.instruments()))

    @property
    def signer(self) -> Auth:
        """The signer of the dialect's first account."""
        if self._signer is None:
            self._signer = self.auth()
        return self._signer

    def auth(self, credentials: Credentials | None = None) -> Auth:
        """A signer. Raises `Unclaimed` where the dialect has no account."""
        credentials = credentials or self.subject.credentials
        if credentials is None:
            raise Unclaimed("its dialect has no account")
        return self.subject.connector.hooks.auth(
            credentials=credentials, environment=self.subject.environment
        )

    def use(self, auth: Auth) -> None:
        """Sign with this one from now on."""
        self._signer = auth

    def market(self, way: OrderEntry = OrderEntry.REST) -> Market:
        """The hook. Raises `Unclaimed` where orders travel by socket only."""
        if way not in self.subject.ways:
            raise Unclaimed(f"orders do not travel by {way}")
        credentials = self.subject.credentials
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
        credentials = self.subject.credentials
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
        if self.answer is not None:
            answered = self.answer(request, response)
            if isinstance(answered, VenuekitError):
                raise answered
            return answered
        return response

    def run(self, flow: Flow[T]) -> T:
        """The result of a flow. Raises what it raises, and `Unclaimed` for a call on a socket."""
        try:
            request = next(flow)
            while True:
                if not isinstance(request, HttpRequest):
                    raise Unclaimed("it asks by calls on a socket")
                try:
                    response = self.send(request)
                except VenuekitError as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    def advance(self, seconds: Seconds) -> None:
        """Let time pass; the venue does what is due."""
        end = self.now + round(seconds * SECOND)
        while (due := self.dialect.tick(self.now)) is not None and due <= end:
            self.now = max(due, self.now + 1)
        self.now = end
        self.dialect.tick(self.now)

    # orders

    @property
    def orders(self) -> list[VenueOrder]:
        """Our account's orders, as the venue holds them."""
        return list(self.engine.orders(self.subject.venue_side.accounts()[0].name))

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
