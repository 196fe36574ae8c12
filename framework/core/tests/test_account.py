"""An account: what is placed, cancelled and amended, and what the three outcomes rest on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from framework.core.tests.trading_venue import CLAIMS, CUT, KEY, LOST, PAIR, TradingVenue

from venuekit import (
    InFlightOrderStore,
    Killed,
    KillSwitch,
    LocalError,
    OrderAccepted,
    OrderRejected,
    OrderRequest,
    OrderState,
    OrderUnknown,
    RuleBroken,
    SqliteOrderStore,
    open_exchange,
)
from venuekit.orders import OrderRecord
from venuekit.trading.limits import PreTradeLimits
from venuekit_spec import (
    Capability,
    Credentials,
    HttpRequest,
    HttpResponse,
    InsufficientFunds,
    NewOrder,
    Side,
    VenueUnavailable,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks and stores of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


def request(quantity: str = "1", price: str = "100", **more: Any) -> OrderRequest:
    """A limit order to buy."""
    return OrderRequest(pair=PAIR, side=Side.BUY, quantity=quantity, price=price, **more)


async def test_an_accepted_order_is_open_and_what_fills_it_completes_it() -> None:
    """From the placement over a fill on the user stream to the completion."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, _account):
        placement = await exchange.buy(PAIR, "1", "100")
        assert isinstance(placement, OrderAccepted)
        order = placement.order
        assert order.state is OrderState.OPEN
        fill = venue.till.trade(order.client_order_id, "1")
        await venue.tell(fill)
        assert order.complete
        assert order.filled == 1
        assert order.average_price == 100


async def test_the_intent_is_in_the_store_when_the_venue_gets_the_order(tmp_path: Path) -> None:
    """A second connection to the file sees the order before the first answer."""
    venue = TradingVenue()
    path = tmp_path / "orders.sqlite"
    seen: list[bool] = []

    def look(order: NewOrder) -> None:
        import sqlite3

        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT client_order_id FROM orders").fetchall()
        connection.close()
        seen.append((order.client_order_id,) in rows)

    venue.till.on_place = look
    async with venue.trading(store=str(path)) as (exchange, _account):
        assert isinstance(await exchange.buy(PAIR, "1", "100"), OrderAccepted)
    assert seen == [True]


async def test_a_refusal_is_definitive() -> None:
    """What the venue refuses is rejected, with its error."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.faults["place_orders"].append(InsufficientFunds("too poor"))
        placement = await account.place(request())
        assert isinstance(placement, OrderRejected)
        assert isinstance(placement.error, InsufficientFunds)
        assert placement.order.state is OrderState.REJECTED
        assert placement.order.complete


async def test_what_never_left_is_rejected_and_not_unknown() -> None:
    """A refused connection is evidence: no byte was sent."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.faults["place_orders"].append(CUT)
        placement = await account.place(request())
        assert isinstance(placement, OrderRejected)
        assert placement.order.state is OrderState.REJECTED


@pytest.mark.parametrize("error", [LOST, VenueUnavailable("502"), ZeroDivisionError("a bug")])
async def test_a_lost_answer_is_unknown_and_settled_by_asking(error: Exception) -> None:
    """A dropped connection, a 5xx, a bug behind the send: the order is found open on the venue."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        if isinstance(error, ZeroDivisionError):
            venue.till.on_place = lambda order: None
            broken = venue.till.answer

            async def buggy(request: HttpRequest) -> HttpResponse:
                answer = await broken(request)
                if request.label == "place_orders":
                    raise error
                return answer

            venue.till.answer = buggy  # type: ignore[method-assign]
        else:
            venue.till.faults["place_orders"].append(error)
        placement = await account.place(request())
        assert isinstance(placement, OrderUnknown)
        await venue.until(lambda: placement.order.state is OrderState.OPEN)
        assert venue.till.ops.count("place_orders") == 1


async def test_a_caller_that_gives_up_loses_the_answer_and_not_the_order() -> None:
    """A time-out while the answer is awaited: it is taken in when it comes."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        held = anyio.Event()
        venue.till.faults["place_orders"].append(held)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(account.place, request())
                await venue.clock.settle()
                scope.cancel()
        (order,) = account.open
        assert not order.confirmed
        held.set()
        await venue.clock.settle()
        assert order.state is OrderState.OPEN


async def test_a_batch_is_split_and_each_order_has_its_own_outcome() -> None:
    """Four orders in batches of three; the second of them is refused alone."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        refused: list[str] = []

        def refuse(order: NewOrder) -> None:
            if order.quantity == 2:
                venue.till.refused[order.client_order_id] = InsufficientFunds("no")
                refused.append(order.client_order_id)

        venue.till.on_place = refuse
        placements = await account.place_many([request(str(n)) for n in (1, 2, 3, 4)])
        kinds = [type(placement) for placement in placements]
        assert kinds == [OrderAccepted, OrderRejected, OrderAccepted, OrderAccepted]
        assert venue.till.ops.count("place_orders") == 2


async def test_a_lost_batch_says_nothing_of_the_next() -> None:
    """The first batch is unknown, the order of the second accepted."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.faults["place_orders"].append(LOST)
        placements = await account.place_many([request(str(n)) for n in (1, 2, 3, 4)])
        kinds = [type(placement) for placement in placements]
        assert kinds == [OrderUnknown, OrderUnknown, OrderUnknown, OrderAccepted]
        await venue.until(lambda: all(each.order.state is OrderState.OPEN for each in placements))


async def test_nothing_is_stored_of_what_is_refused_here() -> None:
    """A broken rule raises before the store and the venue know of anything."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        asked = len(venue.till.ops)
        with pytest.raises(RuleBroken, match=r"price 100\.001 is no multiple of the tick 0\.01 of P1-USD"):
            await account.buy(PAIR, "1", "100.001")
        assert not account.orders
        assert len(venue.till.ops) == asked


async def test_a_cancel_ends_the_order() -> None:
    """The venue cancels, and the order is over."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, account):
        order = (await account.place(request())).order
        assert isinstance(await exchange.cancel(order.client_order_id), OrderAccepted)
        assert order.state is OrderState.CANCELED
        assert isinstance(await exchange.cancel(order), OrderRejected)


async def test_a_cancel_of_an_unknown_order_waits_until_it_is_known() -> None:
    """The wish is kept, and carried out once the order is found."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        venue.till.broken["status"] = LOST
        venue.till.faults["place_orders"].append(LOST)
        order = (await account.place(request())).order
        assert isinstance(await account.cancel(order), OrderUnknown)
        assert "cancel" not in venue.till.ops
        venue.till.broken.clear()
        await venue.until(lambda: order.done)
        assert order.state is OrderState.CANCELED


async def test_a_cancel_without_an_answer_is_settled_by_comparing() -> None:
    """The order is found to be cancelled."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = (await account.place(request())).order
        venue.till.faults["cancel"].append(LOST)
        assert isinstance(await account.cancel(order), OrderUnknown)
        await venue.until(lambda: order.complete)
        assert order.state is OrderState.CANCELED


@pytest.mark.parametrize("claims", [CLAIMS, CLAIMS - {Capability.CANCEL_ALL}])
async def test_all_orders_are_cancelled(claims: frozenset[Capability]) -> None:
    """By the venue's own way, and one by one where it has none."""
    venue = TradingVenue()
    async with venue.trading(claims=claims) as (exchange, account):
        orders = [placement.order for placement in await account.place_many([request()] * 4)]
        placements = await exchange.cancel_all()
        assert all(isinstance(placement, OrderAccepted) for placement in placements)
        assert all(order.state is OrderState.CANCELED for order in orders)


async def test_an_amendment_changes_the_order() -> None:
    """Price and quantity follow what the venue accepted; a broken rule changes nothing."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = (await account.place(request())).order
        assert isinstance(await account.amend(order, price="101"), OrderAccepted)
        assert order.price == 101
        with pytest.raises(RuleBroken):
            await account.amend(order, price="101.001")
        with pytest.raises(LocalError):
            await account.amend(order)


async def test_the_kill_switch_cancels_and_refuses_also_after_a_restart() -> None:
    """Orders are cancelled at once; new ones are refused until it is reset."""
    venue = TradingVenue()
    store: InFlightOrderStore = SqliteOrderStore()
    await store.open()
    async with venue.trading(store=store) as (exchange, account):
        order = (await account.place(request())).order
        events = exchange.events()
        await exchange.kill("a hunch")
        assert order.state is OrderState.CANCELED
        with pytest.raises(Killed, match="a hunch"):
            await account.place(request())
        events.close()
        assert [event async for event in events if isinstance(event, KillSwitch)]
    async with venue.trading(store=store) as (exchange, account):
        with pytest.raises(Killed):
            await account.place(request())
        exchange.revive()
        assert isinstance(await account.place(request()), OrderAccepted)
    await store.aclose()


async def test_killing_goes_on_until_everything_is_cancelled() -> None:
    """The venue cannot be reached at first."""
    venue = TradingVenue()
    async with venue.trading() as (_exchange, account):
        order = (await account.place(request())).order
        venue.till.broken["cancel_all"] = CUT
        await account.kill("now")
        assert not order.done
        venue.till.broken.clear()
        await venue.until(lambda: order.done)


async def test_the_dead_mans_switch_is_kept_armed() -> None:
    """Three times in its time-out, until it is disarmed."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, _account):
        await exchange.dead_man_switch(30.0)
        await venue.clock.advance(61.0)
        assert venue.till.ops.count("dead_man_switch") == 7
        await exchange.dead_man_switch(None)
        await venue.clock.advance(61.0)
        assert venue.till.ops.count("dead_man_switch") == 8


async def test_what_an_earlier_process_left_is_found_again() -> None:
    """An order whose answer never came is loaded, asked for, and open."""
    venue = TradingVenue()
    store: InFlightOrderStore = SqliteOrderStore()
    await store.open()
    async with venue.trading(store=store) as (_exchange, account):
        venue.till.faults["place_orders"].append(anyio.Event())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(account.place, request())
            await venue.clock.settle()
            tasks.cancel_scope.cancel()
    async with venue.trading(store=store) as (_exchange, account):
        (order,) = account.open
        await venue.until(lambda: order.state is OrderState.OPEN)
    await store.aclose()


async def test_an_exchange_without_credentials_says_so() -> None:
    """Trading needs an account."""
    venue = TradingVenue()
    async with venue.opened(venue.connector()) as exchange:
        assert not exchange.accounts
        with pytest.raises(LocalError, match="without credentials"):
            await exchange.buy(PAIR, "1", "100")


async def test_several_accounts_trade_at_once() -> None:
    """Each has its orders; a cancel goes to the account whose order it is."""
    venue = TradingVenue()
    keys = {"one": KEY, "two": Credentials(KEY.fields, account="second")}
    async with open_exchange(
        venue.connector(),
        clock=venue.clock,
        transports=venue.transports,
        credentials=keys,
        store=":memory:",
        seed=1,
    ) as exchange:
        order = (await exchange.account("two").buy(PAIR, "1", "100")).order
        assert order.account == exchange.account("two").id
        assert not exchange.account("one").orders
        await exchange.cancel(order)
        assert order.done
        with pytest.raises(LocalError, match="one, two"):
            exchange.account("three")


async def test_limits_count_what_is_open_and_what_is_on_its_way() -> None:
    """Two orders at once do not pass a limit of one."""
    venue = TradingVenue()
    async with venue.trading(limits=PreTradeLimits(open_orders=1)) as (_exchange, account):
        with pytest.raises(LocalError, match="the limit is 1"):
            await account.place_many([request(), request()])
        await account.place(request())
        with pytest.raises(LocalError, match="1 orders are open, the limit is 1"):
            await account.place(request())


async def test_what_the_account_holds_is_told_and_kept() -> None:
    """Balances are asked for at the start and after fills; fees and permissions when asked for."""
    venue = TradingVenue()
    async with venue.trading() as (exchange, account):
        await venue.clock.settle()
        assert account.holdings.balances[("", "USD")].free == Decimal(1000)
        order = (await account.place(request())).order
        venue.till.balances["USD"] = Decimal(900)
        await venue.tell(venue.till.trade(order.client_order_id, "1"))
        await venue.clock.settle()
        assert account.holdings.balances[("", "USD")].free == Decimal(900)
        assert (await exchange.fee_rates(PAIR)).taker == Decimal("0.002")
        assert (await exchange.permissions()).trade


async def test_two_venues_may_share_a_store() -> None:
    """An account is told from one of the same name elsewhere: nobody judges the other's orders."""
    store: InFlightOrderStore = SqliteOrderStore()
    await store.open()
    one, other = TradingVenue(), TradingVenue()
    async with one.trading(store=store) as (_exchange, account):
        order = (await account.place(request())).order
    async with open_exchange(
        other.connector(),
        environment="elsewhere",
        clock=other.clock,
        transports=other.transports,
        credentials=KEY,
        store=store,
        seed=1,
    ) as exchange:
        assert not exchange.orders
        with pytest.raises(LocalError, match="no order"):
            await exchange.cancel(order.client_order_id)
    await store.aclose()


class SlowStore(SqliteOrderStore):
    """A store in memory whose intents are durable only when `written` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.written = anyio.Event()

    async def submit(self, records: Sequence[OrderRecord]) -> None:
        """Keep these, after a while."""
        await self.written.wait()
        await super().submit(records)


async def test_what_was_not_sent_yet_is_not_sent_for_a_caller_that_gave_up() -> None:
    """The caller leaves while the intent is being stored: the order is over, and the venue never hears of it."""
    venue, store = TradingVenue(), SlowStore()
    async with venue.trading(store=store) as (_exchange, account):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(account.place, request())
                await venue.clock.settle()
                scope.cancel()
        store.written.set()
        await venue.clock.settle()
        (order,) = account.orders.values()
        assert order.state is OrderState.REJECTED
        assert "place_orders" not in venue.till.ops
