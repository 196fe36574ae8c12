"""The virtual chain: a pool, a block each `BLOCK` seconds, and what the last block did until the next one settles it.

1. Heights count blocks since `GENESIS`, by the clock: a venue that was restarted goes on where the time is.
2. What is asked waits in the pool. A block carries it out in the order in which it came, at most `capacity` of it; an order
   that the engine refuses then is told as rejected, one whose height has passed as expired. A cancel that finds no open order
   has lost the race, and nothing more is said of it.
3. What happens from a block to the next belongs to it and is told as provisional. The next block makes it final, or undoes it
   (`undo_block`, or by `undo_rate`). What a block refused is final at once.
4. Undoing takes back the trades of the accounts. Orders that the block had placed go back to the pool, and the block that
   follows tries them again. An order of an earlier block stands as it did before; the engine has it enter again where the
   market has moved through its price meanwhile. Cancels and expiries of the block stand.
5. Everything here is memory: a restart loses the pool and what was to be settled; what the engine holds is final then.

PROTOCOL.md, "Chain".
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen

from venuekit_exchange_b.actions import Order
from venuekit_exchange_b.description import BLOCK
from venuekit_exchange_b.dialect import writing
from venuekit_exchange_b.dialect.refusals import of_engine
from venuekit_exchange_b.dialect.writing import HASH, HEIGHT_REACHED, Taken
from venuekit_exchange_b.payloads import News, OrderState, Reached
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    BalanceChanged,
    Engine,
    EngineEvent,
    Execution,
    Finality,
    FundingPaid,
    Instant,
    InstrumentKind,
    OrderChanged,
    OrderNotFound,
    OrderRef,
    OrderStatus,
    PositionChanged,
    Refused,
    VenueAccount,
    VenueError,
    VenueOrder,
)

GENESIS: Final[Instant] = 1_577_836_800 * SECOND
"""2020-01-01: the instant of block 0."""

FUNDING_BLOCKS: Final = 60
FUNDING_RATE: Final = Decimal("0.00001")
"""Every so many blocks positions pay this much of their notional."""

CAPACITY: Final = 1_000
"""Orders and cancels that a block carries out."""

ASKED: Final = "asked"
"""The reason of orders that were cancelled as their account asked."""

UNDONE: Final = "undone"
"""The reason with which an order leaves the engine for the pool."""

REMEMBERED: Final = 10_000
"""News of an account that its sockets may be behind."""

_BLOCK: Final = round(BLOCK * SECOND)


def height_at(now: Instant) -> int:
    """The height of the chain at an instant."""
    return (now - GENESIS) // _BLOCK


def instant_of(height: int) -> Instant:
    """When a block is added."""
    return GENESIS + height * _BLOCK


@frozen
class TakenCancel:
    """A cancel in the pool, of an order by its hash."""

    account: str
    hash: str


@define(eq=False)
class Block:
    """What the last block did to the accounts, so far: orders by account and the engine's id, executions by key."""

    orders: dict[tuple[str, str], VenueOrder] = Factory(dict)
    executions: dict[str, Execution] = Factory(dict)
    placed: list[tuple[Taken, str]] = Factory(list)


class NewsLog:
    """What an account was told: how much, and the last of it."""

    def __init__(self) -> None:
        self.count = 0
        self._last: deque[News] = deque(maxlen=REMEMBERED)

    def add(self, news: News) -> None:
        """The account is told this."""
        self.count += 1
        self._last.append(news)

    def since(self, count: int) -> Sequence[News]:
        """What came after so much had been told."""
        return list(self._last)[len(self._last) - (self.count - count) :] if self.count > count else ()


class Chain:
    """The chain over one engine. `pool` is what waits, `height` the last block; `undone` counts blocks that were."""

    def __init__(
        self, engine: Engine, accounts: Iterable[VenueAccount], *, undo_rate: float = 0.0, seed: int = 0
    ) -> None:
        self.engine = engine
        self.accounts = tuple(accounts)
        self.pool: list[Taken | TakenCancel] = []
        self.height = 0
        self.capacity = CAPACITY
        self.undone = 0
        self._undo_rate = undo_rate
        self._seed = seed
        self._undo_next = False
        self._quiet = False
        self._block = Block()
        self._news = {account.name: NewsLog() for account in self.accounts}
        self._refused: dict[tuple[str, str], OrderState] = {}
        self._numbers: dict[tuple[str, str], OrderRef] = {}
        """Account and a name (hash, client id) -> the order that the engine has last."""
        self._hashes: dict[str, str] = {}
        for account in self.accounts:
            for order in engine.orders(account.name):
                self._register(order)
        engine.listen(self._happened)

    # --- time

    def advance(self, now: Instant) -> Instant:
        """Add the blocks that are due; when the next one is."""
        due = height_at(now)
        if not self.height:
            self.height = due
        while self.height < due:
            self.height += 1
            self._add_block(now)
        return instant_of(self.height + 1)

    def undo_block(self) -> None:
        """The last block is undone by the next one."""
        self._undo_next = True

    # --- what is asked

    def take(self, account: str, order: Order, hash_: str, instrument: str, now: Instant) -> OrderState:
        """An order comes to the pool; how it stands. Raises `KeyError` for a force that is not known."""
        taken = Taken(
            account, order, hash_, writing.intent(order, hash_, self.engine.instruments[instrument])
        )
        self.pool.append(taken)
        told = writing.pooled(taken, OrderStatus.PENDING, Finality.PROVISIONAL, now)
        self._tell(account, told)
        return told

    def take_cancel(self, account: str, hash_: str) -> None:
        """A cancel comes to the pool."""
        self.pool.append(TakenCancel(account, hash_))

    def find(self, account: str, name: str, now: Instant) -> OrderState | None:
        """How an order stands, by its hash or its client id, wherever it is."""
        for each in self.pool:
            if isinstance(each, Taken) and each.account == account and name in {each.hash, each.terms.client}:
                return writing.pooled(each, OrderStatus.PENDING, Finality.PROVISIONAL, now)
        ref = self._numbers.get((account, name))
        if ref is not None:
            return self._told(self.engine.order(account, ref))
        return self._refused.get((account, name))

    def open_orders(self, account: str, now: Instant) -> Sequence[OrderState]:
        """What rests, then what is in the pool."""
        resting = [self._told(order) for order in self.engine.open_orders(account)]
        waiting = [each for each in self.pool if isinstance(each, Taken) and each.account == account]
        return [
            *resting,
            *(writing.pooled(each, OrderStatus.PENDING, Finality.PROVISIONAL, now) for each in waiting),
        ]

    def finality(self, key: str) -> Finality:
        """Whether an execution may still be undone."""
        return Finality.PROVISIONAL if key in self._block.executions else Finality.FINAL

    def news(self, account: str) -> NewsLog:
        """What an account is told."""
        return self._news[account]

    def hash(self, order_id: str) -> str:
        """The hash of an order of the engine's."""
        return self._hashes.get(order_id) or writing.made_hash(order_id)

    # --- a block

    def _add_block(self, now: Instant) -> None:
        undone = self._undo_next or self._thrown() < self._undo_rate
        before, self._block = self._block, Block()
        if not (undone and (before.executions or before.placed) and self._undoes(before, now)):
            self._finish(before)
        self._expire(now)
        due, self.pool = self.pool[: self.capacity], self.pool[self.capacity :]
        for each in due:
            if isinstance(each, Taken):
                self._place(each, now)
            else:
                self._cancel(each, now)
        self._drop_expired(now)
        if self.height % FUNDING_BLOCKS == 0:
            for instrument in self.engine.instruments.values():
                if instrument.kind is InstrumentKind.PERPETUAL:
                    self.engine.pay_funding(instrument.id, FUNDING_RATE, now)
        for account in self._news:
            self._tell(account, Reached(self.height, instant_of(self.height) // MILLISECOND))

    def _thrown(self) -> float:
        """The throw of the dice for this height, from 0 to below 1: the same for the same seed."""
        digest = hashlib.sha256(f"{self._seed} {self.height}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48

    def _finish(self, block: Block, *, without: Iterable[tuple[str, str]] = ()) -> None:
        """Nothing of a block can be undone any more."""
        instruments = self.engine.instruments
        for execution in block.executions.values():
            self._tell(execution.account, writing.execution(execution, Finality.FINAL, instruments))
        left = set(without)
        for (account, order_id), order in block.orders.items():
            if (account, order_id) not in left:
                ref = OrderRef(order.intent.instrument, order_id=order_id)
                self._tell(
                    account, writing.order(self.engine.order(account, ref), Finality.FINAL, instruments)
                )

    def _place(self, taken: Taken, now: Instant) -> None:
        if taken.terms.expires < self.height:
            self._end(taken, OrderStatus.EXPIRED, HEIGHT_REACHED, now)
            return
        try:
            order = self.engine.place(taken.account, taken.intent, now)
        except VenueError as error:
            self._end(taken, OrderStatus.REJECTED, of_engine(error).failure.label, now)
        else:
            self._block.placed.append((taken, order.order_id))

    def _cancel(self, taken: TakenCancel, now: Instant) -> None:
        ref = self._numbers.get((taken.account, taken.hash))
        if ref is None:
            return
        try:
            self.engine.cancel(taken.account, ref, now, reason=ASKED)
        except OrderNotFound:
            return  # it has lost the race

    def _end(self, taken: Taken, status: OrderStatus, reason: str, now: Instant) -> None:
        """An order of the pool ends without having rested."""
        told = writing.pooled(taken, status, Finality.FINAL, now, reason)
        for name in (taken.hash, taken.terms.client):
            self._refused[taken.account, name] = told
        self._tell(taken.account, told)

    def _expire(self, now: Instant) -> None:
        for account in self.accounts:
            for order in self.engine.open_orders(account.name):
                height = order.intent.expires_at_height
                if height is not None and height < self.height:
                    ref = OrderRef(order.intent.instrument, order_id=order.order_id)
                    self.engine.cancel(account.name, ref, now, reason=HEIGHT_REACHED)

    def _drop_expired(self, now: Instant) -> None:
        """What the block had no room for, and no later one may carry out."""
        late = [each for each in self.pool if isinstance(each, Taken) and each.terms.expires <= self.height]
        for each in late:
            self.pool.remove(each)
            self._end(each, OrderStatus.EXPIRED, HEIGHT_REACHED, now)

    # --- an undone block

    def _undoes(self, block: Block, now: Instant) -> bool:
        """Undo a block; False where its trades are too old for the engine: then it is final."""
        self._undo_next = False
        try:
            self._undo(block, now)
        except Refused:
            return False
        self.undone += 1
        return True

    def _undo(self, block: Block, now: Instant) -> None:
        """Take back what a block did. Raises `Refused` where the engine cannot, and changes nothing then."""
        engine, instruments = self.engine, self.engine.instruments
        self._quiet = True
        try:
            if block.executions:
                engine.undo(tuple(block.executions), now)
            returning = [
                (taken, order_id)
                for taken, order_id in block.placed
                if self._withdraws(taken.account, order_id, now)
            ]
        finally:
            self._quiet = False
        gone = {(taken.account, order_id) for taken, order_id in returning}
        touched = {(each.account, each.order.order_id) for each in block.executions.values()} - gone
        for execution in block.executions.values():
            self._tell(execution.account, writing.execution(execution, Finality.UNDONE, instruments, now))
        block.executions.clear()
        for key in gone:
            self._block.orders.pop(key, None)
        for account, order_id in self._block.orders:
            order = engine.order(account, OrderRef("", order_id=order_id))
            finality = Finality.UNDONE if (account, order_id) in touched else Finality.PROVISIONAL
            self._tell(account, writing.order(order, finality, instruments, now))
        for taken, _ in returning:
            self._tell(taken.account, writing.pooled(taken, OrderStatus.PENDING, Finality.UNDONE, now))
            for name in (taken.hash, taken.terms.client):
                del self._numbers[taken.account, name]
        self.pool[:0] = [taken for taken, _ in returning]
        self._finish(block, without={*self._block.orders, *gone})

    def _withdraws(self, account: str, order_id: str, now: Instant) -> bool:
        """An order of the block leaves the engine for the pool; not one that was cancelled, which stands."""
        order = self.engine.order(account, OrderRef("", order_id=order_id))
        if order.status is OrderStatus.CANCELED and order.reason in {ASKED, HEIGHT_REACHED}:
            return False
        if not order.status.terminal:
            self.engine.cancel(account, OrderRef("", order_id=order_id), now, reason=UNDONE)
        return True

    # --- what the engine tells

    def _happened(self, event: EngineEvent) -> None:
        match event:
            case OrderChanged() if event.order.account in self._news:
                self._changed(event)
            case BalanceChanged() if event.account in self._news:
                self._tell(event.account, writing.balance(event.balance))
            case PositionChanged() if event.account in self._news:
                self._tell(event.account, writing.position(event.position, self.engine.instruments))
            case FundingPaid() if event.account in self._news:
                self._tell(event.account, writing.funding(event.payment, self.engine.instruments))
            case _:
                pass

    def _changed(self, event: OrderChanged) -> None:
        order, instruments = event.order, self.engine.instruments
        self._register(order)
        self._block.orders[order.account, order.order_id] = order
        if self._quiet:
            return
        self._tell(order.account, writing.order(order, Finality.PROVISIONAL, instruments))
        if event.execution is not None:
            self._block.executions[event.execution.key] = event.execution
            self._tell(order.account, writing.execution(event.execution, Finality.PROVISIONAL, instruments))

    def _register(self, order: VenueOrder) -> None:
        hash_ = writing.hash_of(order)
        ref = OrderRef(order.intent.instrument, order_id=order.order_id)
        self._numbers[order.account, hash_] = ref
        self._numbers[order.account, order.intent.client_order_id] = ref
        if order.intent.options.get(HASH):
            self._hashes[order.order_id] = hash_

    def _told(self, order: VenueOrder) -> OrderState:
        provisional = (order.account, order.order_id) in self._block.orders
        finality = Finality.PROVISIONAL if provisional else Finality.FINAL
        return writing.order(order, finality, self.engine.instruments)

    def _tell(self, account: str, news: News) -> None:
        self._news[account].add(news)
