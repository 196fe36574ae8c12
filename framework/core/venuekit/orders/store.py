"""Where orders are kept: the interface. `sqlite_store` implements it.

Two ways in: `submit` is durable on return, for what must be on disk before a byte leaves; `write` returns at once and is
written behind, in order, for what the venue would tell again. Reading one order is synchronous and short (an indexed look-up),
because a report that names an order of long ago must find it inside the receive callback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from venuekit.orders.records import OrderRecord, StoredOrder
from venuekit_spec import Fill, LocalError

PRUNED: Final = "pruned"
"""The mark up to which a store has forgotten what is complete: a fill from before is of no order that it could know."""

BEGUN: Final = "begun"
"""The mark of when a store first had an account, followed by its name: a fill from before is of no order that it knows."""


class StoreError(LocalError):
    """The store cannot be opened, read or written: nothing was sent. The message names the file and the cause."""


class InFlightOrderStore(Protocol):
    """Keeps the orders of any number of accounts. Errors are `StoreError`."""

    @property
    def failure(self) -> StoreError | None:
        """Why the last write failed; None once one succeeded again. What failed is kept and written with the next."""
        ...

    async def open(self) -> None:
        """Make ready. Counted: a store that several accounts share is closed by the last of them."""
        ...

    async def incomplete(self, account: str) -> Sequence[StoredOrder]:
        """Every order of the account that is not complete, oldest first."""
        ...

    def load(self, account: str, client_order_id: str) -> StoredOrder | None:
        """One order by our id; None where the store does not have it."""
        ...

    def find(self, account: str, order_id: str, instrument: str = "") -> StoredOrder | None:
        """One order by any id the venue ever gave it; of that instrument, where one is named."""
        ...

    async def submit(self, records: Sequence[OrderRecord]) -> None:
        """Keep these, all or none; durable on return. A record that exists is replaced."""
        ...

    def write(self, record: OrderRecord, fills: Sequence[Fill] = ()) -> None:
        """Keep what is known of an order now, and these fills of it, soon. The latest record of an order counts."""
        ...

    def next_number(self) -> int:
        """A number that this store never gave before, and hardly any other store: below 2**56.

        One that was given and never submitted may be given again after a crash.
        """
        ...

    def mark(self, name: str) -> int:
        """A durable high-water mark; 0 where it was never raised."""
        ...

    def raise_mark(self, name: str, value: int) -> None:
        """Raise a mark; a lower value changes nothing. Durable on return: blocks for the length of one write."""
        ...

    async def flush(self) -> None:
        """Return once everything given so far is durable."""
        ...

    async def aclose(self) -> None:
        """Flush, and close with the last that opened it."""
        ...
