"""What ``venuekit doctor`` looks at, step by step. Nothing is placed or changed at the venue, and no store is made or opened.

Each step finds something out and says what it thinks of it; a step that fails stops none that can do without it. Keys are
named by where they were found, never by value. The venue is asked by the connector's own flows, so what works here works in
a program.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from statistics import median
from typing import Any, Final

from attrs import field, frozen

from venuekit.cli.account import Where, credentials_of
from venuekit.cli.stored import count_incomplete, stored_at
from venuekit.clock import Clock
from venuekit.clock_offset import ClockOffset
from venuekit.connection import DIALS
from venuekit.drivers.flows import FlowRunner
from venuekit.exchange import Transports
from venuekit.loader import LoadedConnector
from venuekit.orders.nonces import UNITS
from venuekit.pacing import Pacer
from venuekit_spec import (
    MICROSECOND,
    MILLISECOND,
    SECOND,
    Auth,
    Capability,
    Channel,
    Credentials,
    HttpResponse,
    Instant,
    Instrument,
    InstrumentStatus,
    InstrumentTable,
    LimitReport,
    Market,
    NonceRule,
    OrderEntry,
    Permissions,
    RatePool,
    Topic,
    Unsupported,
    VenuekitError,
    seconds_between,
)

CALLS: Final = 5
"""How often the venue's time is asked for: the median of an odd number is one that was measured."""

FAR: Final = 0.5 * SECOND
"""A clock that is off by more is worth a warning: receive windows are a few seconds, and a round trip adds to it."""


class Verdict(StrEnum):
    """What a finding comes to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen
class Finding:
    """What one step found; `facts` are the same for programs."""

    what: str
    verdict: Verdict
    told: str
    facts: Mapping[str, Any] = field(factory=dict)


class Examination:
    """Examines one venue. `run` the steps, and read `findings` while they come or afterwards."""

    def __init__(
        self, where: Where, connector: LoadedConnector, clock: Clock, transports: Transports
    ) -> None:
        description = connector.description
        self.findings: list[Finding] = []
        self._where = where
        self._connector = connector
        self._environment = description.environment(where.environment)
        self._clock = clock
        self._transports = transports
        self._offset = ClockOffset()
        self._reports: list[LimitReport] = []
        self._instruments = InstrumentTable()
        self._unit: Instant = MICROSECOND
        dials = RatePool(DIALS, description.sockets.dials, description.sockets.dial_period)
        self._flows = FlowRunner(
            transports.http,
            clock,
            Pacer((*description.pools, dials)),
            random=lambda: 0.5,
            limit_report=self._limits_of,
            nonce=lambda now: now // self._unit,
            venue_time=lambda: self._offset.venue_time(clock.now()),
            attempts=1,
        )
        self._source = connector.hooks.data_source(environment=self._environment)

    async def run(self) -> None:
        """All steps, in order."""
        self._describe()
        if await self._reach():
            await self._measure_clock()
            await self._dial()
        found = self._find_credentials()
        if found is not None:
            held = self._look_at_lock(found)
            await self._ask_permissions(found, held=held)
        self._look_at_store(found)
        self._tell_limits()

    def _found(self, what: str, verdict: Verdict, told: str, **facts: Any) -> None:
        self.findings.append(Finding(what, verdict, told, facts))

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """A step whose failure is a finding like any other."""
        try:
            yield
        except Unsupported as error:
            self._found(what, Verdict.SKIPPED, str(error))
        except VenuekitError as error:
            self._found(what, Verdict.FAILED, str(error), error=type(error).__name__)

    # --- the venue

    def _describe(self) -> None:
        installed, place = self._connector.installed, self._environment
        money = "real money" if place.real_money else "no real money"
        self._found(
            "connector",
            Verdict.OK,
            f"{installed.distribution or installed.module} {installed.version}, {place.name} ({money})",
            version=installed.version,
            environment=place.name,
            real_money=place.real_money,
        )

    async def _reach(self) -> bool:
        """Whether the venue answers at all: its instruments are what everything else begins with."""
        with self._step("instruments"):
            self._instruments = InstrumentTable(await self._flows.run(self._source.instruments()))
            trading = sum(each.status is InstrumentStatus.TRADING for each in self._instruments.values())
            self._found(
                "instruments",
                Verdict.OK if trading else Verdict.WARNING,
                f"{len(self._instruments)}, {trading} of them trading",
                listed=len(self._instruments),
                trading=trading,
            )
            return True
        return False

    async def _measure_clock(self) -> None:
        if Capability.SERVER_TIME not in self._connector.description.capabilities:
            self._found("clock", Verdict.SKIPPED, "the venue does not tell its time")
            return
        with self._step("clock"):
            took: list[float] = []
            for _ in range(CALLS):
                sent = self._clock.now()
                told = await self._flows.run(self._source.server_time())
                received = self._clock.now()
                took.append(seconds_between(sent, received))
                self._offset.sample(sent, received, told, MILLISECOND)
            self._tell_clock()
            self._found(
                "HTTP latency",
                Verdict.OK,
                f"{_milliseconds(median(took))} (median of {CALLS}; {_milliseconds(min(took))} to {_milliseconds(max(took))})",
                median=median(took),
                shortest=min(took),
                longest=max(took),
            )

    def _tell_clock(self) -> None:
        estimate = self._offset.estimate(self._clock.now())
        assert estimate is not None
        far = abs(estimate.offset) - estimate.uncertainty > FAR
        offset, uncertainty = estimate.offset / SECOND, estimate.uncertainty / SECOND
        ahead = "ahead of" if offset >= 0 else "behind"
        self._found(
            "clock",
            Verdict.WARNING if far else Verdict.OK,
            f"the venue's is {_milliseconds(abs(offset))} {ahead} ours, give or take {_milliseconds(uncertainty)}"
            + ("; set this machine's clock" if far else ""),
            offset=offset,
            uncertainty=uncertainty,
        )

    async def _dial(self) -> None:
        topic = self._some_topic()
        if topic is None:
            self._found("socket", Verdict.SKIPPED, "no feed that is public")
            return
        with self._step("socket"):
            dial = await self._flows.run(self._source.dial([topic]))
            begun = self._clock.now()
            socket = await self._transports.websockets.open(dial)
            took = seconds_between(begun, self._clock.now())
            await socket.aclose()
            self._found("socket", Verdict.OK, f"open after {_milliseconds(took)}", dial=took)

    def _some_topic(self) -> Topic | None:
        """A public feed of some instrument that trades."""
        rules = [rule for rule in self._connector.description.topics if not rule.authenticated]
        some = next(_trading(self._instruments.values()), None)
        private = {Channel.USER, Channel.CALLS}
        public = [rule for rule in rules if rule.channel not in private]
        if not public or some is None:
            return None
        return Topic(public[0].channel, some.id, public[0].variant)

    # --- the account

    def _find_credentials(self) -> Credentials | None:
        if not self._connector.description.credentials:
            self._found("credentials", Verdict.SKIPPED, "the venue takes none")
            return None
        with self._step("credentials"):
            found = credentials_of(
                self._connector, self._where.credentials, self._where.account, needed=False
            )
            if found is None:
                self._found("credentials", Verdict.SKIPPED, "none in the environment, file or keyring")
                return None
            self._found("credentials", Verdict.OK, f"found: {found.source}", source=found.source)
            return found.credentials
        return None

    def _look_at_lock(self, credentials: Credentials) -> bool:
        """Whether another process holds the key."""
        from venuekit.orders import KeyInUse, fingerprint, hold_key

        venue, place = self._connector.description.venue, self._environment.name
        with self._step("key lock"):
            try:
                with hold_key(venue, place, fingerprint(credentials)):
                    self._found("key lock", Verdict.OK, "free: no other process uses this key", held=False)
            except KeyInUse as error:
                self._found("key lock", Verdict.WARNING, str(error), held=True)
                return True
        return False

    async def _ask_permissions(self, credentials: Credentials, *, held: bool) -> None:
        hooks = self._connector.hooks
        if not (self._connector.offers("market") and self._connector.offers("auth")):
            self._found("permissions", Verdict.SKIPPED, "the connector does not trade")
            return
        if not self._instruments:
            self._found("permissions", Verdict.SKIPPED, "the venue does not answer")
            return
        with self._step("permissions"):
            auth = hooks.auth(credentials=credentials, environment=self._environment)
            self._unit = UNITS.get(auth.nonces, MICROSECOND)
            if held and auth.nonces is NonceRule.STRICT:
                told = "not asked: it would spend a nonce above those of the process that uses the key"
                self._found("permissions", Verdict.SKIPPED, told)
                return
            market = hooks.market(
                environment=self._environment,
                instruments=self._instruments,
                credentials=credentials,
                order_entry=OrderEntry.REST,
            )
            permissions = await self._flows.run(market.permissions(), sign=auth.sign)
            self._tell_permissions(permissions)
            await self._ask_limits(market, auth)

    def _tell_permissions(self, permissions: Permissions) -> None:
        names = ("read", "trade", "withdraw")
        may = {name: getattr(permissions, name) for name in names}
        told = [name for name in names if may[name]]
        untold = [name for name in names if may[name] is None]
        worries = ["it may WITHDRAW: a trading key need not"] if permissions.withdraw else []
        worries += ["it may not trade"] if permissions.trade is False else []
        if permissions.withdraw and not permissions.addresses:
            worries.append("it is bound to no address")
        if permissions.expires is not None and permissions.expires <= self._clock.now():
            worries.append("it has expired")
        text = f"the key is valid; it may {', '.join(told) or 'do nothing that the venue tells'}"
        text += f" (not told: {', '.join(untold)})" if untold else ""
        self._found(
            "permissions",
            Verdict.WARNING if worries else Verdict.OK,
            "; ".join([text, *worries]),
            **may,
            addresses=list(permissions.addresses),
            expires=permissions.expires,
        )

    async def _ask_limits(self, market: Market, auth: Auth) -> None:
        """Budgets that must be asked for; a venue without has told by headers what there is."""
        try:
            self._reports.append(await self._flows.run(market.limits(), sign=auth.sign))
        except Unsupported:
            return

    # --- orders and limits

    def _look_at_store(self, credentials: Credentials | None) -> None:
        with self._step("store"):
            path = self._where.store
            if path is None:
                if credentials is None:
                    self._found("store", Verdict.SKIPPED, "without a key there is none")
                    return
                path = stored_at(self._connector.description.venue, self._environment.name, credentials)
            if not path.exists():
                self._found("store", Verdict.OK, f"{path}: not there yet", path=str(path), orders={})
                return
            try:
                orders = count_incomplete(path)
            except sqlite3.Error as error:
                self._found("store", Verdict.FAILED, f"{path}: {error}", path=str(path))
                return
            unknown = orders.get("unknown", 0) + orders.get("pending", 0)
            told = ", ".join(f"{count} {state}" for state, count in orders.items()) or "none"
            self._found(
                "store",
                Verdict.WARNING if unknown else Verdict.OK,
                f"{path}: orders that are not complete: {told}"
                + ("; open the account to settle them" if unknown else ""),
                path=str(path),
                orders=orders,
            )

    def _limits_of(self, response: HttpResponse) -> LimitReport:
        report = self._connector.description.limit_report(response)
        self._reports.append(report)
        return report

    def _tell_limits(self) -> None:
        pools = self._connector.description.pools
        used: dict[str, float] = {}
        capacities = {pool.name: pool.capacity for pool in pools}
        for report in self._reports:
            used |= report.used
            capacities |= report.capacities
        usage = {
            pool.name: {"used": used.get(pool.name), "capacity": capacities[pool.name], "period": pool.period}
            for pool in pools
        }
        told = [
            f"{name} {'?' if each['used'] is None else format(each['used'], 'g')} of {each['capacity']:g}"
            f" per {each['period']:g} s"
            for name, each in usage.items()
        ]
        high = any(
            each["used"] is not None and each["used"] > 0.8 * (each["capacity"] or 0)
            for each in usage.values()
        )
        banned = any(report.banned for report in self._reports)
        verdict = Verdict.FAILED if banned else Verdict.WARNING if high else Verdict.OK
        text = "; ".join(told) or "the connector names no limits"
        self._found("rate limits", verdict, f"BANNED; {text}" if banned else text, pools=usage)


def _trading(instruments: Iterable[Instrument]) -> Iterator[Instrument]:
    return (each for each in instruments if each.status is InstrumentStatus.TRADING)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


__all__ = ["Examination", "Finding", "Verdict"]
