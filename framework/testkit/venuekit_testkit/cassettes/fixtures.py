"""The part of the pytest plugin that needs pytest-recording. It does nothing unless a test's recordings are of a venue.

That is so for all tests where ``venuekit_cassettes`` is set in pytest's configuration, and for a test (or a module) with the
mark ``recordings("my_venue")``, which a repository of several venues uses. Then:

1. Tests marked ``vcr`` are recorded and replayed by our rules. Mode, mark and names are pytest-recording's. One cassette serves
   all event loops: it is recorded on the first of them, and its name has none. A test that fails keeps the old cassette.
2. No test reaches a network, unless it is being recorded, which ``--record-mode`` alone decides: a mode in ``vcr_config`` or a
   mark opens nothing, since then nobody would look for the secrets in use. ``block_network(allowed_hosts=[...])``,
   ``--allowed-hosts`` and the fixture `allowed_hosts` say which hosts it may reach all the same, this machine included.
3. A cassette is searched for secrets before it is written and before it is replayed. Every recording in the folders of the
   tests (cassettes, tapes, sidecars) is an item of its own, which fails where something is found. ``venuekit_public`` names
   members that look like keys and are none.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from vcr import VCR  # type: ignore[import-untyped]
    from vcr.cassette import Cassette  # type: ignore[import-untyped]

_ITEM: Final = pytest.StashKey[pytest.Item]()
_FAILED: Final = pytest.StashKey[bool]()
_TAPES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_CASSETTES: Final = (".yaml", ".yml")


def venue_of(item: pytest.Item) -> str:
    """The venue whose recordings a test plays; empty where this plugin has nothing to do with it."""
    mark = item.get_closest_marker("recordings")
    return str(mark.args[0] if mark is not None else item.config.getini("venuekit_cassettes"))


# Recording and replaying


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Know which test a cassette is for."""
    item.config.stash[_ITEM] = item
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Know that a test has failed when its cassette is about to be written."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Have a cassette made and read by our rules."""
    item = config.stash[_ITEM]
    venue = venue_of(item)
    if not venue:
        return
    from venuekit_testkit.cassettes.recording import configure
    from venuekit_testkit.cassettes.rules import CassetteRules, secrets_of

    configure(
        vcr,
        CassetteRules.of(venue),
        secrets_of(venue, ours=_recording(config)),
        config.getini("venuekit_public"),
        keep=lambda: not item.stash.get(_FAILED, False),
    )
    named = vcr.path_transformer or str
    vcr.path_transformer = lambda path: named(_without_loop(item, path))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """While recording, run a test with a cassette on the first event loop only: no order is placed twice."""
    if not _recording(config):
        return
    seen: set[str] = set()
    again: list[pytest.Item] = []
    for item in items:
        name = _without_loop(item, item.nodeid)
        if item.get_closest_marker("vcr") and venue_of(item) and name in seen:
            again.append(item)
        seen.add(name)
    config.hook.pytest_deselected(items=again)
    items[:] = [item for item in items if item not in again]


def _recording(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") not in {None, "none"}


def _without_loop(item: pytest.Item, name: str) -> str:
    """A name of a test without the event loop it runs on: ``test_book[asyncio-BTC]`` -> ``test_book[BTC]``."""
    called = getattr(item, "callspec", None)
    backend = called.params.get("anyio_backend") if called is not None else None
    if called is None or backend is None:
        return name
    parts = called.id.split("-")
    loop = backend if isinstance(backend, str) else backend[0]
    if loop in parts:
        parts.remove(loop)
    return name.replace(f"[{called.id}]", f"[{'-'.join(parts)}]" if parts else "")


@pytest.fixture(autouse=True)
def _venuekit_recordings(
    request: pytest.FixtureRequest, block_network: None, vcr: Cassette | None
) -> Iterator[None]:
    """Below pytest-recording's own fixtures: whole URLs for its cassette, and no network unless it records."""
    if not venue_of(request.node):
        yield
        return
    from venuekit_testkit.cassettes.network import no_network

    with ExitStack() as stack:
        if vcr is not None:
            from venuekit_testkit.cassettes.recording import whole_urls

            stack.enter_context(whole_urls())
        if vcr is None or vcr.record_mode == "none" or not _recording(request.config):
            stack.enter_context(no_network(request.getfixturevalue("allowed_hosts") or ()))
        yield


# The guard


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Search every recording that lies in a folder of tests."""
    if not parent.config.getini("venuekit_cassettes") or not _recorded(file_path):
        return None
    return RecordedFile.from_parent(parent, path=file_path)


def _recorded(path: Path) -> bool:
    """Whether a file is a tape or a cassette, also one that a crash left unfinished."""
    name = path.name.removesuffix(".part")
    if name.endswith(_TAPES):
        return True
    return name.endswith(_CASSETTES) and "\ninteractions:" in f"\n{path.read_text('utf-8', 'replace')}"


class RecordedFile(pytest.File):
    """A cassette, a tape or a sidecar."""

    def collect(self) -> Iterable[pytest.Item]:
        """The one thing that is asked of it."""
        yield Secrets.from_parent(self, name="secrets")


class Secrets(pytest.Item):
    """Whether a recording holds anything that looks secret."""

    def runtest(self) -> None:
        """Fail where something is found."""
        from venuekit_testkit.cassettes.recording import search
        from venuekit_testkit.cassettes.rules import secrets_of

        public = self.config.getini("venuekit_public")
        search(self.path, secrets_of(venue_of(self)), self.path.name, public)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """How it is called in a report."""
        return self.path, None, f"{self.path.name} holds no secret"
