"""One side of a book: prices in order, each with the row that last set it.

The hot path of the whole library, so its shape was measured, not guessed:

* A price is ordered by a *key*: the double of its text, negated for asks, so that on both sides the best is the largest
  and stands last. Most changes are near the best, where a sorted list is cheapest to change.
* The value of a key is the venue's row, untouched: exact price and size are read from it by whoever wants them.
* A double orders prices exactly up to 15 significant digits, which `Instrument.float_keys` proves before any row comes as
  a double. Rows that come as text are looked at again: a text longer than 16 characters might have more digits, and the
  first price that a double cannot hold turns the side over to exact (Decimal) keys, for good.
* The same pass refuses what is no level: NaN, infinities, prices that are not above zero, negative sizes.

A `ValueError`, `TypeError`, `IndexError` or `ArithmeticError` out of `load` or `apply` means a malformed row; a message
that raised may have been applied in part, and its book must be built anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal
from math import inf
from typing import Any, Final

from venuekit_spec import Row, Rows, Side

SAFE_LENGTH: Final = 16
"""A decimal text of 16 characters has at most 15 digits and a point (or 16 digits, which are then compared)."""

ZEROS: Final = frozenset({"0", "0.", *("0." + "0" * places for places in range(1, 31))})
"""The texts that venues write for a size of zero; any other text is converted to see."""

MALFORMED_ROW: Final = (ValueError, TypeError, IndexError, ArithmeticError)
"""What a row that is no level raises."""


class Ladder:
    """One side of a book. `rows` by key, `keys` ascending with the best last, `horizon` the last key that is known.

    Beyond the horizon (a key below it) levels are unknown rather than empty: the snapshot was limited there. None: the
    whole side is known.
    """

    __slots__ = ("horizon", "key_type", "keys", "rows", "side", "sign")

    def __init__(self, side: Side, *, exact: bool = False) -> None:
        self.side = side
        self.sign = 1 if side is Side.BUY else -1
        self.key_type: type[float | Decimal] = Decimal if exact else float
        self.rows: dict[Any, Row] = {}
        self.keys: list[Any] = []
        self.horizon: Any = None

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Row]:
        """Rows, best first."""
        rows = self.rows
        return (rows[key] for key in reversed(self.keys))

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

    def load(self, rows: Rows, depth: int | None = None) -> None:
        """Replace the side by a snapshot that was limited to `depth` levels."""
        self.clear()
        self.apply(rows)
        self.horizon = self.keys[0] if depth is not None and 0 < depth <= len(rows) and self.keys else None

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
        for row in rows:
            price = row[0]
            size = row[1]
            if not 0.0 < price < inf:  # type: ignore[operator]  # the first row told that these are doubles
                raise ValueError(f"price {price!r}")
            key = price * sign
            if size in ZEROS or not _positive(size):
                if table.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]
            else:
                if key not in table:
                    insort(keys, key)
                table[key] = row

    def cut(self, depth: int) -> None:
        """Drop the levels beyond the best `depth`: the feed sends no removal for them."""
        excess = len(self.keys) - depth
        if excess > 0:
            for key in self.keys[:excess]:
                del self.rows[key]
            del self.keys[:excess]

    def key(self, price: Decimal | str) -> Any:
        """The key of a price."""
        return self.key_type(price) * self.sign

    def best(self, count: int) -> list[Row]:
        """The best `count` rows, best first."""
        rows = self.rows
        return [rows[key] for key in self.keys[: -count - 1 : -1]]

    def _apply_text(self, rows: Rows) -> None:
        table, keys, sign, key_type = self.rows, self.keys, self.sign, self.key_type
        for row in rows:
            price, size = row[0], row[1]
            value = key_type(price)
            if not (0 < value < inf):
                raise ValueError(f"price {price!r}")
            if key_type is float and len(price) > SAFE_LENGTH and not _survives_float(price):  # type: ignore[arg-type]
                self._become_exact()
                self._apply_text(rows)
                return
            key = value * sign
            if size in ZEROS or not _positive(size):
                if table.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]
            else:
                if key not in table:
                    insort(keys, key)
                table[key] = row

    def _become_exact(self) -> None:
        self.key_type = Decimal
        if self.horizon is not None:
            self.horizon = exact_price(self.horizon) * self.sign
        self.rows = {exact(row[0]) * self.sign: row for row in self.rows.values()}
        self.keys = sorted(self.rows)


def exact(price: str | float) -> Decimal:
    """The price of a row: the shortest text of a double is what it was made from."""
    return Decimal(price if isinstance(price, str) else repr(price))


def exact_price(key: Any) -> Decimal:
    """The price of a key."""
    return abs(key if isinstance(key, Decimal) else Decimal(repr(key)))


def _positive(size: str) -> bool:
    """Whether a size is above zero. Raises `ValueError` for what is no size."""
    value = float(size)
    if 0.0 <= value < inf:
        return value > 0.0
    raise ValueError(f"size {size!r}")


def _survives_float(price: str) -> bool:
    return Decimal(repr(float(price))) == Decimal(price)
