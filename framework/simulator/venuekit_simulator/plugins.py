"""Dialects that are installed, found by entry point and imported one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import metadata
from typing import Final, cast
from urllib.parse import urlsplit

from venuekit_spec import CONNECTORS, DIALECTS, Description, DialectPlugin, LocalError

VERBS = ("listings", "accounts", "serve")

LOCAL: Final = "local"
"""The environment of a connector that is this machine."""

PORT: Final = 8701
"""Where a venue is served that nobody expects anywhere."""


class DialectError(LocalError):
    """A dialect cannot be had: none of this name is installed, or it is broken (``__cause__``)."""


def installed_dialects() -> Mapping[str, metadata.EntryPoint]:
    """The entry points of the installed dialects by venue id, in order; nothing is imported."""
    found: dict[str, metadata.EntryPoint] = {}
    for entry in metadata.entry_points(group=DIALECTS):
        found.setdefault(entry.name, entry)  # the first on the path wins, as with imports
    return dict(sorted(found.items()))


def load_dialect(venue: str) -> DialectPlugin:
    """Import the dialect of a venue, and only that one. Raises `DialectError`, which names those that are installed."""
    installed = installed_dialects()
    if venue not in installed:
        have = ", ".join(installed) or "none"
        near = get_close_matches(venue, installed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise DialectError(f"no dialect {venue!r} is installed (installed: {have}){hint}")
    entry = installed[venue]
    try:
        plugin = entry.load()
    except Exception as error:  # whatever a plugin's import raises is the plugin's fault
        raise DialectError(f"the dialect {venue!r} ({entry.value}) cannot be imported: {error!r}") from error
    missing = [verb for verb in VERBS if not callable(getattr(plugin, verb, None))]
    if missing:
        raise DialectError(f"the dialect {venue!r} ({entry.value}) has no {' and no '.join(missing)}")
    return cast("DialectPlugin", plugin)


def local_port(venue: str) -> int:
    """The port at which the connector of a venue expects it on this machine; `PORT` where none is installed, or it says none.

    It is the port of the environment `local` in the connector's description. Raises `DialectError` where that cannot be had.
    """
    for entry in metadata.entry_points(group=CONNECTORS, name=venue):
        try:
            description = cast("Description", entry.load().describe())
        except Exception as error:  # whatever a plugin's import raises is the plugin's fault
            raise DialectError(f"the connector {venue!r} ({entry.value}) tells no port: {error!r}") from error
        for environment in description.environments:
            if environment.name == LOCAL:
                return next(filter(None, (urlsplit(url).port for url in environment.urls.values())), PORT)
        break  # the first on the path wins
    return PORT
