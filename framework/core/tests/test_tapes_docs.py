"""The page about tapes: its examples are lines of the format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from venuekit.tapes import open_tape
from venuekit.tapes.matching import IGNORED
from venuekit.tapes.records import Direction, decode_record

PAGE = Path(__file__).parents[3] / "docs" / "tapes.md"


@pytest.fixture
def page() -> str:
    """The text of the page."""
    if not PAGE.is_file():
        pytest.skip("the documentation is not part of this source distribution")
    return PAGE.read_text()


def blocks(page: str, language: str) -> list[bytes]:
    """The examples in this language."""
    return [
        block.encode() for block in re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    ]


def test_the_examples_are_a_tape(page: str, tmp_path: Path) -> None:
    """The header and the records of the page, put together, are a tape that the reader reads."""
    path = tmp_path / "T.jsonl"
    path.write_bytes(b"".join(blocks(page, "json")))
    tape = open_tape(path)
    assert tape.header is not None
    assert tape.header.venue == "binance"
    assert {(record.channel, record.direction) for _, record in tape} >= {
        ("http", "in"),
        ("http", "out"),
        ("http", "fail"),
        *(("ws", direction) for direction in get_args(Direction)),
    }


def test_the_sidecar_example_is_one(page: str, tmp_path: Path) -> None:
    """The sidecar of the page adds its header and its record to the tape of the page."""
    path, side = tmp_path / "T.jsonl", tmp_path / "T.sidecar.jsonl"
    path.write_bytes(b"".join(blocks(page, "json")))
    (sidecar,) = blocks(page, "jsonl sidecar")
    side.write_bytes(sidecar)
    tape = open_tape(path)
    assert tape.header is not None
    assert (tape.header.venue, tape.header.connections) == ("kraken", ("ws.50",))
    index, record = next(iter(tape))
    assert (index, record.channel) == (None, "http")


def test_the_page_tells_the_rules_of_the_code(page: str) -> None:
    """Every direction and every ignored parameter is on the page."""
    for word in (*get_args(Direction), *IGNORED):
        assert f"`{word}`" in page


def test_records_of_the_page_are_written_as_the_recorder_writes_them(page: str) -> None:
    """The instants of the examples have nine decimals, as recorded ones have."""
    lines = [line for block in blocks(page, "json") for line in block.splitlines() if b"recv_ts" in line]
    assert len(lines) == 10
    for line in lines:
        assert decode_record(line).instant
        assert re.search(rb'"recv_ts":\d+\.\d{9},', line)
