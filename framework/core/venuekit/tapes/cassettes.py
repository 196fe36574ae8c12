"""Cassettes: files beside tapes that hold what HTTP said, where one recording makes both.

1. The tape keeps the timeline: every record, with its instant. Only the bodies of HTTP are in the cassette; the record of a
   response names its exchange by a number (``take``), the header of the tape names the file.
2. What a cassette looks like is not known here. A *form* reads and writes it, found through an entry point of the group
   ``venuekit.cassettes``; venuekit-testkit brings one, of vcrpy's files.
3. A reader gets records that are whole (`venuekit.tapes.reader`). So everything behind it, the player above all, knows
   nothing of cassettes, and both are played on one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from venuekit.tapes.records import Header, Record
from venuekit.tapes.scrub import Scrubber
from venuekit_spec import HttpRequest, HttpResponse, LocalError

GROUP: Final = "venuekit.cassettes"
"""Entry-point group of the forms of cassettes."""

MISSING: Final = "cassettes need venuekit-testkit with its extra: pip install 'venuekit-testkit[cassettes]'"


class Taken(Struct, frozen=True):
    """One exchange as a cassette has it."""

    method: str
    url: str
    status: int
    body: bytes


class CassetteWriter(Protocol):
    """A cassette that is being recorded."""

    def add(self, request: HttpRequest, response: HttpResponse) -> int:
        """Append an exchange, scrubbed; its number, from 0. Returns at once. The URL was scrubbed before."""
        ...

    def finish(self) -> None:
        """Wait until all is on disk, and give the file its name. Raises `LocalError` where that failed."""
        ...


class CassetteForm(Protocol):
    """Reads and writes cassettes of one kind."""

    def read(self, path: Path) -> Sequence[Taken]:
        """All exchanges of a file. Raises `OSError`, and `ValueError` for what is no cassette."""
        ...

    def write(self, path: Path, header: Header, scrubber: Scrubber) -> CassetteWriter:
        """Begin a file beside a tape with this header. Raises `LocalError` where the name is taken or of another kind."""
        ...


def cassette_form() -> CassetteForm:
    """The form that is installed. Raises `LocalError`, saying what to install."""
    for entry in entry_points(group=GROUP):
        try:
            return cast("CassetteForm", entry.load())
        except ImportError:
            raise LocalError(MISSING) from None
    raise LocalError(MISSING)


def on_disk(path: Path) -> Path:
    """The file that has a cassette: the one of its name, or what a recorder that crashed has left (``.part``)."""
    unfinished = path.with_name(path.name + ".part")
    return unfinished if unfinished.exists() and not path.exists() else path


def read_cassette(path: Path) -> Sequence[Taken]:
    """The exchanges of a cassette, also of one whose recorder crashed (``.part``).

    Raises `ValueError` with the reason where it is missing or unreadable, and `LocalError` where no form is installed.
    """
    form = cassette_form()
    try:
        return form.read(on_disk(path))
    except OSError as error:
        raise ValueError(f"its cassette {path.name} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"its cassette {path.name} is damaged: {error}") from None


def completed(record: Record, cassette: Sequence[Taken]) -> Record:
    """A record with the payload that the cassette has for it. Raises `ValueError` where that is of another exchange."""
    if record.take >= len(cassette):
        raise ValueError(f"its cassette has {len(cassette)} exchanges and none of number {record.take}")
    taken = cassette[record.take]
    told = (taken.method, urlsplit(taken.url).path, taken.status)
    if told != (record.method, urlsplit(record.url).path, record.status):
        raise ValueError(
            f"exchange {record.take} of its cassette is another one; they were not recorded together"
        )
    return replace(record, payload=taken.body or None)
