"""Checks: what is asked of a connector, each under a stable id.

A check is a function of a `Subject`. It raises `AssertionError` (or any other error) where the connector fails, and
`Unclaimed` where it turns out that there is nothing to check. Its id is its name with hyphens; the first line of its
docstring is its summary, the whole its documentation. What it needs is stated, and judged before it is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from attrs import frozen

from venuekit_spec import Capability

if TYPE_CHECKING:
    from venuekit_testkit.subject import Subject

CheckFunction: TypeAlias = "Callable[[Subject], None] | Callable[[Subject], Awaitable[None]]"
F = TypeVar("F", bound="CheckFunction")


class Group(StrEnum):
    """What a check is about, in the order of the score card."""

    PACKAGING = "packaging"
    DESCRIPTION = "description"
    INSTRUMENTS = "instruments"
    SIGNING = "signing"
    DATA = "data"
    FRAMES = "frames"
    ORDER_BY_ORDER = "order by order"
    PLACING = "placing"
    CHANGING = "changing"
    STREAM = "user stream"
    RECONCILING = "reconciling"
    LIMITS = "limits"
    SECRETS = "secrets"
    CLEANUP = "cleanup"


MODULES: Final = (
    "packaging",
    "description",
    "instruments",
    "signing",
    "data",
    "faults",
    "handover",
    "public",
    "frames",
    "order_by_order",
    "placing",
    "terms",
    "outcomes",
    "changing",
    "stream",
    "account",
    "derivatives",
    "reconciling",
    "limits",
    "secrets",
    "cleanup",
)
"""The modules of `venuekit_testkit.groups`, in the order in which their checks are listed."""


class Unclaimed(Exception):  # it is no error
    """There is nothing to check: the reason says what the connector does not claim."""


@frozen
class Need:
    """What a check needs of a subject: `lacks` gives the reason for which it cannot be made, or nothing."""

    lacks: Callable[[Subject], str]


@frozen
class Check:
    """One check. `needs` are judged in order; the first that is not met is the reason of the skip."""

    id: str
    group: Group
    documentation: str
    needs: tuple[Need, ...]
    function: CheckFunction

    @property
    def summary(self) -> str:
        """One line."""
        return self.documentation.partition("\n\n")[0].replace("\n", " ")

    @property
    def method(self) -> str:
        """Its name in a `ConnectorSuite`."""
        return f"test_{self.id.replace('-', '_')}"

    @property
    def asynchronous(self) -> bool:
        """Whether it runs on an event loop."""
        return inspect.iscoroutinefunction(self.function)

    def lacking(self, subject: Subject) -> str:
        """Why it cannot be made of this subject; empty where it can."""
        return next((reason for need in self.needs if (reason := need.lacks(subject))), "")

    def __str__(self) -> str:
        return f"{self.id}: {self.summary}"


_found: Final[dict[str, Check]] = {}


def register(
    id_: str,
    group: Group,
    function: CheckFunction,
    *,
    needs: Iterable[Need | Capability] = (),
    documentation: str = "",
) -> Check:
    """Add a check. Raises `ValueError` for an id that is taken and for a check without documentation."""
    told = inspect.cleandoc(documentation or function.__doc__ or "")
    if not told:
        raise ValueError(f"the check {id_} has no documentation")
    if id_ in _found:
        raise ValueError(f"two checks are {id_}")
    stated = tuple(claims(need) if isinstance(need, Capability) else need for need in needs)
    _found[id_] = Check(id_, group, told, stated, function)
    return _found[id_]


def check(group: Group, *needs: Need | Capability) -> Callable[[F], F]:
    """Make a check of a function: its id is its name, its documentation its docstring."""

    def register_it(function: F) -> F:
        register(function.__name__.replace("_", "-"), group, function, needs=needs)
        return function

    return register_it


def checks() -> Sequence[Check]:
    """All checks, by group."""
    for name in MODULES:
        import_module(f"venuekit_testkit.groups.{name}")
    order = list(Group)
    return sorted(_found.values(), key=lambda each: order.index(each.group))


def claims(*any_of: Capability) -> Need:
    """The description claims one of these capabilities."""
    named = " or ".join(each.value for each in any_of)

    def lacks(subject: Subject) -> str:
        return "" if subject.description.capabilities & set(any_of) else f"it does not claim {named}"

    return Need(lacks)


def _lacks_dialect(subject: Subject) -> str:
    return "" if subject.dialect is not None else "it ships no dialect: there is no venue to talk to"


def _lacks_auth(subject: Subject) -> str:
    return "" if subject.connector.offers("auth") else "it signs nothing (no hook auth)"


def _lacks_book(subject: Subject) -> str:
    return "" if subject.book_rule is not None else "it claims no books"


DIALECT: Final = Need(_lacks_dialect)
"""It ships a dialect: there is a venue to talk to."""
AUTH: Final = Need(_lacks_auth)
BOOK: Final = Need(_lacks_book)
ORDERS: Final = claims(Capability.REST_ORDERS, Capability.SOCKET_ORDERS)
"""It places orders, in one way or the other."""
