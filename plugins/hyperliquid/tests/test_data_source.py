from __future__ import annotations

import json
from typing import Any

import pytest

from venuekit_hyperliquid.data_source import HyperliquidDataSource
from venuekit_hyperliquid.description import DESCRIPTION
from venuekit_spec import (
    MILLISECOND,
    BookSnapshot,
    Channel,
    HttpRequest,
    InstrumentTable,
    MalformedMessage,
    Refused,
    Topic,
    Unsupported,
)
from venuekit_testkit import START, answered, reply

BTC = Topic(Channel.BOOK, "BTC-USDC-PERP")
BOOK = (
    b'{"coin":"BTC","time":1754450974231,"levels":[[{"px":"113377.0","sz":"7.6699","n":17},{"px":"113376.0","sz":"4.13714",'
    b'"n":8}],[{"px":"113397.0","sz":"0.11543","n":3}]]}'
)


def asked_for(request: HttpRequest) -> tuple[dict[str, Any], dict[str, float]]:
    """The body of a request, once it is sure that it is a read by POST, and what it takes by pool."""
    assert (request.method, request.headers) == ("POST", (("Content-Type", "application/json"),))
    assert request.repeatable
    assert not request.signed
    return json.loads(request.body), {cost.pool: cost.weight for cost in request.costs}


def test_instruments(source: HyperliquidDataSource, lists: tuple[bytes, bytes]) -> None:
    """Two requests of weight 20 tell all perpetuals and all spot pairs."""
    found, requests = answered(source.instruments(), *map(reply, lists))
    assert {"BTC-USDC-PERP", "PURR-USDC"} <= {instrument.id for instrument in found}
    assert [asked_for(request) for request in requests] == [
        ({"type": "allPerpMetas"}, {"weight": 20}),
        ({"type": "spotMeta"}, {"weight": 20}),
    ]
    assert {request.url for request in requests} == {"https://api.hyperliquid.xyz/info"}


def test_the_test_network_has_hosts_of_its_own(instruments: InstrumentTable) -> None:
    """Requests and sockets of the test network never reach the production's hosts."""
    source = HyperliquidDataSource(DESCRIPTION.environment("testnet"))
    _, [request] = answered(source.server_time(), reply(b'{"time":1}'))
    dial, _ = answered(source.dial([BTC]))
    assert request.url == "https://api.hyperliquid-testnet.xyz/info"
    assert dial.url == "wss://api.hyperliquid-testnet.xyz/ws"


def test_server_time(source: HyperliquidDataSource) -> None:
    """The clock is part of the exchange's status."""
    found, [request] = answered(source.server_time(), reply(b'{"time":1754450974231,"specialStatuses":null}'))
    assert found == 1754450974231 * MILLISECOND
    assert asked_for(request) == ({"type": "exchangeStatus"}, {"weight": 2})


def test_snapshot(source: HyperliquidDataSource, instruments: InstrumentTable) -> None:
    """A snapshot has at most twenty levels a side, prices and sizes as written, and the venue's time."""
    found, [request] = answered(source.snapshot(BTC, instruments[BTC.instrument]), reply(BOOK))
    assert found == BookSnapshot(
        instrument=BTC.instrument,
        bids=[("113377.0", "7.6699"), ("113376.0", "4.13714")],
        asks=[("113397.0", "0.11543")],
        depth=20,
        time=1754450974231 * MILLISECOND,
        received=START,
    )
    assert asked_for(request) == ({"type": "l2Book", "coin": "BTC"}, {"weight": 2})


def test_only_books_have_snapshots(source: HyperliquidDataSource, instruments: InstrumentTable) -> None:
    """Any other topic is refused before anything is sent."""
    with pytest.raises(Unsupported):
        next(source.snapshot(Topic(Channel.TRADES, BTC.instrument), instruments[BTC.instrument]))


def test_no_book(source: HyperliquidDataSource, instruments: InstrumentTable) -> None:
    """The venue answers null for a coin that it does not know."""
    with pytest.raises(Refused, match="no book of BTC"):
        answered(source.snapshot(BTC, instruments[BTC.instrument]), reply(b"null"))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"coin":"BTC"}', BOOK.replace(b'"BTC"', b'"ETH"')])
def test_a_malformed_snapshot(
    source: HyperliquidDataSource, instruments: InstrumentTable, body: bytes
) -> None:
    """What is no book, or the book of another coin, is malformed."""
    with pytest.raises(MalformedMessage, match="l2Book BTC"):
        answered(source.snapshot(BTC, instruments[BTC.instrument]), reply(body))


def test_dial(source: HyperliquidDataSource) -> None:
    """The socket takes no request, is not compressed, and counts as dead when the venue would think so too."""
    dial, requests = answered(source.dial([BTC]))
    assert requests == []
    assert (dial.url, dial.compression, dial.ping, dial.silence) == (
        "wss://api.hyperliquid.xyz/ws",
        False,
        None,
        60.0,
    )


def test_what_closes_sockets_is_remembered(
    source: HyperliquidDataSource, instruments: InstrumentTable
) -> None:
    """A session of the same source knows what was unanswered when the one before ended: it probes its socket first."""
    dial, _ = answered(source.dial([BTC]))
    first = source.session(dial, instruments)
    assert first.opened(0) == source.session(dial, instruments).opened(0)
    first.want(frozenset({BTC}), 0)
    first.closed("the venue closed it")
    assert "ping" in str([getattr(out, "frame", "") for out in source.session(dial, instruments).opened(0)])
