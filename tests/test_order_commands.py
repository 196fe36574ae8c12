"""The commands of an account, against a local venue in process: what they say, and how they end."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import partial
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve, frozen

import venuekit.exchange
import venuekit.loader
from venuekit import SystemClock, load_connector
from venuekit.cli import main
from venuekit.orders import fingerprint, hold_key
from venuekit.pacing import PacerRegistry
from venuekit_exchange_a.auth import ExchangeAAuth
from venuekit_exchange_a.market import ExchangeAMarket
from venuekit_simulator import Fault, FaultKind, LocalVenue, Unreachable, load_dialect
from venuekit_spec import CallKind, Credentials, NonceRule, OrderRef, Permissions

REPOSITORY = Path(__file__).resolve().parents[1]
PLACE = ("order", "place", "exchange_a", "BTC-USDT", "buy", "0.5", "--price", "50000")


@frozen
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalVenue:
    """A quiet Exchange A in place of the network; the environment has the key of its first account."""
    local = LocalVenue(load_dialect("exchange_a"), clock=SystemClock(), flow=False)
    opened = partial(
        venuekit.exchange.open_exchange, transports=local, clock=local.clock, pacers=PacerRegistry()
    )
    monkeypatch.setattr(venuekit.exchange, "open_exchange", opened)
    monkeypatch.setattr(venuekit.exchange, "NetworkTransports", SimpleNamespace(on=lambda _clock: local))
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("VENUEKIT_CREDENTIALS", os.devnull)
    for field, value in key(local).items():
        monkeypatch.setenv(f"VENUEKIT_EXCHANGE_A_{field.upper()}", value)
    return local


@pytest.fixture
def venuekit_command(
    venue: LocalVenue,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Command:
    """Run the command line in this process; neither of its streams may show a key, nor the log at its most talkative."""
    caplog.set_level(logging.DEBUG)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["venuekit", *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        told = capsys.readouterr()
        for value in key(venue).values():
            assert value not in told.out + told.err + caplog.text
        return Ended(code, told.out, told.err)

    return run


def key(venue: LocalVenue) -> dict[str, str]:
    """The key of the account that examples use."""
    credentials = venue.plugin.accounts()[0].credentials
    return {field: credentials[field] for field in credentials.fields}


def held(venue: LocalVenue) -> dict[str, str]:
    """Every order of the venue's account: client order id and status."""
    orders = venue.engine.orders(venue.plugin.accounts()[0].name)
    return {order.intent.client_order_id: order.status.value for order in orders}


def real_money(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on money is at stake at Exchange A."""
    loaded = load_connector("exchange_a")
    (place,) = loaded.description.environments
    description = evolve(loaded.description, environments=(evolve(place, real_money=True),))
    monkeypatch.setattr(
        venuekit.loader, "load_connector", lambda _venue: evolve(loaded, description=description)
    )


# --- place


def test_an_order_is_accepted(venue: LocalVenue, venuekit_command: Command) -> None:
    """`order place` ends with 0, shows the order with exact numbers, and the venue has it."""
    ended = venuekit_command(*PLACE)
    assert ended.code == 0, ended.err
    ((id_, state),) = held(venue).items()
    assert state == "open"
    head, row = ended.out.splitlines()
    assert head.split()[:6] == ["pair", "side", "type", "price", "quantity", "filled"]
    assert row.split()[:8] == ["BTC-USDT", "buy", "limit", "50000", "0.5", "0", "open", id_]
    assert ended.err == f"accepted: {id_}\n"


def test_every_option_reaches_the_venue(venue: LocalVenue, venuekit_command: Command) -> None:
    """Type, trigger and price are what the venue has; a quantity can be in quote units."""
    ended = venuekit_command(*PLACE, "--type", "stop_limit", "--trigger-price", "70000", "--json")
    assert ended.code == 0, ended.err
    (told,) = ended.json
    assert (told["outcome"], told["order"]["type"]) == ("accepted", "stop_limit")
    account = venue.plugin.accounts()[0].name
    ref = OrderRef("BTC-USDT", client_order_id=told["order"]["client_order_id"])
    intent = venue.engine.order(account, ref).intent
    assert (intent.trigger_price, intent.price) == (Decimal(70000), Decimal(50000))


def test_an_order_travels_by_socket(venue: LocalVenue, venuekit_command: Command) -> None:
    """Placed by a process that has just started, it waits for the socket; and so does its cancel."""
    ended = venuekit_command(*PLACE, "--order-entry", "socket", "--json")
    assert ended.code == 0
    id_ = ended.json[0]["order"]["client_order_id"]
    assert held(venue) == {id_: "open"}
    assert venuekit_command("order", "cancel", "exchange_a", id_, "--order-entry", "socket").code == 0
    assert held(venue) == {id_: "canceled"}


def test_an_order_is_rejected(venue: LocalVenue, venuekit_command: Command) -> None:
    """The venue's no is exit code 1, with its reason; the venue has nothing."""
    ended = venuekit_command("order", "place", "exchange_a", "BTC-USDT", "buy", "900", "--price", "60000")
    assert ended.code == 1
    assert ended.err.startswith("rejected: ")
    assert "USDT are needed" in ended.err
    assert not held(venue)


def test_an_order_is_refused_here(venue: LocalVenue, venuekit_command: Command) -> None:
    """What breaks a rule is told with both numbers, ends with 1, and nothing is sent."""
    ended = venuekit_command("order", "place", "exchange_a", "BTC-USDT", "buy", "0.000001", "--price", "1")
    assert ended.code == 1
    assert "0.00001" in ended.err
    assert not held(venue)


@pytest.mark.parametrize("quantity", ["much", "NaN", "Infinity"])
def test_a_quantity_is_a_number(venuekit_command: Command, quantity: str) -> None:
    """What is no finite number is a mistake of the command line: exit code 2."""
    ended = venuekit_command("order", "place", "exchange_a", "BTC-USDT", "buy", quantity)
    assert ended.code == 2
    assert quantity in ended.err


def test_an_order_nobody_knows_of(venue: LocalVenue, venuekit_command: Command) -> None:
    """A 5xx after the order was taken is exit code 3: not known to have failed, and `order status` finds it."""
    placements: Any = frozenset({CallKind.PLACE})
    venue.inject(Fault(kind=FaultKind.ERROR_AFTER, on=placements, times=1))
    ended = venuekit_command(*PLACE)
    assert ended.code == 3
    ((id_, _),) = held(venue).items()
    assert "NOT known to have failed" in ended.err
    assert f"venuekit order status exchange_a {id_}" in ended.err
    found = venuekit_command("order", "status", "exchange_a", id_, "--json")
    assert (found.code, found.json["state"]) == (0, "open")


def test_real_money_is_asked_for(
    venue: LocalVenue, venuekit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where money is at stake the command asks, and a no, or nobody there, sends nothing; `--yes` does not ask."""
    real_money(monkeypatch)
    monkeypatch.setattr("click.confirm", lambda text, **_: "real money" not in text)
    declined = venuekit_command(*PLACE)
    assert (declined.code, declined.err) == (1, "nothing was sent\n")
    assert not held(venue)
    assert venuekit_command(*PLACE, "--yes").code == 0
    assert list(held(venue).values()) == ["open"]


def test_paper_needs_no_key(
    venue: LocalVenue, venuekit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--paper` matches against the live book without a key, also where money would be at stake; the venue hears nothing."""
    real_money(monkeypatch)
    for field in key(venue):
        monkeypatch.delenv(f"VENUEKIT_EXCHANGE_A_{field.upper()}")
    ended = venuekit_command(*PLACE, "--paper", "--json")
    assert ended.code == 0, ended.err
    assert ended.json[0]["order"]["state"] == "open"
    assert not held(venue)


# --- cancel, status, list


def test_orders_are_cancelled(venue: LocalVenue, venuekit_command: Command) -> None:
    """One by its id, and all of a pair; what is not known here is told."""
    for _ in range(3):
        venuekit_command(*PLACE)
    first = next(iter(held(venue)))
    assert venuekit_command("order", "cancel", "exchange_a", first).code == 0
    assert held(venue)[first] == "canceled"
    assert venuekit_command("order", "cancel", "exchange_a", "--all", "ETH-USDT").code == 0
    assert list(held(venue).values()).count("open") == 2
    assert venuekit_command("order", "cancel", "exchange_a", "--all").code == 0
    assert set(held(venue).values()) == {"canceled"}
    assert venuekit_command("order", "cancel", "exchange_a", first).code == 1
    assert venuekit_command("order", "cancel", "exchange_a", "nobody").code == 1
    assert venuekit_command("order", "cancel", "exchange_a").code == 2


def test_orders_are_listed(venue: LocalVenue, venuekit_command: Command) -> None:
    """The open ones, by pair where one is named; with `--all` also those that are over, of earlier runs."""
    assert venuekit_command("order", "list", "exchange_a").err == "no open orders\n"
    venuekit_command(*PLACE)
    venuekit_command(*PLACE)
    first, second = held(venue)
    venuekit_command("order", "cancel", "exchange_a", first)
    listed = venuekit_command("order", "list", "exchange_a", "--json")
    assert [each["client_order_id"] for each in listed.json] == [second]
    assert venuekit_command("order", "list", "exchange_a", "ETH-USDT", "--json").json == []
    every = venuekit_command("order", "list", "exchange_a", "--all", "--json").json
    assert {each["client_order_id"]: each["state"] for each in every} == {first: "canceled", second: "open"}


def test_orders_of_others_are_listed(venue: LocalVenue, venuekit_command: Command, tmp_path: Path) -> None:
    """An order that this store does not have is listed as not ours."""
    venuekit_command(*PLACE)
    ended = venuekit_command("order", "list", "exchange_a", "--store", str(tmp_path / "other.sqlite"))
    assert "open (not ours)" in ended.out
    assert next(iter(held(venue))) in ended.out


def test_an_order_that_is_not_known(venuekit_command: Command) -> None:
    """`order status` of an id that nobody gave is a line on stderr, and exit code 1."""
    ended = venuekit_command("order", "status", "exchange_a", "nobody")
    assert ended.code == 1
    assert ended.err == "venuekit: no order 'nobody' is known to the account 'main'\n"


# --- balances


def test_balances(venue: LocalVenue, venuekit_command: Command) -> None:
    """What is held is exact: an open order holds what it would cost."""
    venuekit_command(*PLACE)
    told = {each["asset"]: each for each in venuekit_command("balances", "exchange_a", "--json").json}
    assert told["USDT"]["held"] == "25000"
    row = next(
        line
        for line in venuekit_command("balances", "exchange_a").out.splitlines()
        if line.startswith("USDT")
    )
    assert row.split() == ["USDT", told["USDT"]["total"], told["USDT"]["free"], "25000"]


def test_without_a_key(
    venue: LocalVenue, venuekit_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no source has a key the line says where one is looked for, and what it needs."""
    for field in key(venue):
        monkeypatch.delenv(f"VENUEKIT_EXCHANGE_A_{field.upper()}")
    monkeypatch.delenv("VENUEKIT_CREDENTIALS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = venuekit_command("balances", "exchange_a")
    assert ended.code == 1
    assert "no credentials of exchange_a (api_key, api_secret)" in ended.err
    assert str(tmp_path) in ended.err


def test_several_accounts(
    venue: LocalVenue, venuekit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--account` trades with the key of that name, and what is to be copied from a message names it too."""
    other = venue.plugin.accounts()[1]
    for field in other.credentials.fields:
        monkeypatch.setenv(f"VENUEKIT_EXCHANGE_A_DESK_2_{field.upper()}", other.credentials[field])
    assert venuekit_command(*PLACE, "--account", "desk-2").code == 0
    assert [order.status.value for order in venue.engine.orders(other.name)] == ["open"]
    assert not held(venue)
    placements: Any = frozenset({CallKind.PLACE})
    venue.inject(Fault(kind=FaultKind.ERROR_BEFORE, on=placements, times=1))
    assert "--account desk-2\n" in venuekit_command(*PLACE, "--account", "desk-2").err


def test_a_terminal_gets_a_table(venuekit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal, however narrow, no digit and no word is lost."""
    plain = venuekit_command("balances", "exchange_a").out
    monkeypatch.setattr(
        "venuekit.cli.tables.sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    )
    monkeypatch.setenv("COLUMNS", "100")
    drawn = venuekit_command("balances", "exchange_a").out
    assert drawn != plain
    assert [word for word in drawn.split() if word[0].isalnum()] == plain.split()


# --- prune


def test_what_is_over_is_pruned_and_what_is_open_is_not(venue: LocalVenue, venuekit_command: Command) -> None:
    """`order prune` forgets a cancelled order of our store and keeps the open one; a young one only where it is told to."""
    for _ in range(2):
        assert venuekit_command(*PLACE).code == 0
    gone, kept = held(venue)
    assert venuekit_command("order", "cancel", "exchange_a", gone).code == 0
    assert venuekit_command("order", "prune", "exchange_a", "--days", "1").out.startswith("0 orders")
    assert venuekit_command("order", "prune", "exchange_a", "--days", "999999").code == 2
    assert venuekit_command("order", "prune", "exchange_a", "--days", "0").out.startswith("1 orders")
    listed = venuekit_command("order", "list", "exchange_a", "--all", "--json").json
    assert [each["client_order_id"] for each in listed] == [kept]


# --- doctor


def verdicts(ended: Ended) -> dict[str, str]:
    """What `doctor --json` thinks of each thing it looked at."""
    return {each["what"]: each["verdict"] for each in ended.json}


def test_a_doctor_finds_all_well(venuekit_command: Command) -> None:
    """Every step has a verdict, numbers are there for programs, and the text fits a screen."""
    ended = venuekit_command("doctor", "exchange_a", "--json")
    assert ended.code == 0, ended.out
    assert set(verdicts(ended).values()) == {"ok"}
    facts = {each["what"]: each for each in ended.json}
    assert facts["clock"]["uncertainty"] > 0
    assert facts["HTTP latency"]["shortest"] <= facts["HTTP latency"]["median"]
    assert facts["credentials"]["source"] == "env"
    assert (facts["permissions"]["trade"], facts["permissions"]["withdraw"]) == (True, False)
    assert facts["rate limits"]["pools"]["weight"]["used"] > 0
    assert len(venuekit_command("doctor", "exchange_a").out.splitlines()) < 24


def test_a_doctor_of_a_chain(venuekit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange B: a wallet instead of a key, frames that are packed, and nothing that the doctor stumbles over."""
    local = LocalVenue(load_dialect("exchange_b"), clock=SystemClock(), flow=False)
    monkeypatch.setattr(venuekit.exchange, "NetworkTransports", SimpleNamespace(on=lambda _clock: local))
    for field, value in key(local).items():
        monkeypatch.setenv(f"VENUEKIT_EXCHANGE_B_{field.upper()}", value)
    ended = venuekit_command("doctor", "exchange_b", "--json")
    assert ended.code == 0, ended.out
    assert {"instruments", "socket", "credentials", "key lock", "permissions"} <= {
        what for what, verdict in verdicts(ended).items() if verdict == "ok"
    }
    assert "failed" not in verdicts(ended).values()
    assert not any(value in ended.out for value in key(local).values())


def test_a_doctor_writes_nothing(venue: LocalVenue, venuekit_command: Command) -> None:
    """Looking at the store makes none, and places no order."""
    (store,) = (
        each for each in venuekit_command("doctor", "exchange_a", "--json").json if each["what"] == "store"
    )
    assert not Path(store["path"]).exists()
    venuekit_command(*PLACE)
    assert Path(store["path"]).exists()
    (store,) = (
        each for each in venuekit_command("doctor", "exchange_a", "--json").json if each["what"] == "store"
    )
    assert store["orders"] == {"open": 1}
    assert len(held(venue)) == 1


def test_a_doctor_of_a_venue_that_is_away(venue: LocalVenue, venuekit_command: Command) -> None:
    """A venue that nobody can reach fails what needs it, and nothing else."""
    venue.unreachable(Unreachable.REFUSED, 3600.0)
    ended = venuekit_command("doctor", "exchange_a", "--json")
    assert ended.code == 1
    told = verdicts(ended)
    assert (told["instruments"], told["credentials"], told["permissions"]) == ("failed", "ok", "skipped")


def test_a_doctor_warns_of_a_clock(venue: LocalVenue, venuekit_command: Command) -> None:
    """A venue's clock that is seconds away is a warning that says what to do."""
    venue.skew(3.0, 3600.0)
    ended = venuekit_command("doctor", "exchange_a")
    assert "set this machine's clock" in ended.out
    assert "3000." in ended.out or "2999." in ended.out


@pytest.mark.parametrize(
    ("permissions", "told"),
    [
        (Permissions(read=True, trade=True, withdraw=True), "it may WITHDRAW"),
        (Permissions(read=True, trade=False, withdraw=False), "it may not trade"),
        (Permissions(read=True, trade=True, withdraw=False, expires=1), "it has expired"),
    ],
)
def test_a_doctor_warns_of_permissions(
    venuekit_command: Command, monkeypatch: pytest.MonkeyPatch, permissions: Permissions, told: str
) -> None:
    """A key that may withdraw, may not trade, or has expired is a warning and no failure."""

    def answered(_market: object) -> Any:
        return permissions
        yield

    monkeypatch.setattr(ExchangeAMarket, "permissions", answered)
    ended = venuekit_command("doctor", "exchange_a", "--json")
    assert ended.code == 0
    (finding,) = (each for each in ended.json if each["what"] == "permissions")
    assert finding["verdict"] == "warning"
    assert told in finding["told"]


def test_a_doctor_of_a_wrong_key(
    venue: LocalVenue, venuekit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that the venue refuses is a failure that names its source and not its value."""
    monkeypatch.setenv("VENUEKIT_EXCHANGE_A_API_SECRET", "not-the-secret-at-all")
    ended = venuekit_command("doctor", "exchange_a", "--json")
    assert ended.code == 1
    assert verdicts(ended)["permissions"] == "failed"
    assert "not-the-secret-at-all" not in ended.out + ended.err


# --- Ctrl-C

INTERRUPTED = """
import signal, sys
import venuekit.exchange
from functools import partial
from venuekit import SystemClock
from venuekit.cli import main
from venuekit_simulator import Fault, FaultKind, LocalVenue, load_dialect
from venuekit_spec import CallKind

venue = LocalVenue(load_dialect("exchange_a"), clock=SystemClock(), flow=False)
if {stalled}:
    venue.inject(Fault(kind=FaultKind.STALL, on=[CallKind.PLACE]))
venue.on_placement.append(lambda *_: signal.raise_signal(signal.SIGINT))
venuekit.exchange.open_exchange = partial(venuekit.exchange.open_exchange, transports=venue, clock=venue.clock)
main()
"""


@pytest.mark.parametrize("stalled", [True, False])
def test_ctrl_c_loses_no_order(venue: LocalVenue, tmp_path: Path, stalled: bool) -> None:
    """Ctrl-C at the first byte of an order: code 130, no traceback; the order is named, known or not, and in the store."""
    store = tmp_path / "orders.sqlite"
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(stalled=stalled), *PLACE, "--store", str(store)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=60,
    )
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    with closing(sqlite3.connect(store)) as connection:
        ((id_,),) = connection.execute("SELECT client_order_id FROM orders")
    if stalled:
        assert f"the outcome of the order {id_} is not known: it is NOT known to have failed" in ended.stderr
        assert f"venuekit order status exchange_a {id_} --store {store}" in ended.stderr
    else:
        assert f"the order {id_} is open" in ended.stderr
    for value in key(venue).values():
        assert value not in ended.stdout + ended.stderr


# --- the key of another process, and commands of other distributions


def test_a_key_in_use(venue: LocalVenue, venuekit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process with the same key is refused in a line; a doctor warns of the first, and spends no nonce beside it."""
    script = (
        "import sys\nfrom venuekit.orders import hold_key\n"
        "with hold_key('exchange_a', 'local', sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    name = fingerprint(Credentials(venue.plugin.accounts()[0].credentials.fields))
    with hold_key("exchange_a", "elsewhere", name):
        assert venuekit_command("balances", "exchange_a").code == 0
    with subprocess.Popen(
        [sys.executable, "-c", script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        ended = venuekit_command("balances", "exchange_a")
        assert ended.code == 1
        assert f"process {holder.pid} trades on exchange_a (local) with this key" in ended.err
        told = verdicts(venuekit_command("doctor", "exchange_a", "--json"))
        assert (told["key lock"], told["permissions"]) == ("warning", "ok")
        monkeypatch.setattr(ExchangeAAuth, "nonces", NonceRule.STRICT)
        assert verdicts(venuekit_command("doctor", "exchange_a", "--json"))["permissions"] == "skipped"
        holder.communicate("")


def plugins(monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    """Other distributions offer these commands, and no others."""
    entries = [EntryPoint(name, value, "venuekit.commands") for name, value in modules.items()]
    others = metadata.entry_points

    def found(*, group: str) -> Any:
        return entries if group == "venuekit.commands" else others(group=group)

    monkeypatch.setattr(metadata, "entry_points", found)


def test_a_broken_command_breaks_itself_only(
    venuekit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of another distribution that cannot be imported is told when it is called; help and others are whole."""
    plugins(monkeypatch, broken="no_such_module_of_ours", odd="json", connectors="no_such_module_of_ours")
    assert "broken" in venuekit_command("--help").out
    ended = venuekit_command("broken")
    assert ended.code == 1
    assert "the command 'broken' of no_such_module_of_ours cannot be loaded: ModuleNotFoundError" in ended.err
    assert "cannot be loaded" in venuekit_command("odd").err
    assert venuekit_command("describe", "exchange_a").code == 0


def test_a_command_that_is_not_installed(venuekit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`venue` without the simulator has the pip line; what nobody knows is told as ever."""
    plugins(monkeypatch)
    assert "pip install 'venuekit[paper]'" in venuekit_command("venue", "start").err
    assert "No such command" in venuekit_command("vanue").err


def test_the_commands_of_the_simulator_are_there(venuekit_command: Command) -> None:
    """`venuekit venue` is the simulator's command, found through its entry point."""
    assert "exchange_a" in venuekit_command("venue", "list").out


def test_help_imports_no_command() -> None:
    """The list of commands is written without importing one of them, trading, orders, or the simulator."""
    script = (
        "import sys\nfrom venuekit.cli import main\nsys.argv = ['venuekit', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*(name for name in sys.modules if name.startswith("
        "('venuekit.trading.', 'venuekit.orders', 'venuekit.cli.', 'venuekit_simulator', 'rich', 'keyring'))))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "doctor" in said
    assert said.splitlines()[-1] == ""
