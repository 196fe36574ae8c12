"""A toy venue: the smallest dialect that has one of everything, for tests of the shell around it.

HTTP: ``POST /order`` (a JSON body) places, ``GET /order?id=`` asks, ``GET /book`` and ``GET /time`` are public, ``/odd`` tells
what came. WebSocket: ``{"do": "place", ...}`` is answered twice, anything else is echoed; every event is told to everybody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from venuekit_spec import (
    CallKind,
    Credentials,
    Dialect,
    Engine,
    EngineEvent,
    Hangup,
    HttpRequest,
    HttpResponse,
    Instant,
    Instrument,
    InstrumentKind,
    LevelChanged,
    Listing,
    NewOrder,
    OrderChanged,
    OrderRef,
    Ping,
    PriceRule,
    RefusalKind,
    Seconds,
    Send,
    ServerOutputs,
    ServerSession,
    Side,
    SizeRule,
    VenueAccount,
    VenuekitError,
    Wake,
    after,
)

PAIR = "AAA-BBB"
ALICE, BOB = "alice", "bob"
STATUS = {RefusalKind.OVERLOADED: 503, RefusalKind.RATE_LIMITED: 429, RefusalKind.BANNED: 418}


def order(
    id_: str, side: str = "buy", price: str = "10", quantity: str = "1", account: str = ALICE
) -> dict[str, str]:
    """What a client says to place an order."""
    return {"id": id_, "side": side, "price": price, "quantity": quantity, "account": account}


def placing(id_: str, **changes: str) -> HttpRequest:
    """A request that places an order."""
    return HttpRequest("POST", "http://toy/order", body=json.dumps(order(id_, **changes)).encode())


def asking(path: str) -> HttpRequest:
    """A request that reads."""
    return HttpRequest("GET", f"http://toy{path}")


class ToyPlugin:
    """What the entry point of the toy venue would name. `served` counts how often a dialect was made."""

    def __init__(self) -> None:
        self.served = 0

    def listings(self) -> Sequence[Listing]:
        instrument = Instrument(
            PAIR,
            InstrumentKind.SPOT,
            "AAA",
            "BBB",
            {"rest": "AAABBB"},
            PriceRule(tick=Decimal("0.01")),
            SizeRule(step=Decimal("0.001")),
        )
        return [Listing(instrument, Decimal(10))]

    def accounts(self) -> Sequence[VenueAccount]:
        plenty = {"AAA": Decimal(1000), "BBB": Decimal(100_000)}
        return [VenueAccount(name, Credentials(), plenty) for name in (ALICE, BOB)]

    def serve(self, engine: Engine) -> Dialect:
        self.served += 1
        return ToyDialect(engine)


class ToyDialect:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.expired = 0
        self.heard: list[EngineEvent] = []
        engine.listen(self.heard.append)

    def place(self, told: dict[str, str], now: Instant) -> dict[str, Any]:
        new = NewOrder(
            PAIR, Side(told["side"]), Decimal(told["quantity"]), told["id"], price=Decimal(told["price"])
        )
        try:
            placed = self.engine.place(told["account"], new, now)
        except VenuekitError as error:
            return {"error": str(error), "id": told["id"]}
        return {"placed": placed.order_id, "id": told["id"]}

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        path, _, query = request.url.removeprefix("http://toy").partition("?")
        told: dict[str, Any]
        match request.method, path:
            case "POST", "/order":
                told = self.place(json.loads(request.body), now)
            case _, "/order":
                try:
                    found = self.engine.order(
                        ALICE, OrderRef(PAIR, client_order_id=query.removeprefix("id="))
                    )
                    told = {"status": found.status.value}
                except VenuekitError as error:
                    return HttpResponse(404, json.dumps({"error": str(error)}).encode())
            case _, "/book":
                book = self.engine.book(PAIR)
                told = {
                    "id": book.id,
                    "bids": [[str(each) for each in row] for row in book.bids],
                    "asks": [[str(each) for each in row] for row in book.asks],
                }
            case _, "/time":
                told = {"now": now}
            case _:
                told = {
                    "url": request.url,
                    "headers": list(request.headers),
                    "body": request.body.decode("latin-1"),
                }
        return HttpResponse(200, json.dumps(told).encode(), {"x-toy": "yes"})

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        if "refuse" in request.url:
            return HttpResponse(403, b"no", {"retry-after": "7"})
        return (
            ToySession(self, simple="simple" in request.url)
            if "refusing" not in request.url
            else (RefusingToySession(self, simple=False))
        )

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        if isinstance(message, HttpRequest):
            if message.method == "POST":
                return CallKind.PLACE
            return CallKind.SNAPSHOT if "/book" in message.url else CallKind.QUERY
        return CallKind.PLACE if "place" in str(message) else CallKind.OTHER

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        return HttpResponse(STATUS[kind], kind.value.encode(), {"retry-after": f"{wait:g}"})

    def expire_tokens(self, now: Instant) -> None:
        self.expired += 1

    def tick(self, now: Instant) -> Instant | None:
        return None


class ToySession:
    """`simple`: it tells no events."""

    def __init__(self, dialect: ToyDialect, *, simple: bool) -> None:
        self.dialect = dialect
        self.simple = simple
        self.ended = False

    def opened(self, now: Instant) -> ServerOutputs:
        return [Send("welcome")]

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        text = frame if isinstance(frame, str) else frame.decode()
        if text == "bye":
            return [Send("adieu"), Hangup(4000, "as you like")]
        if text == "vanish":
            return [Send("last words"), Hangup(0)]
        if text == "ping me":
            return [Send("before"), Ping(), Send("after")]
        if text.startswith("wake"):
            return [Wake(after(now, float(text.removeprefix("wake"))))]
        if text.startswith("{"):
            told = json.loads(text)
            return [Send(f"ack {told['id']}"), Send(json.dumps(self.dialect.place(told, now)))]
        return [Send(f"echo {text}")]

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        if self.simple:
            return []
        if isinstance(event, LevelChanged):
            return [Send(f"level {event.id} {event.side} {event.price} {event.size}")]
        if isinstance(event, OrderChanged):
            return [Send(f"order {event.order.intent.client_order_id} {event.order.status}")]
        return []

    def tick(self, now: Instant) -> ServerOutputs:
        return [Send(f"tick {now}")]

    def closed(self) -> None:
        self.ended = True


class RefusingToySession(ToySession):
    """It words refusals of single frames."""

    def refuse(self, frame: str | bytes, kind: RefusalKind, wait: Seconds, now: Instant) -> ServerOutputs:
        return [Send(f"refused {kind} {wait:g}")]
