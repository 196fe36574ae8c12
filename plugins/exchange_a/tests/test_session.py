from __future__ import annotations

import pytest

from venuekit_spec import (
    Channel,
    MalformedMessage,
    Topic,
    TopicLive,
    TopicLost,
)
from venuekit_testkit import Hand


def test_a_refused_topic_costs_itself(local: Hand) -> None:
    """A symbol that the venue does not have is lost for good, the others of the request are live."""
    good = Topic(Channel.BOOK, "BTC-USDT")
    dial = local.run(local.source.dial([good]))
    session = local.source.session(dial, local.instruments)
    session.opened(local.now)
    bad = Topic(Channel.BOOK, "ETH-USDT")
    session.want(frozenset({good, bad}), local.now)
    outputs = session.feed(
        b'{"id":1,"refused":[{"topic":"depth:ETHUSDT","code":-1121,"msg":"no"}]}', local.now
    )
    assert TopicLive(good) in outputs
    assert TopicLost(bad, "no (-1121)", final=True) in outputs


@pytest.mark.parametrize("frame", [b"", b"[]", b"{}", b'{"topic":"depth:BTCUSDT","U":"x"}'])
def test_malformed_frames(local: Hand, frame: bytes) -> None:
    """What cannot be read raises the one error that costs a frame."""
    dial = local.run(local.source.dial([]))
    with pytest.raises(MalformedMessage):
        local.source.session(dial, local.instruments).feed(frame, local.now)


def test_the_instrument_list(local: Hand) -> None:
    """What the connector reads from the venue's list is what the venue lists."""
    told = {instrument.id: instrument for instrument in local.run(local.source.instruments())}
    assert told == dict(local.instruments)
    assert told["POL-USDT"].native["symbol"] == "MATICUSDT"
    assert local.run(local.source.server_time()) == local.now
