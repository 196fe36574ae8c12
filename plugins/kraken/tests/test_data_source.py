"""REST: what is asked, what is made of the answer, and what the venue may say instead."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, TypeVar

import pytest

from venuekit_kraken.data_source import KrakenDataSource
from venuekit_kraken.description import DESCRIPTION
from venuekit_kraken.session import KrakenSession
from venuekit_spec import (
    SECOND,
    BookSnapshot,
    Channel,
    HttpRequest,
    HttpResponse,
    InstrumentTable,
    LimitReport,
    MalformedMessage,
    RateLimited,
    Refused,
    Topic,
    Unsupported,
    VenueUnavailable,
)

T = TypeVar("T")

DEPTH = {"asks": [["105944.30000", "0.136", 1762820248]], "bids": [["105944.20000", "1.007", 1762820247]]}


@pytest.fixture
def source() -> KrakenDataSource:
    """The public side of production."""
    return KrakenDataSource(DESCRIPTION.environment())


def asked(flow: Generator[Any, Any, Any]) -> HttpRequest:
    """The first request of a flow."""
    request = next(flow)
    assert isinstance(request, HttpRequest)
    return request


def ended(flow: Generator[Any, Any, T], body: Any, status: int = 200, received: int = 7) -> T:
    """What a flow comes to when its request is answered so."""
    next(flow)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        flow.send(HttpResponse(status, content, received=received))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("the flow asks for more")


def test_the_clock(source: KrakenDataSource) -> None:
    """Time is told in whole seconds, and asked for under the pool of public requests."""
    request = asked(source.server_time())
    assert (request.method, request.url) == ("GET", "https://api.kraken.com/0/public/Time")
    assert [cost.pool for cost in request.costs] == [pool.name for pool in DESCRIPTION.pools]
    body = {"error": [], "result": {"unixtime": 1762820224, "rfc1123": "Tue, 11 Nov 25 00:17:04 +0000"}}
    assert ended(source.server_time(), body) == 1762820224 * SECOND


def test_the_market_list(source: KrakenDataSource) -> None:
    """AssetPairs becomes instruments; a warning beside the result is no failure."""
    assert asked(source.instruments()).url == "https://api.kraken.com/0/public/AssetPairs"
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}
    body = {"error": ["WGeneral:Something is slow"], "result": {"XXBTZUSD": pair}}
    assert [instrument.id for instrument in ended(source.instruments(), body)] == ["BTC-USD"]


def test_a_market_that_cannot_be_understood_costs_no_other(
    source: KrakenDataSource, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out with a warning that names it."""
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}
    body = {"error": [], "result": {"ODD": {**pair, "lot_decimals": "many"}, "XXBTZUSD": pair}}
    assert [instrument.id for instrument in ended(source.instruments(), body)] == ["BTC-USD"]
    assert "AssetPairs ODD" in caplog.text


def test_a_snapshot_for_audits(source: KrakenDataSource, markets: InstrumentTable) -> None:
    """Depth is asked by the REST key and told as exact text, without an id, whatever the answer calls the pair."""
    topic, btc = Topic(Channel.BOOK, "BTC-USD"), markets["BTC-USD"]
    url = asked(source.snapshot(topic, btc)).url
    assert url == "https://api.kraken.com/0/public/Depth?pair=XXBTZUSD&count=100"
    assert ended(source.snapshot(topic, btc), {"error": [], "result": {"XBTUSD": DEPTH}}) == BookSnapshot(
        instrument="BTC-USD",
        bids=[("105944.20000", "1.007")],
        asks=[("105944.30000", "0.136")],
        last=None,
        depth=100,
        received=7,
    )


@pytest.mark.parametrize(("variant", "count"), [("10", 10), ("25", 25), ("500", 500), ("1000", 500)])
def test_a_snapshot_is_as_deep_as_the_feed(
    source: KrakenDataSource, markets: InstrumentTable, variant: str, count: int
) -> None:
    """An audit asks for the depth that the book has, up to what REST gives."""
    request = asked(source.snapshot(Topic(Channel.BOOK, "BTC-USD", variant), markets["BTC-USD"]))
    assert request.url.endswith(f"count={count}")


@pytest.mark.parametrize("topic", [Topic(Channel.TRADES, "BTC-USD"), Topic(Channel.BOOK, "BTC-USD", "7")])
def test_there_is_no_snapshot_of_anything_else(
    source: KrakenDataSource, markets: InstrumentTable, topic: Topic
) -> None:
    """Only books of a depth that exists have one; nothing is asked for the others."""
    with pytest.raises(Unsupported):
        next(source.snapshot(topic, markets["BTC-USD"]))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("EAPI:Rate limit exceeded", RateLimited),
        ("EGeneral:Too many requests", RateLimited),
        ("EService: Throttled: 12", RateLimited),
        ("EService:Unavailable", VenueUnavailable),
        ("EService:Busy", VenueUnavailable),
        ("EGeneral:Internal error", VenueUnavailable),
        ("EQuery:Unknown asset pair", Refused),
        ("EGeneral:Invalid arguments:pair", Refused),
    ],
)
def test_errors_come_with_http_200(source: KrakenDataSource, error: str, kind: type[Exception]) -> None:
    """What the envelope says decides what the error is, and the error says it."""
    with pytest.raises(kind, match=error) as raised:
        ended(source.server_time(), {"error": ["WGeneral:Slow", error]})
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("error", "wait"),
    [("EService: Throttled: 12", 5.0), ("EService: Throttled: 3", 0.0), ("EService: Throttled: soon", 5.0)],
)
def test_throttled_tells_when_to_come_back(source: KrakenDataSource, error: str, wait: float) -> None:
    """The instant that the venue names, counted from the receipt of the answer."""
    with pytest.raises(RateLimited) as raised:
        ended(source.server_time(), {"error": [error]}, received=7 * SECOND)
    assert raised.value.retry_after == wait


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, RateLimited), (403, RateLimited), (520, VenueUnavailable), (503, VenueUnavailable)],
)
def test_other_statuses_come_from_before_the_api(
    source: KrakenDataSource, status: int, kind: type[Exception]
) -> None:
    """A guard's or a proxy's page is not parsed."""
    with pytest.raises(kind):
        ended(source.server_time(), b"<html>", status)


def test_a_ban_is_told_as_one(source: KrakenDataSource) -> None:
    """403 is the ban of the address: going on makes it worse."""
    with pytest.raises(RateLimited) as raised:
        ended(source.server_time(), b"", 403)
    assert raised.value.banned


@pytest.mark.parametrize(
    ("response", "report"),
    [
        (HttpResponse(200, b'{"error":[],"result":{}}'), LimitReport()),
        (HttpResponse(200, b'{"error":["WGeneral:Slow"],"result":{}}'), LimitReport()),
        (HttpResponse(200, b'{"error":["EQuery:Unknown asset pair"]}'), LimitReport()),
        (
            HttpResponse(200, b'{"error":["WGeneral:Slow","EAPI:Rate limit exceeded"]}'),
            LimitReport(penalty=5.0),
        ),
        (
            HttpResponse(200, b'{"error":["EService: Throttled: 12"]}', received=7 * SECOND),
            LimitReport(penalty=5.0),
        ),
        (HttpResponse(429, b"<html>"), LimitReport(penalty=5.0)),
        (HttpResponse(429, b"", {"retry-after": "30"}), LimitReport(penalty=30.0)),
        (HttpResponse(403, b"<html>"), LimitReport(penalty=600.0, banned=True)),
        (HttpResponse(502, b"<html>"), LimitReport()),
    ],
)
def test_what_an_answer_says_of_limits(response: HttpResponse, report: LimitReport) -> None:
    """A refusal for too many requests stops all of them, by whatever way it is told; nothing else does."""
    assert DESCRIPTION.limit_report(response) == report


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"error":[]}', b'{"error":[],"result":{"unixtime":"x"}}', b"\xff", b"[" * 100_000],
)
def test_an_answer_that_cannot_be_read(source: KrakenDataSource, body: bytes) -> None:
    """Bytes that mean nothing are a malformed message that names the request."""
    with pytest.raises(MalformedMessage) as raised:
        ended(source.server_time(), body)
    assert (raised.value.venue, raised.value.topic) == ("kraken", "Time")


def test_a_depth_of_two_books_is_malformed(source: KrakenDataSource, markets: InstrumentTable) -> None:
    """Which of two books was meant is not guessed."""
    with pytest.raises(MalformedMessage) as raised:
        ended(
            source.snapshot(Topic(Channel.BOOK, "BTC-USD"), markets["BTC-USD"]),
            {"error": [], "result": {"A": DEPTH, "B": DEPTH}},
        )
    assert raised.value.instrument == "BTC-USD"


@pytest.mark.parametrize(
    ("environment", "host"), [("production", "ws.kraken.com"), ("beta", "beta-ws.kraken.com")]
)
def test_the_socket_of_an_environment(environment: str, host: str, markets: InstrumentTable) -> None:
    """Dialling asks nothing first; life is told by the session's pings, so the driver sends none."""
    source = KrakenDataSource(DESCRIPTION.environment(environment))
    with pytest.raises(StopIteration) as end:
        next(source.dial([Topic(Channel.BOOK, "BTC-USD")]))
    dial = end.value.value
    assert (dial.url, dial.ping, dial.silence) == (f"wss://{host}/v2", None, 10.0)
    assert isinstance(source.session(dial, markets), KrakenSession)
