"""The dialect by itself: what a client that is not the connector would hear."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from venuekit_binance import dialect
from venuekit_binance.description import limit_report
from venuekit_binance.errors import raise_for_error
from venuekit_spec import (
    SECOND,
    CallKind,
    HttpRequest,
    RateLimited,
    RefusalKind,
    VenueUnavailable,
)
from venuekit_testkit import START, Visitor

HOST = "http://127.0.0.1:8711"


class Client(Visitor):
    """A client of Binance."""

    def __init__(self, path: str = "/stream") -> None:
        super().__init__(dialect, f"{HOST}{path}")

    def subscribe(self, *streams: str) -> list[Any]:
        """Subscribe to these."""
        return self.say({"method": "SUBSCRIBE", "params": streams, "id": 7})


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v3/depth?symbol=NOPE", -1121),
        ("/api/v3/depth", -1102),
        ("/api/v3/depth?symbol=BTCUSDT&limit=many", -1100),
        ("/api/v3/depth?symbol=BTCUSDT&much=1", -1104),
        ("/api/v3/time?symbol=BTCUSDT", -1104),
        ("/api/v3/exchangeInfo?symbol=btcusdt", -1121),
    ],
)
def test_what_cannot_be_answered_is_refused_by_a_code(path: str, code: int) -> None:
    """Unknown symbols, and parameters that are missing, unreadable or too many, have the venue's codes."""
    response = Client().ask(path)
    assert (response.status, json.loads(response.body)["code"]) == (400, code)


@pytest.mark.parametrize("path", ["/", "/api/v3/", "/api/v3/order", "/api/v1/time"])
def test_what_does_not_exist_is_a_page(path: str) -> None:
    """No path of the venue's answers with something that is no error of its own."""
    assert Client().ask(path).status == 404


def test_the_weight_of_requests_is_counted_by_the_minute() -> None:
    """Each answer tells what is used; above the limit requests are refused until the minute is over."""
    client = Client()
    client.now = START // (60 * SECOND) * 60 * SECOND
    assert limit_report(client.ask("/api/v3/time")).used == {"REQUEST_WEIGHT": 1}
    used = [limit_report(client.ask("/api/v3/depth?symbol=BTCUSDT&limit=5000")).used for _ in range(23)]
    assert used[-1] == {"REQUEST_WEIGHT": 1 + 23 * 250}
    client.now += 20 * SECOND
    refused = client.ask("/api/v3/depth?symbol=BTCUSDT&limit=5000")
    assert refused.status == 429
    assert limit_report(refused).penalty == 40.0
    client.now += 40 * SECOND
    assert limit_report(client.ask("/api/v3/ping")).used == {"REQUEST_WEIGHT": 1}


def test_time_is_told_in_the_unit_that_is_asked_for() -> None:
    """Milliseconds, or microseconds by a header."""
    client = Client()
    assert json.loads(client.ask("/api/v3/time").body) == {"serverTime": START // 10**6}
    finer = client.ask("/api/v3/time", x_mbx_time_unit="microsecond")
    assert json.loads(finer.body) == {"serverTime": START // 10**3}


def test_refusals_in_front_are_understood_by_the_connector() -> None:
    """Overload, a limit and a ban are what the connector takes them for, with the time to wait."""
    venue = Client().dialect
    with pytest.raises(VenueUnavailable):
        raise_for_error(venue.refusal(RefusalKind.OVERLOADED, 0.0, START))
    with pytest.raises(RateLimited) as limited:
        raise_for_error(venue.refusal(RefusalKind.RATE_LIMITED, 7.0, START))
    assert (limited.value.retry_after, limited.value.banned) == (7.0, False)
    with pytest.raises(RateLimited) as banned:
        raise_for_error(venue.refusal(RefusalKind.BANNED, 120.0, START))
    assert (banned.value.retry_after, banned.value.banned) == (120.0, True)


def test_subscriptions_are_acknowledged_by_number_alone() -> None:
    """Also those to streams that do not exist; they can be listed, and taken back."""
    client = Client("/stream?streams=ethbtc@trade")
    assert client.subscribe("nope@depth", "btcusdt@trade") == [{"result": None, "id": 7}]
    streams = ["ethbtc@trade", "nope@depth", "btcusdt@trade"]
    assert client.say({"method": "LIST_SUBSCRIPTIONS", "id": 8}) == [{"result": streams, "id": 8}]
    gone = {"method": "UNSUBSCRIBE", "params": streams[:2], "id": 9}
    assert client.say(gone) == [{"result": None, "id": 9}]
    assert client.say({"method": "LIST_SUBSCRIPTIONS", "id": 10}) == [{"result": streams[2:], "id": 10}]


@pytest.mark.parametrize("said", ["no json", "[]", '{"method":"DO","id":1}', '{"params":[]}'])
def test_nonsense_is_answered_by_an_error(said: str) -> None:
    """What is no request gets an error, and the socket lives on."""
    client = Client()
    [answer] = client.say(said)
    assert answer["error"]["code"] in {2, 3}
    assert client.subscribe("btcusdt@trade") == [{"result": None, "id": 7}]


def test_changes_are_told_every_hundred_milliseconds_without_a_hole_in_their_ids() -> None:
    """Messages of a book come at instants aligned to the clock; each begins where the last one ended."""
    client = Client()
    client.subscribe("btcusdt@depth@100ms")
    client.trade(400)
    told = [frame["data"] for frame in client.read()]
    assert len(told) > 5
    assert all(each["E"] % 100 == 0 for each in told)
    assert [after["U"] - before["u"] for before, after in pairwise(told)] == [1] * (len(told) - 1)


def test_a_socket_without_wrapping_tells_bare_events() -> None:
    """The path says whether events come with the names of their streams."""
    client = Client("/ws/btcusdt@trade/btcusdt@bookTicker")
    client.trade(200)
    assert {frame.get("e", "top") for frame in client.heard} == {"trade", "top"}


def test_a_client_that_says_too_much_is_disconnected() -> None:
    """Five frames a second, not six; a second later there are five more."""
    client = Client()
    for second in range(2):
        client.now = START + second * SECOND
        for _ in range(5):
            client.subscribe("btcusdt@trade")
    assert client.hangup is None
    client.subscribe("btcusdt@trade")
    assert client.hangup is not None


def test_a_socket_is_pinged_whether_or_not_anything_happens() -> None:
    """Every twenty seconds, with a stream that is told in between and with none."""
    for streams in ((), ("btcusdt@depth@100ms",)):
        client = Client()
        client.subscribe(*streams)
        client.trade(200)
        client.sleep_until(START + 61 * SECOND)
        assert client.line.pings == [START + seconds * SECOND for seconds in (20, 40, 60)]


def test_the_end_of_a_day_is_announced() -> None:
    """A minute before its 24 hours are over a socket is told, then it is closed."""
    client = Client()
    client.sleep_until(START + 86_400 * SECOND - SECOND)
    [notice] = client.heard
    assert notice["data"]["e"] == "serverShutdown"
    assert client.hangup is None
    client.sleep_until(START + 86_400 * SECOND)
    assert client.hangup is not None


def test_fault_plans_can_tell_requests_apart() -> None:
    """A snapshot and a subscription are named as such."""
    venue = Client().dialect
    assert venue.kind(HttpRequest("GET", f"{HOST}/api/v3/depth?symbol=BTCUSDT")) is CallKind.SNAPSHOT
    assert venue.kind(HttpRequest("GET", f"{HOST}/api/v3/time")) is CallKind.OTHER
    assert venue.kind('{"method":"SUBSCRIBE","params":[],"id":1}') is CallKind.SUBSCRIBE
    assert venue.kind("nonsense") is CallKind.OTHER
