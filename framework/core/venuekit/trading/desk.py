"""Desk: what the parts of one account share, and the two ways to ask the venue.

`ask` is for what changes nothing: where the venue finds our clock wrong, the clock is measured and the question asked once
more. `send` is for what changes something: once, and never again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from attrs import frozen

from venuekit.clock import Clock
from venuekit.drivers.flows import Call, Sending
from venuekit.events import Event
from venuekit.orders.tracker import OrderTracker
from venuekit.venue import Venue
from venuekit_spec import Flow, Instant, LocalError, Market, VenuekitError

T = TypeVar("T")


@frozen(eq=False)
class Desk:
    """One account of one venue; `account` is its id. `venue` is the account's own view: it signs, and is paced
    with the key's pools.

    `call` sends calls on the account's sockets, None where it has none.
    """

    account: str
    venue: Venue
    market: Market
    tracker: OrderTracker
    call: Call | None = None

    @property
    def clock(self) -> Clock:
        """The clock that everything runs by."""
        return self.venue.clock

    def now(self) -> Instant:
        """This instant, by our clock."""
        return self.venue.clock.now()

    def publish(self, event: Event) -> None:
        """Tell an event."""
        self.venue.events.publish(event)

    async def ask(self, make: Callable[[], Flow[T]]) -> T:
        """The result of a flow that changes nothing. Raises what it raises."""
        return await self.venue.ask(make, call=self.call)

    async def send(self, flow: Flow[T], sending: Sending | None = None) -> T:
        """The result of a flow, run once. Raises what it raises."""
        return await self.venue.run(flow, call=self.call, sending=sending)

    async def detached(self, work: Callable[[], Awaitable[T]], given_up: Callable[[], None]) -> T:
        """The result of `work`, which goes on to its end when the caller is cancelled; `given_up` is called then.

        Raises what the work raises, and `LocalError` where the exchange was closed over it.
        """
        ended = anyio.Event()
        result: list[T] = []
        failure: list[VenuekitError] = []

        async def run() -> None:
            try:
                result.append(await work())
            except VenuekitError as error:
                failure.append(error)
            finally:
                ended.set()

        self.venue.spawn(run)
        try:
            await ended.wait()
        except BaseException:
            given_up()
            raise
        if failure:
            raise failure[0]
        if not result:
            raise LocalError("the exchange was closed before the answer came; the order store remembers")
        return result[0]
