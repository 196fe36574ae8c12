"""Reading tapes: forms of files, headers, sidecars, damage."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from venuekit.tapes import Header, Record, TapeDamaged, open_tape
from venuekit.tapes.reader import tape_name
from venuekit.tapes.records import encode_header, encode_record
from venuekit_spec import LocalError

RECORDS = [Record(1_000 + n, "ws", "in", "ws.1", "wss://x", f'{{"n":{n}}}'.encode()) for n in range(2_000)]
LINES = b"".join(encode_record(record) for record in RECORDS)
HEADER = Header(venue="kraken", pairs=("BTC-EUR",))

FORMS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": zstandard.ZstdCompressor().compress,
}
forms = pytest.mark.parametrize("suffix", FORMS)


def written(folder: Path, content: bytes, name: str = "T.jsonl") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


@forms
def test_every_form_is_read(tmp_path: Path, suffix: str) -> None:
    """Plain, gzip and Zstandard tapes give the same header and records, as often as they are walked."""
    path = written(tmp_path, FORMS[suffix](encode_header(HEADER) + LINES), f"T{suffix}")
    tape = open_tape(path)
    assert tape.header == HEADER
    assert list(tape) == list(enumerate(RECORDS))
    assert list(tape) == list(enumerate(RECORDS))
    assert not tape.truncated


@forms
def test_the_name_does_not_decide(tmp_path: Path, suffix: str) -> None:
    """A tape is recognised by its bytes, also under the name of an unfinished recording."""
    path = written(tmp_path, FORMS[suffix](LINES), "T.jsonl.gz.part")
    assert [record for _, record in open_tape(path)] == RECORDS


@forms
def test_streams_in_a_row_are_one_tape(tmp_path: Path, suffix: str) -> None:
    """Files that were put together (``cat a.gz b.gz``) are read as one."""
    pieces = [FORMS[suffix](encode_record(record)) for record in RECORDS[:50]]
    tape = open_tape(written(tmp_path, b"".join(pieces)))
    assert list(tape) == list(enumerate(RECORDS[:50]))
    assert not tape.truncated


def test_a_tape_without_a_header_has_none(tmp_path: Path) -> None:
    """Records count from 0 whether or not there is a header, and `header` is None without one."""
    tape = open_tape(written(tmp_path, LINES))
    assert tape.header is None
    assert next(iter(tape)) == (0, RECORDS[0])


def test_an_empty_file_is_an_empty_tape(tmp_path: Path) -> None:
    """No records, no header, no error."""
    tape = open_tape(written(tmp_path, b""))
    assert (tape.header, list(tape), tape.truncated) == (None, [], False)


@given(cut=st.integers(1, len(LINES) - 1))
def test_a_plain_tape_may_be_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Of a plain file cut at any byte every whole record is read, and it is flagged unless the cut is between records."""
    tape = open_tape(written(tmp_path_factory.mktemp("cut"), LINES[:cut]))
    whole = LINES[:cut].count(b"\n") + (LINES[cut : cut + 1] == b"\n")
    assert [record for _, record in tape] == RECORDS[:whole]
    assert tape.truncated == (LINES[cut - 1 : cut] != b"\n" and LINES[cut : cut + 1] != b"\n")


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_compressed_tape_may_be_cut(tmp_path: Path, suffix: str) -> None:
    """Of a compressed file cut short what can be had is read in order, and it is flagged."""
    packed = FORMS[suffix](LINES)
    for cut in (len(packed) - 1, len(packed) // 2, 12):
        tape = open_tape(written(tmp_path, packed[:cut]))
        read = [record for _, record in tape]
        assert read == RECORDS[: len(read)]
        assert tape.truncated


def test_a_last_line_without_its_end_counts_when_it_is_whole(tmp_path: Path) -> None:
    """An editor that leaves out the last line feed costs no record."""
    tape = open_tape(written(tmp_path, LINES.rstrip(b"\n")))
    assert sum(1 for _ in tape) == len(RECORDS)
    assert not tape.truncated


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b'{"tape":1}', b"recorded by hand"])
def test_damage_in_the_middle_is_an_error_that_says_where(tmp_path: Path, damage: bytes) -> None:
    """A line that cannot be read raises `TapeDamaged` with file and line, after what comes before it was read."""
    path = written(tmp_path, encode_record(RECORDS[0]) + damage + b"\n" + encode_record(RECORDS[1]))
    walk = iter(open_tape(path))
    assert next(walk) == (0, RECORDS[0])
    with pytest.raises(TapeDamaged) as caught:
        next(walk)
    assert (caught.value.path, caught.value.line) == (str(path), 2)


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_damage_of_the_compression_is_an_error(tmp_path: Path, suffix: str) -> None:
    """Bytes that make no sense to the decompressor raise `TapeDamaged`, not an error of the library."""
    packed = FORMS[suffix](LINES)
    path = written(tmp_path, packed + b"what follows is no compressed stream")
    with pytest.raises(TapeDamaged, match="decompressed"):
        list(open_tape(path))


def test_a_newer_tape_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    """A header of a later format raises `TapeDamaged` at once."""
    with pytest.raises(TapeDamaged, match="format 9"):
        open_tape(written(tmp_path, b'{"tape":9}\n'))


def test_zstandard_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the zstandard package the error carries the pip line; other tapes need it not."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(LocalError, match=r"pip install 'venuekit\[zstd\]'"):
        open_tape(written(tmp_path, FORMS[".jsonl.zst"](LINES)))
    assert sum(1 for _ in open_tape(written(tmp_path, FORMS[".jsonl.gz"](LINES)))) == len(RECORDS)


def inserted(at: int, payload: bytes, instant: int = 0) -> bytes:
    """A line of a sidecar, without a time where `instant` is 0."""
    record = Record(instant, "http", "in", "http", "https://x/info", payload)
    encoded = encode_record(record, at=at)
    return encoded if instant else encoded.replace(b'"recv_ts":0.000000000,', b"")


@forms
def test_a_sidecar_is_found_and_woven_in(tmp_path: Path, suffix: str) -> None:
    """Records of the sidecar beside a tape come before the record they name, without an index, at its instant or theirs."""
    path = written(tmp_path, FORMS[suffix](encode_header(HEADER) + LINES), f"T{suffix}")
    lines = inserted(3, b"late") + inserted(0, b"first") + inserted(3, b"timed", 77) + inserted(9_999, b"end")
    written(tmp_path, lines, "T.sidecar.jsonl")
    walked = list(open_tape(path))
    plain = [(index, record) for index, record in walked if index is not None]
    assert plain == list(enumerate(RECORDS))
    shape = [(index, record.payload, record.instant) for index, record in walked]
    assert shape[0] == (None, b"first", 1_000)
    assert shape[4:6] == [(None, b"late", 1_003), (None, b"timed", 77)]
    assert shape[6] == (3, b'{"n":3}', 1_003)
    assert shape[-1] == (None, b"end", 2_999)


def test_a_sidecar_supplies_the_header(tmp_path: Path) -> None:
    """A recording without a header gets the sidecar's; a header it has is changed member by member."""
    side = written(tmp_path, encode_header(Header(venue="okx", connections=("ws.1",))), "S.jsonl")
    assert open_tape(written(tmp_path, LINES), side).header == Header(venue="okx", connections=("ws.1",))
    own = written(tmp_path, encode_header(HEADER) + LINES, "H.jsonl")
    assert open_tape(own, side).header == Header(venue="okx", pairs=("BTC-EUR",), connections=("ws.1",))


@pytest.mark.parametrize("bad", [encode_record(RECORDS[0]), b"{\n", b'{"at":1'])
def test_a_damaged_sidecar_is_an_error(tmp_path: Path, bad: bytes) -> None:
    """A sidecar is written by hand: every line of it must be right, the last one too."""
    side = written(tmp_path, inserted(0, b"fine") + bad, "S.jsonl")
    with pytest.raises(TapeDamaged) as caught:
        open_tape(written(tmp_path, LINES), side)
    assert (caught.value.path, caught.value.line) == (str(side), 2)


def test_names_of_tapes() -> None:
    """A tape and its compressed or unfinished forms have one name, and so one sidecar."""
    for suffix in (*FORMS, ".jsonl.gz.part", ".jsonl.part"):
        assert tape_name(Path(f"a/KRAKEN{suffix}")) == "KRAKEN"


def test_the_connections_of_a_tape_are_listed(tmp_path: Path) -> None:
    """`opens` tells which connections the tape opens, in order, those of a sidecar included, and nothing else."""
    first, second, third = (Record(1, "ws", "open", f"ws.{n}", f"wss://x/{n}") for n in (1, 2, 3))
    talk = Record(1, "ws", "in", "ws.1", "wss://x", b'"dir":"open"')
    lines = encode_header(HEADER) + b"".join(encode_record(record) for record in (first, talk, third))
    side = written(tmp_path, encode_record(second, at=1), "S.jsonl")
    tape = open_tape(written(tmp_path, lines), side)
    assert tape.opens() == [("ws.1", "wss://x/1"), ("ws.2", "wss://x/2"), ("ws.3", "wss://x/3")]
    assert tape.count() == 4
    damaged = open_tape(written(tmp_path, encode_record(first) + b'{"dir":"open"}\n', "D.jsonl"))
    with pytest.raises(TapeDamaged, match="line 2"):
        damaged.opens()
