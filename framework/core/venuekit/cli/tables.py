"""Tables of a command: with rules and colours in a terminal, aligned text anywhere else. No digit is ever cut."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import click


def plain(number: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def cell(value: object) -> str:
    """A value as a cell: decimals exact, None empty."""
    if value is None:
        return ""
    return plain(value) if isinstance(value, Decimal) else str(value)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Collection[str] = (),
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print rows under their columns. `numbers` names the columns that stand on the right; `styles` colours cells by text."""
    cells = [[cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _rich(columns, cells, numbers, styles or {})
    else:
        _plain(columns, cells, numbers)


def _plain(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        aligned = (
            f"{text:>{width}}" if column in numbers else f"{text:<{width}}"
            for column, text, width in zip(columns, row, widths, strict=True)
        )
        click.echo("  ".join(aligned).rstrip())


def _rich(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str], styles: Mapping[str, str]
) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=styles.get(text, "")) for text in row))
    Console().print(table)


__all__ = ["cell", "plain", "print_table"]
