"""The public session, fed with frames by hand: what the venue documents is what the core is told."""

from __future__ import annotations

import pytest
from venuekit_spec import Channel, InstrumentTable, MalformedMessage, Send, Side, Topic, TopicLive, Trade

from {{ cookiecutter.__package }}.instruments import read_instruments
from {{ cookiecutter.__package }}.session import VenueSession

LIST = b"""{"instruments":[
{"symbol":"BTCUSDT","base":"BTC","quote":"USDT","tick":"0.01","step":"0.00001","least":"5","trading":true}]}"""

TRADE = b"""{"type":"trade","symbol":"BTCUSDT","id":77,"price":"60000.5","size":"0.25","side":"sell","time":1767225600123}"""

TRADES = Topic(Channel.TRADES, "BTC-USDT")


def opened() -> VenueSession:
    """A session on an open socket."""
    session = VenueSession(InstrumentTable(read_instruments(LIST)))
    session.opened(0)
    return session


def test_topics_are_asked_for_once() -> None:
    """A wanted topic is one frame to the venue; wanting it again is none."""
    session = opened()
    (sent,) = session.want(frozenset({TRADES}), 0)
    assert isinstance(sent, Send)
    assert sent.frame == '{"op":"subscribe","channel":"trades","symbol":"BTCUSDT"}'
    assert not session.want(frozenset({TRADES}), 1)


def test_trades_are_read() -> None:
    """The first trade proves that its topic is live, and is told exactly."""
    session = opened()
    session.want(frozenset({TRADES}), 0)
    live, trade = session.feed(TRADE, 5)
    assert live == TopicLive(TRADES)
    assert isinstance(trade, Trade)
    assert (trade.instrument, trade.price, trade.size, trade.side) == (
        "BTC-USDT",
        "60000.5",
        "0.25",
        Side.SELL,
    )
    assert (trade.key, trade.time, trade.received) == ("77", 1767225600123 * 10**6, 5)


@pytest.mark.parametrize("frame", [b"", b"{", TRADE[:-9], TRADE.replace(b"60000.5", b"NaN")])
def test_what_cannot_be_read_is_malformed(frame: bytes) -> None:
    """Bytes that mean nothing raise the one error that costs a frame and no connection."""
    session = opened()
    with pytest.raises(MalformedMessage):
        session.feed(frame, 0)
