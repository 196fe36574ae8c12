"""Opening accounts: the lock of the key, the order store, the signer, the market, the user stream, in this order.

What two exchange objects of one process share when they use the same key: the lock of the key, its rate-limit pools, its order
store (one object per file), and with it the orders (one tracker), the nonces and the lock that strict nonces are sent under.

An account is stored under venue, environment, name and the fingerprint of its key: in one file two keys never take each other's
orders for their own, whatever their accounts are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary, WeakValueDictionary

import anyio
from attrs import evolve, frozen

from venuekit.books.book import OrderBook
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.http import HttpTransport
from venuekit.loader import LoadedConnector
from venuekit.orders.events import OrderEventOfAccount
from venuekit.orders.key_lock import fingerprint, hold_key
from venuekit.orders.nonces import NonceSource
from venuekit.orders.store import InFlightOrderStore
from venuekit.pacing import PacerRegistry
from venuekit.trading.account import Account
from venuekit.trading.desk import Desk
from venuekit.trading.limits import PreTradeLimits
from venuekit.trading.own_orders import OwnOrders
from venuekit.trading.paper import PaperSettings, paper_description, paper_market
from venuekit.trading.private import PrivateStream
from venuekit.trading.stores import MEMORY, Store, find_store, store_file
from venuekit.trading.trackers import shared_tracker
from venuekit.venue import Venue
from venuekit_spec import (
    Answer,
    Capability,
    Channel,
    Cost,
    Credentials,
    Description,
    Environment,
    Market,
    NonceRule,
    OrderEntry,
    PoolKind,
    PoolScope,
    RatePool,
    Seconds,
    Unsupported,
    UserMessage,
)

PAPER_ACCOUNT: Final = "paper"

FRAMES: Final = "frames of calls"
"""The rate-limit pool of a socket that takes calls."""

BUNCHING: Final[Seconds] = 0.25
"""By how much frames of one socket may come to the venue closer together than they left. Too many cost the socket, and with it
the answers of all calls that are under way."""


@frozen
class _Key:
    """What belongs to one key, whatever uses it: its nonces, and the lock that strict ones are sent under."""

    nonces: NonceSource
    send_lock: anyio.Lock | None


_KEYS: Final[WeakKeyDictionary[InFlightOrderStore, WeakValueDictionary[str, _Key]]] = WeakKeyDictionary()


@frozen(kw_only=True)
class Opening:
    """What the accounts of one exchange are opened with. `venue` is the exchange's own view, without a key.

    `running` ends when the exchange's tasks are about to: what happens to orders afterwards starts none any more.
    """

    connector: LoadedConnector
    where: Environment
    venue: Venue
    http: HttpTransport
    pacers: PacerRegistry
    pools: tuple[RatePool, ...]
    books: Mapping[str, OrderBook]
    own_orders: OwnOrders
    store: Store | None
    order_entry: str
    limits: PreTradeLimits | None
    running: ExitStack

    async def account(self, name: str, credentials: Credentials, stack: AsyncExitStack) -> Account:
        """One account of the venue, open until the end of `stack`.

        Raises `KeyInUse`, `StoreError`, and `LocalError` for an order entry that the venue does not have.
        """
        venue, hooks, where = self.venue, self.connector.hooks, self.where
        description = venue.description
        entry = _order_entry(self.order_entry, description)
        signer = hooks.auth(credentials=credentials, environment=where)
        key = fingerprint(credentials)
        stack.enter_context(hold_key(description.venue, where.name, key))
        store = find_store(self.store, store_file(venue.id, where.name, name, key))
        await store.open()
        stack.push_async_callback(store.aclose)
        shared = stack.enter_context(_key(store, f"{description.venue} {where.name} {key}", signer.nonces))
        frames = _frames(description)
        flows = FlowRunner(
            self.http,
            venue.clock,
            self.pacers.pacer(
                f"{description.venue} {where.name}", (*self.pools, *frames), key=key, account=key
            ),
            random=venue.random.random,
            limit_report=description.limit_report,
            nonce=shared.nonces,
            venue_time=venue.venue_time,
            send_lock=shared.send_lock,
            skewed=venue.clock_skewed,
            frame=tuple(Cost(pool.name) for pool in frames),
        )
        own = evolve(venue, auth=signer, flows=flows, nonces=shared.nonces)
        market = hooks.market(
            environment=where, instruments=venue.instruments, credentials=credentials, order_entry=entry
        )
        late = _Late()
        stream = None
        if self.connector.offers("user_stream"):
            stream = PrivateStream(
                own,
                hooks.user_stream(environment=where, instruments=venue.instruments, credentials=credentials),
                receive=late.receive,
                hole=late.hole,
                opened=late.opened,
                lost=late.lost,
                late=late.answered,
                name=name,
            )
        id_ = f"{venue.id}.{where.name}.{name}-{key}"
        return await self._open(id_, name, own, market, store, description, entry, stack, late, stream)

    async def paper(self, settings: PaperSettings, stack: AsyncExitStack) -> Account:
        """A paper account, open until the end of `stack`. Raises `LocalError` where no engine is installed."""
        venue, late = self.venue, _Late()
        store = find_store(MEMORY if self.store is None else self.store, Path())
        await store.open()
        stack.push_async_callback(store.aclose)
        market = paper_market(settings, venue.instruments, self.books, late.receive, venue.clock.now)
        description = paper_description(venue.description)
        entry = OrderEntry.REST
        id_, name = f"{venue.id}.{self.where.name}.{PAPER_ACCOUNT}", PAPER_ACCOUNT
        return await self._open(id_, name, venue, market, store, description, entry, stack, late, None)

    async def _open(
        self,
        id_: str,
        name: str,
        venue: Venue,
        market: Market,
        store: InFlightOrderStore,
        description: Description,
        entry: OrderEntry,
        stack: AsyncExitStack,
        late: _Late,
        stream: PrivateStream | None,
    ) -> Account:
        shared = shared_tracker(id_, store, venue.clock)
        local = description is not venue.description
        call = stream.call if stream is not None else None
        desk = Desk(id_, venue, market, shared.tracker, call)
        account = late.account = Account(
            name,
            desk,
            store,
            self.books,
            description,
            self.limits or PreTradeLimits(),
            order_entry=entry,
            own_orders=self.own_orders,
            local=local,
        )
        self.running.enter_context(shared.heard(late.told))
        await stack.enter_async_context(shared.opened(alone=local))
        account.serve(stream)
        return account


class _Late:
    """The account that is told of what its parts hear; they are made before it."""

    account: Account

    def receive(self, message: UserMessage) -> None:
        self.account.receive(message)

    def told(self, event: OrderEventOfAccount) -> None:
        self.account.told(event)

    def hole(self, reason: str) -> None:
        self.account.hole(reason)

    def opened(self) -> None:
        self.account.opened()

    def lost(self, _reason: str) -> None:
        self.account.lost()

    def answered(self, _answer: Answer) -> None:
        self.account.late()


def _frames(description: Description) -> tuple[RatePool, ...]:
    """How many frames the socket that takes calls may send, as a pool among the others; none where there is no such socket.

    A call takes its turn before it is signed: one that waited afterwards could be too old when it goes.
    """
    rule = description.topic_rule(Channel.CALLS, "")
    if rule is None:
        return ()
    limit = description.socket_limits(rule.endpoint).frames_per_second
    period = 1.0 + BUNCHING
    return (RatePool(FRAMES, max(limit, 1.0), period, kind=PoolKind.SLIDING_WINDOW, scope=PoolScope.SOCKET),)


@contextmanager
def _key(store: InFlightOrderStore, name: str, rule: NonceRule) -> Iterator[_Key]:
    """What belongs to a key, the same for all who use it at the same time."""
    keys = _KEYS.setdefault(store, WeakValueDictionary())
    lock = anyio.Lock() if rule is NonceRule.STRICT else None
    key = keys.setdefault(name, _Key(NonceSource(rule, store, name), lock))
    yield key  # and held until then: the table alone would not keep it


def _order_entry(wanted: str, description: Description) -> OrderEntry:
    """How orders are to travel: as wanted, else in requests where the venue has those."""
    offered = [
        entry
        for entry, capability in (
            (OrderEntry.REST, Capability.REST_ORDERS),
            (OrderEntry.SOCKET, Capability.SOCKET_ORDERS),
        )
        if capability in description.capabilities
    ]
    if not wanted:
        return offered[0] if offered else OrderEntry.REST
    if wanted not in offered:
        raise Unsupported(
            f"{description.venue} takes no orders by {wanted!r}; it has {', '.join(offered) or 'none'}"
        )
    return OrderEntry(wanted)
