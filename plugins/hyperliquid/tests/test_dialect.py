"""The dialect by itself: what a client that is not the connector would hear."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from venuekit_hyperliquid import dialect
from venuekit_hyperliquid.errors import raise_for_error
from venuekit_spec import (
    SECOND,
    CallKind,
    Hangup,
    HttpRequest,
    HttpResponse,
    RateLimited,
    RefusalKind,
    VenueUnavailable,
)
from venuekit_testkit import START, Visitor

HOST = "http://127.0.0.1:8714"


class Client(Visitor):
    """A client of Hyperliquid, behind the greeting."""

    depth = 40

    def __init__(self) -> None:
        super().__init__(dialect, f"{HOST}/ws")
        [self.greeting] = self.read()

    def info(self, body: object) -> HttpResponse:
        """Ask what all questions are asked of."""
        return self.ask("/info", body)

    def subscribe(
        self, type_: str, coin: str = "BTC", method: str = "subscribe", **more: object
    ) -> list[Any]:
        """Subscribe to one stream, or unsubscribe."""
        return self.say({"method": method, "subscription": {"type": type_, "coin": coin, **more}})


@pytest.mark.parametrize(
    ("body", "path", "method", "status"),
    [
        ({"type": "l2Book"}, "/nothing", "POST", 404),
        ({"type": "spotMeta"}, "/info", "GET", 405),
        ({"type": "nothing"}, "/info", "POST", 422),
        (b"no json", "/info", "POST", 422),
        ([], "/info", "POST", 422),
    ],
)
def test_what_cannot_be_answered_has_a_status(body: object, path: str, method: str, status: int) -> None:
    """A status says it, and no JSON."""
    assert Client().ask(path, body, method).status == status


def test_a_coin_that_is_not_there_is_null() -> None:
    """Also in another case than its own."""
    for coin in ("NOPE", "btc", ""):
        assert Client().info({"type": "l2Book", "coin": coin}).body == b"null"


def test_a_book_counts_its_orders_and_has_twenty_levels() -> None:
    """Bids and asks, best first; numbers as the venue writes them; a delisted coin has none."""
    client = Client()
    client.trade(300)
    book = json.loads(client.info({"type": "l2Book", "coin": "BTC"}).body)
    bids, asks = book["levels"]
    assert (len(bids), len(asks)) == (20, 20)
    assert max(level["n"] for level in bids + asks) > 1
    assert all("." in level["px"] and not level["px"].endswith("00") for level in bids + asks)
    assert json.loads(client.info({"type": "l2Book", "coin": "MATIC"}).body)["levels"] == [[], []]


def test_one_exchange_of_perpetuals_is_had_by_its_name() -> None:
    """The venue's own without a name, a builder's by its own, no other."""
    client = Client()
    metas = json.loads(client.info({"type": "allPerpMetas"}).body)
    assert json.loads(client.info({"type": "meta"}).body) == metas[0]
    assert json.loads(client.info({"type": "meta", "dex": "xyz"}).body) == metas[1]
    assert json.loads(client.info({"type": "meta", "dex": "none"}).body) is None


def test_refusals_in_front_are_understood_by_the_connector() -> None:
    """Overload and limits are what the connector takes them for."""
    venue = Client().dialect
    with pytest.raises(VenueUnavailable):
        raise_for_error(venue.refusal(RefusalKind.OVERLOADED, 0.0, START), "l2Book")
    for kind in (RefusalKind.RATE_LIMITED, RefusalKind.BANNED):
        with pytest.raises(RateLimited):
            raise_for_error(venue.refusal(kind, 7.0, START), "l2Book")


def test_a_greeting_that_is_no_json_comes_first() -> None:
    """Before anything was asked."""
    assert Client().greeting == "Websocket connection established."


def test_an_answer_fills_in_what_was_not_said() -> None:
    """It comes before the first data, which come at once."""
    client = Client()
    answer, book = client.subscribe("l2Book")
    subscription = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False}
    assert answer == {
        "channel": "subscriptionResponse",
        "data": {"method": "subscribe", "subscription": subscription},
    }
    assert (book["channel"], book["data"]["coin"]) == ("l2Book", "BTC")


def test_what_was_done_before_is_refused() -> None:
    """A second subscription, and the end of none."""
    client = Client()
    client.subscribe("trades")
    [again] = client.subscribe("trades")
    assert again == {"channel": "error", "data": 'Already subscribed: {"type":"trades","coin":"BTC"}'}
    [never] = client.subscribe("bbo", method="unsubscribe")
    assert never == {"channel": "error", "data": 'Already unsubscribed: {"type":"bbo","coin":"BTC"}'}


@pytest.mark.parametrize(
    "said",
    [
        "no json",
        "[]",
        '{"method":"dance"}',
        '{"method":"subscribe","subscription":{"type":"x","coin":"BTC"}}',
    ],
)
def test_nonsense_is_answered_by_an_error(said: str) -> None:
    """What is no request gets an error, and the socket lives on."""
    client = Client()
    [answer] = client.say(said)
    assert answer["channel"] == "error"
    assert client.say({"method": "ping"}) == [{"channel": "pong"}]


def test_a_coin_that_is_not_there_ends_the_socket() -> None:
    """Without a word, and without a goodbye."""
    client = Client()
    assert client.subscribe("trades", "btc") == []
    assert client.hangup == Hangup(0)


def test_a_silence_of_the_venue_ends_the_socket() -> None:
    """A minute after its last frame; a pong is one."""
    client = Client()
    client.sleep_until(START + 40 * SECOND)
    client.say({"method": "ping"})
    client.sleep_until(START + 99 * SECOND)
    assert client.hangup is None
    client.sleep_until(START + 100 * SECOND)
    assert client.hangup is not None


@pytest.mark.parametrize(("fast", "interval", "depth"), [(False, 5_400, 20), (True, 540, 5)])
def test_books_come_by_a_clock_that_all_coins_share(*, fast: bool, interval: int, depth: int) -> None:
    """All at once, again and again, whether anything has changed or not."""
    client = Client()
    for coin in ("BTC", "PURR/USDC"):
        client.subscribe("l2Book", coin, fast=fast)
    client.sleep_until(START + 30 * SECOND)
    told = [frame["data"] for frame in client.read()]
    times = sorted({each["time"] for each in told})
    assert len(told) == 2 * len(times)
    assert len(times) > 4
    assert {after - before for before, after in pairwise(times)} == {interval}
    assert {len(each["levels"][0]) for each in told} == {depth}


def test_best_prices_come_with_the_blocks_that_change_them() -> None:
    """Once a block at most, and never the same twice in a row."""
    client = Client()
    client.subscribe("bbo")
    client.trade(600)
    told = [frame["data"] for frame in client.read()]
    assert len(told) > 5
    assert all(after["time"] - before["time"] >= 70 for before, after in pairwise(told[1:]))
    assert all(before["bbo"] != after["bbo"] for before, after in pairwise(told))


def test_trades_of_the_last_seconds_come_first() -> None:
    """Whoever subscribes again hears of trades that were told before, under the same ids."""
    client = Client()
    client.subscribe("trades")
    client.trade(400)
    told = [trade for frame in client.read() for trade in frame["data"]]
    assert len({trade["tid"] for trade in told}) == len(told) > 3
    client.subscribe("trades", method="unsubscribe")
    _, recent = client.subscribe("trades")
    assert recent["data"] == told[-10:]


def test_fault_plans_can_tell_requests_apart() -> None:
    """A snapshot and a subscription are named as such."""
    venue = Client().dialect
    book = HttpRequest("POST", f"{HOST}/info", body=b'{"type":"l2Book","coin":"BTC"}')
    assert venue.kind(book) is CallKind.SNAPSHOT
    assert venue.kind(HttpRequest("POST", f"{HOST}/info", body=b"nonsense")) is CallKind.OTHER
    assert venue.kind('{"method":"subscribe"}') is CallKind.SUBSCRIBE
    assert venue.kind("nonsense") is CallKind.OTHER
