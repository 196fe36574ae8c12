from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from plugins.exchange_a.tests.local import LOCAL, LocalA, limit

from venuekit_exchange_a.data_source import ExchangeADataSource
from venuekit_spec import (
    BookDelta,
    BookSnapshot,
    Channel,
    MalformedMessage,
    Side,
    Topic,
    TopicLive,
    TopicLost,
    TopOfBook,
    Trade,
)

SOURCE = ExchangeADataSource(LOCAL)


def exact(price: str | float) -> Decimal:
    """The price of a row, whether text or double."""
    return Decimal(price if isinstance(price, str) else repr(price))


@pytest.mark.parametrize(
    ("pair", "prices"), [("BTC-USDT", ("60000", "0.01")), ("狗币-USDT", ("0.08", "0.00001"))]
)
def test_the_book_is_the_engines(local: LocalA, pair: str, prices: tuple[str, str]) -> None:
    """A snapshot in the middle and the deltas around it come to the engine's book over a random flow."""
    topics = [Topic(channel, pair) for channel in (Channel.BOOK, Channel.TRADES, Channel.TOP)]
    dial = local.run(SOURCE.dial(topics))
    socket = local.connect(dial.url, SOURCE.session(dial, local.instruments), topics)
    start, tick = map(Decimal, prices)
    dice = Random(3)
    snapshot = None
    for number in range(300):
        side = dice.choice(list(Side))
        price = start + dice.randint(-20, 20) * tick
        quantity = "1" if pair == "BTC-USDT" else "5000"
        account = dice.choice(["alice", "bob"])
        if len(local.engine.open_orders(account)) < 20:
            local.engine.place(account, limit(f"o{number}", side, str(price), quantity, pair), local.now)
        else:
            local.run(local.market.cancel_all([pair]))
        local.advance(dice.random() / 10)
        if number == 150:
            snapshot = local.run(SOURCE.snapshot(topics[0], local.instruments[pair]))
    local.advance(0.2)
    told = socket.take()
    assert {each for each in told if isinstance(each, TopicLive)} == {TopicLive(topic) for topic in topics}
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.last is not None
    book, last = _sides(snapshot), snapshot.last
    for delta in (each for each in told if isinstance(each, BookDelta)):
        assert delta.first is not None
        assert delta.last is not None
        if delta.last <= last:
            continue
        assert delta.first <= last + 1
        last = delta.last
        for side, rows in ((Side.BUY, delta.bids), (Side.SELL, delta.asks)):
            book[side].update({exact(row[0]): Decimal(row[1]) for row in rows})
    image = local.engine.book(pair)
    assert last == image.id
    for side, levels in ((Side.BUY, image.bids), (Side.SELL, image.asks)):
        assert {price: size for price, size in book[side].items() if size} == dict(levels)
    assert any(isinstance(each, Trade) for each in told)
    tops = [each for each in told if isinstance(each, TopOfBook)]
    best = tops[-1].bid
    assert (None if best is None else exact(best[0])) == (image.bids[0][0] if image.bids else None)


def _sides(snapshot: BookSnapshot) -> dict[Side, dict[Decimal, Decimal]]:
    return {
        side: {exact(row[0]): Decimal(row[1]) for row in rows}
        for side, rows in ((Side.BUY, snapshot.bids), (Side.SELL, snapshot.asks))
    }


def test_a_refused_topic_costs_itself(local: LocalA) -> None:
    """A symbol that the venue does not have is lost for good, the others of the request are live."""
    good = Topic(Channel.BOOK, "BTC-USDT")
    dial = local.run(SOURCE.dial([good]))
    session = SOURCE.session(dial, local.instruments)
    session.opened(local.now)
    bad = Topic(Channel.BOOK, "ETH-USDT")
    session.want(frozenset({good, bad}), local.now)
    outputs = session.feed(
        b'{"id":1,"refused":[{"topic":"depth:ETHUSDT","code":-1121,"msg":"no"}]}', local.now
    )
    assert TopicLive(good) in outputs
    assert TopicLost(bad, "no (-1121)", final=True) in outputs


@pytest.mark.parametrize("frame", [b"", b"[]", b"{}", b'{"topic":"depth:BTCUSDT","U":"x"}'])
def test_malformed_frames(local: LocalA, frame: bytes) -> None:
    """What cannot be read raises the one error that costs a frame."""
    dial = local.run(SOURCE.dial([]))
    with pytest.raises(MalformedMessage):
        SOURCE.session(dial, local.instruments).feed(frame, local.now)


def test_the_instrument_list(local: LocalA) -> None:
    """What the connector reads from the venue's list is what the venue lists."""
    told = {instrument.id: instrument for instrument in local.run(SOURCE.instruments())}
    assert told == dict(local.instruments)
    assert told["POL-USDT"].native["symbol"] == "MATICUSDT"
    assert local.run(SOURCE.server_time()) == local.now
