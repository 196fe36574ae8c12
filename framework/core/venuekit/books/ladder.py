"""One side of a book: prices in order, each with the row that last set it.

The hot path of the whole library, so its shape was measured, not guessed:

* A price is ordered by a *key*: the double of its text, negated for asks, so that on both sides the best is the largest.
  All rows are in a dict by key. Only the best keys are kept sorted, the best last, where a change is cheap and where
  everybody looks; when too few of them are left, they are chosen anew from the dict. A side that must be cut to a depth
  after each message keeps all of them sorted.
* The value of a key is the venue's row, untouched: exact price and size are read from it by whoever wants them.
* A double orders prices exactly up to 15 significant digits, which `Instrument.float_keys` proves before any row comes as
  a double. Rows that come as text are looked at again: a text longer than 15 characters might have more digits, and the
  first price that a double cannot hold turns the side over to exact (Decimal) keys, for good.
* The same pass refuses what is no level: prices that are not above zero, NaN, infinities, and sizes that are not plain
  decimals (negative, NaN, infinite, empty, anything else). Converting a size to see would cost more than all the rest.

What `MALFORMED_ROW` names, out of `load` or `apply` means a malformed row; a message
that raised may have been applied in part, and its book must be built anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal
from heapq import nlargest
from math import inf
from typing import Any, Final

from venuekit_spec import Row, Rows, Side

SAFE_LENGTH: Final = 15
"""A decimal text of at most 15 characters has at most 15 digits; a longer one is compared."""

ZEROS: Final = frozenset({"0", "0.", *("0." + "0" * places for places in range(1, 31))})
"""The texts for a size of zero, in plain notation."""

FEWEST: Final = 32
KEPT: Final = 128
MOST: Final = 256
"""Of the best keys between `FEWEST` and `MOST` are sorted; beyond that, `KEPT` are."""

MALFORMED_ROW: Final = (ValueError, TypeError, IndexError, AttributeError, ArithmeticError)
"""What a row that is no level raises."""


class Ladder:
    """One side of a book.

    `rows` by key. `keys` are the best of them, ascending, so the best is the last: every row whose key is not below the
    first of `keys` is among them, and they are empty only when `rows` is. `horizon` is the last key that is known: beyond
    it (below it) levels are unknown rather than empty, as the snapshot was limited there; None: the whole side is known.
    `whole`: keep all keys sorted.
    """

    __slots__ = ("horizon", "key_type", "keys", "rows", "side", "sign", "whole")

    def __init__(self, side: Side, *, exact: bool = False, whole: bool = False) -> None:
        self.side = side
        self.sign = 1 if side is Side.BUY else -1
        self.whole = whole
        self.key_type: type[float | Decimal] = Decimal if exact else float
        self.rows: dict[Any, Row] = {}
        self.keys: list[Any] = []
        self.horizon: Any = None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        """Rows, best first."""
        rows = self.rows
        return (rows[key] for key in self.descending())

    def descending(self) -> Iterator[Any]:
        """Keys, best first. The sorted ones come at once; the others are sorted when the walk gets to them."""
        keys, rows = self.keys, self.rows
        yield from reversed(keys)
        if len(keys) < len(rows):
            edge = keys[0]
            yield from sorted((key for key in rows if key < edge), reverse=True)

    def clear(self) -> None:
        """Forget everything."""
        self.rows = {}
        self.keys = []
        self.horizon = None

    def adopt(self, other: Ladder) -> None:
        """Become what another ladder of the same side is."""
        self.key_type, self.rows, self.keys, self.horizon = (
            other.key_type,
            other.rows,
            other.keys,
            other.horizon,
        )

    def align(self, other: Ladder) -> None:
        """Give both sides keys of one type, so that they can be compared."""
        if self.key_type is not other.key_type:
            for ladder in (self, other):
                if ladder.key_type is float:
                    ladder.become_exact()

    def load(self, rows: Rows, depth: int | None = None) -> None:
        """Replace the side by a snapshot that was limited to `depth` levels."""
        self.clear()
        self.apply(rows)
        limited = depth is not None and 0 < depth <= len(rows)
        self.horizon = min(self.rows) if limited and self.rows else None

    def apply(self, rows: Rows) -> None:
        """Set, replace and remove levels, in order. Size zero removes; removing what is not there is normal."""
        if not rows:
            return
        if type(rows[0][0]) is not float:
            self._apply_text(rows)
            return
        if self.key_type is not float:
            raise ValueError("a double is not exact for this instrument's prices")
        table, keys, sign = self.rows, self.keys, self.sign
        edge = self._edge()
        for row in rows:
            price: Any = row[0]  # the first row told that these are doubles
            size = row[1]
            if not 0.0 < price < inf:
                raise ValueError(f"price {price!r}")
            key = price * sign
            if size in ZEROS:
                if table.pop(key, None) is not None and key >= edge:
                    place = bisect_left(keys, key)
                    del keys[place]
                    if place == 0 and edge != -inf:
                        edge = keys[0] if keys else inf
            elif size.replace(".", "", 1).isdecimal():
                if key >= edge and key not in table:
                    insort(keys, key)
                table[key] = row
            else:
                raise ValueError(f"size {size!r}")
        count = len(keys)
        if count < FEWEST or count > MOST:
            self._balance()

    def cut(self, depth: int) -> None:
        """Drop the levels beyond the best `depth`: the feed sends no removal for them. For a `whole` side.

        What is beyond is unknown from there on, and everything before it is known, wherever the snapshot ended.
        """
        excess = len(self.keys) - depth
        if excess > 0:
            for key in self.keys[:excess]:
                del self.rows[key]
            del self.keys[:excess]
        self.horizon = self.keys[0] if excess >= 0 and self.keys else None

    def key(self, price: Decimal | str | float) -> Any:
        """The key of a price."""
        return self._signed(self.key_type(price))

    def best(self, count: int) -> list[Row]:
        """The best `count` rows, best first."""
        keys, rows = self.keys, self.rows
        if count <= len(keys) or len(keys) == len(rows):
            return [rows[key] for key in keys[: -count - 1 : -1]]
        return [rows[key] for key in nlargest(count, rows)]

    def _apply_text(self, rows: Rows) -> None:
        table, keys, sign, key_type = self.rows, self.keys, self.sign, self.key_type
        edge = self._edge()
        for row in rows:
            price: Any = row[0]
            size = row[1]
            value: Any = key_type(price)
            if not 0 < value < inf:
                raise ValueError(f"price {price!r}")
            if key_type is float and len(price) > SAFE_LENGTH and not survives_float(price):
                self.become_exact()
                self._apply_text(rows)
                return
            key = value if sign > 0 else -value if key_type is float else value.copy_negate()
            if size in ZEROS or not _positive(size):
                if table.pop(key, None) is not None and key >= edge:
                    place = bisect_left(keys, key)
                    del keys[place]
                    if place == 0 and edge != -inf:
                        edge = keys[0] if keys else inf
            else:
                if key >= edge and key not in table:
                    insort(keys, key)
                table[key] = row
        self._balance()

    def _edge(self) -> Any:
        """The key from which on all are sorted."""
        keys = self.keys
        return keys[0] if len(keys) < len(self.rows) else -inf

    def _balance(self) -> None:
        """Sort more keys where few are left, fewer where they are many."""
        keys, count, total = self.keys, len(self.keys), len(self.rows)
        if self.whole:
            return
        if count > MOST:
            del keys[: count - KEPT]
        elif count < FEWEST and count < total:
            keys[:] = nlargest(KEPT, self.rows)[::-1]

    def _signed(self, price: float | Decimal) -> Any:
        """The key of a converted price. The sign of a Decimal is set, not computed: arithmetic rounds to its context."""
        if self.sign > 0:
            return price
        return price.copy_negate() if isinstance(price, Decimal) else -price

    def become_exact(self) -> None:
        """Order by exact keys from now on."""
        self.key_type = Decimal
        if self.horizon is not None:
            self.horizon = self._signed(exact_price(self.horizon))
        self.rows = {self._signed(exact(row[0])): row for row in self.rows.values()}
        self.keys = sorted(self.rows)


def exact(price: str | float) -> Decimal:
    """The price of a row: the shortest text of a double is what it was made from."""
    return Decimal(price if isinstance(price, str) else repr(price))


def exact_price(key: Any) -> Decimal:
    """The price of a key."""
    return (key if isinstance(key, Decimal) else Decimal(repr(key))).copy_abs()


def _positive(size: str) -> bool:
    """Whether a size is above zero. Raises `ValueError` for what is no size."""
    value = float(size)
    if 0.0 <= value < inf:
        return value > 0.0
    raise ValueError(f"size {size!r}")


def survives_float(price: str) -> bool:
    """Whether a double gives this decimal text back."""
    return Decimal(repr(float(price))) == Decimal(price)
