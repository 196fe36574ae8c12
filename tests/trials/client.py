"""The program that a crash trial kills: ``python -m tests.trials.client trade|settle VENUE ADDRESS STORE SEED``.

``trade`` trades at random until it is killed. ``settle`` opens the same store again, waits until every order is accounted for,
and prints each as a line of JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from random import Random
from typing import Final

import anyio
from tests.trials.behaviour import Trader
from tests.trials.comparing import settled, told
from tests.trials.saying import say
from tests.trials.venues import credentials, pairs, ways

from venuekit import Exchange, open_exchange

PATIENCE: Final = 150.0
"""Seconds for everything to be settled. Absence is proven only after a minute: by a nonce that was burnt before the kill, or by
the height at which an order ends that a restarted venue has forgotten."""

TASKS: Final = 3
"""How many orders are on their way at once."""


async def trade(exchange: Exchange, random: Random) -> None:
    """Trade for ever; says so when it begins."""
    trader = Trader(exchange, list(exchange.books), random)
    await exchange.wait_ready()
    say("trading")

    async def go() -> None:
        while True:
            await trader.step()

    async with anyio.create_task_group() as tasks:
        for _ in range(TASKS):
            tasks.start_soon(go)


async def settle(exchange: Exchange, store: str) -> None:
    """Wait until everything that was left open is known, then tell it."""
    account = exchange.account()
    left = dict(account.orders)
    try:
        with anyio.fail_after(PATIENCE):
            async with exchange.events() as events:
                await account.reconcile("the trial asks")
                while not all(settled(order, account.height) for order in left.values()):
                    await anext(events)
    except TimeoutError:
        sys.exit(f"not settled: {[order for order in left.values() if not settled(order)]}")
    with closing(sqlite3.connect(store)) as connection:
        ids = [id_ for (id_,) in connection.execute("SELECT client_order_id FROM orders")]
    for id_ in ids:
        say(json.dumps(told(account.order(id_))))


async def main(what: str, venue: str, address: str, store: str, seed: str) -> None:
    """Open the venue, and do it."""
    random = Random(f"{seed} {what}")
    async with open_exchange(
        venue,
        pairs=pairs(venue) if what == "trade" else (),
        environment=f"local@{address}",
        credentials=credentials(venue),
        store=store,
        order_entry=random.choice(ways(venue)),
    ) as exchange:
        await (trade(exchange, random) if what == "trade" else settle(exchange, store))


if __name__ == "__main__":
    what, venue, address, store, seed = sys.argv[1:]
    anyio.run(main, what, venue, address, store, seed)
