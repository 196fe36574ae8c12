from __future__ import annotations

from decimal import Decimal
from urllib.parse import unquote

import pytest
from plugins.exchange_a.tests.local import limit, local_venue

from venuekit_exchange_a.market import PAGE
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    Accepted,
    DuplicateClientOrderId,
    Fill,
    HttpResponse,
    InsufficientFunds,
    Liquidity,
    LocalError,
    MalformedMessage,
    NetworkError,
    NewOrder,
    OrderEntry,
    OrderNotFound,
    OrderRef,
    OrderStatus,
    OrderType,
    Outcome,
    Placed,
    RateLimited,
    Refused,
    Rejected,
    RuleViolated,
    Side,
    TimeInForce,
    Unit,
    Unknown,
    Unsupported,
    VenueError,
)
from venuekit_testkit import START, Hand, ref

RESTING = limit("vk1", Side.BUY, "50000", "0.5")


def one(local: Hand, order: NewOrder) -> Placed:
    """Place one order; its outcome."""
    [placed] = local.run(local.market().place([order]))
    return placed


def accepted(local: Hand, order: NewOrder) -> Accepted:
    """Place one order that is taken."""
    placed = one(local, order)
    assert isinstance(placed, Accepted), placed
    return placed


def held(local: Hand, order: NewOrder, price: Decimal | None = None) -> None:
    """What the engine holds of an order is what the connector reports of it."""
    report, mine = local.run(local.market().status(ref(order))), local.engine.order(local.account, ref(order))
    assert (report.order_id, report.client_order_id) == (mine.order_id, mine.intent.client_order_id)
    assert (report.status, report.side, report.type) == (mine.status, mine.intent.side, mine.intent.type)
    assert (report.quantity, report.filled, report.price) == (mine.quantity, mine.filled, mine.price)
    assert report.average_price == (mine.spent / mine.filled if mine.filled else None)
    assert report.time == mine.updated // MILLISECOND * MILLISECOND


def sell_to(local: Hand, price: str, quantity: str, number: int = 1) -> None:
    """Another account sells."""
    local.engine.place("bob", limit(f"bob{number}", Side.SELL, price, quantity), local.now)


def test_a_resting_order(either: Hand) -> None:
    """An order that rests is reported as the engine holds it, by either way of order entry."""
    placed = accepted(either, RESTING)
    assert placed.report.status is OrderStatus.OPEN
    assert (placed.report.filled, placed.report.remaining) == (0, Decimal("0.5"))
    assert placed.fills == ()
    held(either, RESTING)
    [report] = either.run(either.market().open_orders(None))
    assert report.order_id == placed.report.order_id


def test_a_crossing_order_brings_its_fills(either: Hand) -> None:
    """Fills of an order that trades at once come with the answer, and again with the same keys when asked for."""
    sell_to(either, "60000", "0.2")
    sell_to(either, "60001", "0.2", 2)
    placed = accepted(either, limit("vk1", Side.BUY, "60001", "0.3"))
    assert placed.report.status is OrderStatus.FILLED
    assert placed.report.average_price == (60000 * Decimal("0.2") + 60001 * Decimal("0.1")) / Decimal("0.3")
    assert [(fill.price, fill.quantity, fill.liquidity) for fill in placed.fills] == [
        (60000, Decimal("0.2"), Liquidity.TAKER),
        (60001, Decimal("0.1"), Liquidity.TAKER),
    ]
    told = either.run(either.market().fills(["BTC-USDT", "ETH-USDT"], START))
    assert told == list(placed.fills)
    engine = [execution.fill for execution in either.engine.executions("alice")]
    assert [(fill.key, fill.fees) for fill in told] == [(fill.key, fill.fees) for fill in engine]


@pytest.mark.parametrize(
    "order",
    [
        NewOrder("BTC-USDT", Side.BUY, Decimal("0.1"), "vk1", OrderType.MARKET),
        NewOrder("BTC-USDT", Side.BUY, Decimal(600), "vk1", OrderType.MARKET, unit=Unit.QUOTE),
        NewOrder("BTC-USDT", Side.BUY, Decimal("0.1"), "vk1", OrderType.STOP, trigger_price=Decimal(61000)),
        limit("vk1", Side.BUY, "61000", "0.1", type=OrderType.STOP_LIMIT, trigger_price=Decimal(60500)),
        limit("vk1", Side.BUY, "60000", "2", time_in_force=TimeInForce.IOC),
        limit("vk1", Side.BUY, "60000", "0.5", time_in_force=TimeInForce.FOK),
        limit("vk1", Side.BUY, "59999", "2", post_only=True),
        limit("vk1", Side.BUY, "0.08", "100", "狗币-USDT"),
        limit("vk1", Side.BUY, "0.0000000100001", "5000", "PEPE-BTC"),
        limit("vk1", Side.SELL, "70000", "0.1", "BTC-TUSD", options={"selfTrade": "cancel_maker"}),
    ],
    ids=lambda order: f"{order.instrument} {order.type} {order.time_in_force} {order.unit}",
)
def test_every_kind_of_order(either: Hand, order: NewOrder) -> None:
    """Each kind of order reaches the engine as it was asked for and is reported as the engine holds it."""
    sell_to(either, "60000", "1")
    accepted(either, order)
    asked = either.engine.order("alice", ref(order)).intent
    for name in ("side", "type", "quantity", "unit", "price", "trigger_price", "time_in_force", "post_only"):
        assert getattr(asked, name) == getattr(order, name), name
    held(either, order)


@pytest.mark.parametrize(
    "order",
    [
        limit("vk1", Side.BUY, "1", "1", type=OrderType.TAKE_PROFIT_LIMIT, trigger_price=Decimal(2)),
        limit("vk1", Side.BUY, "1", "1", time_in_force=TimeInForce.GTD, expires=START),
        limit("vk1", Side.BUY, "1", "1", reduce_only=True),
        limit("vk1", Side.BUY, "1", "1", deadline=START),
        limit("vk1", Side.BUY, "1", "1", options={"iceberg": "1"}),
    ],
)
def test_what_the_venue_has_no_word_for_is_not_sent(local: Hand, order: NewOrder) -> None:
    """An order that cannot be said is refused before anything is sent, also for the orders before it."""
    with pytest.raises(Unsupported):
        local.run(local.market().place([RESTING, order]))
    assert local.requests == []


@pytest.mark.parametrize(
    ("order", "error", "code"),
    [
        (limit("vk2", Side.BUY, "50000.001", "0.1"), RuleViolated, "-2014"),
        (limit("vk2", Side.BUY, "50000", "0.000001"), RuleViolated, "-2015"),
        (limit("vk2", Side.BUY, "0.01", "0.1"), RuleViolated, "-2016"),
        (limit("vk2", Side.BUY, "50000", "1000"), InsufficientFunds, "-2018"),
        (limit("vk2", Side.BUY, "61000", "0.1", post_only=True), Refused, "-2019"),
        (limit("v k", Side.BUY, "50000", "0.1"), Refused, "-1100"),
    ],
)
def test_refusals(either: Hand, order: NewOrder, error: type[VenueError], code: str) -> None:
    """A refusal of the engine is a rejection with the venue's code, and nothing is left of the order."""
    sell_to(either, "60000", "1")
    placed = one(either, order)
    assert isinstance(placed, Rejected)
    assert type(placed.error) is error
    assert placed.error.code == code
    assert either.engine.orders("alice") == []


def test_a_used_client_id_proves_nothing(either: Hand) -> None:
    """An order with the id of an open one is unknown: the open one may be an earlier attempt."""
    accepted(either, RESTING)
    placed = one(either, RESTING)
    assert isinstance(placed, Unknown)
    assert isinstance(placed.error, DuplicateClientOrderId)


@pytest.mark.parametrize(
    "reply",
    [
        NetworkError("gone", sent=True),
        HttpResponse(503, b'{"code":-1001,"msg":"overloaded"}'),
        HttpResponse(502, b"<html>"),
        HttpResponse(200, b'{"symbol":"BTCUS'),
        HttpResponse(200, b"{}"),
        HttpResponse(200, b'{"symbol":"BTCUSDT","orderId":"1","status":"strange"}'),
        HttpResponse(404, b"<html>"),
    ],
)
def test_a_lost_answer_is_unknown(local: Hand, reply: HttpResponse | VenueError) -> None:
    """Whatever hides what the venue did leaves the order unknown, and the one after it unharmed."""
    local.replies = [reply]
    first, second = local.run(local.market().place([RESTING, limit("vk2", Side.BUY, "50000", "0.1")]))
    assert isinstance(first, Unknown)
    assert isinstance(second, Accepted)
    held(local, RESTING)


@pytest.mark.parametrize(
    "reply",
    [
        NetworkError("refused", sent=False),
        HttpResponse(429, b"{}", {"retry-after": "3"}),
        HttpResponse(400, b'{"code":-2010,"msg":"no"}'),
    ],
)
def test_definitive_evidence_rejects(local: Hand, reply: HttpResponse | VenueError) -> None:
    """What was never sent, refused before the engine, or refused by it, is rejected."""
    local.replies = [reply]
    assert isinstance(one(local, RESTING), Rejected)


def test_cancel(either: Hand) -> None:
    """A cancelled order is reported as cancelled; again, it is not found."""
    order_id = accepted(either, RESTING).report.order_id
    [placed] = either.run(either.market().cancel([OrderRef("BTC-USDT", order_id=order_id)]))
    assert isinstance(placed, Accepted)
    assert placed.report.status is OrderStatus.CANCELED
    held(either, RESTING)
    [again] = either.run(either.market().cancel([ref(RESTING)]))
    assert isinstance(again, Rejected)
    assert isinstance(again.error, OrderNotFound)


def test_cancel_many(either: Hand) -> None:
    """Of a batch each order has its own outcome, in the order in which they were asked for, ten in a request."""
    orders = [limit(f"vk{number}", Side.BUY, "50000", "0.1") for number in range(12)]
    for order in orders:
        accepted(either, order)
    refs = [ref(order) for order in orders]
    refs.insert(3, OrderRef("BTC-USDT", client_order_id="none"))
    outcomes = either.run(either.market().cancel(refs))
    assert [isinstance(outcome, Accepted) for outcome in outcomes] == [number != 3 for number in range(13)]
    assert isinstance(outcomes[3], Rejected)
    assert either.engine.open_orders("alice") == []
    assert either.run(either.market().cancel([])) == []


@pytest.mark.parametrize("reply", [HttpResponse(500, b""), HttpResponse(200, b'{"results":[]}')])
def test_a_failed_batch_is_unknown_for_each(local: Hand, reply: HttpResponse) -> None:
    """A batch whose answer is lost, or has not one result per order, leaves all of its orders unknown."""
    local.replies = [reply]
    outcomes = local.run(local.market().cancel([ref(RESTING), OrderRef("BTC-USDT", order_id="5")]))
    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]


def test_a_batch_item_without_a_result_is_unknown(local: Hand) -> None:
    """An item that says nothing, or nonsense, costs itself alone."""
    local.replies = [HttpResponse(200, b'{"results":[{},{"error":{"code":-2011}},{"error":{"code":7}}]}')]
    outcomes = local.run(local.market().cancel([ref(RESTING)] * 3))
    assert [type(outcome) for outcome in outcomes] == [Unknown, Rejected, Unknown]


def test_amend(either: Hand) -> None:
    """An amended order keeps its ids and is reported with what it has become."""
    before = accepted(either, RESTING).report
    placed = either.run(either.market().amend(ref(RESTING), price=Decimal(50001), quantity=Decimal("0.4")))
    assert isinstance(placed, Accepted)
    assert placed.report.order_id == before.order_id
    assert (placed.report.price, placed.report.quantity) == (50001, Decimal("0.4"))
    held(either, RESTING)
    gone = either.run(
        either.market().amend(OrderRef("BTC-USDT", order_id="1"), price=Decimal(1), quantity=None)
    )
    assert isinstance(gone, Rejected)


def test_cancel_all_of_some_instruments(local: Hand) -> None:
    """Only the orders of the named instruments go, and their ids are told; without names all go."""
    bitcoin = accepted(local, RESTING).report.order_id
    dog = accepted(local, limit("vk2", Side.BUY, "0.07", "100", "狗币-USDT")).report.order_id
    assert local.run(local.market().cancel_all(["狗币-USDT"])) == [dog]
    assert [order.order_id for order in local.engine.open_orders("alice")] == [bitcoin]
    assert local.run(local.market().open_orders(["狗币-USDT"])) == []
    assert local.run(local.market().cancel_all(None)) == [bitcoin]


def test_the_status_of_no_order(local: Hand) -> None:
    """An order that the venue never saw is not found, by either id."""
    for order in (ref(RESTING), OrderRef("BTC-USDT", order_id="12")):
        with pytest.raises(OrderNotFound):
            local.run(local.market().status(order))


def test_fills_follow_the_pages(local: Hand) -> None:
    """More executions than a page holds are all told, once, oldest first, from the asked instant on."""
    sell_to(local, "60000", "9")
    for number in range(PAGE + 3):
        local.now += MILLISECOND
        order = limit(f"a{number}", Side.BUY, "60000", "0.001")
        local.engine.place("alice", order, local.now)
    fills = local.run(local.market().fills(["BTC-USDT"], START + 2 * MILLISECOND))
    assert len(fills) == PAGE + 2
    assert [fill.key for fill in fills] == [e.key for e in local.engine.executions("alice")][1:]
    assert len(local.requests) == 2


def test_pages_that_do_not_go_on_end(local: Hand) -> None:
    """A venue that says there is more and repeats itself is malformed, not asked for ever."""
    local.replies = [HttpResponse(200, b'{"fills":[],"more":true}')]
    with pytest.raises(MalformedMessage):
        local.run(local.market().fills(["BTC-USDT"], 0))


def test_account(local: Hand) -> None:
    """Balances, fees, permissions and limits are those that the engine holds."""
    accepted(local, RESTING)
    told = {balance.asset: balance for balance in local.run(local.market().balances())}
    for balance in local.engine.balances("alice"):
        mine = told[balance.asset]
        assert (mine.total, mine.free, mine.held) == (balance.total, balance.free, balance.held)
    assert told["USDT"].held
    rates = local.run(local.market().fee_rates("BTC-USDT"))
    assert rates == local.engine.fee_rates("alice", "BTC-USDT")
    permissions = local.run(local.market().permissions())
    assert (permissions.read, permissions.trade, permissions.withdraw) == (True, True, False)
    report = local.run(local.market().limits())
    assert report.used["orders"] == 1
    assert report.capacities == {"weight": 6_000, "raw": 20_000, "orders": 100}
    assert local.run(local.market().positions()) == ()


def test_a_key_that_may_only_read() -> None:
    """Such a key is told so, may ask, and is refused when it trades."""
    local = local_venue(account="auditor")
    assert local.run(local.market().permissions()).trade is False
    placed = one(local, RESTING)
    assert isinstance(placed, Rejected)
    assert placed.error.code == "-1024"


def test_the_dead_mans_switch(local: Hand) -> None:
    """Orders are cancelled unless the venue is told again in time, or the switch is disarmed."""
    accepted(local, RESTING)
    local.run(local.market().dead_man_switch(10.0))
    local.advance(9)
    local.run(local.market().dead_man_switch(10.0))
    local.advance(9)
    assert local.engine.open_orders("alice")
    local.run(local.market().dead_man_switch(None))
    local.advance(60)
    assert local.engine.open_orders("alice")
    local.run(local.market().dead_man_switch(0.5))
    local.advance(0.5)
    assert local.engine.open_orders("alice") == []
    assert local.run(local.market().status(ref(RESTING))).reason == "countdown"
    with pytest.raises(LocalError):
        local.run(local.market().dead_man_switch(0.0001))


def test_nonces_cannot_be_burnt(local: Hand) -> None:
    """A venue without nonces says so."""
    with pytest.raises(Unsupported):
        local.run(local.market().burn_nonce(1))


def test_a_spot_venue_has_no_leverage_and_no_chain(local: Hand) -> None:
    """What belongs to derivatives and chains is empty or refused, without a request."""
    assert local.run(local.market().funding(0)) == ()
    with pytest.raises(Unsupported):
        local.run(local.market().set_leverage("BTC-USDT", Decimal(2)))
    with pytest.raises(Unsupported):
        local.run(local.market().height())
    assert local.requests == []


def test_client_order_ids(local: Hand) -> None:
    """Each number has an id of its own that the venue takes, up to the largest number."""
    assert local.market().client_order_id(255) == "vkff"
    accepted(local, limit(local.market().client_order_id(2**56 - 1), Side.BUY, "50000", "0.1"))


def test_an_order_is_named_by_the_venues_id_where_known(local: Hand) -> None:
    """The venue's id is never used again, ours may be: it is asked for by the venue's."""
    order_id = accepted(local, RESTING).report.order_id
    local.run(local.market().status(OrderRef("BTC-USDT", client_order_id="vk1", order_id=order_id)))
    query = unquote(local.requests[-1].url.partition("?")[2])
    assert query.startswith(f"symbol=BTCUSDT&orderId={order_id}&recvWindow=")


def test_calls_travel_on_the_socket() -> None:
    """With order entry by socket no order is sent by REST, and what is not an order still is."""
    local = local_venue(OrderEntry.SOCKET)
    accepted(local, RESTING)
    assert local.requests == []
    local.run(local.market().balances())
    assert [request.label for request in local.requests] == ["account.balances"]


def test_a_call_that_is_limited_tells_the_pause() -> None:
    """Orders above the limit of the key are refused before the engine, with the pause; the next window takes them."""
    local = local_venue(OrderEntry.SOCKET)
    outcomes = []
    for number in range(101):
        local.advance(0.06)
        outcomes.append(one(local, limit(f"n{number}", Side.BUY, "50000", "0.001")))
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 100 + [Rejected]
    last = outcomes[-1]
    assert isinstance(last, Rejected)
    assert isinstance(last.error, RateLimited)
    assert last.error.outcome is Outcome.REJECTED
    assert last.error.retry_after == 4.0
    local.now += 4 * SECOND
    accepted(local, limit("n101", Side.BUY, "50000", "0.001"))


def test_fills_are_told_whole(local: Hand) -> None:
    """A fill has everything that the venue knows of it."""
    sell_to(local, "60000", "1")
    [fill] = accepted(local, limit("vk1", Side.BUY, "60000", "0.1")).fills
    [execution] = local.engine.executions("alice")
    assert isinstance(fill, Fill)
    assert (fill.order_id, fill.client_order_id) == (execution.order.order_id, "vk1")
    assert (fill.side, fill.time) == (Side.BUY, START)
    assert fill.fees == execution.fill.fees
