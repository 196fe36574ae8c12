"""The dialect by itself: what a client that is not the connector would hear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from venuekit_coinbase_exchange import dialect
from venuekit_coinbase_exchange.auth import CoinbaseExchangeAuth
from venuekit_coinbase_exchange.errors import raise_for_error
from venuekit_spec import (
    SECOND,
    CallKind,
    Channel,
    HttpRequest,
    Instant,
    RateLimited,
    RefusalKind,
    Topic,
    VenueUnavailable,
)
from venuekit_testkit import START, Visitor

HOST = "http://127.0.0.1:8713"


def login(at: Instant = START) -> Mapping[str, str]:
    """What the connector adds to a subscription that needs a login."""
    return CoinbaseExchangeAuth(dialect.accounts()[0].credentials).topic_fields(Topic(Channel.ORDERS), at, 0)


class Client(Visitor):
    """A client of Coinbase Exchange."""

    def __init__(self) -> None:
        super().__init__(dialect, HOST)

    def get(self, path: str) -> tuple[int, Any]:
        """The status and the body of an answer."""
        response = self.ask(path)
        return response.status, json.loads(response.body)

    def subscribe(self, *channels: str, **more: str) -> list[Any]:
        """Subscribe to these of BTC-USD."""
        return self.say({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": channels, **more})


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/", 404, "NotFound"),
        ("/orders", 404, "NotFound"),
        ("/products/NO-PE", 404, "NotFound"),
        ("/products/NO-PE/book", 404, "NotFound"),
        ("/products/BTC-USD/book?level=4", 400, "Invalid level"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_a_text(path: str, status: int, message: str) -> None:
    """A status and a message, no code."""
    assert Client().get(path) == (status, {"message": message})


def test_a_book_is_told_in_three_levels() -> None:
    """The best prices, all of them with their orders counted, or order by order; all at the same sequence."""
    client = Client()
    best, levels, orders = (client.get(f"/products/BTC-USD/book?level={level}")[1] for level in (1, 2, 3))
    assert best["bids"] == levels["bids"][:1]
    assert sum(count for _, _, count in levels["asks"]) == len(orders["asks"])
    assert len({book["sequence"] for book in (best, levels, orders)}) == 1


def test_refusals_in_front_are_understood_by_the_connector() -> None:
    """Overload and limits are what the connector takes them for, with the time to wait."""
    venue = Client().dialect
    with pytest.raises(VenueUnavailable):
        raise_for_error(venue.refusal(RefusalKind.OVERLOADED, 0.0, START))
    for kind in (RefusalKind.RATE_LIMITED, RefusalKind.BANNED):
        with pytest.raises(RateLimited) as limited:
            raise_for_error(venue.refusal(kind, 7.0, START))
        assert limited.value.retry_after == 7.0


def test_the_login_that_the_connector_signs_is_taken() -> None:
    """Up to thirty seconds from the venue's time."""
    for offset in (-30, 0, 30):
        told = Client().subscribe("full", **login(START + offset * SECOND))
        assert told == [{"type": "subscriptions", "channels": [{"name": "full", "product_ids": ["BTC-USD"]}]}]


@pytest.mark.parametrize(
    ("wrong", "message", "reason"),
    [
        ({"key": "another"}, "Authentication Failed", "Invalid API Key"),
        ({"passphrase": "another"}, "Authentication Failed", "Invalid Passphrase"),
        ({"signature": "bm9uc2Vuc2U="}, "Authentication Failed", "invalid signature"),
        ({"timestamp": str(START // SECOND - 1)}, "Authentication Failed", "invalid signature"),
        ({"timestamp": str(START // SECOND - 31)}, "Authentication Failed", "request timestamp expired"),
        ({"timestamp": "now"}, "Authentication Failed", "request timestamp expired"),
        ({"signature": ""}, "Failed to subscribe", "authentication is required for this channel"),
    ],
)
@pytest.mark.parametrize("channel", ["full", "level3"])
def test_another_login_is_refused(channel: str, wrong: dict[str, str], message: str, reason: str) -> None:
    """A key, a passphrase, a time or a signature that are not the right ones open nothing."""
    client = Client()
    assert client.subscribe(channel, **{**login(), **wrong}) == [
        {"type": "error", "message": message, "reason": reason}
    ]
    client.trade(20)
    assert client.read() == []


@pytest.mark.parametrize(
    "said",
    [
        "no json",
        {"type": "dance"},
        {"type": "subscribe"},
        {"type": "subscribe", "channels": ["ticker"]},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["nothing"]},
        {"type": "subscribe", "product_ids": ["BTC-USD", "NO-PE"], "channels": ["ticker"]},
    ],
)
def test_what_cannot_be_done_is_refused_as_a_whole(said: object) -> None:
    """Nonsense, and a request of which one part is wrong: an error, and nothing is subscribed to."""
    client = Client()
    [answer] = client.say(said)
    assert answer["type"] == "error"
    client.trade(20)
    assert client.read() == []


def test_who_asks_for_nothing_is_disconnected() -> None:
    """Five seconds are given, also to one whose request was refused."""
    client = Client()
    client.subscribe("nothing")
    client.sleep_until(START + 5 * SECOND)
    assert client.hangup is not None


def test_subscriptions_are_answered_by_all_there_are() -> None:
    """By channel, in whatever requests they were asked for; an end without products is that of the whole channel."""
    client = Client()
    client.subscribe("heartbeat")
    product = {"name": "matches", "product_ids": ["ETH-USD"]}
    [told] = client.say({"type": "subscribe", "channels": [product]})
    assert told["channels"] == [{"name": "heartbeat", "product_ids": ["BTC-USD"]}, product]
    [told] = client.say({"type": "unsubscribe", "channels": ["heartbeat"]})
    assert told["channels"] == [product]
    client.sleep_until(START + 60 * SECOND)
    assert client.read() == []
    assert client.hangup is None


def test_every_message_of_a_product_has_the_next_number() -> None:
    """Received, open, match, done: all count, and the book by REST stands where they do."""
    client = Client()
    client.subscribe("full", **login())
    start = client.get("/products/BTC-USD/book?level=3")[1]["sequence"]
    client.trade(400)
    told = client.read()
    assert [each["sequence"] for each in told] == [*range(start + 1, start + 1 + len(told))]
    assert {each["type"] for each in told} == {"received", "open", "match", "done"}
    assert client.get("/products/BTC-USD/book?level=3")[1]["sequence"] == told[-1]["sequence"]


def test_an_order_is_received_first_and_done_last() -> None:
    """Nothing comes of an order before it was received or after it was done; a maker is done after its match."""
    client = Client()
    client.subscribe("full", **login())
    client.trade(400)
    received: set[str] = set()
    done: set[str] = set()
    for each in client.read():
        ids = {each[name] for name in ("order_id", "maker_order_id", "taker_order_id") if name in each}
        assert not ids & done
        if each["type"] == "received":
            received |= ids
        if each["type"] == "done":
            done |= ids
        assert each["type"] != "match" or each["taker_order_id"] in received
    assert done


def test_a_match_comes_once_for_two_channels() -> None:
    """Whoever has both channels of a product hears of each trade once; trade ids have no holes."""
    client = Client()
    client.subscribe("full", "matches", **login())
    client.trade(400)
    trades = [each["trade_id"] for each in client.read() if each["type"] == "match"]
    assert len(trades) > 3
    assert trades == [*range(trades[0], trades[0] + len(trades))]


def test_rows_are_those_of_the_schema() -> None:
    """The schema comes before all; each row has its columns, and each message of the full channel is a row."""
    client = Client()
    schema, _ = client.subscribe("level3", **login())
    assert schema["type"] == "level3"
    client.subscribe("full", **login())
    client.trade(100)
    told = client.read()
    rows = [each for each in told if isinstance(each, list)]
    full = [each for each in told if isinstance(each, dict)]
    assert [len(row) for row in rows] == [len(schema["schema"][row[0]]) for row in rows]
    assert [(row[1], int(row[2])) for row in rows] == [
        (each["product_id"], each["sequence"]) for each in full
    ]


def test_the_best_prices_come_with_each_trade() -> None:
    """And at first as they are; the last trade comes first of the trades."""
    client = Client()
    client.trade(200)
    first = client.subscribe("ticker", "matches")
    assert [each["type"] for each in first] == ["subscriptions", "ticker", "last_match"]
    client.trade(300)
    types = [each["type"] for each in client.read()]
    assert types.count("ticker") == types.count("match") > 1


def test_heartbeats_come_every_second() -> None:
    """With the last numbers of the product."""
    client = Client()
    client.subscribe("heartbeat")
    client.sleep_until(START + 3 * SECOND)
    beats = client.read()
    assert [each["type"] for each in beats] == ["heartbeat"] * 3
    assert {each["sequence"] for each in beats} == {client.get("/products/BTC-USD/book")[1]["sequence"]}


def test_fault_plans_can_tell_requests_apart() -> None:
    """A snapshot and a subscription are named as such."""
    venue = Client().dialect
    assert venue.kind(HttpRequest("GET", f"{HOST}/products/BTC-USD/book?level=3")) is CallKind.SNAPSHOT
    assert venue.kind(HttpRequest("GET", f"{HOST}/products")) is CallKind.OTHER
    assert venue.kind('{"type":"subscribe"}') is CallKind.SUBSCRIBE
    assert venue.kind("nonsense") is CallKind.OTHER
