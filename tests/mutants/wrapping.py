"""Wrapping: an installed connector in which one thing is wrong, and everything else is as it was.

A *twist* takes what a hook returns and gives what stands in its place. The twists here change methods, what flows ask, are
answered and return, or what sessions say; none of them knows a venue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

from attrs import evolve
from msgspec import Struct, structs

from venuekit_spec import Connector, Description, Flow, Output, Request, Response, VenuekitError
from venuekit_testkit import Subject

V = TypeVar("V")

Twist: TypeAlias = Callable[[Any], Any]
"""What a hook returns -> what stands in its place."""

Method: TypeAlias = Callable[..., Any]
"""The honest method, then what it is called with -> what it returns instead."""

Bend: TypeAlias = Callable[[Any], "Output | None"]
"""What a session says -> what it says instead; None for nothing."""


def mutant(
    venue: str = "exchange_a",
    *,
    describe: Callable[[Description], Description] | None = None,
    module: str = "",
    search: tuple[str, ...] = (),
    dialect: Twist | None = None,
    calls: Mapping[str, Method] | None = None,
    **twists: Twist,
) -> Subject:
    """The connector of a venue with these twists, by the names of hooks.

    `module` is what its entry point names instead, `dialect` a twist of the venue's side; `calls` are other hooks altogether.
    """
    honest = Subject.of(venue)
    if dialect is not None:
        honest = evolve(honest, dialect=dialect(honest.dialect))
    connector = honest.connector
    if describe is not None:
        connector = evolve(connector, description=describe(connector.description))
    if module:
        connector = evolve(connector, installed=evolve(connector.installed, module=module))
    hooks = cast(
        "Connector",
        _Hooks(
            connector.hooks, {name: _twisted(twist) for name, twist in twists.items()} | dict(calls or {})
        ),
    )
    return evolve(honest, connector=evolve(connector, hooks=hooks), search=search)


class Over:
    """Something with other methods in front of it. Each is given the honest method, then the arguments."""

    def __init__(self, within: Any, methods: Mapping[str, Method]) -> None:
        self._within = within
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self._within, name)
        method = self._methods.get(name)
        return honest if method is None else partial(method, honest)

    def __repr__(self) -> str:
        method = self._methods.get("__repr__")
        return repr(self._within) if method is None else str(method(self._within))


class _Hooks:
    """The hooks of a connector, some of them others."""

    def __init__(self, within: Connector, changed: Mapping[str, Method]) -> None:
        self._within = within
        self._changed = changed

    def __getattr__(self, name: str) -> Any:
        hook, method = getattr(self._within, name), self._changed.get(name)
        return hook if method is None else _Hook(hook, method)


class _Hook:
    """One hook that does something else, and is otherwise (to pluggy) what it was."""

    def __init__(self, within: Any, method: Method) -> None:
        self._within = within
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def __call__(self, **given: Any) -> Any:
        return self._method(self._within, **given)


def _twisted(twist: Twist) -> Method:
    return lambda honest, **given: twist(honest(**given))


# Twists


def methods(**changed: Method) -> Twist:
    """Other methods."""
    return lambda honest: Over(honest, changed)


def given(**changed: Callable[..., tuple[Any, ...]]) -> Twist:
    """Other positional arguments of methods: a function of the stated ones -> the ones that are used."""
    return methods(**{name: partial(_given, change) for name, change in changed.items()})


def _given(change: Callable[..., tuple[Any, ...]], honest: Method, *arguments: Any, **named: Any) -> Any:
    return honest(*change(*arguments), **named)


def results(**changed: Callable[..., Any]) -> Twist:
    """Other results of flows: a function of the result, and of what the method was called with."""
    return methods(**{name: partial(_result, change) for name, change in changed.items()})


def _result(change: Callable[..., Any], honest: Method, *arguments: Any, **named: Any) -> Flow[Any]:
    return change((yield from honest(*arguments, **named)), *arguments)


def talks(
    *names: str,
    asked: Callable[[Any], Request] = lambda request: request,
    answered: Callable[[Any], Response] = lambda response: response,
) -> Twist:
    """Other requests and responses of these flows."""

    def flow(honest: Method, *arguments: Any, **named: Any) -> Flow[Any]:
        return _talk(honest(*arguments, **named), asked, answered)

    return methods(**dict.fromkeys(names, flow))


def _talk(flow: Flow[Any], asked: Callable[[Any], Request], answered: Callable[[Any], Response]) -> Flow[Any]:
    try:
        request = next(flow)
        while True:
            try:
                response = yield asked(request)
            except VenuekitError as error:
                request = flow.throw(error)
            else:
                request = flow.send(answered(response))
    except StopIteration as end:
        return end.value
    finally:
        flow.close()


def on(kind: Any, change: Callable[[Any], Any]) -> Bend:
    """What is said of one kind is changed; None leaves it out."""
    return lambda output: change(output) if isinstance(output, kind) else output


def but(value: V, **changes: Any) -> V:
    """A copy of a value with other fields."""
    made: Any = (
        structs.replace(value, **changes)
        if isinstance(value, Struct)
        else evolve(cast("Any", value), **changes)
    )
    return cast("V", made)


def bent(bend: Bend) -> Twist:
    """What sessions say of frames, bent."""
    return sessions(feed=partial(_bend, bend))


def _bend(bend: Bend, feed: Method, frame: bytes, now: int) -> Any:
    said = (bend(output) for output in feed(frame, now))
    return [output for output in said if output is not None]


def sessions(**changed: Method) -> Twist:
    """Sessions with other methods."""
    return methods(session=lambda session, *given, **named: Over(session(*given, **named), changed))


__all__ = [
    "Bend",
    "Over",
    "Twist",
    "bent",
    "but",
    "given",
    "methods",
    "mutant",
    "on",
    "results",
    "sessions",
    "talks",
]
