"""Packaging: a connector loads alone, light, and touches nothing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

from venuekit import installed_connectors
from venuekit_spec import CONTRACT_VERSION, Capability
from venuekit_testkit.catalogue import Group, Unclaimed, check
from venuekit_testkit.subject import Subject

MODULES: Final = 250
"""How many modules a connector may bring besides what the spec brings."""
MEGABYTES: Final = 20
"""By how much memory may grow with its import."""

FORBIDDEN: Final = frozenset({
    "aiohttp", "anyio", "asyncio", "http", "httpx", "random", "requests", "secrets", "select", "socket", "ssl", "subprocess",
    "threading", "time", "trio", "urllib3", "websockets",
})  # fmt: skip
"""What touches a socket, a clock or dice."""

CLOCKS: Final = frozenset({
    "monotonic", "monotonic_ns", "now", "perf_counter", "perf_counter_ns", "time", "time_ns", "today", "utcnow",
})  # fmt: skip
"""What tells the time, in the modules that do."""

ENVIRONMENT: Final = frozenset({"os.environ", "os.getenv", "open()", "input()", "print()"})
BEYOND: Final = frozenset({"expanduser", "read_bytes", "read_text", "write_bytes", "write_text"})
"""What reaches beyond arguments: names, functions that need no import, and methods of paths."""

OTHERS: Final = ("venuekit", "venuekit_simulator", "venuekit_testkit")

_LOAD: Final = """
import json, resource, sys
sys.path[:0] = json.loads(sys.argv[2])
import pluggy, msgspec, venuekit_spec
def peak():  # on Linux getrusage tells the peak of whoever started this process, where that was higher
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**10
    except (OSError, StopIteration):
        pass
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 2**10
before, weight = set(sys.modules), peak()
from importlib import import_module
plugin = import_module(sys.argv[1])
told = {"modules": sorted(set(sys.modules) - before), "megabytes": peak() - weight}
import threading
told["threads"] = threading.active_count()
told["venue"] = plugin.describe().venue
print(json.dumps(told))
"""

_CLAIMED: Final[dict[str, frozenset[Capability]]] = {
    "data_source": frozenset({
        Capability.BOOKS,
        Capability.ORDER_BY_ORDER,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
    }),
    "auth": frozenset({Capability.REST_ORDERS, Capability.SOCKET_ORDERS, Capability.USER_STREAM}),
    "market": frozenset({Capability.REST_ORDERS, Capability.SOCKET_ORDERS, Capability.AMEND}),
    "user_stream": frozenset({Capability.USER_STREAM, Capability.SOCKET_ORDERS}),
    "open_transport": frozenset({Capability.OWN_TRANSPORT}),
}  # fmt: skip
"""Hook -> the capabilities that cannot be had without it."""


@cache
def _loaded(module: str, search: tuple[str, ...]) -> dict[str, Any]:
    """What a fresh process tells that imports this module and nothing else of ours."""
    done = subprocess.run(  # noqa: S603  # our own interpreter, our own program
        [sys.executable, "-c", _LOAD, module, json.dumps(search)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{module} does not load alone: {done.stderr.strip().splitlines()[-1]}"
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _origin(subject: Subject) -> Path:
    """The file that its package, or its only module, begins with."""
    found = PathFinder.find_spec(subject.module.partition(".")[0], [*subject.search, *sys.path])
    if found is None or found.origin is None:
        raise Unclaimed("its source is not to be found")
    return Path(found.origin)


def _sources(subject: Subject) -> Iterator[tuple[Path, ast.Module]]:
    """The modules of its package, parsed; its dialect, which plays the venue, is not among them."""
    origin = _origin(subject)
    files = origin.parent.rglob("*.py") if origin.name == "__init__.py" else [origin]
    for file in sorted(files):
        place = file.relative_to(origin.parent)
        if not any(part.removesuffix(".py") == "dialect" for part in place.parts):
            yield file, ast.parse(file.read_bytes())


def _uses(subject: Subject, forbidden: Callable[[str], bool]) -> list[str]:
    """Where its source uses a name that is forbidden. Names are told as they were imported, calls of bare ones with ``()``."""
    found: list[str] = []
    for file, tree in _sources(subject):
        meant: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                meant |= {alias.asname: alias.name for alias in node.names if alias.asname}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                meant |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = f"{node.func.id}()"
            elif isinstance(node, ast.Name | ast.Attribute):
                first, dot, rest = _spelt(node).partition(".")
                name = f"{meant.get(first, first)}{dot}{rest}"
            else:
                continue
            if forbidden(name):
                found.append(f"{file.name}, line {node.lineno}: {name}")
    return found


def _spelt(node: ast.expr) -> str:
    """A name with its dots, as far as it is one; what is no name at its beginning is told as ``?``."""
    if isinstance(node, ast.Attribute):
        return f"{_spelt(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


@check(Group.PACKAGING)
def connector_loads_alone(subject: Subject) -> None:
    """It loads in a process that has nothing else of venuekit, and describes itself.

    A fresh interpreter imports the module that the entry point names, beside the contract only, and asks for the
    description. What a connector needs and does not import itself shows here.
    """
    told = _loaded(subject.module, subject.search)["venue"]
    assert told == subject.venue, f"loaded alone it describes {told!r}, not {subject.venue!r}"


@check(Group.PACKAGING)
def connector_imports_no_other_venue(subject: Subject) -> None:
    """Importing it imports no other connector.

    One broken connector must never break another, and one venue loads one venue: no module of any other installed
    connector is imported along with it.
    """
    own = subject.module.partition(".")[0]
    others = {found.module.partition(".")[0] for found in installed_connectors()} - {own}
    imported = {name.partition(".")[0] for name in _loaded(subject.module, subject.search)["modules"]}
    assert not imported & others, f"it imports {', '.join(sorted(imported & others))}"


@check(Group.PACKAGING)
def connector_imports_no_core(subject: Subject) -> None:
    """It knows the contract, and neither the core nor the simulator.

    A connector that imports the core cannot be released apart from it, and can do I/O behind its back.
    """
    imported = {name.partition(".")[0] for name in _loaded(subject.module, subject.search)["modules"]}
    assert not imported & set(OTHERS), f"it imports {', '.join(sorted(imported & set(OTHERS)))}"


@check(Group.PACKAGING)
def import_is_light(subject: Subject) -> None:
    """Its import stays within the budget of modules and memory.

    Counted in a fresh process, beyond what the contract itself brings. Modules and memory are counted, not seconds: they are
    what costs seconds, on every machine alike.
    """
    told = _loaded(subject.module, subject.search)
    assert len(told["modules"]) <= MODULES, f"it imports {len(told['modules'])} modules"
    assert told["megabytes"] <= MEGABYTES, f"its import takes {told['megabytes']:.0f} MB"


@check(Group.PACKAGING)
def import_starts_nothing(subject: Subject) -> None:
    """Importing it starts no thread.

    An import has no effect but to define things: what runs belongs to an exchange that was opened, and ends with it.
    """
    threads = _loaded(subject.module, subject.search)["threads"]
    assert threads == 1, f"{threads - 1} threads run once it is imported"


@check(Group.PACKAGING)
def connector_touches_no_io(subject: Subject) -> None:
    """It imports nothing that touches a socket, a clock or dice.

    A connector is sans-I/O: bytes in, values out, time and nonces as arguments. Read from its source, the dialect aside.
    """
    found = [
        f"{file.name} imports {name}"
        for file, tree in _sources(subject)
        for name in sorted(_imports(tree) & FORBIDDEN)
    ]
    assert not found, "; ".join(found)


@check(Group.PACKAGING)
def connector_reads_no_clock(subject: Subject) -> None:
    """It asks nobody what time it is.

    ``now`` is an argument of every verb. `datetime.now` and its kin in the source would make replays differ from what
    happened, and signatures depend on a clock that is wrong.
    """
    found = _uses(
        subject, lambda name: name.startswith(("datetime.", "time.")) and name.rpartition(".")[2] in CLOCKS
    )
    assert not found, f"it reads the clock: {'; '.join(found)}"


@check(Group.PACKAGING)
def connector_reads_no_environment(subject: Subject) -> None:
    """It reads neither environment variables nor files, and prints nothing.

    Keys and URLs are given to its hooks. What it took from elsewhere could be in no description, no tape and no test. Read from
    its source, the dialect aside.
    """
    found = _uses(
        subject, lambda name: name in ENVIRONMENT or ("." in name and name.rpartition(".")[2] in BEYOND)
    )
    assert not found, f"it reaches beyond its arguments: {'; '.join(found)}"


@check(Group.PACKAGING)
def entry_point_names_the_venue(subject: Subject) -> None:
    """The name of its entry point is the venue id, and one that can stand in a file name and a command.

    The id is how everybody names it: in `open_exchange`, on the command line, in stores and tapes.
    """
    assert re.fullmatch(r"[a-z][a-z0-9_]*", subject.venue), f"{subject.venue!r} is no venue id"
    named = subject.connector.installed.venue
    assert named == subject.venue, f"its entry point is {named!r}, its venue {subject.venue!r}"


@check(Group.PACKAGING)
def contract_version_is_spoken(subject: Subject) -> None:
    """The contract it was made for is one that this core speaks.

    Same major version, and no newer minor one.
    """
    wanted, ours = (
        [int(part) for part in text.split(".")] for text in (subject.description.contract, CONTRACT_VERSION)
    )
    assert wanted[0] == ours[0] and wanted <= ours, (  # noqa: PT018  # one thing
        f"it was made for {subject.description.contract}, this core speaks {CONTRACT_VERSION}"
    )


@check(Group.PACKAGING)
def claims_have_their_hooks(subject: Subject) -> None:
    """Each claimed capability has the hook that it needs.

    Books need `data_source`; orders need `auth` and `market`; a user stream needs `user_stream`.
    """
    claimed = subject.description.capabilities
    missing = [
        hook for hook, needs in _CLAIMED.items() if claimed & needs and not subject.connector.offers(hook)
    ]
    assert not missing, f"what it claims needs the hooks {', '.join(missing)}"


@check(Group.PACKAGING)
def package_is_typed(subject: Subject) -> None:
    """Its package carries ``py.typed``.

    Whoever uses the connector's values has their types checked.
    """
    origin = _origin(subject)
    if origin.name != "__init__.py":
        raise Unclaimed("it is no package")
    assert (origin.parent / "py.typed").is_file(), f"{origin.parent.name} has no py.typed"


@check(Group.PACKAGING)
def dependencies_are_ranges(subject: Subject) -> None:
    """Its distribution names the contract and pins nothing.

    Each dependency has a lower bound and no exact pin, so that users can combine connectors and take security fixes.
    """
    from importlib.metadata import requires

    if not subject.connector.installed.distribution:
        raise Unclaimed("it is not installed as a distribution")
    needs = [Requirement(line) for line in requires(subject.connector.installed.distribution) or ()]
    assert "venuekit-spec" in {need.name for need in needs}, "it does not name venuekit-spec"
    for need in needs:
        operators = {specifier.operator for specifier in need.specifier}
        assert operators & {">=", ">", "~="}, f"{need} has no lower bound"
        assert not operators & {"==", "==="}, f"{need} is pinned"
