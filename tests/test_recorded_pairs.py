"""A tape and a cassette, made by one run against a local venue and replayed together on one clock, without a network."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import vcr  # type: ignore[import-untyped]
from attrs import frozen
from click.testing import CliRunner
from tests.pages import blocks_of
from vcr.record_mode import RecordMode  # type: ignore[import-untyped]

from venuekit import Exchange, LoadedConnector, Overflow, SystemClock, open_exchange
from venuekit.cli import record as record_command
from venuekit.cli import replay as replay_command
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.httpx_http import HttpxTransport
from venuekit.pacing import Pacer, PacerRegistry
from venuekit.tapes import Header, Recorder, TapeDamaged, open_tape
from venuekit_spec import (
    SECOND,
    Instant,
    InstrumentTable,
    LocalError,
    NetworkError,
    UnknownInstrument,
    VenuekitError,
)
from venuekit_testkit import Subject
from venuekit_testkit.cassettes import (
    CassetteRules,
    configure,
    findings,
    no_network,
    replaying,
    secrets_of,
    whole_urls,
)
from venuekit_testkit.scene import Crowd, stage

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[1] / "docs" / "tapes.md"
VENUES = ("exchange_a", "bitfinex")
SECONDS = 20.0
"""How long the recorded market is, on its own clock."""

Table = list[dict[str, object]]


@frozen
class Pair:
    """What one run has recorded, and the book as it was at its end."""

    subject: Subject
    tape: Path
    cassette: Path
    book: Table


@asynccontextmanager
async def market(subject: Subject, **opened: Any) -> AsyncIterator[Exchange]:
    """An exchange on a venue in this process, where others trade."""
    async with stage(subject) as there:
        Crowd(there.venue, there.engine, opened["pairs"], seed=7).come()
        inside: dict[str, Any] = {
            "clock": there.clock,
            "transports": there.venue,
            "pacers": PacerRegistry(),
            "seed": 1,
        }
        async with open_exchange(subject.connector, **opened | inside) as exchange:
            yield exchange


def pair_of(subject: Subject) -> str:
    """The first pair that the local venue trades."""
    return subject.venue_side.listings()[0].instrument.id


async def made(venue: str, folder: Path) -> Pair:
    """A recording of both."""
    subject = Subject.of(venue)
    tape, cassette = folder / "pair.jsonl.gz", folder / "pair.yaml"
    async with market(subject, pairs=[pair_of(subject)], record=tape, cassette=cassette) as exchange:
        book = exchange.books[pair_of(subject)]
        await book.wait_live()
        await exchange.clock.sleep(SECONDS)
        seen = book.table()
    return Pair(subject, tape, cassette, seen)


@pytest.fixture(scope="module", params=VENUES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """One recording for all tests that only read it."""
    return anyio.run(made, request.param, tmp_path_factory.mktemp("recorded"))


def lines(tape: Path) -> list[dict[str, Any]]:
    """The lines of a tape as they stand there."""
    return [json.loads(line, parse_float=Decimal) for line in gzip.decompress(tape.read_bytes()).splitlines()]


async def test_both_replay_on_one_clock(pair: Pair) -> None:
    """The book is as it was; at each record, of either file, the clock stands at its recorded instant."""
    stood: list[tuple[Instant, Instant]] = []
    async with replaying(pair.tape) as replay:
        clock = replay.player.clock
        await replay.play(on_record=lambda _, record: stood.append((record.instant, clock.now())))
        assert replay.exchange.books[pair_of(pair.subject)].table() == pair.book
    recorded = [int(line["recv_ts"] * SECOND) for line in lines(pair.tape)[1:]]
    assert [clock for _, clock in stood] == [instant for instant, _ in stood] == recorded


def test_each_file_has_its_part(pair: Pair) -> None:
    """The tape has frames and instants, the cassette what HTTP said; nothing stands in both, and neither holds a secret."""
    header, *records = lines(pair.tape)
    assert header["cassette"] == pair.cassette.name
    http = [record for record in records if record["channel"] == "http"]
    assert [each.get("take") for each in http if each["dir"] == "in"] == list(range(len(http) // 2))
    assert all(each["payload"] is None for each in http)
    assert any(record["channel"] == "ws" and record["payload"] for record in records)
    for file in (pair.tape, pair.cassette):
        assert findings(file, secrets_of(pair.subject.venue)) == []


async def test_the_cassette_serves_vcrpy_as_well(pair: Pair) -> None:
    """Without its tape it is a cassette like any other: the connector's own requests find their answers in it.

    One that is played in part stays as it is.
    """
    subject, before = pair.subject, pair.cassette.read_bytes()
    recorder, clock = vcr.VCR(record_mode=RecordMode.NONE), SystemClock()
    configure(recorder, CassetteRules.of(subject.venue), secrets_of(subject.venue))
    source = subject.connector.hooks.data_source(environment=subject.environment)
    transport = HttpxTransport(clock)
    flows = FlowRunner(transport, clock, Pacer(subject.description.pools), random=Random(1).random)
    with no_network(), recorder.use_cassette(str(pair.cassette)), whole_urls():
        instruments = InstrumentTable(await flows.run(source.instruments()))
        await transport.aclose()
    assert pair_of(subject) in instruments
    assert pair.cassette.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (None, r"its cassette pair\.yaml cannot be read: No such file"),
        (lambda text: text.replace("/", "/x/"), "exchange 0 of its cassette is another one"),
        (lambda _: "interactions: []", "its cassette has 0 exchanges and none of number 0"),
        (lambda _: "[1, 2", r"its cassette pair\.yaml is damaged: it is no YAML"),
        (
            lambda _: "interactions: [{}]",
            r"its cassette pair\.yaml is damaged: an exchange in it lacks 'request'",
        ),
    ],
    ids=["missing", "another", "shorter", "no YAML", "no exchanges"],
)
def test_a_cassette_that_does_not_fit(
    pair: Pair, damage: Callable[[str], str] | None, told: str, tmp_path: Path
) -> None:
    """A cassette that is missing, damaged or of another recording is told, typed, with the tape's name."""
    tape = tmp_path / pair.tape.name
    shutil.copy(pair.tape, tape)
    if damage is not None:
        text = damage(pair.cassette.read_text(encoding="utf-8"))
        (tmp_path / pair.cassette.name).write_text(text, encoding="utf-8")
    with pytest.raises(TapeDamaged, match=told) as caught:
        list(open_tape(tape))
    assert str(tape) in str(caught.value)


def test_what_a_crash_left_is_played(pair: Pair, tmp_path: Path) -> None:
    """A tape whose cassette was never finished has the exchanges that were written."""
    for file, name in ((pair.tape, pair.tape.name), (pair.cassette, f"{pair.cassette.name}.part")):
        shutil.copy(file, tmp_path / name)
    there = [record.payload for _, record in open_tape(tmp_path / pair.tape.name)]
    assert there == [record.payload for _, record in open_tape(pair.tape)]


def test_without_the_testkit_it_is_told_what_to_install(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The core knows no form of cassettes by itself: it says what to install, and leaves no file behind."""
    monkeypatch.setattr("venuekit.tapes.cassettes.entry_points", lambda group: ())
    with pytest.raises(LocalError, match=r"pip install 'venuekit-testkit\[cassettes\]'"):
        list(open_tape(pair.tape))
    with pytest.raises(LocalError, match=r"pip install 'venuekit-testkit\[cassettes\]'"):
        anyio.run(made, pair.subject.venue, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["pair.yaml", "pair.json"])
def test_nothing_is_overwritten(pair: Pair, name: str, tmp_path: Path) -> None:
    """A cassette whose name is taken, or no name for a cassette, is refused before anything is recorded."""
    taken = tmp_path / name
    taken.write_text("mine", encoding="utf-8")
    header = Header(venue=pair.subject.venue)
    with pytest.raises(LocalError, match=name):
        Recorder(tmp_path / "pair.jsonl", SystemClock(), header, cassette=taken)
    assert [file.read_text("utf-8") for file in tmp_path.iterdir()] == ["mine"]


def test_a_cassette_in_no_folder_is_refused(pair: Pair, tmp_path: Path) -> None:
    """It is told before anything is recorded, and no file is left behind."""
    header = Header(venue=pair.subject.venue)
    with pytest.raises(LocalError, match="there is no folder"):
        Recorder(tmp_path / "pair.jsonl", SystemClock(), header, cassette=tmp_path / "none" / "pair.yaml")
    assert not list(tmp_path.iterdir())


def test_the_command_line_makes_and_plays_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`venuekit record --cassette` tells both files, and `venuekit replay` shows the book that was there."""
    seen: list[Table] = []

    @asynccontextmanager
    async def opened(connector: LoadedConnector, **arguments: Any) -> AsyncIterator[Any]:
        async with market(Subject.of(connector.description.venue), **arguments) as exchange:
            (book,) = exchange.books.values()

            async def events() -> AsyncIterator[object]:
                await book.wait_live()
                await exchange.clock.sleep(SECONDS)
                seen.append(book.table(1))
                yield Overflow(0)

            yield SimpleNamespace(events=events)

    monkeypatch.setattr(record_command, "open_exchange", opened)
    tape, cassette = str(tmp_path / "pair.jsonl.gz"), str(tmp_path / "pair.yaml")
    pair = pair_of(Subject.of("exchange_a"))
    ended = CliRunner().invoke(
        record_command.command, ["exchange_a", pair, "-o", tape, "--cassette", cassette]
    )
    assert ended.exit_code == 0, ended.output
    assert tape in ended.stderr
    assert cassette in ended.stderr
    shown = CliRunner().invoke(replay_command.command, [tape, "--json", "--depth", "1"])
    assert shown.exit_code == 0, shown.output
    (book,) = json.loads(shown.stdout)["books"]
    assert book["state"] == "live"
    shown_rows = [[Decimal(cell) for cell in row] for row in (*book["bids"], *book["asks"])]
    assert shown_rows == [[row["price"], row["size"]] for row in seen[0]]


def test_the_page_s_example_runs(pytester: pytest.Pytester) -> None:
    """The test that docs/tapes.md shows passes on both loops in a repository that switches recordings on."""
    import_module(
        "venuekit_testkit.cassettes.recording"
    )  # half of PyYAML is C: it must outlast the run inside
    (example,) = [block for block in blocks_of(PAGE) if block.title == "recorded pair"]
    folder = pytester.path / "tests" / "recorded"
    folder.mkdir(parents=True)
    recorded = anyio.run(made, "exchange_a", folder)
    (folder / "btc.jsonl.gz").write_bytes(recorded.tape.read_bytes())
    recorded.tape.unlink()
    (folder.parent / "test_recorded.py").write_text(example.text, encoding="utf-8")
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nvenuekit_cassettes = "exchange_a"\n')
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", "tests")
    assert result.parseoutcomes() == {"passed": 4}


@pytest.mark.parametrize(
    "error", [NetworkError("nobody knows"), UnknownInstrument("no instrument 'BTC-USTD'")]
)
def test_a_recording_that_never_began_leaves_no_file(
    error: VenuekitError, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the venue could not be reached, or does not know the pair, both names are free for the next try."""
    tape, cassette = tmp_path / "pair.jsonl", tmp_path / "pair.yaml"

    @asynccontextmanager
    async def opened(_: LoadedConnector, *, record: Path, cassette: Path, **__: object) -> AsyncIterator[Any]:
        with Recorder(record, SystemClock(), Header(venue="exchange_a"), cassette=cassette):
            raise error
        yield

    monkeypatch.setattr(record_command, "open_exchange", opened)
    arguments = ["exchange_a", "BTC-USDT", "-o", str(tape), "--cassette", str(cassette)]
    ended = CliRunner().invoke(record_command.command, arguments)
    assert ended.exception is error
    assert not list(tmp_path.iterdir())
