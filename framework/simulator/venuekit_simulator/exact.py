"""Exact arithmetic: nothing that the venue adds or multiplies is ever rounded, but fees and shares of a cost, by a stated rule.

The default context of `decimal` rounds at 28 digits (also at a mere minus sign), which a price times a size may exceed. So
sums and products are made by `EXACT`, which has 100: `checks` bounds what comes in, in size and in decimals. Divisions are only
made where the result is cut to a step afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
)
from functools import reduce
from typing import Final

EXACT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
ZERO: Final = Decimal(0)
FEE_QUANTUM: Final = Decimal("1e-8")
"""Fees and realised profits are cut to eight decimals, towards zero: nobody pays more than the rate says."""

FINEST: Final = Decimal("1e-18")
"""The step of prices and quantities where the instrument has none."""


def cut(amount: Decimal) -> Decimal:
    """An amount as it is charged: eight decimals, towards zero."""
    return amount.quantize(FEE_QUANTUM, ROUND_DOWN, EXACT)


def floored(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` (of `FINEST` where that is zero) that is not above `value`."""
    step = step or FINEST
    return EXACT.multiply(EXACT.divide_int(value, step), step)


def quantum(step: Decimal) -> Decimal | None:
    """The last decimal place that multiples of `step` have; None where there is no step."""
    return Decimal(1).scaleb(min(int(step.normalize().as_tuple().exponent), 0)) if step else None


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their sum."""
    return reduce(EXACT.add, amounts, ZERO)


def plain(value: Decimal) -> str:
    """Decimal text without an exponent."""
    return format(value, "f")
