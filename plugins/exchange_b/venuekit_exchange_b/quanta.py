"""Numbers between decimal text and quanta: a market has an exponent for prices and one for sizes. PROTOCOL.md, "Markets".

An amount of an asset is in units of 10**-18 on every market. Nothing is ever rounded: what is no multiple is refused.
"""

from __future__ import annotations

from decimal import Context, Decimal, Inexact
from typing import Final

from venuekit_spec import Instrument, RuleViolated

PRICE_EXPONENT: Final = "price_exponent"
SIZE_EXPONENT: Final = "size_exponent"
"""Where `Instrument.facts` has them."""

AMOUNT_EXPONENT: Final = -18

_EXACT: Final = Context(prec=60, traps=[Inexact])
_WIDE: Final = Context(prec=200)

LARGEST_EXPONENT: Final = 30
"""No price and no size is as large as ten to this power."""


def price_exponent(instrument: Instrument) -> int:
    """A price quantum is ten to this power, in quote units."""
    return int(instrument.facts[PRICE_EXPONENT])


def size_exponent(instrument: Instrument) -> int:
    """A size quantum is ten to this power, in base units."""
    return int(instrument.facts[SIZE_EXPONENT])


def quanta(value: Decimal, exponent: int) -> int:
    """A number in quanta of ten to the power of `exponent`. Raises `RuleViolated` for one that is no multiple."""
    if value.is_finite() and value.adjusted() <= LARGEST_EXPONENT:
        scaled = _WIDE.scaleb(value, -exponent)
        if scaled == scaled.to_integral_value():
            return int(scaled)
    raise RuleViolated(f"{value} is no multiple of 1e{exponent}")


def number(count: int, exponent: int) -> Decimal:
    """So many quanta as a number, exactly."""
    return _EXACT.scaleb(Decimal(count), exponent)


def text(count: int, exponent: int) -> str:
    """So many quanta (none or more) as decimal text without an exponent."""
    if exponent >= 0:
        return str(count * 10**exponent)
    digits = str(count).rjust(1 - exponent, "0")
    return f"{digits[:exponent]}.{digits[exponent:]}"


def amount(told: str) -> Decimal:
    """An amount of an asset."""
    return number(int(told), AMOUNT_EXPONENT)


def told_amount(value: Decimal) -> str:
    """An amount of an asset, in its smallest unit; what is smaller still is cut off."""
    return str(int(_WIDE.scaleb(value, -AMOUNT_EXPONENT)))
