"""Reading tapes: a line at a time, plain, gzip or Zstandard, with what a sidecar adds.

1. The compression is told by the first bytes of the file, not by its name.
2. A file that ends inside a record or inside its compression was cut by a crash: what is whole is read, and
   `Tape.truncated` says so. Any other line that cannot be read raises `TapeDamaged` with file and line. A JSON object is
   whole or invalid, so a last line without its line feed counts when it can be read.
3. The payload of a record that names an exchange of a cassette is read from there; where both do not fit that is
   `TapeDamaged` too.
4. A sidecar inserts records (``"at": k``: before record k of the tape) and supplies or overrides members of the header.
   ``NAME.sidecar.jsonl`` beside ``NAME.jsonl``, ``NAME.jsonl.gz`` or ``NAME.jsonl.zst`` is found by itself.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from msgspec.structs import replace

from venuekit.tapes.cassettes import Taken, completed, read_cassette
from venuekit.tapes.records import (
    Header,
    Inserted,
    Record,
    TapeDamaged,
    decode_inserted,
    decode_record,
    header_members,
    header_of,
    is_header,
)
from venuekit_spec import Instant, LocalError

SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
"""How the names of tapes end. A recorder that has not finished adds ``.part``."""

_SIDECAR: Final = ".sidecar"
_CHUNK: Final = 1 << 18
_GZIP_WINDOW: Final = 31

ZSTANDARD_MISSING: Final = "Zstandard tapes need the package zstandard: pip install 'venuekit[zstd]'"


_OPEN_MARK: Final = re.compile(rb'"dir"\s*:\s*"open"')


class Inflater(Protocol):
    """What zlib and zstandard agree on."""

    @property
    def eof(self) -> bool:
        """The end of the compressed stream was seen."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows that end."""
        ...

    def decompress(self, data: bytes, /) -> bytes:
        """The next plain bytes."""
        ...


_Opening: TypeAlias = tuple[Inflater, type[Exception]]
"""An inflater, and what it raises on bytes that make no sense."""


def _gzip_inflater() -> _Opening:
    return zlib.decompressobj(_GZIP_WINDOW), zlib.error


def _zstd_inflater() -> _Opening:
    try:
        import zstandard
    except ImportError:
        raise LocalError(ZSTANDARD_MISSING) from None
    return zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError


_MAGIC: Final[tuple[tuple[bytes, Callable[[], _Opening]], ...]] = (
    (b"\x1f\x8b", _gzip_inflater),
    (b"\x28\xb5\x2f\xfd", _zstd_inflater),
)


class Lines:
    """The lines of one file, without their line feeds. Raises `TapeDamaged` where it cannot be decompressed.

    `unterminated` while the last line is given out and had no line feed, `cut` once the compression ended too early.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unterminated = False
        self.cut = False

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._plain():
            lines = chunk.split(b"\n")
            lines[0] = rest + lines[0]
            rest = lines.pop()
            yield from lines
        if rest:
            self.unterminated = True
            yield rest

    def _plain(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            first = file.read(_CHUNK)
            make = next((make for magic, make in _MAGIC if first.startswith(magic)), None)
            if make is None:
                while first:
                    yield first
                    first = file.read(_CHUNK)
                return
            yield from self._inflated(make, first, lambda: file.read(_CHUNK))

    def _inflated(
        self, make: Callable[[], _Opening], data: bytes, read: Callable[[], bytes]
    ) -> Iterator[bytes]:
        """Several compressed streams in a row are one file, as both formats allow."""
        inflater, senseless = make()
        while data:
            if inflater.eof:
                inflater, senseless = make()
            try:
                plain = inflater.decompress(data)
            except senseless as error:
                raise TapeDamaged(f"it cannot be decompressed: {error}", path=str(self.path)) from None
            if plain:
                yield plain
            data = (inflater.unused_data if inflater.eof else b"") or read()
        self.cut = not inflater.eof


class Tape:
    """A tape that can be walked as often as wanted. Made by `open_tape`.

    `header` is None for a recording that has none and no sidecar to supply one.
    """

    def __init__(
        self, path: Path, sidecar: Path | None, header: Header | None, inserted: tuple[Inserted, ...]
    ) -> None:
        self.path = path
        self.sidecar = sidecar
        self.header = header
        self.truncated = False
        """The file ends inside a record or its compression; known once it was walked to its end."""
        self._inserted = inserted
        self._cassette: Sequence[Taken] | None = None

    def __repr__(self) -> str:
        return f"<Tape {self.path.name}>"

    def __iter__(self) -> Iterator[tuple[int | None, Record]]:
        """Pairs of record index and record; the index of a record that a sidecar inserts is None.

        Raises `TapeDamaged` at the first line that cannot be read.
        """
        return self._merged() if self._inserted else self._records()

    def count(self) -> int:
        """How many records the tape has, inserted ones included. Reads the whole file, decodes nothing."""
        lines = Lines(self.path)
        return sum(not (number == 0 and _is_header(line)) for number, line in enumerate(lines)) + len(
            self._inserted
        )

    def opens(self) -> list[tuple[str, str]]:
        """The connections that the tape opens, in order: name and URL. Reads the whole file, decodes next to nothing."""
        opens = [
            (insert.at, insert.record.connection, insert.record.url)
            for insert in self._inserted
            if insert.record.direction == "open"
        ]
        lines = Lines(self.path)
        shift = 0
        for index, line in enumerate(lines):
            if index == 0 and _is_header(line):
                shift = 1
            if _OPEN_MARK.search(line) and not lines.unterminated:
                try:
                    record = decode_record(line)
                except ValueError as error:
                    raise TapeDamaged(str(error), path=str(self.path), line=index + 1) from None
                opens.append((index - shift, record.connection, record.url))
        return [(connection, url) for _, connection, url in sorted(opens, key=lambda found: found[0])]

    def _merged(self) -> Iterator[tuple[int | None, Record]]:
        waiting = iter(self._inserted)
        insert = next(waiting, None)
        instant = 0
        for index, record in self._records():
            instant = record.instant
            while insert is not None and insert.at <= index:
                yield None, _timed(insert, instant)
                insert = next(waiting, None)
            yield index, record
        while insert is not None:
            yield None, _timed(insert, instant)
            insert = next(waiting, None)

    def _records(self) -> Iterator[tuple[int, Record]]:
        lines = Lines(self.path)
        self.truncated = False
        index = 0
        for number, line in enumerate(lines, 1):
            try:
                record = decode_record(line)
                if record.take >= 0:
                    record = completed(record, self._taken())
            except ValueError as error:
                if number == 1 and _is_header(line):
                    continue
                if lines.unterminated:
                    self.truncated = True
                    return
                raise TapeDamaged(str(error), path=str(self.path), line=number) from None
            yield index, record
            index += 1
        self.truncated = lines.cut

    def _taken(self) -> Sequence[Taken]:
        """The cassette, read once. Raises `TapeDamaged`."""
        if self._cassette is None:
            named = self.header.cassette if self.header is not None else ""
            if not named:
                raise TapeDamaged(
                    "its records are of a cassette that its header does not name", path=str(self.path)
                )
            try:
                self._cassette = read_cassette(self.path.parent / named)
            except ValueError as error:
                raise TapeDamaged(str(error), path=str(self.path)) from None
        return self._cassette


def _timed(insert: Inserted, instant: Instant) -> Record:
    return insert.record if insert.timed else replace(insert.record, instant=instant)


def _is_header(line: bytes) -> bool:
    try:
        return is_header(line)
    except ValueError:
        return False


def open_tape(path: str | PathLike[str], sidecar: str | PathLike[str] | None = None) -> Tape:
    """The tape in this file, with its sidecar: the one given, else the one beside it, if there is one.

    Reads the header and the sidecar now, the records when the tape is walked. Raises `TapeDamaged` on what cannot be read,
    `LocalError` where Zstandard is not installed, `FileNotFoundError`.
    """
    file = Path(path)
    beside = Path(sidecar) if sidecar is not None else sidecar_beside(file)
    members = _header_members(file)
    inserted: tuple[Inserted, ...] = ()
    if beside is not None:
        more, inserted = _read_sidecar(beside)
        if more is not None:
            members = {**(members or {}), **more}
    if members is None:
        return Tape(file, beside, None, inserted)
    try:
        header = header_of(members)
    except ValueError as error:
        raise TapeDamaged(str(error), path=str(file), line=1) from None
    return Tape(file, beside, header, inserted)


def sidecar_beside(path: Path) -> Path | None:
    """The sidecar that lies beside a tape, None where there is none."""
    name = tape_name(path)
    for suffix in SUFFIXES:
        beside = path.with_name(f"{name}{_SIDECAR}{suffix}")
        if beside != path and beside.is_file():
            return beside
    return None


def tape_name(path: Path) -> str:
    """The name of a tape without what tells its form: ``KRAKEN`` of ``KRAKEN.jsonl.gz.part``."""
    name = path.name.removesuffix(".part")
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _header_members(path: Path) -> dict[str, object] | None:
    first = next(iter(Lines(path)), b"")
    return header_members(first) if _is_header(first) else None


def _read_sidecar(path: Path) -> tuple[dict[str, object] | None, tuple[Inserted, ...]]:
    """What a sidecar adds: members of the header, records in the order of their places. A sidecar is small."""
    members = _header_members(path)
    inserted: list[Inserted] = []
    lines = Lines(path)
    for number, line in enumerate(lines, 1):
        if number == 1 and members is not None:
            continue
        try:
            inserted.append(decode_inserted(line))
        except ValueError as error:
            raise TapeDamaged(str(error), path=str(path), line=number) from None
    if lines.cut:
        raise TapeDamaged("it ends inside its compression", path=str(path))
    return members, tuple(sorted(inserted, key=lambda insert: insert.at))
