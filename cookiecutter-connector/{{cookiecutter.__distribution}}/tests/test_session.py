"""The public session, fed with frames by hand: what the venue documents is what the core is told."""

from __future__ import annotations

import pytest
from venuekit_spec import (
    Channel,
    InstrumentTable,
    MalformedMessage,
    Side,
    Topic,
    TopicLive,
    TopicLost,
    Trade,
)
from venuekit_testkit import Driver, read_or_malformed

from {{ cookiecutter.__package }}.instruments import read_instruments
from {{ cookiecutter.__package }}.session import VenueSession

LIST = b"""{"instruments":[
{"symbol":"BTCUSDT","base":"BTC","quote":"USDT","tick":"0.01","step":"0.00001","least":"5","trading":true}]}"""

LIVE = b'{"type":"subscribed","channel":"trades","symbol":"BTCUSDT"}'

ENDED = b'{"type":"ended","channel":"trades","symbol":"BTCUSDT","reason":"maintenance"}'

TRADE = b"""{"type":"trade","symbol":"BTCUSDT","id":77,"price":"60000.5","size":"0.25","side":"sell","time":1767225600123}"""

TRADES = Topic(Channel.TRADES, "BTC-USDT")


def asking() -> Driver:
    """A session that has asked for trades, driven by hand: no socket, no event loop."""
    return Driver(VenueSession(InstrumentTable(read_instruments(LIST)))).open(TRADES)


def test_topics_are_asked_for_in_the_venues_words() -> None:
    """A topic that is wanted is one frame to the venue, and one more once it is live and wanted no longer."""
    driver = asking()
    assert driver.said() == [{"op": "subscribe", "channel": "trades", "symbol": "BTCUSDT"}]
    driver.hear(LIVE)
    driver.want()
    assert driver.said() == [{"op": "unsubscribe", "channel": "trades", "symbol": "BTCUSDT"}]


def test_answers_are_heard() -> None:
    """A topic is live when the venue has said so, and lost when the venue ends it, with its reason."""
    driver = asking()
    assert driver.hear(LIVE) == [TopicLive(TRADES)]
    assert driver.hear(ENDED) == [TopicLost(TRADES, "maintenance", final=False)]


def test_trades_are_read() -> None:
    """Price and size are those of the wire, to the last digit; the first trade proves that its topic is live."""
    driver = asking()
    live, trade = driver.hear(TRADE)
    assert live == TopicLive(TRADES)
    assert isinstance(trade, Trade)
    told = (trade.instrument, trade.price, trade.size, trade.side)
    assert told == ("BTC-USDT", "60000.5", "0.25", Side.SELL)
    assert (trade.key, trade.time, trade.received) == ("77", 1767225600123 * 10**6, driver.now)


def test_what_cannot_be_read_is_malformed() -> None:
    """Bytes that mean nothing raise the one error that costs a frame and no connection."""
    read_or_malformed(asking(), [LIVE, TRADE])
    with pytest.raises(MalformedMessage):
        asking().hear(TRADE.replace(b"60000.5", b"NaN"))
