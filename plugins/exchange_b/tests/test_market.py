"""Trading: every flow of the market against the dialect and the engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from plugins.exchange_b.tests.local import START, LocalB

from venuekit_exchange_b.actions import order_hash
from venuekit_exchange_b.dialect.chain import FUNDING_BLOCKS, FUNDING_RATE
from venuekit_exchange_b.orders import terms
from venuekit_spec import (
    MILLISECOND,
    Accepted,
    DuplicateClientOrderId,
    FeeRates,
    Finality,
    HttpRequest,
    HttpResponse,
    InsufficientFunds,
    Liquidity,
    LocalError,
    MalformedMessage,
    NetworkError,
    NewOrder,
    NonceRefused,
    OrderNotFound,
    OrderRef,
    OrderStatus,
    OrderType,
    Outcome,
    RateLimited,
    Refused,
    Rejected,
    RuleViolated,
    Side,
    TimeInForce,
    Unit,
    Unknown,
    Unsupported,
    VenueUnavailable,
)
from venuekit_testkit import ref

PERP = "BTC-USDC-PERP"


def counter(local: LocalB, side: Side, price: str, quantity: str, instrument: str = "BTC-USDC") -> None:
    """Another account trades, without the pool."""
    order = NewOrder(instrument, side, Decimal(quantity), "", price=Decimal(price))
    local.engine.place("bob", order, local.now)


def test_a_placement_waits_in_the_pool_for_its_block(local: LocalB) -> None:
    """The answer is PENDING under the hash that is known before; the engine gets the order with the next block."""
    order = local.order(Side.BUY, "50000", "0.5")
    [placed] = local.place(order)
    hashed = order_hash(terms(order, local.instruments["BTC-USDC"]), 8702, local.address)
    assert (placed.report.order_id, placed.report.status) == (hashed, OrderStatus.PENDING)
    assert placed.report.client_order_id == order.client_order_id
    assert not local.engine.open_orders("alice")
    assert local.run(local.market().status(ref(order))).status is OrderStatus.PENDING
    local.block()
    report = local.run(local.market().status(ref(order)))
    assert (report.status, report.finality) == (OrderStatus.OPEN, Finality.PROVISIONAL)
    assert (report.price, report.quantity, report.filled) == (50_000, Decimal("0.5"), 0)
    local.block()
    assert local.run(local.market().status(ref(order))).finality is Finality.FINAL
    [opened] = local.run(local.market().open_orders(["BTC-USDC"]))
    assert opened.order_id == hashed
    assert local.run(local.market().open_orders(["ETH-USDC"])) == []


def test_a_fill(local: LocalB) -> None:
    """An order that trades in its block is filled as the engine says, with the engine's fee, in every answer alike."""
    counter(local, Side.SELL, "60000", "0.2")
    order = local.order(Side.BUY, "60000.5", "0.3")
    local.place(order)
    local.block(2)
    report = local.run(local.market().status(ref(order)))
    assert (report.status, report.filled, report.remaining) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal("0.2"),
        Decimal("0.1"),
    )
    assert report.average_price == 60_000
    [fill] = local.run(local.market().fills(["BTC-USDC", "ETH-USDC"], START))
    [execution] = local.engine.executions("alice")
    assert (fill.key, fill.price, fill.quantity, fill.fees) == (
        execution.key,
        execution.fill.price,
        execution.fill.quantity,
        execution.fees,
    )
    assert (fill.order_id, fill.client_order_id) == (report.order_id, order.client_order_id)
    assert (fill.liquidity, fill.finality) == (Liquidity.TAKER, Finality.FINAL)
    assert fill.time == execution.fill.time // MILLISECOND * MILLISECOND
    assert local.run(local.market().fills(["BTC-USDC"], local.now)) == []


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"time_in_force": TimeInForce.IOC}, OrderStatus.EXPIRED),
        ({"time_in_force": TimeInForce.FOK}, OrderStatus.EXPIRED),
        ({"time_in_force": TimeInForce.GTC}, OrderStatus.PARTIALLY_FILLED),
        ({"post_only": True}, OrderStatus.REJECTED),
    ],
)
def test_every_force(local: LocalB, more: dict[str, Any], status: OrderStatus) -> None:
    """Each way for an order to stand reaches the engine as it was meant."""
    counter(local, Side.SELL, "60000", "1")
    order = local.order(Side.BUY, "60000", "2", **more)
    local.place(order)
    local.block()
    assert local.run(local.market().status(ref(order))).status is status


def test_a_batch_has_a_result_for_each(local: LocalB) -> None:
    """One order that is refused at the pool's door costs no other of its batch."""
    good, bad = local.order(Side.BUY, "50000", "0.5"), local.order(Side.BUY, "50000", "0.00001")
    other = local.order(Side.SELL, "70000", "0.5")
    first, second, third = local.run(local.market().place([good, bad, other]))
    assert isinstance(first, Accepted)
    assert isinstance(second, Rejected)
    assert isinstance(second.error, RuleViolated)
    assert second.error.code == "notional"
    assert isinstance(third, Accepted)
    assert len(local.requests) == 1
    local.block()
    assert len(local.engine.open_orders("alice")) == 2


def test_more_orders_than_fit_an_action(local: LocalB) -> None:
    """Forty-five orders are three actions, in their order, and so are their cancels."""
    orders = [local.order(Side.BUY, str(50_000 + n), "0.01") for n in range(45)]
    placed = local.place(*orders)
    assert [each.report.price for each in placed] == [order.price for order in orders]
    assert len(local.requests) == 3
    local.block()
    canceled = local.run(local.market().cancel([ref(order) for order in orders]))
    assert len(canceled) == 45
    assert len(local.requests) == 6
    local.block()
    assert not local.engine.open_orders("alice")


@pytest.mark.parametrize("by_hash", [False, True])
def test_a_cancel(local: LocalB, by_hash: bool) -> None:
    """A cancel is taken into the pool, by client id or by hash, and the next block carries it out."""
    order = local.order(Side.BUY, "50000", "0.5")
    [placed] = local.place(order)
    local.block()
    named = OrderRef(order.instrument, order_id=placed.report.order_id) if by_hash else ref(order)
    [canceled] = local.run(local.market().cancel([named]))
    assert isinstance(canceled, Accepted)
    assert canceled.report.status is OrderStatus.CANCELING
    assert local.run(local.market().status(named)).status is OrderStatus.OPEN
    local.block()
    assert local.run(local.market().status(named)).status is OrderStatus.CANCELED


def test_a_cancel_that_loses_the_race(local: LocalB) -> None:
    """An order that is filled before the block of its cancel stays filled."""
    order = local.order(Side.BUY, "50000", "0.5")
    local.place(order)
    local.block()
    [canceled] = local.run(local.market().cancel([ref(order)]))
    assert isinstance(canceled, Accepted)
    counter(local, Side.SELL, "50000", "0.5")
    local.block()
    assert local.run(local.market().status(ref(order))).status is OrderStatus.FILLED
    [again] = local.run(local.market().cancel([ref(order)]))
    assert isinstance(again, Rejected)
    assert type(again.error) is OrderNotFound


def test_an_order_in_the_pool_can_be_cancelled(local: LocalB) -> None:
    """Order and cancel of one block are carried out in their order."""
    order = local.order(Side.BUY, "50000", "0.5")
    local.place(order)
    local.run(local.market().cancel([ref(order)]))
    local.block()
    assert local.run(local.market().status(ref(order))).status is OrderStatus.CANCELED


def test_what_nobody_placed(local: LocalB) -> None:
    """An order that the venue does not know, or that is another account's, is not found."""
    order = local.order(Side.BUY, "50000", "0.5")
    with pytest.raises(OrderNotFound):
        local.run(local.market().status(ref(order)))
    [canceled] = local.run(local.market().cancel([ref(order)]))
    assert isinstance(canceled, Rejected)
    assert type(canceled.error) is OrderNotFound
    [placed] = local.place(order)
    other = LocalB("bob")
    other.dialect = local.dialect
    with pytest.raises(OrderNotFound):
        other.run(other.market().status(OrderRef(order.instrument, order_id=placed.report.order_id)))


def test_an_order_expires_at_its_height(local: LocalB) -> None:
    """At its height an order still stands; the block above ends it."""
    order = local.order(Side.BUY, "50000", "0.5", blocks=3)
    local.place(order)
    local.block(3)
    assert local.chain.height == order.expires_at_height
    assert local.run(local.market().status(ref(order))).status is OrderStatus.OPEN
    local.block()
    assert local.run(local.market().status(ref(order))).status is OrderStatus.EXPIRED


def test_an_order_that_no_block_had_room_for(local: LocalB) -> None:
    """An order still in the pool at its height expires there, for good."""
    local.chain.capacity = 0
    order = local.order(Side.BUY, "50000", "0.5", blocks=2)
    local.place(order)
    local.block(2)
    report = local.run(local.market().status(ref(order)))
    assert (report.status, report.finality) == (OrderStatus.EXPIRED, Finality.FINAL)
    local.chain.capacity = 10
    local.block()
    assert not local.engine.orders("alice")


@pytest.mark.parametrize(
    ("blocks", "kind", "label"), [(0, Refused, "expired"), (90_000, RuleViolated, "expiryTooFar")]
)
def test_a_height_that_no_order_can_have(local: LocalB, blocks: int, kind: type[Refused], label: str) -> None:
    """A height that was reached, or that is too far, is definitive evidence."""
    [placed] = local.run(local.market().place([local.order(Side.BUY, "50000", "0.5", blocks=blocks)]))
    assert isinstance(placed, Rejected)
    assert (type(placed.error), placed.error.code) == (kind, label)


def test_the_block_refuses_what_the_account_cannot_pay(local: LocalB) -> None:
    """Funds are looked at by the block: the order was PENDING, and is REJECTED with the reason."""
    order = local.order(Side.BUY, "60000", "900")
    local.place(order)
    local.block()
    report = local.run(local.market().status(ref(order)))
    assert (report.status, report.reason) == (OrderStatus.REJECTED, "insufficientMargin")
    assert isinstance(report.error, InsufficientFunds)
    assert report.finality is Finality.FINAL


def test_the_same_bytes_are_the_same_order(local: LocalB) -> None:
    """Sending the identical bytes again places nothing, and is answered with how the order stands."""
    order = local.order(Side.BUY, "50000", "0.5")
    local.place(order)
    again = local.requests[-1]
    local.block(2)
    local.rewrite = lambda _: again
    [placed] = local.place(order)
    assert local.requests[-1].body == again.body
    assert placed.report.status is OrderStatus.OPEN
    assert len(local.engine.orders("alice")) == 1


def test_the_same_client_id_with_other_terms(local: LocalB) -> None:
    """A client id is one order's for ever: what became of the other attempt has to be asked."""
    order = local.order(Side.BUY, "50000", "0.5")
    local.place(order)
    changed = NewOrder(
        order.instrument,
        Side.BUY,
        Decimal(1),
        order.client_order_id,
        price=order.price,
        time_in_force=TimeInForce.GTB,
        expires_at_height=order.expires_at_height,
    )
    [placed] = local.run(local.market().place([changed]))
    assert isinstance(placed, Unknown)
    assert isinstance(placed.error, DuplicateClientOrderId)


def test_a_burnt_nonce_lets_nothing_land(local: LocalB) -> None:
    """An action whose nonce was burnt is refused; a nonce that was used cannot be burnt."""
    order = local.order(Side.BUY, "50000", "0.5")
    request = next(local.market().place([order]))
    assert isinstance(request, HttpRequest)
    nonce = local.nonce()
    late = local.signer.sign(request, local.now, nonce)
    local.run(local.market().burn_nonce(nonce))
    response = local.dialect.http(late, local.now)
    assert b"nonceReplayed" in response.body
    local.block(2)
    assert not local.engine.orders("alice")
    with pytest.raises(NonceRefused):
        local.run(local.market().burn_nonce(nonce))


def test_a_restart_loses_the_pool_and_keeps_what_rests(local: LocalB) -> None:
    """After a restart heights go on; orders that rested are found, those of the pool are not, and no old nonce counts."""
    resting, waiting = local.order(Side.BUY, "50000", "0.5"), local.order(Side.BUY, "50001", "0.5")
    local.place(resting)
    local.block()
    height = local.chain.height
    local.place(waiting)
    sent = local.requests[-1]
    local.now += 3 * 10**9
    local.restart()
    assert local.chain.height == height + 3
    assert local.run(local.market().status(ref(resting))).status is OrderStatus.OPEN
    with pytest.raises(OrderNotFound):
        local.run(local.market().status(ref(waiting)))
    assert b"nonceOutsideWindow" in local.dialect.http(sent, local.now).body
    local.place(waiting)
    local.run(local.market().cancel([ref(resting)]))
    local.block()
    assert [order.intent.client_order_id for order in local.engine.open_orders("alice")] == [
        waiting.client_order_id
    ]


def test_positions_leverage_and_reduce_only(local: LocalB) -> None:
    """A perpetual makes a position at the leverage that was set, and an order that only reduces cannot turn it."""
    local.run(local.market().set_leverage(PERP, Decimal("12.5")))
    counter(local, Side.SELL, "60000", "1", PERP)
    local.place(local.order(Side.BUY, "60000", "1", PERP, time_in_force=TimeInForce.IOC))
    local.block()
    [position] = local.run(local.market().positions())
    assert (position.instrument, position.quantity, position.entry_price) == (PERP, 1, 60_000)
    assert position.leverage == Decimal("12.5") == local.engine.leverage("alice", PERP)
    grow = local.order(Side.BUY, "50000", "1", PERP, reduce_only=True)
    shrink = local.order(Side.SELL, "70000", "1", PERP, reduce_only=True)
    local.place(grow, shrink)
    local.block()
    assert local.run(local.market().status(ref(grow))).reason == "reduceOnly"
    assert local.run(local.market().status(ref(shrink))).status is OrderStatus.OPEN


@pytest.mark.parametrize(("instrument", "leverage"), [(PERP, "1000"), ("BTC-USDC", "2"), (PERP, "1.005")])
def test_a_leverage_that_cannot_be(local: LocalB, instrument: str, leverage: str) -> None:
    """Too much, on spot, or between two hundredths: a rule is broken."""
    with pytest.raises(RuleViolated):
        local.run(local.market().set_leverage(instrument, Decimal(leverage)))


def test_funding(local: LocalB) -> None:
    """With every so many blocks a long position pays the rate of its notional, and can ask for what it paid."""
    counter(local, Side.SELL, "60000", "1", PERP)
    local.place(local.order(Side.BUY, "60000", "1", PERP))
    local.block(FUNDING_BLOCKS + 1)
    paid = local.run(local.market().funding(START))
    assert paid
    assert {(each.instrument, each.asset) for each in paid} == {(PERP, "USDC")}
    assert (paid[0].amount, paid[0].rate, paid[0].position) == (-60_000 * FUNDING_RATE, FUNDING_RATE, 1)
    assert len({each.key for each in paid}) == len(paid)
    assert local.run(local.market().funding(local.now + 10**9)) == []
    local.restart()
    assert local.run(local.market().funding(START)) == paid


def test_the_account(local: LocalB) -> None:
    """Balances are the engine's, exactly; fees and permissions are told; the height is the chain's."""
    local.place(local.order(Side.BUY, "50000", "0.5"))
    local.block()
    told = {each.asset: (each.total, each.free, each.held) for each in local.run(local.market().balances())}
    assert told == {each.asset: (each.total, each.free, each.held) for each in local.engine.balances("alice")}
    assert local.run(local.market().fee_rates("BTC-USDC")) == FeeRates(Decimal("0.0001"), Decimal("0.0005"))
    permissions = local.run(local.market().permissions())
    assert (permissions.read, permissions.trade, permissions.withdraw) == (True, True, False)
    assert local.run(local.market().height()).height == local.chain.height


def test_client_ids_of_numbers(local: LocalB) -> None:
    """Numbers become 128 bits in hexadecimal, each another, and are in them."""
    ids = [local.market().client_order_id(number) for number in (0, 1, 2**56 - 1)]
    assert len(set(ids)) == 3
    assert [int(id_[10:], 16) for id_ in ids] == [0, 1, 2**56 - 1]
    assert {len(id_) for id_ in ids} == {34}


def unsaid() -> list[NewOrder]:
    """Orders that the venue has no word for."""
    plain: dict[str, Any] = {
        "instrument": "BTC-USDC",
        "side": Side.BUY,
        "quantity": Decimal(1),
        "client_order_id": "0x" + "1" * 32,
    }
    return [
        NewOrder(**plain, type=OrderType.MARKET, expires_at_height=9),
        NewOrder(**plain, price=Decimal(1)),
        NewOrder(**plain, price=Decimal(1), unit=Unit.QUOTE, expires_at_height=9),
        NewOrder(**plain, price=Decimal(1), time_in_force=TimeInForce.GTD, expires_at_height=9),
        NewOrder(**plain, price=Decimal(1), deadline=7, expires_at_height=9),
        NewOrder(**plain, price=Decimal(1), options={"a": 1}, expires_at_height=9),
        NewOrder(**plain, price=Decimal("1.05"), expires_at_height=9),
    ]


@pytest.mark.parametrize("order", unsaid())
def test_what_cannot_be_said_is_not_sent(local: LocalB, order: NewOrder) -> None:
    """Nothing leaves where the venue has no word for an order, no height, or no such price."""
    with pytest.raises((LocalError, RuleViolated)):
        local.run(local.market().place([order]))
    assert not local.requests


def test_what_the_venue_cannot_do(local: LocalB) -> None:
    """Amending, cancelling everything, a dead man's switch and budgets are not offered."""
    named = OrderRef("BTC-USDC", client_order_id="0x" + "1" * 32)
    for flow in (
        local.market().amend(named, price=None, quantity=Decimal(1)),
        local.market().cancel_all(None),
        local.market().dead_man_switch(10.0),
        local.market().limits(),
    ):
        with pytest.raises(Unsupported):
            local.run(flow)
    with pytest.raises(LocalError):
        local.run(local.market().status(OrderRef("BTC-USDC")))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (HttpResponse(429, b"<html>", {"retry-after": "3"}), RateLimited),
        (HttpResponse(502, b"<html>"), VenueUnavailable),
        (HttpResponse(200, b"{"), MalformedMessage),
        (HttpResponse(200, b'{"results":[]}'), MalformedMessage),
        (HttpResponse(200, b'{"results":[{}]}'), MalformedMessage),
        (HttpResponse(302, b""), MalformedMessage),
        (NetworkError("gone"), NetworkError),
    ],
)
def test_an_answer_that_proves_nothing(
    local: LocalB, reply: HttpResponse | NetworkError, kind: type[Exception]
) -> None:
    """A 429 of a proxy, a 5xx, nonsense and a lost answer leave the outcome unknown; the order was placed all the same."""
    order = local.order(Side.BUY, "50000", "0.5")
    local.replies.append(reply)
    [placed] = local.run(local.market().place([order]))
    assert isinstance(placed, Unknown)
    assert type(placed.error) is kind
    assert placed.error is not None
    assert placed.error.outcome is Outcome.UNKNOWN
    assert local.run(local.market().status(ref(order))).status is OrderStatus.PENDING


def test_the_hash_of_another_order_is_not_believed(local: LocalB) -> None:
    """An answer about another order than the one that was placed proves nothing of this one."""
    order = local.order(Side.BUY, "50000", "0.5")
    [other] = local.place(local.order(Side.BUY, "50000", "0.6"))
    state = local.chain.find("alice", other.report.order_id, local.now)
    assert state is not None
    local.replies.append(HttpResponse(200, msgspec.json.encode({"results": [{"order": state}]})))
    [placed] = local.run(local.market().place([order]))
    assert isinstance(placed, Unknown)


def test_a_ban_of_the_proxy(local: LocalB) -> None:
    """A 403 lets nothing through: it is evidence, and a reason to stop."""
    local.replies.append(HttpResponse(403, b"<html>", {"retry-after": "60"}))
    [placed] = local.run(local.market().place([local.order(Side.BUY, "50000", "0.5")]))
    assert isinstance(placed, Rejected)
    assert isinstance(placed.error, RateLimited)
    assert (placed.error.banned, placed.error.retry_after) == (True, 60)


def test_fills_come_in_pages(local: LocalB, monkeypatch: pytest.MonkeyPatch) -> None:
    """More fills than a page holds are all had, oldest first, each once."""
    monkeypatch.setattr("venuekit_exchange_b.dialect.requests.PAGE", 3)
    local.place(local.order(Side.BUY, "50000", "1"))
    local.block()
    for _ in range(8):
        counter(local, Side.SELL, "50000", "0.1")
    fills = local.run(local.market().fills(["BTC-USDC"], START))
    assert [fill.key for fill in fills] == [each.key for each in local.engine.executions("alice")]
    assert len(fills) == 8


def test_one_refusal_too_many(local: LocalB) -> None:
    """What is above the limit is refused by the proxy, with the pause that it wants."""
    assert local.server.limits.take(2_400, local.now) == 0.0
    with pytest.raises(RateLimited) as caught:
        local.run(local.market().height())
    assert 0 < (caught.value.retry_after or 0) <= 60


def test_a_batch_refused_as_a_whole(local: LocalB) -> None:
    """An error of the whole action is every order's."""
    orders = [local.order(Side.BUY, "50000", "0.5") for _ in range(2)]
    local.replies.append(HttpResponse(200, b'{"error":{"label":"insufficientMargin"}}'))
    placed = local.run(local.market().place(orders))
    assert [type(each.error) for each in placed if isinstance(each, Rejected)] == [InsufficientFunds] * 2
