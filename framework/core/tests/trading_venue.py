"""A venue that trades, for tests: the toy venue with an account, whose answers a test can lose, refuse or hold back.

Values travel by reference: a request's body, an answer's body and a user frame are each the number of a Python object that
`Till` keeps. What is on the wire is not the point here; when something is sent, and what is made of the answer, is.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field
from framework.core.tests.venues import RANGES, SOCKET, ToyConnector, ToySource, ToyVenue

from venuekit import Account, Exchange, LoadedConnector, PreTradeLimits, connect, open_exchange
from venuekit.drivers.websocket import MockWebSocket
from venuekit.orders import InFlightOrderStore
from venuekit.pacing import PacerRegistry
from venuekit_spec import (
    NOTHING,
    Absence,
    Accepted,
    Answer,
    Balance,
    BlockHeight,
    Capability,
    Channel,
    Credentials,
    Description,
    Dial,
    Environment,
    FeeRates,
    Fill,
    Flow,
    FundingPayment,
    HttpRequest,
    HttpResponse,
    Instant,
    InstrumentTable,
    LimitReport,
    NetworkError,
    NewOrder,
    NonceRule,
    OrderEntry,
    OrderLife,
    OrderNotFound,
    OrderRef,
    OrderReport,
    OrderStatus,
    Outputs,
    Permissions,
    Placed,
    Position,
    Rejected,
    Resolution,
    Resolver,
    Secret,
    Send,
    SocketRequest,
    Topic,
    TopicLive,
    TopicRule,
    UserMessage,
    VenueError,
    VenuekitError,
    VenueUnavailable,
    call,
    hookimpl,
    http,
)

KEY = Credentials({"key": Secret("the key of a till")})
PAIR = "P1-USD"

LOST = NetworkError("the answer was lost", venue="toy")
CUT = NetworkError("nobody listens", venue="toy", sent=False)


@define(eq=False)
class Resting:
    """An order on the venue."""

    intent: NewOrder
    order_id: str
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = Decimal(0)
    fills: list[Fill] = field(factory=list)

    @property
    def report(self) -> OrderReport:
        """What the venue says of it."""
        return OrderReport(
            instrument=self.intent.instrument,
            order_id=self.order_id,
            client_order_id=self.intent.client_order_id,
            status=self.status,
            filled=self.filled,
            quantity=self.intent.quantity,
            price=self.intent.price,
        )


class Till:
    """The account's side of the venue.

    `faults`: by operation, what the next requests meet: an error that is raised instead (``sent=False``: before the venue has
    it; otherwise after it acted), an `anyio.Event` that holds the answer back, or None for nothing. `ops` are the operations
    in the order of arrival.
    """

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.orders: dict[str, Resting] = {}
        self.faults: defaultdict[str, deque[Any]] = defaultdict(deque)
        self.broken: dict[str, VenueError] = {}
        """Operations that fail each time before the venue has them."""
        self.refused: dict[str, VenueError] = {}
        """By client order id: refused when placed."""
        self.ops: list[str] = []
        self.bodies: list[bytes] = []
        self.balances = {"USD": Decimal(1000), "P1": Decimal(10)}
        self.positions: list[Position] = []
        self.payments: list[FundingPayment] = []
        self.unconfirmed: set[Channel] = set()
        """Channels whose subscription is not confirmed at once."""
        self.deaf = False
        """Calls are not answered."""
        self.height: int | None = None
        """Of the chain; None: the venue tells none when it is asked."""
        self.on_place: Callable[[NewOrder], None] = lambda order: None

    def keep(self, value: Any) -> str:
        """A value's number."""
        self.objects.append(value)
        return str(len(self.objects) - 1)

    def trade(self, client_order_id: str, quantity: str, key: str = "") -> Fill:
        """An order is filled, wholly or in part; the fill, of which nobody is told."""
        order = self.orders[client_order_id]
        intent = order.intent
        fill = Fill(
            key=key or f"fill {client_order_id} {len(order.fills)}",
            instrument=intent.instrument,
            side=intent.side,
            price=intent.price or Decimal(100),
            quantity=Decimal(quantity),
            order_id=order.order_id,
            client_order_id=client_order_id,
            fees=(),
        )
        order.fills.append(fill)
        order.filled += fill.quantity
        whole = order.filled >= intent.quantity
        order.status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
        return fill

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """What the venue does with a request."""
        op = request.label
        self.ops.append(op)
        self.bodies.append(request.body)
        if op in self.broken:
            raise self.broken[op]
        fault = self.faults[op].popleft() if self.faults[op] else None
        if isinstance(fault, NetworkError) and not fault.sent:
            raise fault
        result: Any
        try:
            result = getattr(self, f"on_{op}")(*self.objects[int(request.body)])
        except VenueError as error:
            result = error
        if isinstance(fault, VenuekitError):
            raise fault
        if fault is not None:
            await fault.wait()
        return HttpResponse(200, self.keep(result).encode())

    def answer_call(self, socket: MockWebSocket, said: str) -> None:
        """What the venue does with a call."""
        op, key = said.split()
        self.ops.append(op)
        result = getattr(self, f"on_{op}")(*self.objects[int(key)])
        if not self.deaf:
            socket.push(f"answer {key} {self.keep(result)}")

    # --- what each operation does

    def on_place_orders(self, orders: Sequence[NewOrder]) -> Sequence[Placed]:
        placed: list[Placed] = []
        for order in orders:
            self.on_place(order)
            if order.client_order_id in self.refused:
                placed.append(Rejected(self.refused[order.client_order_id]))
                continue
            resting = self.orders.setdefault(
                order.client_order_id, Resting(order, f"v{len(self.orders) + 1}")
            )
            placed.append(Accepted(resting.report))
        return placed

    def on_cancel(self, refs: Sequence[OrderRef]) -> Sequence[Placed]:
        results: list[Placed] = []
        for ref in refs:
            order = self.orders.get(ref.client_order_id)
            if order is None or order.status.terminal:
                results.append(Rejected(OrderNotFound("not open")))
            else:
                order.status = OrderStatus.CANCELED
                results.append(Accepted(order.report))
        return results

    def on_amend(self, ref: OrderRef, price: Decimal | None, quantity: Decimal | None) -> Placed:
        order = self.orders[ref.client_order_id]
        order.intent = evolve(
            order.intent, price=price or order.intent.price, quantity=quantity or order.intent.quantity
        )
        return Accepted(order.report)

    def on_cancel_all(self, instruments: Collection[str] | None) -> Sequence[str]:
        gone = [
            order
            for order in self.orders.values()
            if not order.status.terminal and (instruments is None or order.intent.instrument in instruments)
        ]
        for order in gone:
            order.status = OrderStatus.CANCELED
        return [order.order_id for order in gone]

    def on_status(self, ref: OrderRef) -> OrderReport:
        if ref.client_order_id not in self.orders:
            raise OrderNotFound("no such order")
        return self.orders[ref.client_order_id].report

    def on_open_orders(self, instruments: Collection[str] | None) -> Sequence[OrderReport]:
        return [order.report for order in self.orders.values() if not order.status.terminal]

    def on_fills(self, instruments: Collection[str], since: Instant) -> Sequence[Fill]:
        return [fill for order in self.orders.values() for fill in order.fills]

    def on_balances(self) -> Sequence[Balance]:
        return [Balance(asset, total=amount, free=amount) for asset, amount in self.balances.items()]

    def on_positions(self) -> Sequence[Position]:
        return list(self.positions)

    def on_funding(self, since: Instant) -> Sequence[FundingPayment]:
        return [payment for payment in self.payments if payment.time >= since]

    def on_set_leverage(self, instrument: str, leverage: Decimal) -> None:
        self.positions = [evolve(each, leverage=leverage) for each in self.positions]

    def on_height(self) -> BlockHeight:
        if self.height is None:
            raise VenueUnavailable("no block yet")
        return BlockHeight(self.height)

    def on_fee_rates(self, instrument: str) -> FeeRates:
        return FeeRates(Decimal("0.001"), Decimal("0.002"))

    def on_permissions(self) -> Permissions:
        return Permissions(trade=True)

    def on_burn_nonce(self, nonce: int) -> None:
        return None

    def on_dead_man_switch(self, timeout: float | None) -> None:
        return None


class TillMarket:
    """The market of the connector: one request an operation; placing and cancelling are calls where that was chosen."""

    def __init__(self, till: Till, order_entry: OrderEntry) -> None:
        self._till = till
        self._calls = {"place_orders", "cancel"} if order_entry is OrderEntry.SOCKET else frozenset()

    def client_order_id(self, number: int) -> str:
        return f"c{number}"

    def _ask(self, op: str, *arguments: Any) -> Flow[Any]:
        body = self._till.keep(arguments)
        if op in self._calls:
            answer = yield from call(SocketRequest(body, op))
            result = self._till.objects[int(answer.parts[0])]
        else:
            asked = HttpRequest("POST", f"toy://rest/{op}", body=body.encode(), signed=True, label=op)
            response = yield from http(asked)
            result = self._till.objects[int(response.body)]
        if isinstance(result, VenueError):
            raise result
        return result

    def place(self, orders: Sequence[NewOrder]) -> Flow[Sequence[Placed]]:
        return self._ask("place_orders", tuple(orders))

    def cancel(self, orders: Sequence[OrderRef]) -> Flow[Sequence[Placed]]:
        return self._ask("cancel", tuple(orders))

    def amend(self, order: OrderRef, *, price: Decimal | None, quantity: Decimal | None) -> Flow[Placed]:
        return self._ask("amend", order, price, quantity)

    def cancel_all(self, instruments: Collection[str] | None) -> Flow[Sequence[str]]:
        return self._ask("cancel_all", instruments)

    def status(self, order: OrderRef) -> Flow[OrderReport]:
        return self._ask("status", order)

    def open_orders(self, instruments: Collection[str] | None) -> Flow[Sequence[OrderReport]]:
        return self._ask("open_orders", instruments)

    def fills(self, instruments: Collection[str], since: Instant) -> Flow[Sequence[Fill]]:
        return self._ask("fills", instruments, since)

    def balances(self) -> Flow[Sequence[Balance]]:
        return self._ask("balances")

    def positions(self) -> Flow[Sequence[Position]]:
        return self._ask("positions")

    def funding(self, since: Instant) -> Flow[Sequence[FundingPayment]]:
        return self._ask("funding", since)

    def set_leverage(self, instrument: str, leverage: Decimal) -> Flow[None]:
        return self._ask("set_leverage", instrument, leverage)

    def height(self) -> Flow[BlockHeight]:
        return self._ask("height")

    def fee_rates(self, instrument: str) -> Flow[FeeRates]:
        return self._ask("fee_rates", instrument)

    def permissions(self) -> Flow[Permissions]:
        return self._ask("permissions")

    def burn_nonce(self, nonce: int) -> Flow[None]:
        return self._ask("burn_nonce", nonce)

    def limits(self) -> Flow[LimitReport]:
        return self._ask("limits")

    def dead_man_switch(self, timeout: float | None) -> Flow[None]:
        return self._ask("dead_man_switch", timeout)


class TillAuth:
    """Signs by a header with the nonce."""

    nonces = NonceRule.TIMESTAMP

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        return request.replace(headers=(("nonce", str(nonce)),), nonce=nonce)

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        return request

    def login(self, now: Instant, nonce: int, challenge: str = "") -> None:
        return None

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        return {}


class TillSession:
    """A user frame is the number of a message. A call goes out as its operation and number, its answer comes as
    ``answer``, that number, and the number of the result.
    """

    def __init__(self, till: Till) -> None:
        self._till = till

    def opened(self, now: Instant) -> Outputs:
        return NOTHING

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        return [TopicLive(topic) for topic in topics if topic.channel not in self._till.unconfirmed]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        return [Send(f"{request.method} {request.key}")]

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        word, *numbers = frame.decode().split()
        if word == "live":
            return [TopicLive(Topic(Channel(channel))) for channel in numbers]
        if word == "answer":
            return [Answer(numbers[0], payload=numbers[1])]
        return [self._till.objects[int(word)]]

    def tick(self, now: Instant) -> Outputs:
        return NOTHING

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        return NOTHING

    def closed(self, reason: str) -> None:
        return None


class TillStream:
    """The user stream of the connector, and the calls where it claims to take them."""

    def __init__(self, till: Till, *, calls: bool) -> None:
        self._till = till
        self._calls = calls

    def topics(self) -> Collection[Topic]:
        return (Topic(Channel.USER), Topic(Channel.CALLS)) if self._calls else (Topic(Channel.USER),)

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        yield from ()
        return Dial("toy://user", ping=None)

    def session(self, dial: Dial, instruments: InstrumentTable) -> TillSession:
        return TillSession(self._till)


CLAIMS = frozenset(
    {
        Capability.BOOKS,
        Capability.REST_ORDERS,
        Capability.AMEND,
        Capability.BATCH_PLACE,
        Capability.BATCH_CANCEL,
        Capability.CANCEL_ALL,
        Capability.DEAD_MAN_SWITCH,
        Capability.USER_STREAM,
    }
)
ASK = Resolver((Resolution.ASK,), Absence(after=10.0))


class TillConnector(ToyConnector):
    """The plugin: the toy's, and an account."""

    def __init__(
        self, till: Till, claims: frozenset[Capability], resolver: Resolver, order_life: OrderLife | None
    ) -> None:
        super().__init__(RANGES, SOCKET, 1000)
        self._till = till
        self._description = evolve(
            self._description,
            capabilities=claims,
            topics=(
                *self._description.topics,
                TopicRule(Channel.USER, endpoint="user"),
                TopicRule(Channel.CALLS, endpoint="user"),
            ),
            environments=(
                *self._description.environments,
                Environment("elsewhere", {"rest": "toy://rest"}, real_money=False),
            ),
            credentials=("key",),
            resolver=resolver,
            order_life=order_life,
            maximum_batch=3,
        )

    @hookimpl
    def describe(self) -> Description:
        return self._description

    @hookimpl
    def data_source(self, environment: Any) -> ToySource:
        return ToySource(SOCKET)

    @hookimpl
    def auth(self, credentials: Credentials, environment: Any) -> TillAuth:
        return TillAuth()

    @hookimpl
    def market(
        self,
        environment: Any,
        instruments: InstrumentTable,
        credentials: Credentials,
        order_entry: OrderEntry,
    ) -> TillMarket:
        return TillMarket(self._till, order_entry)


class StreamingConnector(TillConnector):
    """With a user stream."""

    @hookimpl
    def user_stream(
        self, environment: Any, instruments: InstrumentTable, credentials: Credentials
    ) -> TillStream:
        return TillStream(self._till, calls=Capability.SOCKET_ORDERS in self._description.capabilities)


class TradingVenue(ToyVenue):
    """The toy venue, and the till behind its account."""

    def __init__(self, pairs: Iterable[str] = (PAIR,)) -> None:
        super().__init__(pairs)
        self.till = Till()

    def connector(
        self,
        claims: frozenset[Capability] = CLAIMS,
        resolver: Resolver = ASK,
        order_life: OrderLife | None = None,
    ) -> LoadedConnector:
        """The connector; with a user stream where it claims one."""
        kind = StreamingConnector if Capability.USER_STREAM in claims else TillConnector
        return connect(kind(self.till, claims, resolver, order_life), "toy")

    @asynccontextmanager
    async def trading(
        self,
        *,
        claims: frozenset[Capability] = CLAIMS,
        resolver: Resolver = ASK,
        order_life: OrderLife | None = None,
        store: str | InFlightOrderStore = ":memory:",
        limits: PreTradeLimits | None = None,
        **more: Any,
    ) -> AsyncIterator[tuple[Exchange, Account]]:
        """An exchange with one account, once it has compared with the venue and (where there are some) books are live."""
        self.http.closed = False  # it may have been opened and closed before
        async with open_exchange(
            self.connector(claims, resolver, order_life),
            clock=self.clock,
            transports=self.transports,
            pacers=PacerRegistry(),
            credentials=KEY,
            store=store,
            limits=limits,
            seed=1,
            **more,
        ) as exchange:
            await self.clock.settle()
            yield exchange, exchange.account()

    def user_socket(self) -> MockWebSocket:
        """The socket of the user stream."""
        return next(
            socket
            for socket in reversed(self.websockets.sockets)
            if socket.dial.url == "toy://user" and not socket.closed
        )

    async def tell(self, *messages: UserMessage) -> None:
        """The user stream says these."""
        socket = self.user_socket()
        for message in messages:
            socket.push(self.till.keep(message))
        await self.clock.settle()

    def _script(self, socket: MockWebSocket) -> None:
        if socket.dial.url == "toy://user":
            socket.on_send = lambda said: self.till.answer_call(socket, str(said))
        else:
            super()._script(socket)

    def _answer(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if request.label and hasattr(self.till, f"on_{request.label}"):
            return self.till.answer(request)
        return super()._answer(request)
