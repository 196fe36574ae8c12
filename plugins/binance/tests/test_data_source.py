from __future__ import annotations

from collections.abc import Callable

import pytest

from venuekit_binance.data_source import BinanceDataSource
from venuekit_binance.description import DESCRIPTION
from venuekit_spec import (
    MICROSECOND,
    MILLISECOND,
    BookSnapshot,
    Channel,
    Environment,
    HttpRequest,
    HttpResponse,
    Instrument,
    InstrumentTable,
    LocalError,
    MalformedMessage,
    RateLimited,
    Refused,
    Topic,
    Unsupported,
)
from venuekit_testkit import START, answered, first_request, reply

PRODUCTION = DESCRIPTION.environment("production")


def costs(request: HttpRequest) -> dict[str, float]:
    """What a request takes, by pool."""
    return {cost.pool: cost.weight for cost in request.costs}


def test_instruments() -> None:
    """The instruments are asked for without parameters, for weight 20."""
    found, [request] = answered(BinanceDataSource(PRODUCTION).instruments(), reply(b'{"symbols":[]}'))
    assert found == []
    assert (request.method, request.url) == ("GET", "https://api.binance.com/api/v3/exchangeInfo")
    assert costs(request) == {"REQUEST_WEIGHT": 20, "RAW_REQUESTS": 1}
    assert not request.signed


@pytest.mark.parametrize(
    ("told", "instant"),
    [
        (1499827319559, 1499827319559 * MILLISECOND),
        (1499827319559123, 1499827319559123 * MICROSECOND),
    ],
)
def test_server_time(told: int, instant: int) -> None:
    """Microseconds are asked for; a venue that answers in milliseconds all the same is understood."""
    found, [request] = answered(
        BinanceDataSource(PRODUCTION).server_time(), reply(b'{"serverTime":%d}' % told)
    )
    assert found == instant
    assert request.url == "https://api.binance.com/api/v3/time"
    assert request.headers == (("X-MBX-TIME-UNIT", "MICROSECOND"),)


def test_snapshot(instruments: InstrumentTable) -> None:
    """The documented snapshot keeps its rows as text, stands at its id, and knows its depth."""
    source = BinanceDataSource(PRODUCTION)
    body = b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}'
    flow = source.snapshot(Topic(Channel.BOOK, "BNB-BTC"), instruments["BNB-BTC"])
    book, [request] = answered(flow, reply(body))
    assert request.url == "https://api.binance.com/api/v3/depth?symbol=BNBBTC&limit=1000"
    assert book == BookSnapshot(
        instrument="BNB-BTC",
        bids=[("4.00000000", "431.00000000")],
        asks=[("4.00000200", "12.00000000")],
        last=1027024,
        depth=1_000,
        received=START,
    )


def test_symbols_are_percent_encoded(instruments: InstrumentTable) -> None:
    """A symbol that is not ASCII is sent as percent-encoded UTF-8."""
    flow = BinanceDataSource(PRODUCTION).snapshot(Topic(Channel.BOOK), instruments["这是测试币-456"])
    _, [request] = answered(flow, reply(b'{"lastUpdateId":1,"bids":[],"asks":[]}'))
    encoded = "%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456"
    assert request.url == f"https://api.binance.com/api/v3/depth?symbol={encoded}&limit=1000"


def test_a_symbol_cannot_add_parameters(make_instrument: Callable[..., Instrument]) -> None:
    """Characters that mean something in a URL are encoded like any other."""
    flow = BinanceDataSource(PRODUCTION).snapshot(Topic(Channel.BOOK), make_instrument("A&limit=1#", "/ ?"))
    request = first_request(flow)
    assert request.url.endswith("/depth?symbol=A%26limit%3D1%23%2F%20%3F&limit=1000")


@pytest.mark.parametrize(
    ("depth", "weight"),
    [(1, 5), (100, 5), (101, 25), (500, 25), (501, 50), (1_000, 50), (1_001, 250), (5_000, 250)],
)
def test_weight_follows_the_depth(depth: int, weight: int, instruments: InstrumentTable) -> None:
    """A deeper snapshot costs more, by the documented steps."""
    request = first_request(
        BinanceDataSource(PRODUCTION, depth).snapshot(Topic(Channel.BOOK), instruments["BNB-BTC"])
    )
    assert costs(request) == {"REQUEST_WEIGHT": weight, "RAW_REQUESTS": 1}
    assert request.url.endswith(f"&limit={depth}")


@pytest.mark.parametrize("depth", [0, -1, 5_001])
def test_an_impossible_depth_is_refused(depth: int) -> None:
    """A depth that the venue does not serve is a mistake of ours."""
    with pytest.raises(LocalError, match="1 to 5000"):
        BinanceDataSource(PRODUCTION, depth)


def test_trades_have_no_snapshot(instruments: InstrumentTable) -> None:
    """A topic without a book is refused before anything is sent."""
    with pytest.raises(Unsupported):
        next(BinanceDataSource(PRODUCTION).snapshot(Topic(Channel.TRADES, "BNB-BTC"), instruments["BNB-BTC"]))


def test_a_refusal_is_raised_from_the_flow(instruments: InstrumentTable) -> None:
    """An error body ends the flow with the error it means."""
    flow = BinanceDataSource(PRODUCTION).snapshot(Topic(Channel.BOOK), instruments["BNB-BTC"])
    with pytest.raises(Refused, match="Invalid symbol"):
        answered(flow, HttpResponse(400, b'{"code":-1121,"msg":"Invalid symbol."}'))
    with pytest.raises(RateLimited):
        answered(BinanceDataSource(PRODUCTION).server_time(), HttpResponse(429, b""))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"lastUpdateId":"1","bids":[],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[[1.5,2]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["\xff","2"]],"asks":[]}',
    ],
)
def test_a_malformed_snapshot_names_its_request(body: bytes, instruments: InstrumentTable) -> None:
    """A 200 that is no snapshot is malformed, never an empty book."""
    flow = BinanceDataSource(PRODUCTION).snapshot(Topic(Channel.BOOK), instruments["BNB-BTC"])
    with pytest.raises(MalformedMessage, match="depth BNBBTC"):
        answered(flow, reply(body))


@pytest.mark.parametrize(
    ("name", "url", "silence"),
    [
        ("production", "wss://stream.binance.com:9443/stream", 60.0),
        ("us", "wss://stream.binance.us:9443/stream", 400.0),
        ("testnet", "wss://stream.testnet.binance.vision/stream", 60.0),
        ("demo", "wss://demo-stream.binance.com/stream", 60.0),
        ("data", "wss://data-stream.binance.vision/stream", 60.0),
    ],
)
def test_dial(name: str, url: str, silence: float) -> None:
    """One combined stream, opened without a request; the server's pings are the sign of life, for 24 hours."""
    source = BinanceDataSource(DESCRIPTION.environment(name))
    dial, asked = answered(source.dial([Topic(Channel.BOOK, "BNB-BTC")]))
    assert asked == []
    assert (dial.url, dial.ping, dial.silence, dial.lifetime) == (url, None, silence, 86_400.0)


def test_an_environment_needs_both_urls() -> None:
    """An environment without a stream is refused when the data source is made, not when it is dialled."""
    with pytest.raises(LocalError, match="stream"):
        BinanceDataSource(Environment("local", {"rest": "http://127.0.0.1:1"}))
