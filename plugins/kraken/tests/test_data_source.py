"""REST: what is asked, what is made of the answer, and what the venue may say instead."""

from __future__ import annotations

import pytest

from venuekit_kraken.data_source import KrakenDataSource
from venuekit_kraken.description import DESCRIPTION
from venuekit_kraken.session import KrakenSession
from venuekit_spec import (
    SECOND,
    BookSnapshot,
    Channel,
    InstrumentTable,
    MalformedMessage,
    Topic,
    Unsupported,
)
from venuekit_testkit import START, answered, first_request, reply

DEPTH = {"asks": [["105944.30000", "0.136", 1762820248]], "bids": [["105944.20000", "1.007", 1762820247]]}


def test_the_clock(source: KrakenDataSource) -> None:
    """Time is told in whole seconds, and asked for under the pool of public requests."""
    body = {"error": [], "result": {"unixtime": 1762820224, "rfc1123": "Tue, 11 Nov 25 00:17:04 +0000"}}
    found, [request] = answered(source.server_time(), reply(body))
    assert found == 1762820224 * SECOND
    assert (request.method, request.url) == ("GET", "https://api.kraken.com/0/public/Time")
    assert [cost.pool for cost in request.costs] == [pool.name for pool in DESCRIPTION.pools]


def test_the_market_list(source: KrakenDataSource) -> None:
    """AssetPairs becomes instruments; a warning beside the result is no failure."""
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}
    body = {"error": ["WGeneral:Something is slow"], "result": {"XXBTZUSD": pair}}
    found, [request] = answered(source.instruments(), reply(body))
    assert request.url == "https://api.kraken.com/0/public/AssetPairs"
    assert [instrument.id for instrument in found] == ["BTC-USD"]


def test_a_market_that_cannot_be_understood_costs_no_other(
    source: KrakenDataSource, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out with a warning that names it."""
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}
    body = {"error": [], "result": {"ODD": {**pair, "lot_decimals": "many"}, "XXBTZUSD": pair}}
    found, _ = answered(source.instruments(), reply(body))
    assert [instrument.id for instrument in found] == ["BTC-USD"]
    assert "AssetPairs ODD" in caplog.text


def test_a_snapshot_for_audits(source: KrakenDataSource, markets: InstrumentTable) -> None:
    """Depth is asked by the REST key and told as exact text, without an id, whatever the answer calls the pair."""
    topic, btc = Topic(Channel.BOOK, "BTC-USD"), markets["BTC-USD"]
    body = {"error": [], "result": {"XBTUSD": DEPTH}}
    found, [request] = answered(source.snapshot(topic, btc), reply(body))
    assert request.url == "https://api.kraken.com/0/public/Depth?pair=XXBTZUSD&count=100"
    assert found == BookSnapshot(
        instrument="BTC-USD",
        bids=[("105944.20000", "1.007")],
        asks=[("105944.30000", "0.136")],
        last=None,
        depth=100,
        received=START,
    )


@pytest.mark.parametrize(("variant", "count"), [("10", 10), ("25", 25), ("500", 500), ("1000", 500)])
def test_a_snapshot_is_as_deep_as_the_feed(
    source: KrakenDataSource, markets: InstrumentTable, variant: str, count: int
) -> None:
    """An audit asks for the depth that the book has, up to what REST gives."""
    request = first_request(source.snapshot(Topic(Channel.BOOK, "BTC-USD", variant), markets["BTC-USD"]))
    assert request.url.endswith(f"count={count}")


@pytest.mark.parametrize("topic", [Topic(Channel.TRADES, "BTC-USD"), Topic(Channel.BOOK, "BTC-USD", "7")])
def test_there_is_no_snapshot_of_anything_else(
    source: KrakenDataSource, markets: InstrumentTable, topic: Topic
) -> None:
    """Only books of a depth that exists have one; nothing is asked for the others."""
    with pytest.raises(Unsupported):
        next(source.snapshot(topic, markets["BTC-USD"]))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"error":[]}', b'{"error":[],"result":{"unixtime":"x"}}', b"\xff", b"[" * 100_000],
)
def test_an_answer_that_cannot_be_read(source: KrakenDataSource, body: bytes) -> None:
    """Bytes that mean nothing are a malformed message that names the request."""
    with pytest.raises(MalformedMessage) as raised:
        answered(source.server_time(), reply(body))
    assert (raised.value.venue, raised.value.topic) == ("kraken", "Time")


def test_a_depth_of_two_books_is_malformed(source: KrakenDataSource, markets: InstrumentTable) -> None:
    """Which of two books was meant is not guessed."""
    with pytest.raises(MalformedMessage) as raised:
        answered(
            source.snapshot(Topic(Channel.BOOK, "BTC-USD"), markets["BTC-USD"]),
            reply({"error": [], "result": {"A": DEPTH, "B": DEPTH}}),
        )
    assert raised.value.instrument == "BTC-USD"


@pytest.mark.parametrize(
    ("environment", "host"), [("production", "ws.kraken.com"), ("beta", "beta-ws.kraken.com")]
)
def test_the_socket_of_an_environment(environment: str, host: str, markets: InstrumentTable) -> None:
    """Dialling asks nothing first; life is told by the session's pings, so the driver sends none."""
    source = KrakenDataSource(DESCRIPTION.environment(environment))
    dial, _ = answered(source.dial([Topic(Channel.BOOK, "BTC-USD")]))
    assert (dial.url, dial.ping, dial.silence) == (f"wss://{host}/v2", None, 10.0)
    assert isinstance(source.session(dial, markets), KrakenSession)
