"""One order, and the tracker of an account, case by case."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import pytest

from venuekit.clock import VirtualClock
from venuekit.orders import (
    FillUndone,
    InFlightOrder,
    OrderCompleted,
    OrderEventOfAccount,
    OrderFilled,
    OrderState,
    OrderTracker,
    OrderUnknownOutcome,
    OrderUpdate,
    Overfill,
    SqliteOrderStore,
    StoreError,
    StrayFill,
    StrayOrder,
    at_hand,
)
from venuekit.orders.records import OrderRecord
from venuekit.orders.states import CAUSES, PROVISIONAL_CAUSES, TERMINAL, TRANSITIONS, Cause, following
from venuekit_spec import (
    SECOND,
    Accepted,
    BlockHeight,
    DuplicateClientOrderId,
    Fee,
    Fill,
    Finality,
    InsufficientFunds,
    LocalError,
    NetworkError,
    NewOrder,
    OrderNotFound,
    OrderReport,
    OrderStatus,
    Refused,
    Rejected,
    Side,
    Unit,
    Unknown,
)

pytestmark = pytest.mark.anyio

PAIR = "BTC-USDT"
START = 1_700_000_000 * SECOND


class Desk:
    """A tracker over a store in memory, and what it told."""

    def __init__(self, store: SqliteOrderStore) -> None:
        self.store = store
        self.events: list[OrderEventOfAccount] = []
        self.tracker = OrderTracker("main", store, self.events.append, VirtualClock(START))

    async def order(self, name: str = "c1", quantity: str = "1", **fields: Any) -> InFlightOrder:
        intent = NewOrder(PAIR, Side.BUY, Decimal(quantity), name, price=Decimal(100), **fields)
        (order,) = await self.tracker.submit([intent])
        return order

    async def open_order(self, name: str = "c1", quantity: str = "1", **fields: Any) -> InFlightOrder:
        order = await self.order(name, quantity, **fields)
        self.tracker.outcome(
            order, Accepted(report(name, order_id=f"v-{name}", status=OrderStatus.OPEN, time=1))
        )
        return order

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def desk(store: SqliteOrderStore | None = None) -> AsyncIterator[Desk]:
    """An open desk, over a fresh store or over one that is there."""
    made = Desk(SqliteOrderStore() if store is None else store)
    await made.tracker.open()
    try:
        yield made
    finally:
        await made.tracker.aclose()


def report(name: str = "c1", **fields: Any) -> OrderReport:
    """A report that names the order by our id; numbers as text."""
    for number in ("filled", "remaining", "quantity", "price", "average_price"):
        if number in fields:
            fields[number] = Decimal(fields[number])
    return OrderReport(PAIR, client_order_id=name, **fields)


def fill(key: str, quantity: str, name: str = "c1", price: str = "100", **fields: Any) -> Fill:
    """A fill that names the order by our id."""
    return Fill(key, PAIR, Side.BUY, Decimal(price), Decimal(quantity), client_order_id=name, **fields)


# --- the table


async def test_every_cause_has_an_effect_in_every_state() -> None:
    """The table is whole: nothing a venue may say is without a defined effect."""
    assert set(TRANSITIONS) == set(Cause)
    assert all(set(row) == set(OrderState) for row in TRANSITIONS.values())
    assert set(CAUSES) == set(PROVISIONAL_CAUSES) == set(OrderStatus)


async def test_a_terminal_state_is_never_left() -> None:
    """No cause leads out of a terminal state."""
    assert all(following(state, cause) is state for cause in Cause for state in TERMINAL)


async def test_every_state_but_pending_is_reached_and_no_way_leads_back_to_pending() -> None:
    """Each state is the effect of some cause; PENDING only of nothing having happened."""
    for row in TRANSITIONS.values():
        assert all(
            before is OrderState.PENDING for before, after in row.items() if after is OrderState.PENDING
        )
    assert {after for row in TRANSITIONS.values() for after in row.values()} == set(OrderState)


async def test_provisional_words_end_nothing() -> None:
    """What a venue may take back leads into no terminal state."""
    causes = {cause for status in OrderStatus for cause in PROVISIONAL_CAUSES[status]}
    assert not any(following(state, cause) in TERMINAL - {state} for cause in causes for state in OrderState)


# --- placements


async def test_the_three_outcomes_of_a_placement() -> None:
    """Accepted is OPEN, a definitive refusal REJECTED with its error, and anything else UNKNOWN, which is told."""
    async with desk() as at:
        taken = await at.open_order("a")
        refused = await at.order("b")
        lost = await at.order("c")
        error = Refused("too small")
        at.tracker.outcome(refused, Rejected(error))
        at.tracker.outcome(lost, Unknown(NetworkError("gone")))
        assert (taken.state, refused.state, lost.state) == (
            OrderState.OPEN,
            OrderState.REJECTED,
            OrderState.UNKNOWN,
        )
        assert refused.error is error
        assert refused.complete
        assert [event.client_order_id for event in at.told(OrderUnknownOutcome)] == ["c"]
        assert list(at.tracker.needs_asking) == [lost]


async def test_a_duplicate_client_id_is_no_refusal() -> None:
    """An earlier attempt may have succeeded: the order is UNKNOWN, and the venue's word settles it."""
    async with desk() as at:
        order = await at.order()
        at.tracker.outcome(order, Rejected(DuplicateClientOrderId("seen before")))
        assert order.state is OrderState.UNKNOWN
        at.tracker.report(report(status=OrderStatus.OPEN, order_id="v"))
        assert order.state is OrderState.OPEN
        assert order.error is None


async def test_a_lost_answer_does_not_undo_what_the_stream_told() -> None:
    """The user stream was faster than the reply that never came."""
    async with desk() as at:
        order = await at.order()
        at.tracker.fill(fill("f", "0.5"))
        at.tracker.outcome(order, Unknown(NetworkError("gone")))
        assert order.state is OrderState.PARTIALLY_FILLED
        assert not at.told(OrderUnknownOutcome)


async def test_a_refusal_of_an_order_that_trades_is_doubted() -> None:
    """Contradicting words end nothing; the venue has to be asked."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.outcome(order, Rejected(Refused("no")))
        assert order.state is OrderState.OPEN
        assert order.needs_asking
        at.tracker.asked(order)
        assert not order.needs_asking


async def test_proven_absence_rejects_or_cancels() -> None:
    """Never confirmed: it never arrived. Once confirmed: the venue purged it."""
    async with desk() as at:
        never, once = await at.order("a"), await at.open_order("b")
        at.tracker.absent(never, "never reached the venue")
        at.tracker.absent(once, "purged")
        assert (never.state, once.state) == (OrderState.REJECTED, OrderState.CANCELED)
        assert never.complete
        assert once.complete
        assert never.reason == "never reached the venue"


async def test_an_order_given_up_that_lives_is_a_stray() -> None:
    """REJECTED is not left, but somebody must see that it is open on the venue."""
    async with desk() as at:
        order = await at.order()
        at.tracker.absent(order, "never reached the venue")
        for _ in range(2):
            at.tracker.report(report(status=OrderStatus.OPEN, order_id="v"))
        assert order.state is OrderState.REJECTED
        assert [event.report.order_id for event in at.told(StrayOrder)] == ["v"]


async def test_a_late_acceptance_of_an_order_given_up_is_a_stray() -> None:
    """The answer to the placement itself comes after its absence was proven: it lives, and somebody is told."""
    async with desk() as made:
        order = await made.order()
        made.tracker.outcome(order, Unknown())
        made.tracker.absent(order, "never reached the venue")
        made.tracker.outcome(order, Accepted(report(order_id="v1")))
        assert order.state is OrderState.REJECTED
        assert [told.report.order_id for told in made.told(StrayOrder)] == ["v1"]


async def test_a_client_id_is_used_once() -> None:
    """A second intent of the same id is refused, in one batch and later, and nothing of that batch is kept."""
    async with desk() as at:
        await at.order("a")
        twice = NewOrder(PAIR, Side.BUY, Decimal(1), "b")
        with pytest.raises(LocalError, match="used before"):
            await at.tracker.submit([twice, twice])
        with pytest.raises(LocalError, match="used before"):
            await at.order("a")
        assert set(at.tracker.orders) == {"a"}


# --- reports


async def test_an_older_report_undoes_nothing() -> None:
    """Older by the venue's time, or by what it says was filled."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.report(
            report(status=OrderStatus.CANCELING, filled="0.5", time=5, price="99", quantity="2")
        )
        at.tracker.report(report(status=OrderStatus.OPEN, filled="0.5", time=4, price="98", quantity="1"))
        at.tracker.report(report(status=OrderStatus.OPEN, filled="0.2"))
        assert (order.state, order.filled, order.price) == (OrderState.CANCELING, Decimal("0.5"), Decimal(99))
        assert order.quantity == 2


async def test_silence_is_not_zero() -> None:
    """A sparse report changes only what it says."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.report(report(filled="0.4", average_price="101"))
        at.tracker.report(report(reason="still here"))
        assert order.state is OrderState.PARTIALLY_FILLED
        assert (order.filled, order.remaining, order.average_price) == (
            Decimal("0.4"),
            Decimal("0.6"),
            Decimal(101),
        )
        assert order.reason == "still here"


async def test_what_remains_tells_what_is_filled() -> None:
    """A venue that says only the rest says the amount, except that nothing remains of what is over."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.report(report(status=OrderStatus.OPEN, remaining="0.7"))
        assert order.filled == Decimal("0.3")
        at.tracker.report(report(status=OrderStatus.CANCELED, remaining="0"))
        assert order.filled == Decimal("0.3")


async def test_an_amendment_changes_the_id_and_not_the_order() -> None:
    """Words under the old and the new id are of the same order; an old one does not bring the old id back."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.amend_requested(order)
        at.tracker.fill(Fill("f", PAIR, Side.BUY, Decimal(100), Decimal(1), order_id="new"))
        assert order.filled == 0
        at.tracker.amend_outcome(
            order,
            Accepted(OrderReport(PAIR, order_id="new", replaces="v-c1", time=3)),
            quantity=Decimal(2),
            price=Decimal(90),
        )
        at.tracker.report(OrderReport(PAIR, order_id="v-c1", status=OrderStatus.OPEN, time=2))
        assert (order.order_id, order.ids) == ("new", ("v-c1", "new"))
        assert (order.filled, order.quantity, order.price) == (1, 2, 90)
        assert order.ref.intent is not None
        assert (order.ref.order_id, order.ref.intent.quantity) == ("new", 2)


async def test_fills_do_not_end_an_order_that_is_being_amended() -> None:
    """The amendment may have raised the quantity; a refused one lets the fills end it."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.amend_requested(order)
        at.tracker.fill(fill("f", "1"))
        assert order.state is OrderState.PARTIALLY_FILLED
        assert order.needs_asking
        at.tracker.amend_outcome(order, Rejected(Refused("too late")))
        assert order.state is OrderState.FILLED
        assert order.complete


# --- cancels


async def test_a_cancel_that_finds_nothing_ends_nothing() -> None:
    """The order goes back to where it was, and the venue has to be asked why."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.fill(fill("f", "0.5"))
        at.tracker.cancel_requested(order)
        assert order.state is OrderState.CANCELING
        at.tracker.report(report(status=OrderStatus.OPEN, time=9))
        assert order.state is OrderState.CANCELING
        at.tracker.cancel_outcome(order, Rejected(OrderNotFound("not open")))
        assert order.state is OrderState.PARTIALLY_FILLED
        assert not order.cancel_requested
        assert order.needs_asking


async def test_a_cancel_whose_answer_is_lost_is_not_under_way_for_ever() -> None:
    """The venue is asked, and says that the order is open: so it is, until somebody cancels it again."""
    async with desk() as made:
        order = await made.open_order()
        made.tracker.cancel_requested(order)
        made.tracker.cancel_outcome(order, Unknown())
        assert (order.state, order.needs_asking) == (OrderState.CANCELING, True)
        made.tracker.report(report(status=OrderStatus.OPEN, time=2))
        made.tracker.asked(order, fills=True)
        assert (order.state, order.needs_asking) == (OrderState.OPEN, False)


async def test_a_restart_makes_a_cancel_unknown_and_keeps_one_that_waits() -> None:
    """A cancel that was under way is asked for; one that waits for the outcome of its order still waits."""
    async with desk() as made:
        known, unknown = await made.open_order("c1"), await made.order("c2")
        made.tracker.outcome(unknown, Unknown())
        for order in (known, unknown):
            made.tracker.cancel_requested(order)
        async with desk(made.store) as again:
            known, unknown = again.tracker.orders["c1"], again.tracker.orders["c2"]
            assert (known.cancel_requested, known.needs_asking) == (False, True)
            assert unknown.cancel_requested
            again.tracker.report(report("c1", status=OrderStatus.OPEN, time=2))
            assert known.state is OrderState.OPEN


async def test_the_bytes_as_sent_are_kept_no_longer_than_they_may_be_sent_again() -> None:
    """They carry a signature: once the outcome is known they go, here and in the store."""
    async with desk() as made:
        order = await made.order()
        await made.tracker.sending([order], payload=b"signed")
        made.tracker.outcome(order, Unknown())
        assert order.payload == b"signed"
        made.tracker.report(report(status=OrderStatus.OPEN))
        kept = made.store.load("main", "c1")
        assert kept is not None
        assert (order.payload, kept.record.payload) == (None, None)


class CountingStore(SqliteOrderStore):
    """A store that counts what had to be durable at once."""

    durable: int = 0

    async def submit(self, records: Sequence[OrderRecord]) -> None:
        """Keep these."""
        self.durable += 1
        await super().submit(records)


@pytest.mark.parametrize(("noted", "syncs"), [(True, 1), (False, 0)])
async def test_a_batch_is_noted_as_sent_at_once(noted: bool, syncs: int) -> None:
    """One write to the disk for all its orders, and only where it must be known after a crash."""
    async with desk(store := CountingStore()) as at:
        intents = [NewOrder(PAIR, Side.BUY, Decimal(1), f"c{n}", price=Decimal(100)) for n in range(20)]
        orders = await at.tracker.submit(intents, noted=noted)
        before = store.durable
        await at.tracker.sending(orders, payload=b"signed" if noted else None)
        assert store.durable == before + syncs
        kept = [store.load("main", order.client_order_id) for order in orders]
        assert all(each is not None and each.record.sent == START for each in kept)


@pytest.mark.parametrize(
    ("noted", "sent", "state"),
    [
        (True, False, OrderState.REJECTED),
        (True, True, OrderState.UNKNOWN),
        (False, False, OrderState.UNKNOWN),
    ],
)
async def test_what_a_crash_leaves_of_an_order_on_its_way(noted: bool, sent: bool, state: OrderState) -> None:
    """Without the note that it was sent it never left, where that note comes first; otherwise nobody knows."""
    async with desk() as made:
        (order,) = await made.tracker.submit(
            [NewOrder(PAIR, Side.BUY, Decimal(1), "c1", price=Decimal(100))], noted=noted
        )
        if sent:
            await made.tracker.sending([order])
        async with desk(made.store) as again:
            left = again.tracker.orders["c1"]
            assert left.state is state
            assert len(again.told(OrderCompleted)) == (state is OrderState.REJECTED)


async def test_a_cancel_before_the_acknowledgement() -> None:
    """It is under way as soon as the venue is known to have the order, and a lost answer leaves it so."""
    async with desk() as at:
        order = await at.order()
        at.tracker.cancel_requested(order)
        assert order.state is OrderState.PENDING
        at.tracker.outcome(order, Accepted(report(status=OrderStatus.OPEN, order_id="v")))
        assert order.state is OrderState.CANCELING
        at.tracker.cancel_outcome(order, Unknown())
        assert order.state is OrderState.CANCELING
        assert order.needs_asking
        at.tracker.report(report(status=OrderStatus.CANCELED, filled="0"))
        assert order.complete
        assert not order.cancel_requested


# --- fills and completion


async def test_completed_is_said_once_when_the_fills_add_up() -> None:
    """FILLED without fills is over and not complete; the last fill completes it; repetitions say nothing."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.report(report(status=OrderStatus.FILLED, average_price="101"))
        assert order.done
        assert not order.complete
        assert list(at.tracker.incomplete) == [order]
        for _ in range(2):
            at.tracker.fill(fill("f1", "0.4", fees=(Fee("USDT", Decimal("0.1")),)))
        assert not at.told(OrderCompleted)
        for _ in range(2):
            at.tracker.fill(fill("f2", "0.6", price="110", fees=(Fee("USDT", Decimal("0.2")),)))
            at.tracker.report(report(status=OrderStatus.FILLED, filled="1"))
        (told,) = at.told(OrderCompleted)
        assert (told.filled, told.average_price, dict(told.fees)) == (
            1,
            Decimal(106),
            {"USDT": Decimal("0.3")},
        )
        assert len(at.told(OrderFilled)) == 2
        assert not at.tracker.incomplete


async def test_an_end_without_a_number_waits_for_somebody_to_ask() -> None:
    """CANCELED alone does not say how much was filled."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.fill(fill("f", "0.3"))
        at.tracker.report(report(status=OrderStatus.CANCELED))
        assert order.done
        assert not order.complete
        at.tracker.asked(order)
        assert not order.complete
        at.tracker.asked(order, fills=True)
        assert order.complete


async def test_a_late_fill_still_counts_after_the_end() -> None:
    """CANCELED with 0.5 filled, and the fills come afterwards."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.report(report(status=OrderStatus.CANCELED, filled="0.5"))
        at.tracker.fill(fill("f1", "0.2"))
        assert (order.state, order.filled, order.traded) == (
            OrderState.CANCELED,
            Decimal("0.5"),
            Decimal("0.2"),
        )
        at.tracker.fill(fill("f2", "0.3"))
        assert [event.filled for event in at.told(OrderCompleted)] == [Decimal("0.5")]


async def test_a_later_report_of_a_fill_brings_its_fee() -> None:
    """The same key with the fee completes the fill, and tells no second one."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.fill(fill("f", "0.5"))
        at.tracker.fill(fill("f", "0.5", fees=(Fee("BTC", Decimal("0.001")),)))
        at.tracker.fill(fill("f", "0.5"))
        assert dict(order.fees) == {"BTC": Decimal("0.001")}
        assert len(at.told(OrderFilled)) == 1


async def test_an_overfill_is_applied_and_told_once() -> None:
    """More than was ordered is counted and somebody sees it."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.fill(fill("f1", "1"))
        at.tracker.fill(fill("f2", "0.4"))
        at.tracker.fill(fill("f3", "0.1"))
        assert order.filled == Decimal("1.5")
        assert [(event.quantity, event.filled) for event in at.told(Overfill)] == [(1, Decimal("1.4"))]
        assert len(at.told(OrderCompleted)) == 1


async def test_an_order_sized_in_quote_ends_by_its_status() -> None:
    """Its quantity counts another unit: neither is it filled up by base amounts, nor overfilled by them."""
    async with desk() as at:
        order = await at.open_order("c1", "10", unit=Unit.QUOTE)
        at.tracker.fill(fill("f1", "12", price="0.5"))
        assert not order.done
        at.tracker.report(report(status=OrderStatus.FILLED, filled="20"))
        assert not order.complete
        at.tracker.fill(fill("f2", "8", price="0.5"))
        assert order.complete
        assert not at.told(Overfill)


# --- reversible blocks


async def test_a_provisional_end_ends_nothing() -> None:
    """Provisionally canceled is CANCELING, and may be taken back or made final."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.report(report(status=OrderStatus.CANCELED, finality=Finality.PROVISIONAL, time=3))
        assert (order.state, order.provisional) == (OrderState.CANCELING, OrderStatus.CANCELED)
        at.tracker.report(report(status=OrderStatus.CANCELED, finality=Finality.UNDONE, time=4))
        assert (order.state, order.provisional) == (OrderState.OPEN, None)
        at.tracker.report(report(status=OrderStatus.CANCELED, filled="0", time=5))
        assert order.complete


async def test_an_undone_fill_is_taken_out_once() -> None:
    """It counts no longer, a late repetition does not bring it back, and the final fill does."""
    async with desk() as at:
        order = await at.open_order()
        provisional = fill("f", "1", finality=Finality.PROVISIONAL, time=3)
        at.tracker.fill(provisional)
        assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, 1)
        for _ in range(2):
            at.tracker.fill(fill("f", "1", finality=Finality.UNDONE, time=4))
        at.tracker.fill(provisional)
        assert (order.state, order.filled) == (OrderState.OPEN, 0)
        assert len(at.told(FillUndone)) == 1
        at.tracker.fill(fill("f", "1", finality=Finality.FINAL, time=5))
        assert order.complete


async def test_a_fill_undone_before_it_was_told_never_counts() -> None:
    """The two words may change places."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.fill(fill("f", "1", finality=Finality.UNDONE, time=4))
        at.tracker.fill(fill("f", "1", finality=Finality.PROVISIONAL, time=3))
        assert order.filled == 0
        assert not at.told(OrderFilled)


async def test_a_fill_undone_before_it_was_told_no_longer_counts_in_what_was_told() -> None:
    """The venue's number counted it, the fill itself never came: the order ends with nothing filled, and is complete."""
    async with desk() as made:
        order = await made.open_order(quantity="1")
        provisional = Finality.PROVISIONAL
        made.tracker.report(report(status=OrderStatus.OPEN, filled="0.5", time=2, finality=provisional))
        assert order.filled == Decimal("0.5")
        made.tracker.fill(fill("f1", "0.5", finality=Finality.UNDONE, time=3))
        assert order.filled == 0
        made.tracker.report(report(status=OrderStatus.CANCELED, filled="0", time=4))
        assert (order.state, order.complete) == (OrderState.CANCELED, True)


async def test_fills_that_may_be_undone_are_no_overfill_yet() -> None:
    """The fill in the place of one that was undone may be told first."""
    async with desk() as made:
        order = await made.open_order(quantity="1")
        for key in ("f1", "f2"):
            made.tracker.fill(fill(key, "1", finality=Finality.PROVISIONAL, time=2))
        assert made.told(Overfill) == []
        made.tracker.fill(fill("f1", "1", finality=Finality.UNDONE, time=3))
        made.tracker.fill(fill("f2", "1", time=2))
        assert (order.filled, order.complete, made.told(Overfill)) == (1, True, [])


async def test_a_provisional_fill_becomes_final() -> None:
    """It is told once, and completes the order when it is final."""
    async with desk() as at:
        order = await at.open_order()
        at.tracker.fill(fill("f", "1", finality=Finality.PROVISIONAL))
        at.tracker.report(report(status=OrderStatus.FILLED))
        assert order.done
        assert not order.complete
        at.tracker.fill(fill("f", "1"))
        assert order.complete
        assert len(at.told(OrderFilled)) == 1


async def test_the_height_of_the_chain_only_grows() -> None:
    """An older block changes nothing."""
    async with desk() as at:
        for height in (5, 7, 6):
            at.tracker.height(BlockHeight(height))
        assert at.tracker.block == BlockHeight(7)


# --- what is early, and what is not ours


async def test_words_before_the_venues_id_is_known_wait_for_it() -> None:
    """A fill and a report by the venue's id alone are applied when the acknowledgement names it."""
    async with desk() as at:
        order = await at.order()
        at.tracker.fill(Fill("f", PAIR, Side.BUY, Decimal(100), Decimal(1), order_id="v"))
        at.tracker.report(OrderReport(PAIR, order_id="v", status=OrderStatus.FILLED, filled=Decimal(1)))
        assert order.state is OrderState.PENDING
        at.tracker.outcome(order, Accepted(report(order_id="v")))
        assert order.complete
        assert not at.told(StrayFill)


async def test_a_venues_id_counts_for_its_instrument_only() -> None:
    """Where ids are unique per instrument (Binance), a fill of another instrument is not ours, and both orders are found."""
    async with desk() as made:
        ours = await made.open_order(quantity="1")
        foreign = Fill("f1", "ETH-USDT", Side.BUY, Decimal(1), Decimal(1), order_id="v-c1")
        made.tracker.fill(foreign)
        assert (ours.filled, [told.fill for told in made.told(StrayFill)]) == (0, [foreign])

        intent = NewOrder("ETH-USDT", Side.BUY, Decimal(1), "c2", price=Decimal(1))
        (other,) = await made.tracker.submit([intent])
        made.tracker.outcome(other, Accepted(OrderReport("ETH-USDT", order_id="v-c1", client_order_id="c2")))
        for name in (PAIR, "ETH-USDT"):
            made.tracker.fill(Fill("f2", name, Side.BUY, Decimal(1), Decimal(1), order_id="v-c1"))
        assert (ours.filled, other.filled) == (1, 1)
        assert made.tracker.find("v-c1", "ETH-USDT") is other
        for name, client_order_id in ((PAIR, "c1"), ("ETH-USDT", "c2")):
            kept = made.store.find("main", "v-c1", name)
            assert kept is not None
            assert kept.record.client_order_id == client_order_id


async def test_an_order_that_is_amended_without_end_keeps_few_ids_at_hand() -> None:
    """Each amendment gives it another id; the old ones are still its own, and cost no memory."""
    async with desk() as made:
        order = await made.open_order()
        for n in range(300):
            made.tracker.report(report(order_id=f"a{n}", replaces=order.order_id, time=n + 2))
        assert (order.order_id, len(order.ids)) == ("a299", 100)
        assert len(made.tracker._at_hand._by_id) == 200
        made.tracker.fill(Fill("f1", PAIR, Side.BUY, Decimal(100), Decimal("0.5"), order_id="a3"))
        assert (order.filled, order.order_id) == (Decimal("0.5"), "a299")


async def test_words_of_old_orders_leave_nothing_behind() -> None:
    """An order that is no longer at hand is found in the store, as often as something is told of it."""
    async with desk() as made:
        for n in range(at_hand.RECENT + 5):
            await made.open_order(f"c{n}")
            made.tracker.fill(fill(f"f{n}", "1", f"c{n}"))
        held = len(made.tracker._at_hand._by_id)
        for n in range(5):
            made.tracker.fill(fill(f"f{n}", "1", f"c{n}", fees=(Fee("USDT", Decimal(n)),)))
            found = made.tracker.get(f"c{n}")
            assert found is not None
            assert (found.complete, found.fees) == (True, {"USDT": n})
        assert len(made.tracker._at_hand._by_id) == held
        assert len(made.told(OrderCompleted)) == at_hand.RECENT + 5


async def test_words_that_can_be_nobodys_are_strays() -> None:
    """Once the last order without an id has one, what still waits is told, each once."""
    async with desk() as at:
        order = await at.order()
        foreign = Fill("x", PAIR, Side.SELL, Decimal(100), Decimal(1), order_id="foreign")
        at.tracker.fill(foreign)
        assert not at.told(StrayFill)
        at.tracker.outcome(order, Accepted(report(order_id="v")))
        at.tracker.fill(foreign)
        assert [event.fill.key for event in at.told(StrayFill)] == ["x"]


async def test_open_orders_that_the_store_does_not_have_are_strays() -> None:
    """Of the venue's open orders ours are known by either id; each other one is told once."""
    async with desk() as at:
        await at.open_order()
        ours = OrderReport(PAIR, order_id="v-c1", status=OrderStatus.OPEN)
        foreign = OrderReport(PAIR, order_id="x", client_order_id="theirs", status=OrderStatus.OPEN)
        assert list(at.tracker.strays([ours, foreign])) == [foreign]
        assert list(at.tracker.strays([foreign])) == [foreign]
        assert len(at.told(StrayOrder)) == 1


# --- restarts, waiting


async def test_a_restart_makes_pending_unknown_and_counts_no_fill_twice() -> None:
    """Also a fill of an order that was complete before the restart, by either id."""
    async with desk() as at:
        await at.order("lost")
        await at.open_order("done")
        at.tracker.fill(fill("f", "1", "done"))
        again = Desk(at.store)
        (loaded,) = await again.tracker.open()
        assert (loaded.client_order_id, loaded.state) == ("lost", OrderState.UNKNOWN)
        assert len(again.told(OrderUnknownOutcome)) == 1
        again.tracker.fill(fill("f", "1", "done"))
        again.tracker.fill(Fill("f", PAIR, Side.BUY, Decimal(100), Decimal(1), order_id="v-done"))
        assert not again.told(OrderFilled)
        assert not again.told(StrayFill)
        done = again.tracker.find("v-done")
        assert done is not None
        assert (done.state, done.filled, done is again.tracker.get("done")) == (OrderState.FILLED, 1, True)
        await again.tracker.aclose()


async def test_only_strays_of_now_are_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Fills from before the store first had the account are history: each told, but one line in the log."""
    async with desk() as at:
        with caplog.at_level(logging.INFO):
            for n in range(3):
                at.tracker.fill(fill(f"old-{n}", "1", f"elsewhere-{n}", time=START - SECOND))
            at.tracker.fill(fill("new", "1", "elsewhere", time=START + SECOND))
            at.tracker.log_earlier()
            at.tracker.log_earlier()
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert caplog.messages[1].endswith(": 3")
        assert [told.fill.key for told in at.told(StrayFill)] == ["old-0", "old-1", "old-2", "new"]


async def test_a_stray_fill_of_while_we_were_away_is_worth_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A store that had the account by then should know the order: somebody else trades with the key, or an order was lost."""
    async with desk() as before:
        again = OrderTracker("main", before.store, before.events.append, VirtualClock(START + 10 * SECOND))
        await again.open()
        again.fill(fill("away", "1", "elsewhere", time=START + 5 * SECOND))
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        await again.aclose()


async def test_waiting_for_the_end() -> None:
    """Whoever waits goes on when it is over, and when it is complete; its changes end there."""
    async with desk() as at:
        order = await at.open_order()
        heard: list[str] = []

        async def follow() -> None:
            heard.extend([type(event).__name__ async for event in order.changes()])

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(follow)
                group.start_soon(order.wait_done)
                group.start_soon(order.wait_complete)
                await anyio.wait_all_tasks_blocked()
                at.tracker.fill(fill("f", "1"))
        assert heard == ["OrderUpdate", "OrderFilled", "OrderUpdate", "OrderCompleted"]


async def test_changes_begin_with_what_is_so_already() -> None:
    """Whoever begins to follow an order late sees where it stands; of one that is complete also how it ended, and no more."""
    async with desk() as at:
        order = await at.open_order()
        following = order.changes()
        first = await anext(following)
        assert isinstance(first, OrderUpdate)
        assert (first.state, first.remaining) == (OrderState.OPEN, 1)
        at.tracker.fill(fill("f", "1"))
        with anyio.fail_after(5):
            last = [event async for event in order.changes()]
        assert [type(event) for event in last] == [OrderUpdate, OrderCompleted]
        assert [event.state for event in last if isinstance(event, (OrderUpdate, OrderCompleted))] == [
            OrderState.FILLED,
            OrderState.FILLED,
        ]


async def test_waiting_until_it_is_known_whether_the_venue_has_it() -> None:
    """At once where that is known; otherwise when somebody has settled it."""
    async with desk() as at:
        order = await at.order()
        at.tracker.outcome(order, Unknown())
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(order.wait_known)
                await anyio.wait_all_tasks_blocked()
                assert not order.known
                at.tracker.report(OrderReport(PAIR, order_id="v-1", client_order_id=order.client_order_id))
            await order.wait_known()
        assert order.state is OrderState.ACCEPTED


async def test_nobody_waits_for_an_order_that_could_not_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another task met it while it was on its way into the store, and wants it cancelled: it has surely not been placed."""
    async with desk() as at:
        asked, refused = anyio.Event(), anyio.Event()
        met: list[InFlightOrder] = []

        async def submit(_: Sequence[OrderRecord]) -> None:
            asked.set()
            await refused.wait()
            raise StoreError("the disk is full")

        async def place() -> None:
            with pytest.raises(StoreError):
                await at.order()

        monkeypatch.setattr(at.store, "submit", submit)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(place)
                await asked.wait()
                met += at.tracker.open_orders
                (order,) = met
                at.tracker.cancels_later[order.client_order_id] = order
                for wait in (order.wait_known, order.wait_done, order.wait_complete):
                    group.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                refused.set()
        assert [order.state for order in met] == [OrderState.REJECTED]
        assert not at.events
        assert not at.tracker.orders
        assert not at.tracker.cancels_later


async def test_what_is_rejected_after_it_was_taken_has_an_error() -> None:
    """The typed one, where the connector knows which; what the venue said, where it does not."""
    said: dict[str, Any] = {"status": OrderStatus.REJECTED, "reason": "perpMarginRejected"}
    async with desk() as at:
        poor, other = await at.open_order("poor"), await at.open_order("other")
        at.tracker.report(report("poor", **said, error=InsufficientFunds("no margin")))
        at.tracker.report(report("other", **said))
        assert poor.state is other.state is OrderState.REJECTED
        assert (type(poor.error), type(other.error)) == (InsufficientFunds, Refused)
        assert (poor.reason, str(other.error)) == ("perpMarginRejected", "perpMarginRejected")
