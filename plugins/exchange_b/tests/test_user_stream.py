"""The account stream: logins, news, and what becomes of a block."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from plugins.exchange_b.tests.local import LOCAL, START, LocalB

from venuekit_exchange_b.auth import ExchangeBAuth
from venuekit_exchange_b.dialect.account_socket import LOGGED_OUT, REFUSED
from venuekit_exchange_b.dialect.frames import NO_PONG
from venuekit_exchange_b.user_stream import AccountSession
from venuekit_spec import (
    NOTHING,
    Balance,
    BlockHeight,
    Channel,
    Credentials,
    Fill,
    Finality,
    FundingPayment,
    InstrumentTable,
    Login,
    MalformedMessage,
    NewOrder,
    OrderReport,
    OrderStatus,
    Position,
    Side,
    SocketRequest,
    StreamSequence,
    TimeInForce,
    Topic,
    TopicLive,
    TopicLost,
    Unsupported,
)
from venuekit_testkit import Pair, ref

USER = Topic(Channel.USER)
PROVISIONAL, FINAL, TAKEN_BACK = Finality.PROVISIONAL, Finality.FINAL, Finality.UNDONE


def resting(local: LocalB, side: Side, price: str, quantity: str, instrument: str = "BTC-USDC") -> str:
    """An order of another account in the book; the engine's id of it."""
    order = NewOrder(instrument, side, Decimal(quantity), "", price=Decimal(price))
    return local.engine.place("bob", order, local.now).order_id


def reports(pair: Pair, order: NewOrder) -> list[tuple[OrderStatus | None, Decimal | None, Finality]]:
    """What was told of an order since the last `take`."""
    told = [each for each in pair.of(OrderReport) if each.client_order_id == order.client_order_id]
    return [(each.status, each.filled, each.finality) for each in told]


def fills(pair: Pair) -> list[tuple[str, Finality]]:
    """The fills that were told since the last `take`."""
    return [(each.key, each.finality) for each in pair.of(Fill)]


def test_a_login(local: LocalB) -> None:
    """The challenge of the socket is signed and the topic is live; then numbered frames come, each block one at least."""
    pair = local.watch()
    assert pair.take() == [TopicLive(USER)]
    local.block(3)
    numbers = [each.n for each in pair.of(StreamSequence)]
    assert numbers == list(range(1, len(numbers) + 1))
    heights = [each.height for each in pair.of(BlockHeight)]
    assert heights == [local.chain.height - 2, local.chain.height - 1, local.chain.height]


@pytest.mark.parametrize("wrong", ["chain", "signer", "challenge"])
def test_a_login_that_is_refused(local: LocalB, wrong: str) -> None:
    """A login for another chain, by an agent nobody approved, or to another challenge loses the topic and the socket."""
    if wrong == "chain":
        local.use(ExchangeBAuth(local.key_of("alice"), 1))
    elif wrong == "signer":
        local.use(ExchangeBAuth(stranger(local), 8702))
    else:
        local.use(Parrot(local.key_of("alice"), 8702))
    pair = local.watch()
    [lost] = pair.of(TopicLost)
    assert lost.topic == USER
    assert "login was refused" in lost.reason
    assert pair.hung_up == REFUSED.code


class Parrot(ExchangeBAuth):
    """Answers every challenge as if it had been the same."""

    def login(self, now: int, nonce: int, challenge: str = "") -> str | bytes | None:
        """The answer to a challenge of zeros."""
        return super().login(now, nonce, f"0x{'0' * 64}")


def stranger(local: LocalB) -> Credentials:
    """Alice's account, signed for by bob's agent."""
    mine, his = local.key_of("alice").fields, local.key_of("bob").fields
    return Credentials({"address": mine["address"], "private_key": his["private_key"]})


def test_provisional_then_final(local: LocalB) -> None:
    """What a block did is told as provisional, and once more as final with the next one, in the order of the chain."""
    resting(local, Side.SELL, "60000", "0.2")
    pair = local.watch()
    order = local.order(Side.BUY, "60000", "0.2")
    local.place(order)
    pair.take()
    local.block()
    [(key, finality)] = fills(pair)
    assert finality is PROVISIONAL
    assert reports(pair, order)[0] == (OrderStatus.PENDING, 0, PROVISIONAL)
    assert reports(pair, order)[-1] == (OrderStatus.FILLED, Decimal("0.2"), PROVISIONAL)
    pair.take()
    local.block()
    assert fills(pair) == [(key, FINAL)]
    assert reports(pair, order) == [(OrderStatus.FILLED, Decimal("0.2"), FINAL)]
    pair.take()
    local.block()
    assert not pair.of(Fill)
    assert not pair.of(OrderReport)


def test_an_undone_block(local: LocalB) -> None:
    """Fill and order are taken back, the order waits in the pool again, and the same block's successor fills it anew."""
    resting(local, Side.SELL, "60000", "0.2")
    before = local.engine.balances("alice")
    pair = local.watch()
    order = local.order(Side.BUY, "60000", "0.2")
    local.place(order)
    local.block()
    [(key, _)] = fills(pair)
    pair.take()
    local.chain.capacity = 0
    local.server.undo_block()
    local.block()
    assert fills(pair) == [(key, TAKEN_BACK)]
    assert reports(pair, order) == [(OrderStatus.PENDING, 0, TAKEN_BACK)]
    assert list(local.engine.balances("alice")) == list(before)
    assert local.run(local.market().status(ref(order))).status is OrderStatus.PENDING
    assert local.run(local.market().fills(["BTC-USDC"], START)) == []
    assert [Decimal(each.size) for each in local.engine.resting("BTC-USDC")] == [Decimal("0.2")]
    pair.take()
    local.chain.capacity = 10
    local.block()
    [(again, finality)] = fills(pair)
    assert (again != key, finality) == (True, PROVISIONAL)
    local.block()
    assert fills(pair)[-1] == (again, FINAL)
    assert reports(pair, order)[-1] == (OrderStatus.FILLED, Decimal("0.2"), FINAL)
    assert local.chain.undone == 1


def test_an_undone_maker_stands_as_before(local: LocalB) -> None:
    """An order of an earlier block that was hit in the undone one is whole again, before whoever hit it comes again."""
    pair = local.watch()
    order = local.order(Side.BUY, "50000", "0.5")
    local.place(order)
    local.block(2)
    resting(local, Side.SELL, "50000", "0.2")
    local.advance(0.001)
    assert reports(pair, order)[-1] == (OrderStatus.PARTIALLY_FILLED, Decimal("0.2"), PROVISIONAL)
    pair.take()
    local.server.undo_block()
    local.block()
    (first, _), (second, _) = fills(pair)
    assert fills(pair) == [(first, TAKEN_BACK), (second, PROVISIONAL)]
    assert first != second
    assert reports(pair, order)[0] == (OrderStatus.OPEN, 0, TAKEN_BACK)
    local.block()
    assert fills(pair)[-1] == (second, FINAL)
    assert reports(pair, order)[-1] == (OrderStatus.PARTIALLY_FILLED, Decimal("0.2"), FINAL)


def test_an_undone_maker_that_would_cross(local: LocalB) -> None:
    """An order through whose price the market has moved enters again: what it trades then is provisional anew."""
    order = local.order(Side.BUY, "50000", "0.5")
    local.place(order)
    local.block(2)
    resting(local, Side.SELL, "50000", "0.5")
    resting(local, Side.SELL, "49000", "0.1")
    pair = local.watch()
    local.server.undo_block()
    local.block()
    assert fills(pair)[0][1] is TAKEN_BACK
    assert [finality for _, finality in fills(pair)[1:]] == [PROVISIONAL, PROVISIONAL]
    local.block()
    report = local.run(local.market().status(ref(order)))
    assert (report.status, report.filled, report.finality) == (OrderStatus.FILLED, Decimal("0.5"), FINAL)
    assert reports(pair, order)[-1] == (OrderStatus.FILLED, Decimal("0.5"), FINAL)
    image = local.engine.book("BTC-USDC", 1)
    assert not image.bids or not image.asks or image.bids[0][0] < image.asks[0][0]


def test_an_immediate_order_of_an_undone_block_is_tried_again(local: LocalB) -> None:
    """An order that had expired unfilled for the rest goes to the pool whole, and the next block fills it as it can."""
    resting(local, Side.SELL, "60000", "0.2")
    order = local.order(Side.BUY, "60000", "0.3", time_in_force=TimeInForce.IOC)
    local.place(order)
    local.block()
    local.server.undo_block()
    local.block(2)
    report = local.run(local.market().status(ref(order)))
    assert (report.status, report.filled) == (OrderStatus.EXPIRED, Decimal("0.2"))
    assert len(local.run(local.market().fills(["BTC-USDC"], START))) == 1


def test_a_cancel_in_an_undone_block_stands(local: LocalB) -> None:
    """What the undone block had cancelled stays cancelled, without what it had filled."""
    order = local.order(Side.BUY, "50000", "0.5")
    local.place(order)
    local.block()
    local.run(local.market().cancel([ref(order)]))
    local.block()
    local.server.undo_block()
    local.block()
    report = local.run(local.market().status(ref(order)))
    assert (report.status, report.finality) == (OrderStatus.CANCELED, FINAL)


def test_an_undo_with_nothing_to_undo_waits(local: LocalB) -> None:
    """A block that did nothing to anybody is not undone; the next that did is."""
    local.server.undo_block()
    local.block(2)
    assert local.chain.undone == 0
    local.place(local.order(Side.BUY, "50000", "0.5"))
    local.block(2)
    assert local.chain.undone == 1
    assert len(local.engine.open_orders("alice")) == 1


def test_balances_positions_and_funding_are_told(local: LocalB) -> None:
    """The stream tells what the engine holds, and what was paid."""
    pair = local.watch()
    resting(local, Side.SELL, "60000", "1", "BTC-USDC-PERP")
    local.place(local.order(Side.BUY, "60000", "1", "BTC-USDC-PERP"))
    local.block(61)
    assert pair.of(Position)[0].quantity == 1
    assert pair.of(FundingPayment)[0].position == 1
    told = {each.asset: each.total for each in pair.of(Balance)}
    assert told["USDC"] == next(each.total for each in local.engine.balances("alice") if each.asset == "USDC")


def test_pings_are_answered_with_their_id(local: LocalB) -> None:
    """Each ping's id comes back, and the socket lives on; without an answer it ends."""
    pair, silent = local.watch(), local.watch()
    silent.mute = True
    local.block(45)
    pings = [msgspec.json.decode(frame) for frame in pair.frames if frame.startswith(b'{"ping"')]
    assert pair.said()[1:] == [{"pong": each["ping"]} for each in pings]
    assert len(pings) >= 4
    assert pair.hung_up is None
    assert silent.hung_up == NO_PONG.code


def test_logins_that_have_become_worthless(local: LocalB) -> None:
    """When all logins end the socket is closed; a new one logs in anew."""
    pair = local.watch()
    local.server.expire_tokens(local.now)
    local.block()
    assert pair.hung_up == LOGGED_OUT.code
    assert local.watch().of(TopicLive) == [TopicLive(USER)]


def test_a_lost_frame_is_a_hole_in_the_numbers(local: LocalB) -> None:
    """The frame after a lost one tells a number that does not follow."""
    pair = local.watch()
    local.block()
    pair.lose = 1
    local.block(2)
    numbers = [each.n for each in pair.of(StreamSequence)]
    assert numbers == [1, 3]


def session() -> AccountSession:
    """A session that knows no market."""
    return AccountSession(InstrumentTable())


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"[]",
        b"{}",
        b'{"challenge":"0x12"}',
        b'{"n":0}',
        b'{"n":1,"news":[{"is":"weather"}]}',
        b'{"n":1,"news":[{"is":"position","market":99,"size":1}]}',
        b'{"n":1,"news":[{"is":"height","height":-1,"time":1}]}',
        b"\xff\xfe",
    ],
)
def test_nonsense_costs_its_frame_only(frame: bytes) -> None:
    """A frame that means nothing raises `MalformedMessage`, tells no number, and the next frame is read."""
    fresh = session()
    with pytest.raises(MalformedMessage):
        fresh.feed(frame, START)
    assert fresh.feed(b'{"n":2,"news":[]}', START) == [StreamSequence(2)]


def test_the_verbs_that_do_nothing() -> None:
    """The session runs no flows, has no timers, takes no calls, and refuses topics of other sockets."""
    fresh = session()
    assert fresh.opened(START) == fresh.tick(START) == fresh.answered("x", None, START) == NOTHING
    with pytest.raises(Unsupported):
        fresh.call(SocketRequest("1", "x"), START)
    other = Topic(Channel.TRADES, "BTC-USDC")
    [lost] = fresh.want(frozenset({other}), START)
    assert isinstance(lost, TopicLost)
    assert fresh.want(frozenset({other}), START) == []
    assert fresh.feed(b'{"challenge":"0x' + b"1" * 64 + b'"}', START) == (Login(f"0x{'1' * 64}"),)
    assert LOCAL.url("account").startswith("ws://")
