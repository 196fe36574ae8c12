"""Books and trades as tables: a list of dicts always, a data frame where pandas or polars is installed.

Numbers stay exact `Decimal` values; convert columns to floats where that is good enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from venuekit_spec import SECOND, LocalError, Trade

LIBRARIES: Final = ("pandas", "polars")


def trades_table(trades: Sequence[Trade]) -> list[dict[str, object]]:
    """Trades as a list of dicts: ``time`` (seconds since the epoch), ``side`` (the taker's), ``price``, ``size``, ``key``."""
    return [
        {
            "time": trade.time / SECOND,
            "side": trade.side.value,
            "price": Decimal(trade.price),
            "size": Decimal(trade.size),
            "key": trade.key,
        }
        for trade in trades
    ]


def frame(rows: Sequence[dict[str, Any]], library: str = "") -> Any:
    """A data frame of such rows, of pandas or polars: the one named, else the first that is installed.

    Raises `LocalError` with the pip line when it is not installed.
    """
    if library and library not in LIBRARIES:
        raise LocalError(f"tables are made by {' or '.join(LIBRARIES)}, not by {library!r}")
    for name in (library,) if library else LIBRARIES:
        if find_spec(name) is not None:
            return import_module(name).DataFrame(list(rows))
    raise LocalError(f"a data frame needs {library or 'pandas or polars'}: pip install 'venuekit[tables]'")
