"""``venuekit balances VENUE``: what an account holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Final

import click

from venuekit.cli.account import Where, json_option, on_account, opened
from venuekit.cli.tables import plain, print_table
from venuekit.cli.terminal import run
from venuekit_spec import Balance

NUMBERS: Final = ("total", "free", "held")


@click.command("balances", short_help="what an account holds")
@on_account
@click.option("--zero", is_flag=True, help="Also assets of which there is nothing.")
@json_option
def command(where: Where, zero: bool, as_json: bool) -> None:
    """List what an account on VENUE holds, by asset."""
    balances = [each for each in run(partial(_balances, where)) if zero or not _empty(each)]
    if as_json:
        click.echo(json.dumps([_json(each) for each in balances], indent=2))
    elif balances:
        wallets = any(each.wallet for each in balances)
        columns = ("asset", *(("wallet",) if wallets else ()), *NUMBERS)
        rows = [
            (each.asset, *((each.wallet,) if wallets else ()), each.total, each.free, each.held)
            for each in balances
        ]
        print_table(columns, rows, numbers=NUMBERS)
    else:
        click.echo("the account holds nothing", err=True)


async def _balances(where: Where) -> Sequence[Balance]:
    from venuekit.loader import load_connector

    async with opened(where, load_connector(where.venue)) as account:
        return sorted(await account.balances(), key=lambda each: (each.wallet, each.asset))


def _empty(balance: Balance) -> bool:
    return not any((balance.total, balance.free, balance.held))


def _json(balance: Balance) -> dict[str, str | None]:
    numbers = {name: getattr(balance, name) for name in NUMBERS}
    told = {name: None if value is None else plain(value) for name, value in numbers.items()}
    return {"asset": balance.asset, "wallet": balance.wallet, **told}
