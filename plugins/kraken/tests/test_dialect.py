"""The dialect by itself: what a client that is not the connector would hear."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from venuekit_kraken import dialect
from venuekit_kraken.checksum import book_checksum
from venuekit_simulator.market_flow import MAKER
from venuekit_spec import (
    CallKind,
    HttpRequest,
    OrderRef,
    RefusalKind,
)
from venuekit_testkit import START, Visitor

HOST = "http://127.0.0.1:8712"


class Client(Visitor):
    """A client of Kraken."""

    def __init__(self) -> None:
        super().__init__(dialect, f"{HOST}/v2")

    def get(self, path: str) -> Any:
        """The body of an answer; its status never says anything."""
        response = self.ask(path)
        assert response.status == 200
        return json.loads(response.body)

    def request(self, method: str, channel: str, *symbols: str, **more: object) -> list[Any]:
        """Subscribe, or unsubscribe."""
        params = {"channel": channel, "symbol": symbols, **more}
        return self.say({"method": method, "params": params, "req_id": 5})

    def withdraw(self, instrument: str, price: Decimal) -> None:
        """Whoever keeps the market cancels all orders at a price."""
        for order in self.engine.open_orders(MAKER):
            if order.intent.instrument == instrument and order.intent.price == price:
                self.engine.cancel(MAKER, OrderRef(instrument, order_id=order.order_id), self.now)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/0/public/Nothing", "EGeneral:Unknown method"),
        ("/", "EGeneral:Unknown method"),
        ("/0/public/Depth?pair=NOPE", "EQuery:Unknown asset pair"),
        ("/0/public/Depth", "EGeneral:Invalid arguments"),
        ("/0/public/Depth?pair=XBTUSD&count=0", "EGeneral:Invalid arguments:count"),
        ("/0/public/Depth?pair=XBTUSD&count=x", "EGeneral:Invalid arguments:count"),
        ("/0/public/AssetPairs?pair=XBTUSD,NOPE", "EQuery:Unknown asset pair"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_a_text(path: str, error: str) -> None:
    """Refusals travel with HTTP 200."""
    assert Client().get(path) == {"error": [error]}


@pytest.mark.parametrize("name", ["XXBTZUSD", "XBTUSD", "BTC/USD"])
def test_a_market_answers_to_all_its_names(name: str) -> None:
    """Whatever a book is asked for by, it is told under its REST key."""
    assert [*Client().get(f"/0/public/Depth?pair={name}&count=3")["result"]] == ["XXBTZUSD"]


def test_refusals_in_front_are_statuses() -> None:
    """What stands before the API has statuses, a pause, and no JSON."""
    venue = Client().dialect
    told = [venue.refusal(kind, 7.2, START) for kind in RefusalKind]
    assert sorted(each.status for each in told) == [403, 429, 503]
    assert {each.headers["retry-after"] for each in told} == {"8"}


def test_the_state_of_the_engine_comes_first() -> None:
    """A connection begins with the status, whose connection id is beyond 63 bits."""
    [status] = Client().read()
    assert (status["channel"], status["data"][0]["system"]) == ("status", "online")
    assert status["data"][0]["connection_id"] >= 2**63


def test_each_symbol_has_its_own_answer() -> None:
    """Half a request can be refused; the rest is answered, and followed by its snapshot."""
    client = Client()
    client.read()
    heard = client.request("subscribe", "book", "BTC/USD", "XYZ/USD", depth=10)
    assert [(each.get("method"), each.get("success"), each.get("type")) for each in heard] == [
        ("subscribe", True, None),
        (None, None, "snapshot"),
        ("subscribe", False, None),
    ]
    assert heard[2]["error"] == "Currency pair not supported XYZ/USD"
    assert {each["req_id"] for each in heard if "method" in each} == {5}


@pytest.mark.parametrize(
    ("method", "channel", "more"),
    [
        ("subscribe", "book", {"depth": 11}),
        ("subscribe", "nothing", {}),
        ("subscribe", "trade", {}),
        ("unsubscribe", "ticker", {}),
    ],
)
def test_what_is_not_to_be_had_is_refused(method: str, channel: str, more: dict[str, object]) -> None:
    """Other depths and channels, a second subscription, the end of none."""
    client = Client()
    client.request("subscribe", "trade", "BTC/USD")
    [answer] = client.request(method, channel, "BTC/USD", **more)
    assert answer["success"] is False
    assert answer["error"]


@pytest.mark.parametrize("said", ["no json", "[]", '{"method":"dance"}', '{"method":"subscribe"}'])
def test_nonsense_is_answered_by_an_error(said: str) -> None:
    """What is no request gets an error, and the socket lives on."""
    client = Client()
    client.read()
    [answer] = client.say(said)
    assert (answer["method"], answer["success"]) == ("error", False)
    [pong] = client.say({"method": "ping", "req_id": 9})
    assert (pong["method"], pong["req_id"]) == ("pong", 9)


def test_a_heartbeat_comes_when_nothing_else_does() -> None:
    """Once a second, where anything is subscribed to."""
    client = Client()
    client.read()
    client.sleep(3)
    assert client.read() == []
    client.request("subscribe", "trade", "BTC/USD")
    client.sleep(3)
    assert client.read() == [{"channel": "heartbeat"}] * 3


@pytest.mark.parametrize("depth", [10, 25])
def test_a_client_that_cuts_to_its_depth_has_the_book_of_each_checksum(depth: int) -> None:
    """Applied in order and cut, updates give at every message the book whose checksum it carries."""
    client = Client()
    client.read()
    _, snapshot = client.request("subscribe", "book", "BTC/USD", depth=depth)
    client.trade(600)
    instrument = client.engine.instruments["BTC-USD"]
    sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
    books = [each for each in (snapshot, *client.read()) if each["channel"] == "book"]
    assert len(books) > 20
    assert any(not row["qty"] for each in books for row in each["data"][0]["bids"])
    for message in books:
        [told] = message["data"]
        for name, levels in sides.items():
            for row in told[name]:
                levels[Decimal(row["price"])] = Decimal(row["qty"])
            best = sorted((p for p, q in levels.items() if q), reverse=name == "bids")[:depth]
            sides[name] = {price: levels[price] for price in best}
        bids, asks = ([(f"{p:f}", f"{q:f}") for p, q in sides[name].items()] for name in ("bids", "asks"))
        assert told["checksum"] == book_checksum(bids, asks, instrument)


def test_a_book_shorter_than_its_depth_tells_of_its_last_level() -> None:
    """Where a side has fewer levels than the client's depth it cuts nothing, so the removal of the worst level is told."""
    client = Client()
    client.read()
    _, snapshot = client.request("subscribe", "book", "BTC/USD", depth=1000)
    worst = Decimal(snapshot["data"][0]["asks"][-1]["price"])
    client.withdraw("BTC-USD", worst)
    removed = [row for each in client.read() for row in each["data"][0]["asks"]]
    assert removed == [{"price": worst, "qty": 0}]


def test_trades_of_a_symbol_are_numbered_without_a_hole() -> None:
    """Each symbol by itself; a snapshot holds the last ones."""
    client = Client()
    client.request("subscribe", "trade", "BTC/USD", "ETH/USD")
    client.trade(600)
    told = [trade for each in client.read() if each["channel"] == "trade" for trade in each["data"]]
    for symbol in ("BTC/USD", "ETH/USD"):
        numbers = [trade["trade_id"] for trade in told if trade["symbol"] == symbol]
        assert len(numbers) > 5
        assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]
    client.request("unsubscribe", "trade", "BTC/USD")
    _, snapshot = client.request("subscribe", "trade", "BTC/USD", snapshot=True)
    assert (snapshot["type"], snapshot["data"][-1]) == (
        "snapshot",
        [trade for trade in told if trade["symbol"] == "BTC/USD"][-1],
    )


def test_a_ticker_goes_by_trades_unless_told_otherwise() -> None:
    """By trades there are as many as messages of trades; by quotes there is one for each change of the best prices."""
    client = Client()
    client.request("subscribe", "ticker", "BTC/USD")
    client.request("subscribe", "ticker", "ETH/USD", event_trigger="bbo")
    client.request("subscribe", "trade", "BTC/USD")
    client.trade(600)
    heard = client.read()
    about = [(each["channel"], each["data"][0]["symbol"]) for each in heard if "data" in each]
    assert about.count(("ticker", "BTC/USD")) == about.count(("trade", "BTC/USD"))
    quotes = [
        tuple(each["data"][0][name] for name in ("bid", "bid_qty", "ask", "ask_qty"))
        for each in heard
        if each["channel"] == "ticker" and each["data"][0]["symbol"] == "ETH/USD"
    ]
    assert len(quotes) > 5
    assert all(before != after for before, after in pairwise(quotes))


def test_fault_plans_can_tell_requests_apart() -> None:
    """A snapshot and a subscription are named as such."""
    venue = Client().dialect
    assert venue.kind(HttpRequest("GET", f"{HOST}/0/public/Depth?pair=XBTUSD")) is CallKind.SNAPSHOT
    assert venue.kind(HttpRequest("GET", f"{HOST}/0/public/Time")) is CallKind.OTHER
    assert venue.kind('{"method":"subscribe"}') is CallKind.SUBSCRIBE
    assert venue.kind("nonsense") is CallKind.OTHER
