"""What the commands of an account share: which account, how it is opened, and what is said of orders in doubt."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

import anyio
import click
from attrs import fields_dict, frozen

from venuekit_spec import Credentials, LocalError, OrderEntry

if TYPE_CHECKING:
    from venuekit.credentials import FoundCredentials
    from venuekit.loader import LoadedConnector
    from venuekit.orders import InFlightOrder
    from venuekit.trading.account import Account

P = ParamSpec("P")

DONE: Final = 0
NOT_DONE: Final = 1
"""Surely not: refused, or never sent."""
NOT_KNOWN: Final = 3
"""Nobody knows yet. Never to be taken for a failure."""

PATIENCE: Final = 30.0
"""Seconds that paper trading waits for a proven book."""

READY: Final = 10.0
"""Seconds that a placement waits until the venue tells of the account."""


@frozen
class Where:
    """Which account of which venue, as it was said on the command line."""

    venue: str
    environment: str = ""
    account: str = ""
    credentials: str = ""
    store: Path | None = None
    order_entry: str | None = None
    paper: bool = False

    def line(self, *command: str) -> str:
        """A command line about the same account, to be copied into a shell."""
        options = {
            "--environment": self.environment,
            "--account": self.account,
            "--credentials": self.credentials,
            "--store": "" if self.store is None else os.fspath(self.store),
        }
        said = [word for name, value in options.items() if value for word in (name, value)]
        return join(["venuekit", *command, *said])

    def real_money(self, connector: LoadedConnector) -> bool:
        """Whether orders cost something here. Raises `LocalError` for an environment that the venue does not have."""
        return not self.paper and connector.description.environment(self.environment).real_money


environment_option = click.option(
    "--environment", default="", help="Where the venue runs, for example testnet or local@127.0.0.1:9000."
)
account_option = click.option("--account", default="", metavar="NAME", help="One of several accounts.")
credentials_option = click.option(
    "--credentials",
    default="",
    metavar="SOURCE",
    help="env, keyring, keyring:SERVICE, or a TOML file that is yours alone; each in turn by default.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_OPTIONS: Final = (
    click.argument("venue"),
    environment_option,
    account_option,
    credentials_option,
    click.option(
        "--store",
        type=click.Path(dir_okay=False, path_type=Path),
        default=None,
        help="The file that orders are kept in; one per key by default.",
    ),
    click.option(
        "--order-entry",
        type=click.Choice([each.value for each in OrderEntry]),
        default=None,
        help="How orders travel, where the venue has both ways.",
    ),
    click.option("--paper", is_flag=True, help="Trade on paper, against the live book."),
)


def on_account(command: Callable[Concatenate[Where, P], None]) -> Callable[..., None]:
    """Give a command the argument VENUE and the options of an account, and it gets a `Where`."""

    @wraps(command)
    def gathered(*args: P.args, **given: P.kwargs) -> None:
        taken: dict[str, Any] = {name: given.pop(name) for name in fields_dict(Where)}
        command(Where(**taken), *args, **given)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


def credentials_of(
    connector: LoadedConnector, source: str, account: str, *, needed: bool = True
) -> FoundCredentials | None:
    """The credentials from `source`, or from where they usually are when that is empty.

    Raises `LocalError` where there are none, though `needed`, and what `load_credentials` raises.
    """
    from venuekit.credentials import FoundCredentials, credentials_file, load_credentials, locate_credentials

    description = connector.description
    if source:
        return FoundCredentials(load_credentials(source, description, account), source)
    found = locate_credentials(description, account)
    if found is None and needed:
        of = f"account {account!r} of {description.venue}" if account else description.venue
        fields = ", ".join(description.credentials) or "nothing"
        raise LocalError(
            f"no credentials of {of} ({fields}) in the environment (VENUEKIT_...), in {credentials_file()}, "
            "or in the keyring; name where they are with --credentials"
        )
    return found


def feed_credentials(connector: LoadedConnector, source: str, account: str) -> Credentials | None:
    """Credentials for a data feed: those that were asked for, else none, as most feeds want no login."""
    if not source and not account:
        return None
    found = credentials_of(connector, source, account)
    return None if found is None else found.credentials


@asynccontextmanager
async def opened(
    where: Where, connector: LoadedConnector, pairs: Iterable[str] = ()
) -> AsyncIterator[Account]:
    """The account, until the ``async with`` ends; ready for orders of `pairs`, if there are any.

    Their books are followed only where paper trading needs them.
    """
    from venuekit.exchange import open_exchange

    found = None if where.paper else credentials_of(connector, where.credentials, where.account)
    async with open_exchange(
        connector,
        pairs=pairs if where.paper else (),
        environment=where.environment,
        credentials=None if found is None else found.credentials,
        store=where.store,
        order_entry=where.order_entry or "",
        paper=where.paper,
    ) as exchange:
        if pairs:
            with anyio.move_on_after(PATIENCE if where.paper else READY) as waiting:
                await exchange.wait_ready()
            if waiting.cancelled_caught and where.paper:
                raise click.ClickException(f"no proven book within {PATIENCE:g} s to trade against on paper")
            if waiting.cancelled_caught:
                click.echo(
                    f"{where.venue} does not tell of the account after {READY:g} s; going on", err=True
                )
        account = exchange.account()
        with telling_interrupted(account, where):
            yield account


@contextmanager
def telling_interrupted(account: Account, where: Where) -> Iterator[None]:
    """Where the body is interrupted, say on stderr what is known of the orders that it placed, and of all that are in doubt."""
    before = set(account.orders)
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):  # cancelled, by Ctrl-C
            for id_, order in account.orders.items():
                if unsettled(order):
                    click.echo(f"interrupted: {in_doubt(order, where)}", err=True)
                elif id_ not in before:
                    click.echo(f"interrupted: the order {id_} is {order.state}", err=True)
        raise


def unsettled(order: InFlightOrder) -> bool:
    """Whether an answer about it is awaited, of its placement or of a cancel."""
    return not order.known or (order.cancel_requested and not order.done)


def in_doubt(order: InFlightOrder, where: Where) -> str:
    """What to tell of such an order: that it is not known to have failed, and how to look."""
    what = "cancel" if order.cancel_requested and order.confirmed else "order"
    return (
        f"the outcome of the {what} {order.client_order_id} is not known: it is NOT known to have failed.\n"
        f"It is kept, and is settled when the account is next opened. To look: "
        f"{where.line('order', 'status', where.venue, order.client_order_id)}"
    )
