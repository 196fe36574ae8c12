"""``venuekit order place | cancel | status | list | prune``: orders of one account.

Exit codes: 0 the venue has it, or did it; 1 it surely did not happen; 3 nobody knows yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import click

from venuekit.cli.account import (
    DONE,
    NOT_DONE,
    NOT_KNOWN,
    Where,
    credentials_of,
    in_doubt,
    json_option,
    on_account,
    opened,
)
from venuekit.cli.stored import latest_ids, stored_at
from venuekit.cli.tables import plain, print_table
from venuekit.cli.terminal import run
from venuekit_spec import OrderNotFound, OrderReport, OrderType, Seconds, Side, TimeInForce, Unit, after

if TYPE_CHECKING:
    from venuekit.loader import LoadedConnector
    from venuekit.orders import InFlightOrder
    from venuekit.trading.requests import OrderRequest, Placement

COLUMNS: Final = (
    "pair",
    "side",
    "type",
    "price",
    "quantity",
    "filled",
    "state",
    "client order id",
    "order id",
)
DAY: Final[Seconds] = 86_400.0
FOREVER: Final = 36_500.0
"""Days. An instant of nanoseconds does not reach back much farther."""
NUMBERS: Final = ("price", "quantity", "filled")
STYLES: Final = {"buy": "green", "sell": "red", "unknown": "bold yellow", "rejected": "red"}


def number(text: str) -> Decimal:
    """A finite decimal, taken as it is written: the type of arguments that are numbers."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r} is no number") from None
    if not value.is_finite():
        raise click.BadParameter(f"{text!r} is not finite")
    return value


@click.group("order", short_help="place, cancel, and look at orders")
def command() -> None:
    """Place, cancel, and look at orders."""


# --- place


@command.command("place", short_help="place an order")
@on_account
@click.argument("pair")
@click.argument("side", type=click.Choice([each.value for each in Side], case_sensitive=False))
@click.argument("quantity", type=number)
@click.option("--price", type=number, default=None, help="In quote units; a market order without.")
@click.option(
    "--type", "kind", type=click.Choice([each.value for each in OrderType]), default=None, help="What order."
)
@click.option(
    "--tif",
    type=click.Choice([TimeInForce.GTC.value, TimeInForce.IOC.value, TimeInForce.FOK.value]),
    default=TimeInForce.GTC.value,
    show_default=True,
    help="How long it stands.",
)
@click.option("--post-only", is_flag=True, help="Never take.")
@click.option("--reduce-only", is_flag=True, help="Only make a position smaller.")
@click.option("--trigger-price", type=number, default=None, help="Of a stop or take-profit order.")
@click.option("--quote", is_flag=True, help="QUANTITY is in quote units.")
@click.option("--yes", is_flag=True, help="Do not ask, also where real money is at stake.")
@json_option
@click.pass_context
def place(ctx: click.Context, where: Where, /, **given: Any) -> None:
    """Place an order of QUANTITY (base units) of PAIR on VENUE.

    Exit code 0: accepted; 1: rejected, or never sent; 3: not known, which is NOT failed.
    """
    from venuekit.loader import load_connector
    from venuekit.trading.requests import OrderRequest

    kinds = {"type": given["kind"]} if given["kind"] else {}
    request = OrderRequest(
        pair=given["pair"],
        side=Side(given["side"].lower()),
        quantity=given["quantity"],
        price=given["price"],
        unit=Unit.QUOTE if given["quote"] else Unit.BASE,
        trigger_price=given["trigger_price"],
        time_in_force=TimeInForce(given["tif"]),
        post_only=given["post_only"],
        reduce_only=given["reduce_only"],
        **kinds,
    )
    connector = load_connector(where.venue)
    if where.real_money(connector) and not given["yes"]:
        place_ = connector.description.environment(where.environment).name
        _confirm(ctx, request, f"{connector.description.name} ({place_})")
    placed = run(partial(_place, where, connector, request))
    _tell([placed], where, as_json=given["as_json"])
    ctx.exit(_code([placed]))


def _confirm(ctx: click.Context, request: OrderRequest, place_: str) -> None:
    """Ask before real money moves. Ends the command where the answer is no."""
    price = "at the market" if request.price is None else f"at {plain(request.price)}"
    unit = " quote units of" if request.unit is Unit.QUOTE else ""
    what = (
        f"{request.side.value} {plain(request.quantity)}{unit} {request.pair} {price} ({request.type.value})"
    )
    try:
        agreed = click.confirm(f"{place_}, real money: {what}. Place it?", err=True)
    except click.Abort:
        click.echo("\nnothing was sent", err=True)
        raise
    if not agreed:
        click.echo("nothing was sent", err=True)
        ctx.exit(NOT_DONE)


async def _place(where: Where, connector: LoadedConnector, request: OrderRequest) -> Placement:
    async with opened(where, connector, [request.pair]) as account:
        return await account.place(request)


# --- cancel


@command.command("cancel", short_help="cancel orders")
@on_account
@click.argument("names", metavar="ID... | --all [PAIR...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every open order, or every one of these pairs.")
@json_option
@click.pass_context
def cancel(ctx: click.Context, where: Where, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Cancel orders of VENUE by client order id or by the venue's id; with --all everything, or everything of PAIRs.

    Exit code 0: cancelled; 1: one of them was not; 3: of one of them it is not known.
    """
    if not names and not everything:
        raise click.UsageError("name the orders, or say --all")
    placed = run(partial(_cancel, where, names, everything=everything))
    _tell(placed, where, as_json=as_json)
    ctx.exit(_code(placed))


async def _cancel(where: Where, names: Sequence[str], *, everything: bool) -> Sequence[Placement]:
    from venuekit.loader import load_connector

    async with opened(where, load_connector(where.venue)) as account:
        if everything:
            return await account.cancel_all(names or None)
        return [await account.cancel(name) for name in names]


# --- status and list


@command.command("status", short_help="one order, as the venue has it")
@on_account
@click.argument("id_", metavar="ID")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Seconds to wait for an order whose outcome is not known yet.",
)
@json_option
@click.pass_context
def status(ctx: click.Context, where: Where, id_: str, wait: float, as_json: bool) -> None:
    """Ask VENUE for one order of ours, by client order id or by the venue's id.

    Exit code 0: its state is known; 3: it is still not known whether the venue has it.
    """
    ctx.exit(run(partial(_status, where, id_, wait, as_json=as_json)))


async def _status(where: Where, id_: str, wait: float, *, as_json: bool) -> int:
    from venuekit.loader import load_connector

    async with opened(where, load_connector(where.venue)) as account:
        order = account.order(id_)
        try:
            await account.order_status(order)
        except OrderNotFound as error:
            if not order.done:
                click.echo(f"the venue knows no such order: {error}", err=True)
        with anyio.move_on_after(wait):
            await order.wait_known()
        if as_json:
            click.echo(json.dumps(order_json(order), indent=2))
        else:
            _print_orders([order])
        if order.known:
            return DONE
        click.echo(in_doubt(order, where), err=True)
        return NOT_KNOWN


@command.command("list", short_help="the open orders, or all that are known here")
@on_account
@click.argument("pair", required=False, default="")
@click.option(
    "--all", "everything", is_flag=True, help="Also those that are over, of our store: the last 100."
)
@json_option
def list_(where: Where, pair: str, everything: bool, as_json: bool) -> None:
    """List the open orders of an account on VENUE, of one PAIR or of all; also those that are not ours."""
    run(partial(_list, where, pair, everything=everything, as_json=as_json))


async def _list(where: Where, pair: str, *, everything: bool, as_json: bool) -> None:
    from venuekit.loader import load_connector

    connector = load_connector(where.venue)
    async with opened(where, connector) as account:
        reports = await account.open_orders([pair] if pair else None)
        ours = {order.client_order_id: order for order in account.open}
        if everything:
            path = _store_of(where, connector)
            known = latest_ids(path, account.id) if path is not None else ()
            ours |= {id_: account.order(id_) for id_ in known}
        orders = [order for order in ours.values() if pair in {"", order.instrument}]
        ids = {id_ for order in orders for id_ in (order.client_order_id, *order.ids)}
        strays = [each for each in reports if not ids & {each.client_order_id, each.order_id} - {""}]
        if as_json:
            told = [order_json(order) for order in orders] + [_report_json(each) for each in strays]
            click.echo(json.dumps(told, indent=2))
        elif orders or strays:
            print_table(
                COLUMNS, [*map(_row, orders), *map(_report_row, strays)], numbers=NUMBERS, styles=STYLES
            )
        else:
            click.echo("no orders" if everything else "no open orders", err=True)


def _store_of(where: Where, connector: LoadedConnector) -> Path | None:
    """The file that the orders of an account are in; None where they are in no file."""
    if where.store is not None or where.paper:
        return where.store
    found = credentials_of(connector, where.credentials, where.account)
    environment = connector.description.environment(where.environment).name
    return None if found is None else stored_at(where.venue, environment, found.credentials)


# --- prune


@command.command("prune", short_help="forget what has been over for long")
@on_account
@click.option(
    "--days",
    type=click.FloatRange(min=0, max=FOREVER),
    required=True,
    help="What has changed since then is kept.",
)
def prune(where: Where, days: float) -> None:
    """Forget the orders of our store for VENUE that are complete and have not changed for so many days, with their fills.

    An order that is not complete is kept, however old it is. Refused while another process trades with the key.
    """
    run(partial(_prune, where, days))


async def _prune(where: Where, days: float) -> None:
    from venuekit.clock import SystemClock
    from venuekit.loader import load_connector
    from venuekit.orders import SqliteOrderStore, fingerprint, hold_key

    connector = load_connector(where.venue)
    path = _store_of(where, connector)
    if path is None or not path.exists():
        click.echo("no orders are stored", err=True)
        return
    with ExitStack() as held:
        found = credentials_of(connector, where.credentials, where.account, needed=False)
        if found is not None:
            place = connector.description.environment(where.environment).name
            held.enter_context(hold_key(where.venue, place, fingerprint(found.credentials)))
        store = SqliteOrderStore(path)
        await store.open()
        try:
            pruned = await store.prune(after(SystemClock().now(), -days * DAY))
        finally:
            await store.aclose()
    click.echo(f"{pruned} orders were forgotten: {path}")


# --- how orders are told


def order_json(order: InFlightOrder) -> dict[str, Any]:
    """An order as JSON-ready values; numbers are decimal text, instants nanoseconds."""
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "pair": order.instrument,
        "side": order.intent.side.value,
        "type": order.intent.type.value,
        "unit": order.intent.unit.value,
        "quantity": plain(order.quantity),
        "price": _text(order.price),
        "state": order.state.value,
        "filled": plain(order.filled),
        "remaining": _text(order.remaining),
        "average_price": _text(order.average_price),
        "fees": {asset: plain(amount) for asset, amount in order.fees.items()},
        "reason": order.reason,
        "created": order.created,
        "updated": order.updated,
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


def _report_json(report: OrderReport) -> dict[str, Any]:
    """An order that is not ours, as far as the venue told."""
    return {
        "client_order_id": report.client_order_id,
        "order_id": report.order_id,
        "pair": report.instrument,
        "side": report.side,
        "type": report.type,
        "quantity": _text(report.quantity),
        "price": _text(report.price),
        "state": report.status,
        "filled": _text(report.filled),
        "remaining": _text(report.remaining),
        "stray": True,
    }


def _print_orders(orders: Iterable[InFlightOrder]) -> None:
    print_table(COLUMNS, map(_row, orders), numbers=NUMBERS, styles=STYLES)


def _row(order: InFlightOrder) -> tuple[object, ...]:
    return (
        order.instrument,
        order.intent.side.value,
        order.intent.type.value,
        order.price,
        order.quantity,
        order.filled,
        order.state.value,
        order.client_order_id,
        order.order_id,
    )


def _report_row(report: OrderReport) -> tuple[object, ...]:
    return (
        report.instrument,
        report.side,
        report.type,
        report.price,
        report.quantity,
        report.filled,
        f"{report.status or 'open'} (not ours)",
        report.client_order_id,
        report.order_id,
    )


def _outcome(placed: Placement) -> tuple[str, int]:
    """The word and the exit code of an outcome."""
    from venuekit.trading.requests import OrderAccepted, OrderRejected

    if isinstance(placed, OrderAccepted):
        return "accepted", DONE
    return ("rejected", NOT_DONE) if isinstance(placed, OrderRejected) else ("unknown", NOT_KNOWN)


def _code(placed: Sequence[Placement]) -> int:
    """The worst of the outcomes: not known is worse than not done, which is known."""
    return max((_outcome(each)[1] for each in placed), default=DONE)


def _tell(placed: Sequence[Placement], where: Where, *, as_json: bool) -> None:
    """What became of each: the orders on stdout; why not, and how to look, on stderr."""
    if as_json:
        told = [
            {"outcome": _outcome(each)[0], "error": _error(each), "order": order_json(each.order)}
            for each in placed
        ]
        click.echo(json.dumps(told, indent=2))
    elif placed:
        _print_orders([each.order for each in placed])
    else:
        click.echo("no open orders", err=True)
    for each in placed:
        word, code = _outcome(each)
        if code == NOT_DONE:
            click.echo(f"{word}: {each.order.client_order_id}: {_error(each)}", err=True)
        elif code == NOT_KNOWN:
            why = _error(each)
            click.echo(f"{word}: {in_doubt(each.order, where)}" + (f"\n({why})" if why else ""), err=True)
        elif not as_json:
            click.echo(f"{word}: {each.order.client_order_id}", err=True)


def _error(placed: Placement) -> str | None:
    error = getattr(placed, "error", None)
    return None if error is None else str(error)
