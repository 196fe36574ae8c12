"""What we would release works where nothing else of ours is: wheels, an empty environment, a connector found."""

import json
import subprocess
import sys
import venv
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = ("venuekit_spec", "venuekit", "venuekit_binance")

pytestmark = pytest.mark.xdist_group("packaging")  # one worker builds and installs, not each
LOAD = """
import sys
from venuekit.loader import installed_connectors, load_connector
assert [connector.venue for connector in installed_connectors()] == ["binance"]
assert "venuekit_binance" not in sys.modules, "listing the connectors imported one"
assert load_connector("binance").description.venue == "binance"
assert all("site-packages" in sys.modules[name].__file__ for name in ("venuekit", "venuekit_spec", "venuekit_binance"))
"""

LIST = """
from importlib.metadata import distributions
print(*(distribution.name for distribution in distributions()))
"""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of every distribution, made and checked by ``./x build``'s own function."""
    loader = SourceFileLoader("x", str(ROOT / "x"))
    spec = spec_from_loader("x", loader)
    assert spec is not None
    x = module_from_spec(spec)
    sys.modules["x"] = x
    loader.exec_module(x)
    out = tmp_path_factory.mktemp("dist")
    outcomes = x.build_distributions(out, Path(sys.executable))
    assert x.report(outcomes) == 0
    return out


@pytest.fixture(scope="session")
def elsewhere(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that has the core and one connector, and nothing that links to this repository."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, symlinks=True)
    # Files, not names: nobody asks an index for a name that is ours.
    ours = [file for package in INSTALLED for file in wheels.glob(f"{package}-[0-9]*.whl")]
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install"]
    subprocess.run([*pip, "-qq", "--no-compile", "--disable-pip-version-check", *ours], check=True)
    return home / "bin"


def said(*command: str | Path) -> str:
    """What a command prints, run where this repository cannot be seen; it must succeed."""
    done = subprocess.run(command, cwd=Path(command[0]).parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_distribution_builds(wheels: Path) -> None:
    """Each distribution of the workspace gives one sdist and one wheel that keep what `./x build` promises."""
    count = sum(1 for place in ("framework", "plugins") for _ in ROOT.glob(f"{place}/*/pyproject.toml"))
    assert (len(list(wheels.glob("*.tar.gz"))), len(list(wheels.glob("*.whl")))) == (count, count)


@pytest.mark.parametrize("start", [("venuekit",), ("python", "-m", "venuekit")], ids=" ".join)
def test_an_installed_connector_is_listed(elsewhere: Path, start: tuple[str, ...]) -> None:
    """The command line finds the connector that was installed beside the core, and no other."""
    listed = json.loads(said(elsewhere / start[0], *start[1:], "connectors", "--json"))
    assert [connector["venue"] for connector in listed] == ["binance"]


def test_an_installed_connector_loads(elsewhere: Path) -> None:
    """The core loads the connector by its venue's name, and not before it is asked to."""
    said(elsewhere / "python", "-I", "-c", LOAD)


def test_nothing_of_the_workshop_is_installed(elsewhere: Path) -> None:
    """A user gets no test tool, no linter and no simulator with the core."""
    listed = said(elsewhere / "python", "-c", LIST).split()
    assert {"pytest", "hatchling", "trio", "venuekit-simulator", "venuekit-testkit"}.isdisjoint(listed)
