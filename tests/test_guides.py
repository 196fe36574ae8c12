"""The guides: every example is followed to the letter, and what it claims is so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.pages import Reader

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture
def reader(anyio_backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Somebody in an empty folder, without credentials of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VENUEKIT_CREDENTIALS", str(tmp_path / "none.toml"))
    reader = Reader(anyio_backend, tmp_path, monkeypatch)
    yield reader
    reader.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio", pytest.param("trio", marks=pytest.mark.soak)])
def test_the_users_guide_runs(reader: Reader) -> None:
    """Every block of the user's guide does what it says, against a venue on this machine."""
    assert reader.follow(DOCS / "users-guide.md") >= 40


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
def test_the_authors_guide_runs(reader: Reader) -> None:
    """The connector of the author's guide is written, read, traded with, and passes the suite."""
    assert reader.follow(DOCS / "authors-guide.md") >= 18
