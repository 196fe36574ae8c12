"""Whatever the order in which a venue's words arrive, an order ends as it ended on the venue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from anyio.from_thread import start_blocking_portal
from attrs import evolve
from hypothesis import HealthCheck, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from venuekit.clock import VirtualClock
from venuekit.orders import (
    InFlightOrder,
    OrderCompleted,
    OrderEventOfAccount,
    OrderFilled,
    OrderState,
    OrderTracker,
    Overfill,
    SqliteOrderStore,
    StrayFill,
    StrayOrder,
)
from venuekit_spec import (
    SECOND,
    Accepted,
    DuplicateClientOrderId,
    Fee,
    Fill,
    Finality,
    NetworkError,
    NewOrder,
    OrderNotFound,
    OrderReport,
    OrderStatus,
    Placed,
    Refused,
    Rejected,
    Side,
    Unknown,
)

PAIR = "BTC-USDT"
STEP = Decimal("0.25")


class VenueOrder:
    """An order as the venue has it: the truth."""

    def __init__(self, intent: NewOrder, order_id: str) -> None:
        self.intent = intent
        self.order_id = order_id
        self.replaces = ""
        self.quantity = intent.quantity
        self.status = OrderStatus.OPEN
        self.fills: list[Fill] = []

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def undoable(self) -> bool:
        return self.live or self.status is OrderStatus.FILLED

    @property
    def live(self) -> bool:
        return not self.status.terminal


class Deliveries(RuleBasedStateMachine):
    """A venue with a true history, and a wire that delivers its words as it likes."""

    path: ClassVar[str] = ":memory:"
    loop: ClassVar[str] = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.portal = self.open.enter_context(start_blocking_portal(self.loop))
        self.named = "both"
        self.reversible = False
        self.clock = VirtualClock(1_700_000_000 * SECOND)
        self.time = 0
        self.ids = 0
        self.events: list[OrderEventOfAccount] = []
        self.venue: dict[str, VenueOrder] = {}
        self.orders: dict[str, InFlightOrder] = {}
        self.ended: dict[str, OrderState] = {}
        self.wire: list[Fill | OrderReport] = []
        self.replies: list[Callable[[], None]] = []
        self.certain = True
        self.store = SqliteOrderStore(self.path)
        self.run(self.store.open())
        self.tracker = self.new_tracker()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.portal.call(lambda: coroutine)

    def new_tracker(self) -> OrderTracker:
        tracker = OrderTracker("account", self.store, self.events.append, self.clock)
        for order in self.run(tracker.open()):
            self.orders[order.client_order_id] = order
        return tracker

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.run(self.tracker.aclose())
            self.run(self.store.aclose())
            self.open.close()

    # --- the venue speaks

    @initialize(named=st.sampled_from(["both", "order", "client"]), reversible=st.booleans())
    def styles(self, named: str, reversible: bool) -> None:
        """A venue names orders in its stream by its id, by ours, or by both; and it may take back what it said there."""
        self.named = named
        self.reversible = reversible

    @property
    def finality(self) -> Finality:
        return Finality.PROVISIONAL if self.reversible else Finality.FINAL

    def next_id(self) -> str:
        self.ids += 1
        return f"V{self.ids}"

    def naming(self, order: VenueOrder) -> dict[str, Any]:
        ours = {"client_order_id": order.intent.client_order_id}
        theirs = {"order_id": order.order_id}
        return {"both": ours | theirs, "order": theirs, "client": ours}[self.named]

    def whole_report(self, order: VenueOrder) -> OrderReport:
        return OrderReport(
            PAIR,
            order_id=order.order_id,
            client_order_id=order.intent.client_order_id,
            replaces=order.replaces,
            status=order.status,
            filled=order.filled,
            quantity=order.quantity,
            time=self.time,
        )

    def speak(self, order: VenueOrder, form: str) -> None:
        """Put a report of the order as it is on the wire: whole, or sparse."""
        self.time += 1
        status: OrderStatus | None = order.status
        if status is OrderStatus.PARTIALLY_FILLED and form == "coarse":
            status = OrderStatus.OPEN
        if form == "silent" and order.live:
            status = None
        numbers = form not in {"bare", "timeless"}
        self.wire.append(
            OrderReport(
                PAIR,
                **self.naming(order),
                replaces=order.replaces,
                status=status,
                filled=order.filled if numbers else None,
                quantity=order.quantity if form == "whole" or (numbers and order.replaces) else None,
                finality=self.finality,
                time=0 if form == "timeless" and order.status.terminal and not self.reversible else self.time,
            )
        )

    forms = st.sampled_from(["whole", "sparse", "bare", "coarse", "silent", "timeless"])
    some = st.integers(min_value=0, max_value=10**6)

    def pick(self, n: int) -> VenueOrder | None:
        live = [order for order in self.venue.values() if order.live]
        return live[n % len(live)] if live else None

    def ours(self, order: VenueOrder) -> InFlightOrder:
        return self.orders[order.intent.client_order_id]

    # --- what happens

    @precondition(lambda self: len(self.orders) < 3)
    @rule(
        quarters=st.integers(min_value=1, max_value=6),
        fate=st.sampled_from(["taken", "taken", "taken", "refused", "never arrived"]),
        answer=st.sampled_from(["reply", "reply", "lost", "duplicate"]),
        form=forms,
    )
    def place(self, quarters: int, fate: str, answer: str, form: str) -> None:
        """Place an order; the venue takes it or not, and its answer arrives or not."""
        name = f"c{len(self.orders) + 1}"
        intent = NewOrder(PAIR, Side.BUY, quarters * STEP, name, price=Decimal(100))
        (order,) = self.run(self.tracker.submit([intent]))
        self.orders[name] = order
        self.run(self.tracker.sending([order]))
        placed: Placed
        if fate == "taken":
            venue_order = self.venue[name] = VenueOrder(intent, self.next_id())
            self.speak(venue_order, form)
            placed = Accepted(OrderReport(PAIR, order_id=venue_order.order_id, client_order_id=name))
            if answer == "duplicate":
                placed = Rejected(DuplicateClientOrderId("seen before"))
        elif fate == "refused":
            placed = Rejected(Refused("no"))
        else:
            placed = Rejected(NetworkError("no way", sent=False))
        if answer == "lost":
            placed = Unknown(NetworkError("gone"))
        self.replies.append(lambda: self.tracker.outcome(self.orders[name], placed))

    @rule(n=some, part=st.integers(min_value=1, max_value=6), form=forms, with_fees=st.booleans())
    def trade(self, n: int, part: int, form: str, with_fees: bool) -> None:
        """An order is filled, in part or whole; the fee may be told later, with the same key."""
        order = self.pick(n)
        if order is None:
            return
        quantity = min(part * STEP, order.quantity - order.filled)
        self.time += 1
        told = Fill(
            f"F{self.time}",
            PAIR,
            Side.BUY,
            Decimal(100),
            quantity,
            **self.naming(order),
            fees=(Fee("USDT", Decimal("0.1")),),
            finality=self.finality,
            time=self.time,
        )
        order.fills.append(told)
        whole = order.filled == order.quantity
        order.status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
        if not with_fees:
            self.wire.append(evolve(told, fees=None, time=0))
        self.wire.append(told)
        self.speak(order, form)

    @precondition(lambda self: self.reversible)
    @rule(n=some, form=forms, traded_before=st.booleans())
    def undo(self, n: int, form: str, traded_before: bool) -> None:
        """A block is reversed: the last fill of an order never was."""
        if traded_before:
            self.trade(n, 1, form, with_fees=True)
        traded = [order for order in self.venue.values() if order.fills and order.undoable]
        if traded:
            order = traded[n % len(traded)]
            self.time += 1
            self.wire.append(evolve(order.fills.pop(), finality=Finality.UNDONE, time=self.time))
            order.status = OrderStatus.PARTIALLY_FILLED if order.fills else OrderStatus.OPEN
            self.speak(order, form)

    @rule(n=some, status=st.sampled_from([OrderStatus.CANCELED, OrderStatus.EXPIRED]), form=forms)
    def end(self, n: int, status: OrderStatus, form: str) -> None:
        """The venue ends an order by itself."""
        order = self.pick(n)
        if order is not None:
            order.status = status
            self.speak(order, form)

    @rule(n=some, lost=st.booleans(), works=st.booleans(), form=forms)
    def cancel(self, n: int, lost: bool, works: bool, form: str) -> None:
        """We cancel; it works or it does not, and the answer arrives or not."""
        names = sorted(self.orders)
        if not names:
            return
        name = names[n % len(names)]
        self.tracker.cancel_requested(self.orders[name])
        order = self.venue.get(name)
        placed: Placed = Rejected(OrderNotFound("not open"))
        if order is not None and order.live:
            placed = Rejected(Refused("too busy"))
            if works:
                order.status = OrderStatus.CANCELED
                self.speak(order, form)
                placed = Accepted(OrderReport(PAIR, client_order_id=name))
        if lost:
            placed = Unknown()
        self.replies.append(lambda: self.tracker.cancel_outcome(self.orders[name], placed))

    @rule(n=some, more=st.integers(min_value=1, max_value=3), lost=st.booleans(), form=forms)
    def amend(self, n: int, more: int, lost: bool, form: str) -> None:
        """We raise the quantity; the order gets another id by it."""
        order = self.pick(n)
        if order is None:
            return
        name = order.intent.client_order_id
        self.tracker.amend_requested(self.orders[name])
        order.quantity += more * STEP
        order.replaces, order.order_id = order.order_id, self.next_id()
        self.speak(order, form)
        answer = OrderReport(PAIR, order_id=order.order_id, replaces=order.replaces, time=self.time)
        placed: Placed = Unknown() if lost else Accepted(answer)
        self.certain = self.certain and not lost
        quantity = order.quantity
        self.replies.append(lambda: self.tracker.amend_outcome(self.orders[name], placed, quantity=quantity))

    # --- the wire

    def deliver_word(self, word: Fill | OrderReport) -> None:
        if isinstance(word, Fill):
            self.tracker.fill(word)
        else:
            self.tracker.report(word)

    @precondition(lambda self: self.wire)
    @rule(n=some, again=st.booleans())
    def deliver(self, n: int, again: bool) -> None:
        """Any word arrives, and perhaps once more later."""
        index = n % len(self.wire)
        self.deliver_word(self.wire[index] if again else self.wire.pop(index))

    @precondition(lambda self: self.wire)
    @rule(n=some)
    def drop(self, n: int) -> None:
        """A word never arrives."""
        word = self.wire[n % len(self.wire)]
        if word.finality is not Finality.UNDONE:  # whoever misses that cannot know it from any other word
            self.certain = False
            self.wire.remove(word)

    @precondition(lambda self: self.replies)
    @rule(n=some)
    def reply(self, n: int) -> None:
        """Any answer arrives."""
        self.replies.pop(n % len(self.replies))()

    @rule()
    def restart(self) -> None:
        """The process ends and comes back: answers on their way find nobody."""
        self.certain = self.certain and not self.replies
        self.replies.clear()
        self.run(self.tracker.aclose())
        if self.path != ":memory:":
            self.run(self.store.aclose())
            self.store = SqliteOrderStore(self.path)
            self.run(self.store.open())
        self.tracker = self.new_tracker()
        for name in self.orders:
            found = self.tracker.get(name)
            assert found is not None
            assert found.state is not OrderState.PENDING
            self.orders[name] = found

    # --- what holds

    @invariant()
    def a_terminal_state_is_never_left(self) -> None:
        """What is over stays as it ended."""
        for name, order in self.orders.items():
            if order.done:
                assert self.ended.setdefault(name, order.state) is order.state
            else:
                assert name not in self.ended

    @invariant()
    def everything_is_told_once(self) -> None:
        """A fill and a completion are told once, and nothing of ours is an overfill or, for certain, a stray."""
        fills = Counter(event.fill.key for event in self.events if isinstance(event, OrderFilled))
        completed = Counter(
            event.client_order_id for event in self.events if isinstance(event, OrderCompleted)
        )
        assert all(count == 1 for count in (fills + completed).values())
        assert not any(isinstance(event, Overfill) for event in self.events)
        if self.certain:
            assert not any(isinstance(event, (StrayOrder, StrayFill)) for event in self.events)

    def settle(self) -> None:
        """Everything outstanding arrives, the reconciler asks, and both sides agree."""
        for reply in self.replies:
            reply()
        for word in self.wire:
            self.deliver_word(word)
        for order in self.tracker.incomplete:
            truth = self.venue.get(order.client_order_id)
            if truth is None:
                self.tracker.absent(order, "never reached the venue")
                continue
            self.tracker.report(self.whole_report(truth))
            for fill in truth.fills:
                self.tracker.fill(
                    evolve(fill, client_order_id=order.client_order_id, finality=Finality.FINAL)
                )
            there = {fill.key for fill in truth.fills}
            for fill in (
                order.fills
            ):  # as the reconciler does: the word of its undoing may have come too early for us
                if fill.finality is Finality.PROVISIONAL and fill.key not in there:
                    self.tracker.fill(evolve(fill, finality=Finality.UNDONE))
            self.tracker.asked(order, fills=True)
        self.a_terminal_state_is_never_left()
        self.everything_is_told_once()
        for name, order in self.orders.items():
            self.agrees(order, self.venue.get(name))
        target(float(len(self.events)))

    def agrees(self, order: InFlightOrder, truth: VenueOrder | None) -> None:
        if truth is None:
            assert order.state is OrderState.REJECTED
            assert order.complete
            return
        assert order.filled == order.traded == truth.filled
        assert {fill.key for fill in order.fills} == {fill.key for fill in truth.fills}
        assert all(fill.fees is not None for fill in order.fills) or not self.certain
        assert order.done is not truth.live
        assert order.complete is order.done
        if order.done:
            assert order.state.value == truth.status.value
        told = [event for event in self.events if isinstance(event, OrderCompleted)]
        mine = [event for event in told if event.client_order_id == order.client_order_id]
        assert [event.filled for event in mine] == ([truth.filled] if order.done else [])


def test_any_order_of_words_ends_in_the_venues_state_in_memory() -> None:
    """Acks, sparse reports, fills doubled, late, early or dropped, cancels, amendments, restarts: the end is the venue's."""
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=120,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_any_order_of_words_ends_in_the_venues_state_on_disk(backend: str) -> None:
    """The same, with a file that is closed and opened again at every restart."""
    with TemporaryDirectory() as folder:
        count = iter(range(10**9))

        class OnDisk(Deliveries):
            loop = backend

            def __init__(self) -> None:
                type(self).path = str(Path(folder) / f"orders-{next(count)}.db")
                super().__init__()

        run_state_machine_as_test(
            OnDisk,
            settings=settings(
                max_examples=15,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
