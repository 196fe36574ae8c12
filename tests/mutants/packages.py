"""Mutants of what a connector is before anything is sent: its package, its description, its instruments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from attrs import evolve
from tests.mutants.judging import Mutant
from tests.mutants.wrapping import methods, mutant, results

from venuekit_spec import (
    Absence,
    Capability,
    Channel,
    Description,
    Environment,
    Ids,
    Instrument,
    InstrumentStatus,
    Join,
    LocalError,
    OrderType,
    Resolution,
    SnapshotSource,
    TopicRule,
)
from venuekit_testkit import Subject

_FOLDERS: Final[list[TemporaryDirectory[str]]] = []


def _package(name: str, *lines: str) -> Subject:
    """A connector whose package says this, and is exchange_a otherwise."""
    folder = TemporaryDirectory(prefix="venuekit-mutant-")
    _FOLDERS.append(folder)
    package = Path(folder.name) / name
    package.mkdir()
    source = "\n".join(("from venuekit_exchange_a import *", *lines, ""))
    (package / "__init__.py").write_text(source, encoding="utf-8")
    return mutant(module=name, search=(folder.name,))


PACKAGES: Final = {
    "needs-a-stranger": ("imports what it does not depend on", "connector-loads-alone", ("import venuekit_nowhere",)),
    "imports-another": ("imports another venue", "connector-imports-no-other-venue", ("import venuekit_binance",)),
    "imports-the-core": ("imports the core", "connector-imports-no-core", ("import venuekit",)),
    "heavy": ("fills memory when imported", "import-is-light", ("WEIGHT = b'x' * (64 << 20)",)),
    "starts-a-thread": (
        "starts a thread when imported", "import-starts-nothing",
        ("import threading", "threading.Thread(target=threading.Event().wait, daemon=True).start()"),
    ),
    "opens-sockets": ("imports sockets", "connector-touches-no-io", ("def ask():", "    import socket")),
    "reads-the-clock": (
        "asks what time it is", "connector-reads-no-clock", ("from datetime import datetime", "S = datetime.now()"),
    ),
    "clock-by-another-name": (
        "asks a module of another name what time it is", "connector-reads-no-clock",
        ("import datetime as calendar", "S = calendar.datetime.now(calendar.UTC)"),
    ),
    "reads-the-environment": (
        "takes its host from the environment", "connector-reads-no-environment",
        ("import os", "HOST = os.environ.get('VENUE_HOST', '')"),
    ),
    "reads-a-file": (
        "takes its key from a file", "connector-reads-no-environment",
        ("from pathlib import Path", "def key():", "    return Path('~/.key').expanduser().read_text()"),
    ),
    "untyped": ("has no py.typed", "package-is-typed", ()),
}  # fmt: skip
"""Mutant -> what is wrong, the check, and what its package says besides."""


def _described(changes: dict[str, Any], venue: str = "exchange_a") -> Callable[[], Subject]:
    """A description with other fields; a function is given the description."""

    def change(description: Description) -> Description:
        return evolve(
            description,
            **{name: value(description) if callable(value) else value for name, value in changes.items()},
        )

    return lambda: mutant(venue, describe=change)


def _claiming(*more: Capability) -> Callable[[Description], frozenset[Capability]]:
    return lambda description: description.capabilities | set(more)


def _books(**changes: Any) -> Callable[[Description], tuple[TopicRule, ...]]:
    """The topics, with another rule for books."""

    def topics(description: Description) -> tuple[TopicRule, ...]:
        return tuple(
            rule if rule.sync is None else evolve(rule, sync=evolve(rule.sync, **changes))
            for rule in description.topics
        )

    return topics


_PLAIN: Final = Environment("production", {"rest": "http://api.example.com"})

DESCRIPTIONS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "speaks-the-future": ("was made for a newer contract", "contract-version-is-spoken", {"contract": "1.99"}),
    "odd-name": ("has a venue id with a capital", "entry-point-names-the-venue", {"venue": "Exchange-A"}),
    "unencrypted": ("sends real money unencrypted", "environments-have-urls", {"environments": (_PLAIN,)}),
    "undocumented": ("names no page of the venue", "documentation-is-linked", {"links": ()}),
    "claims-too-much": (
        "claims a feed that it has not", "capabilities-have-their-topics",
        {"capabilities": _claiming(Capability.ORDER_BY_ORDER)},
    ),
    "two-rules": (
        "has two rules for one topic", "topics-are-told-apart",
        {"topics": lambda description: description.topics + description.topics[:1]},
    ),
    "no-rule": (
        "has a book and no rule for it", "books-have-a-sync-rule",
        {"topics": lambda description: (*description.topics, TopicRule(Channel.BOOK, variant="fast"))},
    ),
    "joins-nothing": (
        "joins deltas to a snapshot that is never asked for", "sync-rules-are-coherent",
        {"topics": _books(snapshot=SnapshotSource.IN_BAND)},
    ),
    "proves-nothing": (
        "has a book that nothing proves", "books-have-a-proof",
        {"topics": _books(ids=Ids.ARRIVAL, join=Join.FOLLOWS, global_ids=False, audit=None)},
    ),
    "empty-pools": (
        "has a pool of nothing", "pools-are-sane",
        {"pools": lambda description: tuple(evolve(pool, capacity=0) for pool in description.pools)},
    ),
    "no-pools": ("declares no rate limit", "pools-are-declared", {"pools": ()}),
    "no-order-types": ("declares no type of orders", "order-kinds-are-declared", {"order_types": frozenset()}),
    "unserved-types": (
        "declares a type of orders that it refuses", "order-kinds-are-served",
        {"order_types": lambda description: description.order_types | {OrderType.TAKE_PROFIT}},
    ),
    "settles-nothing": ("has no resolver", "unknown-outcomes-can-be-settled", {"resolver": None}),
    "never-asks": (
        "settles unknown outcomes by sending again", "unknown-outcomes-can-be-settled",
        {"resolver": lambda description: evolve(description.resolver, steps=(Resolution.RESEND,))},
    ),
    "sure-at-once": (
        "takes absence for final at once", "absence-is-final-when-it-says",
        {"resolver": lambda description: evolve(description.resolver, absence=Absence(after=0.0))},
    ),
    "undeclared-keys": ("names no credentials", "credentials-are-declared", {"credentials": ()}),
}  # fmt: skip
"""Mutant -> what is wrong, the check, and the fields of the description that are other."""


def _listing(change: Callable[[Instrument], Instrument | None]) -> Callable[[], Subject]:
    """A list with other instruments."""

    def instruments(listed: Sequence[Instrument]) -> list[Instrument]:
        return [changed for each in listed if (changed := change(each)) is not None]

    return lambda: mutant(data_source=results(instruments=instruments))


_QUOTES: Final = ("USDT", "TUSD", "BTC", "T")


def _cut(instrument: Instrument) -> Instrument:
    name = instrument.native["symbol"]
    quote = next((quote for quote in _QUOTES if name.endswith(quote)), instrument.quote)
    base = name.removesuffix(quote)
    return evolve(instrument, id=f"{base}-{quote}", base=base, quote=quote)


_readings: Final = count()

INSTRUMENTS: Final[dict[str, tuple[str, str, Callable[[Instrument], Instrument | None]]]] = {
    "loses-a-market": (
        "leaves out what is not quoted in dollars", "instruments-are-listed",
        lambda each: each if each.quote == "USDT" else None,
    ),
    "slashed-ids": (
        "makes ids of its own", "ids-tell-the-kind", lambda each: evolve(each, id=f"{each.base}/{each.quote}"),
    ),
    "nameless": ("forgets the venue's names", "names-find-their-instrument", lambda each: evolve(each, native={})),
    "cuts-names": ("cuts symbols in two", "names-are-never-taken-apart", _cut),
    "wrong-ticks": (
        "takes ten ticks for one", "rules-are-those-of-the-venue",
        lambda each: evolve(each, price=evolve(each.price, tick=each.price.tick * 10)),
    ),
    "no-least-notional": (
        "does not read the least notional", "rules-are-those-of-the-venue",
        lambda each: evolve(each, minimum_notional=None),
    ),
    "no-least-quantity": (
        "does not read the least quantity", "rules-are-those-of-the-venue",
        lambda each: evolve(each, size=evolve(each.size, minimum=None)),
    ),
    "never-closed": (
        "tells every market as trading", "closed-markets-are-told",
        lambda each: evolve(each, status=InstrumentStatus.TRADING),
    ),
    "no-largest-market-order": (
        "does not read how large a market order may be", "rules-are-those-of-the-venue",
        lambda each: evolve(each, size=evolve(each.size, market_maximum=None)),
    ),
    "too-few-decimals": (
        "shows prices with fewer decimals than they have", "rules-are-sane",
        lambda each: evolve(each, price_decimals=0),
    ),
    "steep-prices": (
        "refuses the market's own price", "listed-prices-are-valid",
        lambda each: evolve(each, price=evolve(each.price, minimum=Decimal(10**9), maximum=None)),
    ),
    "ever-another-list": (
        "remembers how often it has read the list", "instruments-are-the-same-each-time",
        lambda each: evolve(each, facts={"read": str(next(_readings))}),
    ),
}  # fmt: skip
"""Mutant -> what is wrong, the check, and what becomes of each instrument."""


def _shows_what_is_bad(honest: Any, **given: Any) -> Any:
    try:
        return honest(**given)
    except LocalError as error:
        values = [value.reveal() for value in given["credentials"].fields.values()]
        raise LocalError(f"a bad credential: {values}") from error


MUTANTS: Final[Sequence[Mutant]] = (
    *(
        Mutant(id_, wrong, check, lambda id_=id_, lines=lines: _package(f"venuekit_{id_.replace('-', '_')}", *lines))  # type: ignore[misc]
        for id_, (wrong, check, lines) in PACKAGES.items()
    ),
    Mutant(
        "unhooked", "claims orders and has no market", "claims-have-their-hooks",
        _described({"capabilities": _claiming(Capability.REST_ORDERS)}, "binance"),
    ),
    Mutant(
        "pinned", "has a distribution that names no contract", "dependencies-are-ranges",
        lambda: _distributed("venuekit-spec"),
    ),
    *(Mutant(id_, wrong, check, _described(changes)) for id_, (wrong, check, changes) in DESCRIPTIONS.items()),
    Mutant(
        "shows-bad-keys", "shows a credential that is malformed", "bad-credentials-stay-unseen",
        lambda: mutant(calls={"auth": _shows_what_is_bad}),
    ),
    Mutant(
        "long-ids", "makes ids that the venue refuses", "client-order-ids-fit-the-venue",
        lambda: mutant(market=methods(client_order_id=lambda _honest, number: f"venuekit:{number:032d}")),
    ),
    Mutant(
        "short-ids", "makes the same id again", "client-order-ids-are-unique",
        lambda: mutant(market=methods(client_order_id=lambda _honest, number: f"vk{number % 1_000_000:x}")),
    ),
    Mutant(
        "ids-by-the-dozen", "makes ids by counting its own calls", "client-order-ids-are-unique",
        lambda: mutant(market=_counted),
    ),
    Mutant(
        "never-silent", "has no silence limit", "silence-is-bounded",
        lambda: mutant(data_source=results(dial=lambda dial, _topics: evolve(dial, silence=None))),
    ),
    *(Mutant(id_, wrong, check, _listing(change)) for id_, (wrong, check, change) in INSTRUMENTS.items()),
)  # fmt: skip


def _counted(market: Any) -> Any:
    numbers: dict[int, str] = {}
    running = count(id(market) % 1_000)

    def client_order_id(_honest: Any, number: int) -> str:
        return numbers.setdefault(number, f"vk{next(running):x}")

    return methods(client_order_id=client_order_id)(market)


def _distributed(name: str) -> Subject:
    """A connector that came in another distribution."""
    subject = mutant()
    installed = evolve(subject.connector.installed, distribution=name)
    return evolve(subject, connector=evolve(subject.connector, installed=installed))
