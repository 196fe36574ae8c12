"""The trading program that the demo kills: ``python -m demo.client VENUE ADDRESS STORE``.

It opens the venue with the key of its example account, does what it reads on stdin, and says on stdout what becomes of its
orders. It ends when stdin does.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Final

import anyio

from demo.words import AskMoney, Command, Compared, Money, Opened, OrderSaid, Place, Word, commands, line
from venuekit import (
    Account,
    Event,
    InFlightOrder,
    OrderCompleted,
    OrderFilled,
    OrderRequest,
    OrderUpdate,
    Reconciled,
    Subscription,
    open_exchange,
)
from venuekit_simulator import load_dialect

ZERO: Final = Decimal(0)


def say(word: Word) -> None:
    """Write a line at once: somebody waits for it."""
    sys.stdout.buffer.write(line(word))
    sys.stdout.buffer.flush()


def as_said(order: InFlightOrder) -> OrderSaid:
    """An order as it is told."""
    return OrderSaid(
        client_order_id=order.client_order_id,
        side=order.intent.side,
        quantity=order.quantity,
        price=order.price,
        state=order.state.value,
        filled=order.filled,
        average_price=order.average_price,
        fills=len(order.fills),
        fees=dict(order.fees),
        complete=order.complete,
    )


async def tell(account: Account, events: Subscription[Event]) -> None:
    """Say what happens to orders, for as long as it runs."""
    async for event in events:
        if isinstance(event, (OrderUpdate, OrderFilled, OrderCompleted)):
            say(as_said(account.order(event.client_order_id)))
        elif isinstance(event, Reconciled):
            say(Compared(event.reason, len(event.failures)))


async def obey(account: Account) -> None:
    """Do what is asked, one thing after the other."""
    async for text in anyio.wrap_file(sys.stdin):
        command: Command = commands.decode(text)
        match command:
            case Place() as asked:
                request = OrderRequest(
                    pair=asked.pair, side=asked.side, quantity=asked.quantity, price=asked.price
                )
                say(as_said((await account.place(request)).order))
            case AskMoney():
                told = await account.balances()
                say(Money({each.asset: (each.total or ZERO, each.held or ZERO) for each in told}))


async def main(venue: str, address: str, store: str) -> None:
    """Trade until there is nothing more to do."""
    async with open_exchange(
        venue,
        environment=f"local@{address}",
        credentials=load_dialect(venue).accounts()[0].credentials,
        store=store,
    ) as exchange:
        account = exchange.account()
        async with exchange.events() as events, anyio.create_task_group() as tasks:
            say(Opened([as_said(order) for order in account.orders.values()]))
            tasks.start_soon(tell, account, events)
            await obey(account)
            tasks.cancel_scope.cancel()


if __name__ == "__main__":
    _, at, where, kept = sys.argv
    anyio.run(main, at, where, kept)
