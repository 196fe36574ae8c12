"""The loader: which connectors are installed, and one of them on demand.

Listing reads package metadata and imports nothing. Loading imports that one connector only. A connector that cannot be
loaded breaks nobody else, and the error says which of three things is wrong:

    ConnectorNotInstalled   no distribution offers this venue; the message has the pip line
    ConnectorBroken         it is installed and does not import or describe itself; the cause is attached
    ContractMismatch        it was made for another version of the contract; both versions are told
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from importlib import metadata
from typing import cast

import pluggy
from attrs import frozen

from venuekit_spec import CONNECTORS, CONTRACT_VERSION, Connector, Description, LocalError, hooks

SPEC_DISTRIBUTION = "venuekit-spec"


class ConnectorError(LocalError):
    """A connector cannot be had. `venue` names it."""

    def __init__(self, message: str, venue: str) -> None:
        super().__init__(message)
        self.venue = venue


class ConnectorNotInstalled(ConnectorError):
    """No installed distribution offers this venue."""


class ConnectorBroken(ConnectorError):
    """The connector is installed, but importing it or its own description fails; see ``__cause__``."""


class ContractMismatch(ConnectorError):
    """The connector was made for a contract that this core does not speak."""


@frozen
class InstalledConnector:
    """A connector as its package metadata tells, nothing imported."""

    venue: str
    distribution: str
    version: str
    module: str
    summary: str = ""


@frozen
class LoadedConnector:
    """A connector, imported and described; `hooks` are its factories."""

    installed: InstalledConnector
    description: Description
    hooks: Connector

    def offers(self, hook: str) -> bool:
        """Whether the connector implements a hook."""
        caller: pluggy.HookCaller = getattr(self.hooks, hook)
        return bool(caller.get_hookimpls())


def installed_connectors() -> list[InstalledConnector]:
    """The installed connectors by venue id, from metadata."""
    return sorted((_installed(entry) for entry in _entries()), key=lambda found: found.venue)


def load_connector(venue: str) -> LoadedConnector:
    """Import the connector of `venue`, and only that one.

    Raises `ConnectorNotInstalled`, `ConnectorBroken` or `ContractMismatch`.
    """
    entries = {entry.name: entry for entry in _entries()}
    if venue not in entries:
        raise ConnectorNotInstalled(_how_to_install(venue, list(entries)), venue)
    entry = entries[venue]
    _check_requirement(entry)
    try:
        plugin = entry.load()
    except Exception as error:  # whatever a plugin's import raises is the plugin's fault
        raise ConnectorBroken(
            f"the connector {venue!r} ({entry.value}) cannot be imported: {error!r}", venue
        ) from error
    return connect(plugin, venue, _installed(entry))


def connect(plugin: object, venue: str, installed: InstalledConnector | None = None) -> LoadedConnector:
    """Make a connector of a module or object that has its hooks, installed or not (tests, notebooks).

    Raises `ConnectorBroken` when it does not fit the hook specifications or describes another venue, and
    `ContractMismatch`.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    try:
        manager.register(plugin)
        manager.check_pending()
        description = cast("Description | None", manager.hook.describe())
    except Exception as error:  # as above
        raise ConnectorBroken(
            f"the connector {venue!r} does not describe itself: {error!r}", venue
        ) from error
    if not isinstance(description, Description):
        raise ConnectorBroken(f"the connector {venue!r} has no describe() that returns a Description", venue)
    if not _speaks(description.contract):
        raise ContractMismatch(
            f"the connector {venue!r} was made for contract {description.contract}, this core speaks {CONTRACT_VERSION}",
            venue,
        )
    if description.venue != venue:
        raise ConnectorBroken(f"the connector {venue!r} describes itself as {description.venue!r}", venue)
    installed = installed or InstalledConnector(venue, "", "", getattr(plugin, "__name__", repr(plugin)))
    return LoadedConnector(installed, description, cast("Connector", manager.hook))


def _entries() -> Iterator[metadata.EntryPoint]:
    seen: set[str] = set()
    for entry in metadata.entry_points(group=CONNECTORS):
        if entry.name not in seen:  # the first on the path wins, as with imports
            seen.add(entry.name)
            yield entry


def _installed(entry: metadata.EntryPoint) -> InstalledConnector:
    distribution = entry.dist
    if distribution is None:
        return InstalledConnector(entry.name, "", "", entry.value)
    told = distribution.metadata
    # What a half-removed distribution no longer tells is empty: asking for it by index is about to become an error.
    name, version, summary = ((told.get_all(key) or [""])[0] for key in ("Name", "Version", "Summary"))
    return InstalledConnector(entry.name, name, version, entry.value, summary)


def _how_to_install(venue: str, known: list[str]) -> str:
    have = f" (installed: {', '.join(sorted(known))})" if known else ""
    near = get_close_matches(venue, known, n=1, cutoff=0.75)
    hint = f"did you mean {near[0]!r}? Otherwise" if near else "try"
    return (
        f"no connector {venue!r} is installed{have}; {hint}: pip install venuekit-{venue.replace('_', '-')}"
    )


def _check_requirement(entry: metadata.EntryPoint) -> None:
    """Refuse before the import what was built for another contract: its import might fail in a misleading way."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for line in (entry.dist.requires if entry.dist else None) or ():
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(wanted.name) == SPEC_DISTRIBUTION:
            try:
                have = metadata.version(SPEC_DISTRIBUTION)
            except (
                metadata.PackageNotFoundError
            ):  # run from a source tree: the description's version decides alone
                return
            if not wanted.specifier.contains(have, prereleases=True):
                raise ContractMismatch(
                    f"the connector {entry.name!r} wants {SPEC_DISTRIBUTION}{wanted.specifier}, installed is {have}",
                    entry.name,
                )


def _speaks(contract: str) -> bool:
    """Same major version, and no newer than ours."""
    try:
        wanted, ours = ([int(part) for part in text.split(".")] for text in (contract, CONTRACT_VERSION))
    except ValueError:
        return False
    return wanted[0] == ours[0] and wanted <= ours
