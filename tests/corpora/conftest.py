"""Where the recordings of real venues lie, for the tests that read them.

They are not part of the repository. They are looked for in the folder that the environment variable VENUEKIT_CORPORA names,
else in `shared/corpora` beside the repository; without them the tests are skipped. The expected results of an independent
reference lie in `oracle` beside them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("VENUEKIT_CORPORA") or REPOSITORY.parent / "shared" / "corpora").resolve()
ABSENT = "no recordings: set VENUEKIT_CORPORA, or put them into ../shared/corpora"


def found(pattern: str = "*") -> list[Path]:
    """The recordings whose names match, in order; `pattern` is a glob without the ending."""
    return sorted(FOLDER.glob(f"{pattern}.jsonl.gz"))


@pytest.fixture(scope="session")
def corpora() -> Callable[[str], list[Path]]:
    """``corpora(pattern)``: the recordings whose names match, at least one; the test is skipped where there is none."""

    def matching(pattern: str) -> list[Path]:
        paths = found(pattern)
        if not paths:
            pytest.skip(ABSENT)
        return paths

    return matching


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder with what an independent reference makes of each recording."""
    folder = FOLDER.parent / "oracle"
    if not folder.is_dir():
        pytest.skip(ABSENT)
    return folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `corpus` runs once for each recording."""
    if "corpus" in metafunc.fixturenames:
        recordings = [pytest.param(path, id=path.name.partition(".")[0]) for path in found()]
        absent = pytest.param(Path(), id="none", marks=pytest.mark.skip(reason=ABSENT))
        metafunc.parametrize("corpus", recordings or [absent])
