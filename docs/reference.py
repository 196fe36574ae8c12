"""Writes ``reference.md``: the contract, the checks and the commands, as their own docstrings tell them.

    python -m docs.reference

Nothing is told here that is not told in the code; what has no documentation there is an error (`Undocumented`).
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import attrs
import click
import msgspec

import venuekit_spec
from venuekit.cli import COMMANDS, PLUGINS, venuekit
from venuekit_spec import hooks, protocols
from venuekit_testkit import checks

PAGE: Final = Path(__file__).with_name("reference.md")

HEAD: Final = """\
# Reference

Every hook, protocol, value and error of the contract, every check of the suite, and every command. The page is written from the
docstrings by `python -m docs.reference`; a test compares them. What the contract is for is told in [contract.md](contract.md).

[Hooks](#hooks) · [Protocols](#protocols) · [Values](#values) · [Errors](#errors) · [Checks](#checks) · [Commands](#commands)
"""

DIALECT: Final = ("Dialect", "DialectPlugin", "Engine", "ServerSession", "RefusingSession")
ORDER: Final = (*protocols.__all__, "Session", "Auth", *DIALECT)
"""The protocols: what hooks return, then what those return."""

MODULES: Final = {
    "times": "Time",
    "flows": "Flows and requests",
    "sessions": "Sessions",
    "messages": "Messages",
    "instruments": "Instruments",
    "syncing": "Sync rules",
    "description": "Description",
    "orders": "Orders and accounts",
    "auth": "Signing",
    "dialects": "Dialects",
    "engines": "The engine of a local venue",
    "paper": "Paper trading",
    "reading": "Reading what a venue sent",
    "listening": "Listening",
    "subscribing": "Subscribing",
    "streams": "Streams",
    "hooks": "Loading",
}
"""Modules of the contract, in the order of the page; one that is not named here comes last under its own name."""

TOLD_WHOLE: Final = frozenset({"syncing", "listening", "subscribing"})
"""Modules that open with what their names have in common: a table, an order, a rule."""


class Undocumented(Exception):
    """Something public says nothing of itself."""


def page() -> str:
    """The whole page."""
    parts = (HEAD, *_hooks(), *_protocols(), *_values(), *_errors(), *_checks(), *_commands())
    return "\n".join(parts).rstrip() + "\n"


def documented(thing: Any, name: str) -> str:
    """What a thing says of itself, as Markdown. Raises `Undocumented`."""
    told = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    if not told or told.startswith(f"{getattr(thing, '__name__', name)}("):  # what attrs writes by itself
        raise Undocumented(name)
    return re.sub(r"``(.+?)``", r"`\1`", re.sub(r"::$", ":", _fenced(told), flags=re.MULTILINE))


def _fenced(told: str) -> str:
    """Indented and tabular blocks of a docstring, fenced: they are to be shown as they stand."""
    blocks = re.split(r"\n\n", told)
    shown = [
        f"```text\n{block}\n```" if block.startswith(("    ", "===", ">>>")) or "\n====" in block else block
        for block in blocks
    ]
    return "\n\n".join(shown).replace("\n```\n\n```text\n", "\n\n")


def _signature(name: str, function: Any) -> str:
    """A signature as it is written, without `self`."""
    signature = inspect.signature(function)
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    written = str(signature.replace(parameters=parameters))
    return name + re.sub(r"(?:[a-z_]+[.])+([A-Z])", r"\1", written).replace("'", "")


def _hooks() -> Iterator[str]:
    yield "\n## Hooks\n"
    for name in hooks.hook_names():
        function = getattr(hooks, name)
        yield f"### `{_signature(name, function)}`\n\n{documented(function, name)}\n"


def _protocols() -> Iterator[str]:
    yield "## Protocols\n"
    for name in ORDER:
        protocol = getattr(venuekit_spec, name)
        yield f"### {name}\n\n{documented(protocol, name)}\n"
        for member, value in vars(protocol).items():
            if member.startswith("_"):
                continue
            function = value.fget if isinstance(value, property) else value
            if inspect.isfunction(function):
                told = documented(function, f"{name}.{member}")
                shown = member if isinstance(value, property) else _signature(member, function)
                yield f"- `{shown}`\n\n{_indented(told)}\n"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _values() -> Iterator[str]:
    yield "## Values\n"
    by_module: dict[str, list[str]] = {}
    for name in venuekit_spec.__all__:
        value = getattr(venuekit_spec, name)
        told = inspect.isfunction(value) or (inspect.isclass(value) and not issubclass(value, Exception))
        if told and value.__module__.startswith("venuekit_spec") and name not in ORDER:
            by_module.setdefault(value.__module__.rpartition(".")[2], []).append(name)
    for module in sorted(
        by_module, key=lambda each: (list(MODULES).index(each) if each in MODULES else 99, each)
    ):
        yield f"### {MODULES.get(module, module.capitalize())}\n"
        if module in TOLD_WHOLE:
            yield f"{documented(import_module(f'venuekit_spec.{module}'), module)}\n"
        for name in by_module[module]:
            value = getattr(venuekit_spec, name)
            if inspect.isfunction(value):
                yield f"#### `{_signature(name, value)}`\n\n{documented(value, name)}\n"
            else:
                yield f"#### {name}\n\n{documented(value, name)}\n"
                yield from _members(value)


def _members(cls: type) -> Iterator[str]:
    told = _attributes(cls)
    if issubclass(cls, Enum):
        if told:
            yield "\n".join(f"- `{each.name}`{_beside(told.get(each.name, ''))}" for each in cls) + "\n"
        else:
            yield f"Members: {', '.join(f'`{each.name}`' for each in cls)}.\n"
        return
    rows = [f"| `{name}` | `{kind}` | {default} |" for name, kind, default in _fields(cls)]
    if rows:
        yield "\n".join(("| field | type | default |", "|---|---|---|", *rows)) + "\n"
        return
    for name, text in told.items():
        default = vars(cls).get(name)
        shown = name if default is None or hasattr(default, "__get__") else f"{name} = {default!r}"
        yield f"- `{shown}`{_beside(text)}"
    if told:
        yield ""
    yield from _methods(cls)


def _methods(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            shown = name if isinstance(value, property) else _signature(name, value)
            yield f"- `{shown}`\n\n{_indented(documented(value, name))}\n"


def _beside(told: str) -> str:
    """What is told of a name, behind it."""
    return f": {_indented(told).strip()}" if told else ""


def _attributes(cls: type) -> dict[str, str]:
    """Public attributes of a class, and of its objects, that have a text below them."""
    [body] = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    made = [each.body for each in body.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    told: dict[str, str] = {}
    for block in (body.body, *made):
        for stated, text in pairwise(block):
            if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                name = _named(stated)
                if name and not name.startswith("_"):
                    told[name] = inspect.cleandoc(str(text.value.value)).replace("``", "`")
    return told


def _named(stated: ast.stmt) -> str:
    """What a statement gives a value to."""
    targets = stated.targets if isinstance(stated, ast.Assign) else [getattr(stated, "target", None)]
    target = targets[0]
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def _fields(cls: type) -> Iterator[tuple[str, str, str]]:
    annotations: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        annotations |= getattr(base, "__annotations__", {})
    if attrs.has(cls):
        for each in attrs.fields(cls):
            yield each.name, _type(annotations.get(each.name, "")), _default(each.default, attrs.NOTHING)
    elif issubclass(cls, msgspec.Struct):
        for info in msgspec.structs.fields(cls):
            yield info.name, _type(annotations.get(info.name, "")), _default(info.default, msgspec.NODEFAULT)


def _type(annotation: object) -> str:
    return str(annotation).replace("|", "\\|")


def _default(value: object, none: object) -> str:
    if value is none:
        return ""
    if hasattr(value, "takes_self"):  # an `attrs.Factory`
        return "(made)"
    if isinstance(value, Enum):
        return f"`{type(value).__name__}.{value.name}`"
    if callable(value):
        return f"`{getattr(value, '__name__', '')}`"
    return f"`{value!r}`".replace("|", "\\|")


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "`outcome`: what is known about the effect of the call. `retryable`: it may succeed later without a change of ours.\n"
    yield "| error | is a | retryable | outcome | meaning |\n|---|---|---|---|---|"
    for name in venuekit_spec.__all__:
        value = getattr(venuekit_spec, name)
        if inspect.isclass(value) and issubclass(value, venuekit_spec.VenuekitError):
            told = documented(value, name).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            outcome = value.outcome.value
            yield f"| `{name}` | `{value.__mro__[1].__name__}` | {'yes' if value.retryable else 'no'} | {outcome} | {told} |"
    yield ""


def _checks() -> Iterator[str]:
    yield "## Checks\n"
    yield "What `venuekit check` and a `ConnectorSuite` ask of a connector, by group. The ids are stable.\n"
    group = None
    for check in checks():
        if check.group is not group:
            group = check.group
            yield f"### {group.value.capitalize()}\n"
        if not check.documentation.strip():
            raise Undocumented(check.id)
        yield f"#### {check.id}\n\n{check.documentation}\n"


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    context = click.Context(venuekit, info_name="venuekit")
    ours = {entry.name for entry in entry_points(group=PLUGINS) if entry.value.startswith("venuekit")}
    for name in (*COMMANDS, *sorted(ours)):
        command = venuekit.get_command(context, name)
        if command is None:
            raise Undocumented(name)
        yield from _command(f"venuekit {name}", command, context)


def _command(path: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    told = inspect.cleandoc(command.help or "")
    if not told:
        raise Undocumented(path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _command(f"{path} {name}", child, context)
        return
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield f"### {path}\n\n```text\n{usage}\n```\n\n{told}\n"
    rows = []
    for each in command.params:
        if isinstance(each, click.Option):
            if not each.help:
                raise Undocumented(f"{path} {each.opts[0]}")
            rows.append(f"| `{', '.join(each.opts)}` | {each.help} |")
    if rows:
        yield "\n".join(("| option | meaning |", "|---|---|", *rows)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
