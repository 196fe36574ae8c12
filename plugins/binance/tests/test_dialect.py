"""The dialect by itself: what a client that is not the connector would hear."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from venuekit_binance.description import limit_report
from venuekit_binance.dialect import accounts, listings, serve
from venuekit_binance.errors import raise_for_error
from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.market_flow import RandomFlow
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    CallKind,
    EngineEvent,
    Hangup,
    HttpRequest,
    HttpResponse,
    Instant,
    Ping,
    RateLimited,
    RefusalKind,
    Send,
    ServerOutputs,
    VenueUnavailable,
    Wake,
)

START = 1_790_000_000 * SECOND
HOST = "http://127.0.0.1:8711"


class Client:
    """A client of a dialect over an engine, by hand. `heard` are the frames since they were last read."""

    def __init__(self, path: str = "/stream") -> None:
        self.engine = MatchingEngine(listings(), accounts(), 1)
        self.flow = RandomFlow(self.engine, 1, depth=20)
        self.flow.fill_books(START)
        self.dialect = serve(self.engine)
        self.now: Instant = START
        self.heard: list[Any] = []
        self.pings: list[Instant] = []
        self.hangup: Hangup | None = None
        self._events: list[EngineEvent] = []
        self._wake: Instant | None = None
        self.engine.listen(self._events.append)
        session = self.dialect.connect(HttpRequest("GET", f"{HOST}{path}"), self.now)
        assert not isinstance(session, HttpResponse)
        self._session = session
        self._take(session.opened(self.now))

    def get(self, path: str, **headers: str) -> HttpResponse:
        """Ask by HTTP."""
        request = HttpRequest("GET", f"{HOST}{path}", headers=tuple(headers.items()))
        return self.dialect.http(request, self.now)

    def say(self, said: object) -> list[Any]:
        """Send a frame; what was heard since the last."""
        self._take(self._session.feed(said if isinstance(said, str) else json.dumps(said), self.now))
        heard, self.heard = self.heard, []
        return heard

    def subscribe(self, *streams: str) -> list[Any]:
        """Subscribe to these."""
        return self.say({"method": "SUBSCRIBE", "params": streams, "id": 7})

    def pass_time(self, until: Instant) -> None:
        """Time passes, the session is woken when it asked to be."""
        while self._wake is not None and self._wake <= until and self.hangup is None:
            self.now, self._wake = max(self.now, self._wake), None
            self._take(self._session.tick(self.now))
        self.now = until

    def trade(self, steps: int) -> None:
        """The market moves, every seven milliseconds."""
        for _ in range(steps):
            self.flow.step(self.now)
            for event in self._events:
                self._take(self._session.event(event, self.now))
            self._events.clear()
            self.pass_time(self.now + 7 * MILLISECOND)

    def _take(self, outputs: ServerOutputs) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.heard.append(json.loads(output.frame))
            elif isinstance(output, Wake):
                self._wake = output.at
            elif isinstance(output, Ping):
                self.pings.append(self.now)
            else:
                self.hangup = output


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
    response = Client().get(path)
    assert (response.status, json.loads(response.body)["code"]) == (400, code)


@pytest.mark.parametrize("path", ["/", "/api/v3/", "/api/v3/order", "/api/v1/time"])
def test_what_does_not_exist_is_a_page(path: str) -> None:
    """No path of the venue's answers with something that is no error of its own."""
    assert Client().get(path).status == 404


def test_the_weight_of_requests_is_counted_by_the_minute() -> None:
    """Each answer tells what is used; above the limit requests are refused until the minute is over."""
    client = Client()
    client.now = START // (60 * SECOND) * 60 * SECOND
    assert limit_report(client.get("/api/v3/time")).used == {"REQUEST_WEIGHT": 1}
    used = [limit_report(client.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")).used for _ in range(23)]
    assert used[-1] == {"REQUEST_WEIGHT": 1 + 23 * 250}
    client.now += 20 * SECOND
    refused = client.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
    assert refused.status == 429
    assert limit_report(refused).penalty == 40.0
    client.now += 40 * SECOND
    assert limit_report(client.get("/api/v3/ping")).used == {"REQUEST_WEIGHT": 1}


def test_time_is_told_in_the_unit_that_is_asked_for() -> None:
    """Milliseconds, or microseconds by a header."""
    client = Client()
    assert json.loads(client.get("/api/v3/time").body) == {"serverTime": START // 10**6}
    finer = client.get("/api/v3/time", **{"x-mbx-time-unit": "microsecond"})
    assert json.loads(finer.body) == {"serverTime": START // 10**3}


def test_refusals_in_front_are_understood_by_the_connector() -> None:
    """Overload, a limit and a ban are what the connector takes them for, with the time to wait."""
    dialect = Client().dialect
    with pytest.raises(VenueUnavailable):
        raise_for_error(dialect.refusal(RefusalKind.OVERLOADED, 0.0, START))
    with pytest.raises(RateLimited) as limited:
        raise_for_error(dialect.refusal(RefusalKind.RATE_LIMITED, 7.0, START))
    assert (limited.value.retry_after, limited.value.banned) == (7.0, False)
    with pytest.raises(RateLimited) as banned:
        raise_for_error(dialect.refusal(RefusalKind.BANNED, 120.0, START))
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
    told = [frame["data"] for frame in client.heard]
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
        client.pass_time(START + 61 * SECOND)
        assert client.pings == [START + seconds * SECOND for seconds in (20, 40, 60)]


def test_the_end_of_a_day_is_announced() -> None:
    """A minute before its 24 hours are over a socket is told, then it is closed."""
    client = Client()
    client.pass_time(START + 86_400 * SECOND - SECOND)
    [notice] = client.heard
    assert notice["data"]["e"] == "serverShutdown"
    assert client.hangup is None
    client.pass_time(START + 86_400 * SECOND)
    assert client.hangup is not None


def test_fault_plans_can_tell_requests_apart() -> None:
    """A snapshot and a subscription are named as such."""
    dialect = Client().dialect
    assert dialect.kind(HttpRequest("GET", f"{HOST}/api/v3/depth?symbol=BTCUSDT")) is CallKind.SNAPSHOT
    assert dialect.kind(HttpRequest("GET", f"{HOST}/api/v3/time")) is CallKind.OTHER
    assert dialect.kind('{"method":"SUBSCRIBE","params":[],"id":1}') is CallKind.SUBSCRIBE
    assert dialect.kind("nonsense") is CallKind.OTHER
