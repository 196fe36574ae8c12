"""The loader, on distributions that exist only as metadata in a temporary folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from venuekit import (
    ConnectorBroken,
    ConnectorError,
    ConnectorNotInstalled,
    ContractMismatch,
    connect,
    installed_connectors,
    load_connector,
)
from venuekit_spec import CONTRACT_VERSION, LocalError

GOOD = """
from venuekit_spec import Description, Environment, hookimpl

@hookimpl
def describe():
    return Description(
        venue={venue!r}, name="A toy", environments=(Environment("local", {{}}),), kinds=frozenset(),
        capabilities=frozenset(), topics=(), links=(), contract={contract!r},
    )

@hookimpl
def data_source(environment):
    raise NotImplementedError
"""

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a connector: ``install(venue, source=..., requires=...)`` writes its metadata and its module."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(
        venue: str,
        source: str = GOOD,
        *,
        folder: str = "",
        contract: str = CONTRACT_VERSION,
        describes: str = "",
        requires: tuple[str, ...] = (),
        told: bool = True,
    ) -> str:
        place = tmp_path / folder
        name = f"fake_{folder}{venue}"
        info = place / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        if told:
            lines = [
                "Metadata-Version: 2.1",
                f"Name: {name}",
                "Version: 1.2",
                f"Summary: Connects to {venue}",
            ]
            lines += [f"Requires-Dist: {line}" for line in requires]
            (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "entry_points.txt").write_text(f"[venuekit.connectors]\n{venue} = {name}\n")
        text = source.format(venue=describes or venue, contract=contract) if source == GOOD else source
        (place / f"{name}.py").write_text(text)
        return name

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("fake_"):
            del sys.modules[name]


def test_listing_reads_metadata_and_imports_nothing(install: Install) -> None:
    """What is installed is told from metadata, sorted by venue; no connector is imported for it."""
    names = [install(venue) for venue in ("zeta", "alpha")]
    found = {item.venue: item for item in installed_connectors()}
    assert list(found) == sorted(found)
    alpha = found["alpha"]
    assert (alpha.distribution, alpha.version, alpha.module) == ("fake_alpha", "1.2", "fake_alpha")
    assert alpha.summary == "Connects to alpha"
    assert not set(names) & set(sys.modules)


def test_loading_imports_that_one_only(install: Install) -> None:
    """Loading one venue leaves the others alone, and tells what the connector offers."""
    alpha, zeta = install("alpha"), install("zeta")
    loaded = load_connector("alpha")
    assert loaded.description.venue == "alpha"
    assert loaded.installed.distribution == "fake_alpha"
    assert loaded.offers("data_source")
    assert not loaded.offers("market")
    assert alpha in sys.modules
    assert zeta not in sys.modules


def test_not_installed(install: Install) -> None:
    """An unknown venue is told with the line that installs it, and with what there is."""
    install("alpha")
    with pytest.raises(ConnectorNotInstalled) as caught:
        load_connector("deep_sea_exchange")
    message = str(caught.value)
    assert message.startswith("no connector 'deep_sea_exchange' is installed (installed: ")
    assert "alpha" in message
    assert message.endswith("try: pip install venuekit-deep-sea-exchange")
    assert caught.value.venue == "deep_sea_exchange"
    assert isinstance(caught.value, LocalError)


def test_misspelt(install: Install) -> None:
    """A name that is nearly one that is installed is met with a question."""
    install("alphabetica")
    with pytest.raises(ConnectorNotInstalled, match="did you mean 'alphabetica'"):
        load_connector("alfabetica")


BROKEN = {
    "import": ("import a_module_that_nobody_has", "cannot be imported", ModuleNotFoundError),
    "syntax": ("def (", "cannot be imported", SyntaxError),
    "raise": ("raise RuntimeError('no licence key')", "no licence key", RuntimeError),
    "describe": (
        "from venuekit_spec import hookimpl\n@hookimpl\ndef describe():\n    raise KeyError('name')",
        "does not describe itself: KeyError",
        KeyError,
    ),
    "arguments": (
        "from venuekit_spec import hookimpl\n@hookimpl\ndef data_source(nonsense):\n    pass",
        "does not describe itself",
        Exception,
    ),
    "unknown hook": (
        "from venuekit_spec import hookimpl\n@hookimpl\ndef make_me_rich():\n    pass",
        "make_me_rich",
        Exception,
    ),
    "nothing": ("", r"has no describe\(\) that returns a Description", None),
    "wrong type": (
        "from venuekit_spec import hookimpl\n@hookimpl\ndef describe():\n    return {'venue': 'alpha'}",
        r"has no describe\(\) that returns a Description",
        None,
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_connector(how: str, install: Install) -> None:
    """A connector that does not import, does not fit the hooks or does not describe itself is named, with the cause."""
    source, told, cause = BROKEN[how]
    install("alpha", source)
    with pytest.raises(ConnectorBroken, match=told) as caught:
        load_connector("alpha")
    assert caught.value.venue == "alpha"
    if cause is None:
        assert caught.value.__cause__ is None
    else:
        assert isinstance(caught.value.__cause__, cause)


def test_wrong_venue(install: Install) -> None:
    """A connector that describes another venue than its entry point says is broken."""
    install("alpha", describes="omega")
    with pytest.raises(ConnectorBroken, match="'alpha' describes itself as 'omega'"):
        load_connector("alpha")


MAJOR, MINOR = (int(part) for part in CONTRACT_VERSION.split("."))


@pytest.mark.parametrize("contract", [f"{MAJOR + 1}.0", f"{MAJOR}.{MINOR + 1}", "0.1", "one", ""])
def test_contract_mismatch(contract: str, install: Install) -> None:
    """A connector of another major contract, of a later minor or of none is refused, and both versions are told."""
    install("alpha", contract=contract)
    with pytest.raises(ContractMismatch) as caught:
        load_connector("alpha")
    assert f"made for contract {contract}," in str(caught.value)
    assert str(caught.value).endswith(f"this core speaks {CONTRACT_VERSION}")


def test_requirement_mismatch_is_found_before_the_import(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution that wants another spec is refused before its import can fail in a misleading way."""
    version = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "0.1.7" if name == "venuekit-spec" else version(name)
    )
    name = install("alpha", requires=("not a requirement!", "httpx", "venuekit-spec>=2,<3"))
    with pytest.raises(ContractMismatch, match=r"'alpha' wants venuekit-spec<3,>=2, installed is 0\.1\.7"):
        load_connector("alpha")
    assert name not in sys.modules
    install("beta", requires=("Venuekit_Spec>=0.1",))
    assert load_connector("beta").description.venue == "beta"


def test_source_tree_without_metadata(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the spec runs from a source tree that is not installed, the description's version decides alone."""

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    install("alpha", requires=("venuekit-spec>=99",))
    assert load_connector("alpha").description.venue == "alpha"


@pytest.mark.parametrize("how", BROKEN)
def test_broken_connector_breaks_nobody_else(how: str, install: Install) -> None:
    """Beside a broken connector a good one is listed and loaded as ever, before and after somebody ran into it."""
    install("bad", BROKEN[how][0])
    install("good")
    for _ in range(2):
        assert {"bad", "good"} <= {item.venue for item in installed_connectors()}
        assert load_connector("good").description.venue == "good"
        with pytest.raises(ConnectorError):
            load_connector("bad")


def test_distribution_without_metadata_breaks_nobody(install: Install) -> None:
    """A half-removed distribution that tells nothing but its entry point is listed, and the others with it."""
    install("bare", told=False)
    install("good")
    found = {item.venue: item for item in installed_connectors()}
    assert {"bare", "good"} <= set(found)
    assert (found["bare"].distribution, found["bare"].version, found["bare"].summary) == ("", "", "")
    assert load_connector("good").description.venue == "good"


def test_first_on_the_path_wins(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two distributions for one venue the one is used that an import would find first."""
    install("alpha")
    install("alpha", folder="first")
    monkeypatch.syspath_prepend(tmp_path / "first")
    assert load_connector("alpha").installed.module == "fake_firstalpha"
    assert [item.venue for item in installed_connectors()].count("alpha") == 1


def test_connect_without_installing(install: Install) -> None:
    """A module becomes a connector without a distribution; its name stands for one."""
    module = sys.modules[load_connector_module(install)]
    loaded = connect(module, "alpha")
    assert (loaded.installed.module, loaded.installed.distribution) == ("fake_alpha", "")


def load_connector_module(install: Install) -> str:
    """The name of a connector's module, imported."""
    name = install("alpha")
    load_connector("alpha")
    return name


BUDGET = """
import json, sys
import venuekit, {connector}
before = sorted(sys.modules)
venuekit.NetworkTransports.on(venuekit.SystemClock())
print(json.dumps([before, sorted(sys.modules)]))
"""


def test_import_budget() -> None:
    """The core with one venue imports no other venue, and no HTTP, WebSocket, terminal or table library until it is used."""
    pytest.importorskip("venuekit_binance")
    ran = subprocess.run(
        [sys.executable, "-c", BUDGET.format(connector="venuekit_binance")],
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = ({name.partition(".")[0] for name in names} for names in json.loads(ran.stdout))
    ours = {name for name in before if name.startswith("venuekit")}
    assert ours == {"venuekit", "venuekit_spec", "venuekit_binance"}
    optional = {"httpx", "websockets", "rich", "click", "pandas", "polars", "zstandard", "keyring", "trio"}
    assert not optional & before
    assert "websockets" in after
    assert not {"rich", "click", "pandas", "polars"} & after
