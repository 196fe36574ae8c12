"""Books as text: a ladder for the terminal, plain JSON for programs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from venuekit.books import BookState, BookView, Level, OrderBook
from venuekit.cli.tables import plain
from venuekit.exchange import Exchange

STATE_STYLES = {
    BookState.LIVE: "bold green",
    BookState.GAP: "bold red",
    BookState.STALE: "bold red",
    BookState.CLOSED: "dim",
}
BAR = 24
COLUMNS = (
    "deltas",
    "snapshots",
    "stale",
    "gaps",
    "repairs",
    "checksums",
    "checksum_failures",
    "audits",
    "drifts",
    "malformed",
)
ALWAYS = {"deltas", "gaps", "repairs"}
"""What a summary tells of each book; what never happened to any is left out, except these."""


def ladder(book: OrderBook, depth: int) -> RenderableType:
    """The best `depth` levels of each side around the spread, and what the book rests on. Unproven numbers are dimmed."""
    view: BookView = book if book.live else book.unproven
    bids, asks = view.bids(depth), view.asks(depth)
    largest = max((level.size for level in (*bids, *asks)), default=Decimal(1))
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column("size", justify="right", min_width=14, no_wrap=True)
    table.add_column("price", justify="right", min_width=10, no_wrap=True)
    table.add_column("bar")  # the only one that gives way: a narrow terminal costs the bar, never a digit
    dim = "" if book.live else " dim"
    for level in reversed(asks):
        table.add_row(*_row(level, largest, "red" + dim))
    table.add_row("", Text(_middle(bids, asks), style="bold"), "")
    for level in bids:
        table.add_row(*_row(level, largest, "green" + dim))
    state = Text(book.state.value.upper(), style=STATE_STYLES.get(book.state, "yellow"))
    head = Text.assemble((book.instrument.id, "bold"), "  ", state, f"  {book.reason or book.proof}")
    return Group(head, table)


def as_json(book: OrderBook, depth: int) -> dict[str, Any]:
    """The book as JSON-ready values; numbers are decimal text."""
    view: BookView = book if book.live else book.unproven
    return {
        "pair": book.instrument.id,
        "state": book.state.value,
        "reason": book.reason,
        "last": book.last,
        "time": book.time,
        "proof": str(book.proof),
        "bids": [[plain(level.price), plain(level.size)] for level in view.bids(depth)],
        "asks": [[plain(level.price), plain(level.size)] for level in view.asks(depth)],
    }


def summary(exchange: Exchange, records: int) -> RenderableType:
    """What became of a session: messages, gaps, repairs and proofs of each book. Print it uncropped: no column gives way."""
    told = exchange.counters()
    table = Table(title=f"{exchange.description.name}: {records:,} records", title_justify="left", box=SIMPLE)
    table.add_column("pair", min_width=max(map(len, told), default=0))
    table.add_column("state", min_width=max(map(len, BookState)))
    columns = [
        name for name in COLUMNS if name in ALWAYS or any(getattr(each, name) for each in told.values())
    ]
    for column in columns:
        widest = max((len(f"{getattr(each, column):,}") for each in told.values()), default=0)
        table.add_column(column.replace("_", " "), justify="right", min_width=max(widest, len(column)))
    for pair, counters in told.items():
        state = exchange.books[pair].state
        numbers = (f"{getattr(counters, column):,}" for column in columns)
        table.add_row(pair, Text(state.value, style=STATE_STYLES.get(state, "yellow")), *numbers)
    frames = sum(link.frames for link in exchange.link_counters().values())
    return Group(table, Text(f"{frames:,} frames", style="dim"))


def _row(level: Level, largest: Decimal, style: str) -> tuple[Text, Text, Text]:
    bar = "█" * max(1, round(BAR * level.size / largest))
    cells = Text(plain(level.size), style=style), Text(plain(level.price), style=style)
    return *cells, Text(bar, style=style, no_wrap=True, overflow="crop")


def _middle(bids: list[Level], asks: list[Level]) -> str:
    if not bids or not asks:
        return "one side is empty"
    return f"spread {plain(asks[0].price - bids[0].price)}"
