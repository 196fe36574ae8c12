from __future__ import annotations

from collections.abc import Callable

import pytest

from venuekit_coinbase_exchange.data_source import CoinbaseExchangeDataSource
from venuekit_coinbase_exchange.description import DESCRIPTION
from venuekit_spec import (
    MILLISECOND,
    BookSnapshot,
    Channel,
    Environment,
    HttpResponse,
    Instrument,
    InstrumentTable,
    LocalError,
    MalformedMessage,
    OrderBookSnapshot,
    RateLimited,
    Refused,
    RestingOrder,
    Side,
    Topic,
    Unsupported,
    VenueUnavailable,
)
from venuekit_testkit import START, answered, first_request, reply

BOOK = (
    b'{"sequence":13051505638,"bids":[["6247.58","6.3578146",2]],"asks":[["6251.52","2",1]],'
    b'"time":"2021-02-12T01:09:23.334Z"}'
)
ORDERS = (
    b'{"sequence":3,"bids":[["295.96","0.05","3b0f1225"],["295.96","0.1","5a3b"]],'
    b'"asks":[["295.97","5.72036512","da863862"]]}'
)


@pytest.fixture
def source() -> CoinbaseExchangeDataSource:
    """The public side of production."""
    return CoinbaseExchangeDataSource(DESCRIPTION.environment())


def test_instruments(source: CoinbaseExchangeDataSource) -> None:
    """The products are asked for from the public pool, unsigned."""
    found, [request] = answered(source.instruments(), reply(b"[]"))
    assert found == []
    assert (request.method, request.url) == ("GET", "https://api.exchange.coinbase.com/products")
    assert [(cost.pool, cost.weight) for cost in request.costs] == [("public", 1.0)]
    assert not request.signed


def test_server_time(source: CoinbaseExchangeDataSource) -> None:
    """The documented clock is read to the millisecond, exactly."""
    body = b'{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}'
    found, [request] = answered(source.server_time(), reply(body))
    assert found == 1_420_674_445_201 * MILLISECOND
    assert request.url == "https://api.exchange.coinbase.com/time"


@pytest.mark.parametrize("iso", ["2015-01-07T23:47:25.201", "yesterday", "", "2015"])
def test_a_time_without_a_zone_is_malformed(source: CoinbaseExchangeDataSource, iso: str) -> None:
    """A clock that does not say which zone it is in tells no time."""
    with pytest.raises(MalformedMessage, match="time"):
        answered(source.server_time(), reply(b'{"iso":"%s","epoch":1420674445.201}' % iso.encode()))


def test_a_book_for_audits(source: CoinbaseExchangeDataSource, instruments: InstrumentTable) -> None:
    """The level-2 book keeps its rows as text, is the whole book, and has no id, as the feed has none."""
    topic = Topic(Channel.BOOK, "BTC-USD")
    book, [request] = answered(source.snapshot(topic, instruments["BTC-USD"]), reply(BOOK))
    assert request.url == "https://api.exchange.coinbase.com/products/BTC-USD/book?level=2"
    assert book == BookSnapshot(
        instrument="BTC-USD",
        bids=[("6247.58", "6.3578146", 2)],
        asks=[("6251.52", "2", 1)],
        time=1_613_092_163_334 * MILLISECOND,
        received=START,
    )


@pytest.mark.parametrize("variant", ["", "level3"])
def test_a_book_of_orders(
    source: CoinbaseExchangeDataSource, instruments: InstrumentTable, variant: str
) -> None:
    """The level-3 book stands at its sequence number and keeps the queue of each price."""
    topic = Topic(Channel.ORDERS, "BTC-USD", variant)
    book, [request] = answered(source.snapshot(topic, instruments["BTC-USD"]), reply(ORDERS))
    assert request.url == "https://api.exchange.coinbase.com/products/BTC-USD/book?level=3"
    assert book == OrderBookSnapshot(
        instrument="BTC-USD",
        orders=[
            RestingOrder("3b0f1225", Side.BUY, "295.96", "0.05"),
            RestingOrder("5a3b", Side.BUY, "295.96", "0.1"),
            RestingOrder("da863862", Side.SELL, "295.97", "5.72036512"),
        ],
        last=3,
        received=START,
    )


@pytest.mark.parametrize(("channel", "body"), [(Channel.BOOK, BOOK), (Channel.ORDERS, ORDERS)])
def test_an_indicative_book_is_none(
    source: CoinbaseExchangeDataSource, instruments: InstrumentTable, channel: Channel, body: bytes
) -> None:
    """In an auction the book is not the one that is traded on: it is asked for again later."""
    auction = body[:-1] + b',"auction_mode":true,"auction":{"open_price":"1"}}'
    with pytest.raises(VenueUnavailable, match="auction") as raised:
        answered(source.snapshot(Topic(channel, "BTC-USD"), instruments["BTC-USD"]), reply(auction))
    assert raised.value.retryable
    answered(
        source.snapshot(Topic(channel, "BTC-USD"), instruments["BTC-USD"]),
        reply(body[:-1] + b',"auction_mode":false}'),
    )


def test_a_product_cannot_change_the_path(
    source: CoinbaseExchangeDataSource, make_instrument: Callable[..., Instrument]
) -> None:
    """Characters that mean something in a URL are encoded like any other."""
    request = first_request(source.snapshot(Topic(Channel.BOOK), make_instrument("A/../B?-#é")))
    assert request.url.endswith("/products/A%2F..%2FB%3F-%23%C3%A9/book?level=2")


@pytest.mark.parametrize("channel", [Channel.TRADES, Channel.TOP])
def test_other_topics_have_no_snapshot(
    source: CoinbaseExchangeDataSource, instruments: InstrumentTable, channel: Channel
) -> None:
    """A topic without a book is refused before anything is sent."""
    with pytest.raises(Unsupported):
        next(source.snapshot(Topic(channel, "BTC-USD"), instruments["BTC-USD"]))


def test_a_refusal_is_raised_from_the_flow(
    source: CoinbaseExchangeDataSource, instruments: InstrumentTable
) -> None:
    """An error body ends the flow with the error it means."""
    with pytest.raises(Refused, match="NotFound"):
        answered(
            source.snapshot(Topic(Channel.BOOK), instruments["BTC-USD"]),
            HttpResponse(404, b'{"message":"NotFound"}'),
        )
    with pytest.raises(RateLimited):
        answered(source.server_time(), HttpResponse(429, b'{"message":"Public rate limit exceeded"}'))


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", BOOK.replace(b'"6247.58"', b"6247.58"), BOOK.replace(b'"2"', b'"\xff"'), ORDERS],
)
def test_a_malformed_book_names_its_request(
    source: CoinbaseExchangeDataSource, instruments: InstrumentTable, body: bytes
) -> None:
    """A 200 that is no level-2 book is malformed, never an empty book; a level-3 book is none either."""
    with pytest.raises(MalformedMessage, match="book BTC-USD"):
        answered(source.snapshot(Topic(Channel.BOOK), instruments["BTC-USD"]), reply(body))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("production", "wss://ws-feed.exchange.coinbase.com"),
        ("sandbox", "wss://ws-feed-public.sandbox.exchange.coinbase.com"),
        ("eu", "wss://ws-us.dma.prime.coinbase.com"),
        ("eu-sandbox", "wss://ws-us.dma.sandbox.prime.coinbase.com"),
    ],
)
def test_dial(name: str, url: str) -> None:
    """The feed of an environment is opened without a request, and pinged more often than it may be silent."""
    source = CoinbaseExchangeDataSource(DESCRIPTION.environment(name))
    dial, asked = answered(source.dial([Topic(Channel.BOOK, "BTC-USD")]))
    assert (asked, dial.url) == ([], url)
    assert dial.ping is not None
    assert dial.silence is not None
    assert 2 * dial.ping < dial.silence


def test_an_environment_needs_both_urls() -> None:
    """An environment without a stream is refused when the data source is made, not when it is dialled."""
    with pytest.raises(LocalError, match="stream"):
        CoinbaseExchangeDataSource(Environment("local", {"rest": "http://127.0.0.1:1"}))
