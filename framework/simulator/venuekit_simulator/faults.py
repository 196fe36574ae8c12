"""Fault plans: what is to go wrong at a local venue, how often and with what.

A plan is a list of `Fault`s, as values or as TOML::

    [[fault]]
    kind = "lost"              # what: a `FaultKind`
    on = ["place", "cancel"]   # requests of which kind (`CallKind`); none named: of all but "connect"
    probability = 0.1          # how often: a probability, or `nth`, or `at`; none of them: every time

    [[fault]]
    kind = "drop"              # faults of frames take no `on`
    containing = "depth"       # only frames with this text in them
    nth = 3                    # the third such frame, once

    [[fault]]
    kind = "restart"
    at = 30.0                  # seconds after the start
    seconds = 2.0              # unreachable for so long

What a fault may name beside its kind, by kind:

    kind               needs   may have                what happens
    drop, double       frame   containing              a frame to the client is left out, or comes twice
    swap               frame   containing, seconds     it comes after the next one (after `seconds` where none follows)
    delay              frame   containing, seconds     it and all behind it on this socket come later
    truncate, corrupt  either  containing, on          half of it comes; one character of it is another. With `on` of a reply
    cut, stall         either  containing, on          the socket breaks off without a goodbye; it stays open in silence. With
                                                       `on` before the request is handled, and also that of an HTTP request
    error_before       request on, status              5xx, and nothing has happened
    error_after        request on, status              5xx, and all has happened
    lost               request on, cut                 all has happened, and the reply never comes (`cut`: the socket breaks)
    slow               request on, seconds             the reply comes later
    events_first       request on                      what the request caused is told before its reply comes
    rate_limited       request on, seconds             429, Retry-After `seconds`, and all else is refused meanwhile too
    banned             request on, seconds             as that, in the harder form (418)
    clock_skew         any     on, offset, seconds     the venue's clock is `offset` seconds ahead, for `seconds`
    stale_snapshot     request on, updates             a book that this request asks for is `updates` changes old
    crossed_snapshot   request on                      a book that this request asks for is crossed
    expire_tokens      any     on                      tokens of private streams are worthless from now on
    restart            any     on, seconds             the venue starts anew; orders and balances are kept
    unreachable        any     on, seconds, how        the way to the venue is gone for `seconds` (`Unreachable`)

A request may be a handshake, where `on` names "connect"; faults that name no kind leave handshakes alone. "Any" strikes on a
request with `on`, and by itself with `at`. An HTTP request is lost when its connection ends without a reply. Truncated and
corrupted HTTP replies keep their status.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from attrs import field, fields_dict, frozen

from venuekit_spec import CallKind, LocalError, Seconds

E = TypeVar("E", bound=StrEnum)


class FaultPlanError(LocalError):
    """A fault plan that cannot be: an unknown kind or field, or what a kind cannot do."""


class FaultKind(StrEnum):
    """What goes wrong; the table at the head of this module."""

    DROP = "drop"
    DOUBLE = "double"
    SWAP = "swap"
    DELAY = "delay"
    TRUNCATE = "truncate"
    CORRUPT = "corrupt"
    CUT = "cut"
    STALL = "stall"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    LOST = "lost"
    SLOW = "slow"
    EVENTS_FIRST = "events_first"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"
    CLOCK_SKEW = "clock_skew"
    STALE_SNAPSHOT = "stale_snapshot"
    CROSSED_SNAPSHOT = "crossed_snapshot"
    EXPIRE_TOKENS = "expire_tokens"
    RESTART = "restart"
    UNREACHABLE = "unreachable"


class Unreachable(StrEnum):
    """How the way to the venue is gone.

    `REFUSED`: nobody listens; open sockets are cut. `DNS`: its name is not found; open sockets live on. `BLACK_HOLE`: what
    is sent vanishes; open sockets are silent for ever.
    """

    REFUSED = "refused"
    DNS = "dns"
    BLACK_HOLE = "black_hole"


class Transport(StrEnum):
    """By which way a request came."""

    HTTP = "http"
    SOCKET = "socket"


class Target(StrEnum):
    """What a fault strikes."""

    FRAME = "frame"
    REQUEST = "request"
    VENUE = "venue"


_ALWAYS: Final = frozenset({"kind", "probability", "nth", "at", "times"})
_FRAMES: Final = frozenset({"containing"})
_REQUESTS: Final = frozenset({"on", "transport"})

_FRAME: Final = frozenset({Target.FRAME})
_REQUEST: Final = frozenset({Target.REQUEST})
_EITHER: Final = _FRAME | _REQUEST
_ANY: Final = frozenset({Target.REQUEST, Target.VENUE})

_RULES: Final[Mapping[FaultKind, tuple[frozenset[Target], frozenset[str]]]] = {
    FaultKind.DROP: (_FRAME, _FRAMES),
    FaultKind.DOUBLE: (_FRAME, _FRAMES),
    FaultKind.SWAP: (_FRAME, _FRAMES | {"seconds"}),
    FaultKind.DELAY: (_FRAME, _FRAMES | {"seconds"}),
    FaultKind.TRUNCATE: (_EITHER, _FRAMES | _REQUESTS),
    FaultKind.CORRUPT: (_EITHER, _FRAMES | _REQUESTS),
    FaultKind.CUT: (_EITHER | {Target.VENUE}, _FRAMES | _REQUESTS),
    FaultKind.STALL: (_EITHER | {Target.VENUE}, _FRAMES | _REQUESTS),
    FaultKind.ERROR_BEFORE: (_REQUEST, _REQUESTS | {"status"}),
    FaultKind.ERROR_AFTER: (_REQUEST, _REQUESTS | {"status"}),
    FaultKind.LOST: (_REQUEST, _REQUESTS | {"cut"}),
    FaultKind.SLOW: (_REQUEST, _REQUESTS | {"seconds"}),
    FaultKind.EVENTS_FIRST: (_REQUEST, _REQUESTS),
    FaultKind.RATE_LIMITED: (_REQUEST, _REQUESTS | {"seconds"}),
    FaultKind.BANNED: (_REQUEST, _REQUESTS | {"seconds"}),
    FaultKind.CLOCK_SKEW: (_ANY, _REQUESTS | {"offset", "seconds"}),
    FaultKind.STALE_SNAPSHOT: (_REQUEST, _REQUESTS | {"updates"}),
    FaultKind.CROSSED_SNAPSHOT: (_REQUEST, _REQUESTS),
    FaultKind.EXPIRE_TOKENS: (_ANY, _REQUESTS),
    FaultKind.RESTART: (_ANY, _REQUESTS | {"seconds"}),
    FaultKind.UNREACHABLE: (_ANY, _REQUESTS | {"seconds", "how"}),
}
"""What each kind may strike, and which fields it takes beside those that all take."""


def _kinds(kinds: Iterable[CallKind]) -> frozenset[CallKind]:
    return frozenset(kinds)


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    How often: each time with `probability`, or the `nth` time (from 1), or from `at` on (seconds after the start; faults of
    frames and requests strike the first that comes then). `times` bounds how often in all; 0 is for ever. `on`: requests of
    these kinds (any collection of them); empty: of any but `CONNECT`. `transport`: only requests that came this way. Raises
    `FaultPlanError` for what its kind does not know or cannot be.
    """

    kind: FaultKind
    on: frozenset[CallKind] = field(default=frozenset(), converter=_kinds)
    transport: Transport | None = None
    containing: str = ""
    probability: float | None = None
    nth: int | None = None
    at: Seconds | None = None
    times: int = 0
    seconds: Seconds = 1.0
    offset: Seconds = 10.0
    status: int = 0
    """The HTTP status, with a page of a proxy; 0: the venue's own words for being overloaded."""
    cut: bool = False
    updates: int = 50
    how: Unreachable = Unreachable.REFUSED

    def __attrs_post_init__(self) -> None:
        allowed = _RULES[self.kind][1] | _ALWAYS
        for name, rule in fields_dict(Fault).items():
            if name not in allowed and getattr(self, name) != rule.default:
                raise FaultPlanError(
                    f"a fault {self.kind.value!r} takes no {name!r}{_nearest(name, allowed)}"
                )
        if sum(given is not None for given in (self.probability, self.nth, self.at)) > 1:
            raise FaultPlanError(
                f"{self.kind.value}: a fault has one of probability, nth and at, not several"
            )
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise FaultPlanError(
                f"{self.kind.value}: a probability is between 0 and 1, not {self.probability}"
            )
        if self.nth is not None and self.nth < 1:
            raise FaultPlanError(f"{self.kind.value}: nth counts from 1, not {self.nth}")
        for name in ("at", "times", "seconds", "updates"):
            if (given := getattr(self, name)) is not None and not 0 <= given < float("inf"):
                raise FaultPlanError(
                    f"{self.kind.value}: {name} is not negative and not infinite, unlike {given}"
                )
        if self.status and not 400 <= self.status <= 599:
            raise FaultPlanError(
                f"{self.kind.value}: status is one of an error, 400 to 599, not {self.status}"
            )
        if self.on and self.containing:
            raise FaultPlanError(f"{self.kind.value}: containing is of frames and on is of requests")

    @property
    def target(self) -> Target:
        """What it strikes: where its kind leaves a choice, requests with `on` (or `transport`), the venue with `at`."""
        targets = _RULES[self.kind][0]
        if Target.REQUEST in targets and (self.on or self.transport):
            return Target.REQUEST
        if Target.VENUE in targets and (Target.FRAME not in targets or self.at is not None):
            return Target.VENUE
        return Target.FRAME if Target.FRAME in targets else Target.REQUEST


@frozen
class FaultPlan:
    """Faults, each independent of the others. Of several that strike the same message the first is done."""

    faults: tuple[Fault, ...] = ()

    def __attrs_post_init__(self) -> None:
        for fault in self.faults:
            if fault.target is Target.VENUE and fault.at is None:
                raise FaultPlanError(
                    f"{fault.kind.value}: say when, with `at`, or on which requests, with `on`"
                )

    @classmethod
    def of(cls, *faults: Fault) -> FaultPlan:
        """A plan of these faults."""
        return cls(faults)

    @classmethod
    def read(cls, text: str) -> FaultPlan:
        """A plan from TOML. Raises `FaultPlanError`, which names the nearest where a name is unknown."""
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise FaultPlanError(f"the fault plan is not TOML: {error}") from error
        for name in told:
            if name != "fault":
                raise FaultPlanError(f"a fault plan has no {name!r}: each fault begins with [[fault]]")
        tables = told.get("fault", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise FaultPlanError("each fault begins with [[fault]], in two brackets")
        faults = []
        for number, table in enumerate(tables, 1):
            try:
                faults.append(_fault(table))
            except FaultPlanError as error:
                raise FaultPlanError(f"fault {number}: {error}") from None
        return cls(tuple(faults))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> FaultPlan:
        """A plan from a TOML file. Raises `FaultPlanError`, also where the file cannot be read."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FaultPlanError(f"the fault plan {path} cannot be read: {error}") from error
        try:
            return cls.read(text)
        except FaultPlanError as error:
            raise FaultPlanError(f"{path}: {error}") from None


def _fault(table: Mapping[str, Any]) -> Fault:
    values = dict(table)
    known = fields_dict(Fault)
    for name in values:
        if name not in known:
            raise FaultPlanError(f"a fault has no {name!r}{_nearest(name, known)}")
    if "kind" not in values:
        raise FaultPlanError("a fault needs its kind")
    values["kind"] = _named(FaultKind, values["kind"], "kind of fault")
    if "on" in values:
        on = values["on"]
        if not isinstance(on, list):
            raise FaultPlanError(f'on is a list: on = ["{on}"]')
        values["on"] = [_named(CallKind, each, "kind of request") for each in on]
    for name, enum in (("transport", Transport), ("how", Unreachable)):
        if name in values:
            values[name] = _named(enum, values[name], name)
    try:
        return msgspec.convert(values, Fault)
    except msgspec.ValidationError as error:
        raise FaultPlanError(str(error)) from error


def _named(enum: type[E], text: object, what: str) -> E:
    try:
        return enum(str(text))
    except ValueError:
        names = [each.value for each in enum]
        raise FaultPlanError(
            f"there is no {what} {text!r}{_nearest(str(text), names)} (known: {', '.join(names)})"
        ) from None


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
