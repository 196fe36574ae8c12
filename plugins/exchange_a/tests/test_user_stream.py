from __future__ import annotations

import json

import pytest
from plugins.exchange_a.tests.local import limit

from venuekit_spec import (
    Balance,
    Channel,
    Fill,
    HttpResponse,
    MalformedMessage,
    OrderReport,
    OrderStatus,
    Redial,
    Side,
    StreamSequence,
    Topic,
    TopicLive,
)
from venuekit_testkit import Hand, Pair, ref

USER = Topic(Channel.USER)


@pytest.fixture
def stream(local: Hand) -> Pair:
    """The user stream of alice, open."""
    return local.open(USER)


def test_the_url_is_never_shown(local: Hand) -> None:
    """The token stands in the URL, and neither the dial nor the token shows it."""
    dial = local.run(local.user_stream().dial([USER]))
    token = dial.url.rpartition("/")[2]
    assert dial.secret_url
    assert token not in f"{dial!r} {dial.shown_url}"


def test_the_first_frame_makes_it_live(stream: Pair) -> None:
    """The welcome is number one and the topic is live."""
    assert stream.take() == [TopicLive(USER), StreamSequence(1)]


def test_reports_are_patches(local: Hand, stream: Pair) -> None:
    """An order is told wholly at first, then by what has changed: the rest is None, never zero."""
    stream.take()
    order = limit("vk1", Side.BUY, "50000", "0.5")
    local.engine.place("alice", order, local.now)
    local.engine.cancel("alice", ref(order), local.now)
    reports = [told for told in stream.take() if isinstance(told, OrderReport)]
    first, last = reports[0], reports[-1]
    assert (first.client_order_id, first.filled, first.quantity) == ("vk1", 0, order.quantity)
    assert last.status is OrderStatus.CANCELED
    assert (last.order_id, last.client_order_id) == (first.order_id, "")
    assert (last.filled, last.remaining, last.quantity, last.side) == (None, None, None, None)


def test_fills_and_balances_are_the_engines(local: Hand, stream: Pair) -> None:
    """Fills have the keys that asking gives, balances are absolute, numbers have no holes, nobody else's are told."""
    local.engine.place("alice", limit("vk1", Side.BUY, "60000", "0.5"), local.now)
    local.engine.place("bob", limit("b1", Side.SELL, "60000", "0.2"), local.now)
    told = stream.take()
    [fill] = [each for each in told if isinstance(each, Fill)]
    assert [fill] == local.run(local.market().fills(["BTC-USDT"], 0))
    balances = {each.asset: each.total for each in told if isinstance(each, Balance)}
    held = {each.asset: each.total for each in local.engine.balances("alice")}
    assert balances == {asset: held[asset] for asset in balances}
    assert set(balances) == {"BTC", "USDT"}
    numbers = [each.n for each in told if isinstance(each, StreamSequence)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_beats_show_the_loss_of_the_last_frame(local: Hand, stream: Pair) -> None:
    """After a frame that was lost, the next beat shows a hole within ten seconds."""
    stream.take()
    stream.lose = 1
    local.engine.place("alice", limit("vk1", Side.BUY, "1000", "0.5"), local.now)
    stream.take()
    local.advance(10)
    beats = [json.loads(frame)["type"] for frame in stream.frames]
    assert beats[-1] == "beat"
    assert len(beats) == json.loads(stream.frames[-1])["n"]


def test_the_token_is_renewed(local: Hand, stream: Pair) -> None:
    """A stream lives on for hours: the token is renewed every thirty minutes."""
    local.advance(4 * 3_600)
    assert stream.hung_up is None
    renewals = [request for request in local.requests if request.label == "token.renew"]
    assert len(renewals) == 8


def test_an_expired_token_ends_the_socket(local: Hand, stream: Pair) -> None:
    """The venue says that the token is worthless and closes; the session asks for a new socket, which works."""
    stream.take()
    local.dialect.expire_tokens(local.now)
    local.advance(10)
    assert stream.hung_up == 4001
    assert Redial("the token has expired") in stream.take()
    assert TopicLive(USER) in local.open(USER).take()


def test_a_refused_renewal_redials_and_a_failed_one_is_tried_again(local: Hand, stream: Pair) -> None:
    """What the venue refuses is over; a failure of the venue is tried again after a minute."""
    local.advance(1_799)
    stream.take()
    local.replies = [HttpResponse(503, b"")]
    local.advance(1)
    assert not any(isinstance(told, Redial) for told in stream.take())
    local.replies = [HttpResponse(401, b'{"code":-1025,"msg":"no such token"}')]
    local.advance(60)
    assert Redial("the token was not renewed") in stream.take()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b'{"n":0,"type":"beat"}',
        b'{"n":2,"type":"order","data":{"symbol":"BTCUSDT"}}',
        b'{"n":2,"type":"order","data":{"symbol":"NONE","orderId":"1","status":"open"}}',
        b'{"n":2,"type":"order","data":{"symbol":"BTCUSDT","orderId":"1","status":"open","filled":"NaN"}}',
        b'{"n":2,"type":"fill","data":null}',
    ],
)
def test_a_malformed_frame_is_a_hole(stream: Pair, frame: bytes) -> None:
    """A frame that cannot be read costs itself, and its number is not told."""
    with pytest.raises(MalformedMessage):
        stream.hear(frame)


def test_a_frame_of_an_unknown_kind_only_counts(stream: Pair) -> None:
    """What the venue may add later is numbered like everything else."""
    assert stream.hear(b'{"n":2,"type":"news","data":{}}') == [StreamSequence(2)]
