"""Audits: a fresh snapshot is compared with the live book, while deltas keep flowing.

Where ids exist the comparison is at the same id: a second book is built from the snapshot and the deltas kept since the
audit began, by the same rule as the first, and both must be equal where both are known. Where they do not, what changed
within a declared window around the snapshot is left out, and all else must be equal: levels where levels are told, single
orders where orders are.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from attrs import frozen

from venuekit.books.ladder import Ladder, exact_price


@frozen
class Drift:
    """One price at which a live book and a fresh snapshot disagree. Sizes in base units, zero where there is no level."""

    side: str
    price: Decimal
    live: Decimal
    fresh: Decimal


def differences(live: Ladder, fresh: Ladder, ignoring: frozenset[Any] = frozenset()) -> list[Drift]:
    """Where two states of one side disagree, within what both know; keys in `ignoring` are left out.

    Both have keys of one type: see `Ladder.align`.
    """
    edges = [ladder.horizon for ladder in (live, fresh) if ladder.horizon is not None]
    edge = max(edges) if edges else None
    found = []
    for key in _disagreeing(live, fresh):
        if (edge is not None and key < edge) or key in ignoring:
            continue
        found.append(Drift(live.side.value, exact_price(key), _size(live, key), _size(fresh, key)))
    return found


def _disagreeing(live: Ladder, fresh: Ladder) -> Iterable[Any]:
    for key, row in live.rows.items():
        other = fresh.rows.get(key)
        if other is None or (other[1] != row[1] and Decimal(other[1]) != Decimal(row[1])):
            yield key
    for key in fresh.rows:
        if key not in live.rows:
            yield key


def _size(ladder: Ladder, key: Any) -> Decimal:
    row = ladder.rows.get(key)
    return Decimal(row[1]) if row else Decimal(0)
