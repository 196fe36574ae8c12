"""``venuekit book VENUE PAIR``: a live order book in the terminal."""

from __future__ import annotations

import json
import math
from functools import partial

import anyio
import click

from venuekit.books import OrderBook, StateChange
from venuekit.cli.account import account_option, credentials_option, environment_option, feed_credentials
from venuekit.cli.terminal import run, tell
from venuekit.drivers.tasks import helpers
from venuekit.exchange import Exchange, open_exchange
from venuekit.loader import load_connector


@click.command("book", short_help="a live order book in the terminal")
@click.argument("venue")
@click.argument("pair")
@environment_option
@credentials_option
@account_option
@click.option("--variant", default="", help="One of several book feeds, for example a depth.")
@click.option("--depth", type=click.IntRange(min=1), default=10, show_default=True, help="Levels a side.")
@click.option("--once", is_flag=True, help="Print the first proven state and end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each state.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds until the first proven state, connecting included.",
)
def command(
    venue: str,
    pair: str,
    environment: str,
    credentials: str,
    account: str,
    variant: str,
    depth: int,
    once: bool,
    as_json: bool,
    timeout: float,
) -> None:
    """Show the live book of PAIR (canonical, for example BTC-USDT) on VENUE."""
    run(
        partial(
            _show,
            venue,
            pair,
            environment=environment,
            credentials=credentials,
            account=account,
            variant=variant,
            depth=depth,
            once=once,
            json_lines=as_json,
            patience=timeout,
        )
    )


async def _show(
    venue: str,
    pair: str,
    *,
    environment: str,
    credentials: str,
    account: str,
    variant: str,
    depth: int,
    once: bool,
    json_lines: bool,
    patience: float,
) -> None:
    connector = load_connector(venue)
    keys = feed_credentials(connector, credentials, account)
    why = "no answer about the instruments"
    with anyio.move_on_after(patience) as waiting:
        async with open_exchange(
            connector, pairs=[pair], environment=environment, variant=variant, credentials=keys
        ) as exchange:
            book = exchange.books[pair]
            try:
                await _wait_live(exchange, book)
            finally:
                why = book.reason or book.state
            waiting.deadline = math.inf
            if json_lines:
                await _json_lines(book, depth, once=once)
            else:
                await _ladder(book, depth, once=once)
    if waiting.cancelled_caught:
        raise click.ClickException(f"no proven book of {pair} within {patience:g} s: {why}")


async def _wait_live(exchange: Exchange, book: OrderBook) -> None:
    """Wait, and tell meanwhile what happens: why it takes so long."""
    events = exchange.events()

    async def tell_all() -> None:
        async for event in events:
            if not isinstance(event, StateChange):
                tell(event)

    async with helpers() as tasks:
        tasks.start_soon(tell_all)
        await book.wait_live()


async def _json_lines(book: OrderBook, depth: int, *, once: bool) -> None:
    from venuekit.cli.ladder import as_json

    async for state in book.changes():
        click.echo(json.dumps(as_json(state, depth)))
        if once:
            return


async def _ladder(book: OrderBook, depth: int, *, once: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from venuekit.cli.ladder import ladder

    console = Console()
    if once:
        console.print(ladder(book, depth))
        return
    with Live(ladder(book, depth), console=console, auto_refresh=False, screen=True) as live:
        async for state in book.changes():
            live.update(ladder(state, depth), refresh=True)
            await anyio.sleep(0.05)  # the eye takes no more than twenty pictures a second
