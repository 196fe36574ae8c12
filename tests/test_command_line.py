"""The command line, as a user calls it.

In a process of its own where the process is what matters; else in this one, which spares starting a Python for each line.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from click.testing import CliRunner

from venuekit import Exchange
from venuekit.cli import book as book_command
from venuekit.cli import main
from venuekit.drivers.tasks import helpers
from venuekit.replay import open_replay

REPOSITORY = Path(__file__).resolve().parents[1]
TAPE = REPOSITORY / "demo" / "gap.jsonl.gz"


Ended: TypeAlias = subprocess.CompletedProcess[str]
Command: TypeAlias = Callable[..., Ended]


def process(*arguments: str, **environment: str) -> Ended:
    """Run the command line in a process of its own and wait for it."""
    return subprocess.run(
        [sys.executable, "-m", "venuekit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=60,
        env=os.environ | environment,
    )


@pytest.fixture
def venuekit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process."""

    def run(*arguments: str, **environment: str) -> Ended:
        code: object = 0
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["venuekit", *arguments])
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                main()
            except SystemExit as end:
                code = end.code
        told = capsys.readouterr()
        assert code is None or isinstance(code, int)
        return Ended(arguments, code or 0, told.out, told.err)

    return run


@pytest.fixture
def no_network(tmp_path: Path) -> str:
    """A folder for PYTHONPATH: no name resolves, at once."""
    return resolver(tmp_path / "no_network", "raise socket.gaierror(-2, 'nobody knows')")


@pytest.fixture
def silent_network(tmp_path: Path) -> str:
    """A folder for PYTHONPATH: the name server does not answer, longer than a test may take."""
    return resolver(tmp_path / "silent_network", "time.sleep(3600)")


def resolver(folder: Path, body: str) -> str:
    """A folder whose `sitecustomize` replaces the name server's client."""
    folder.mkdir()
    text = (
        f"import socket, time\n\ndef getaddrinfo(*_, **__):\n    {body}\n\nsocket.getaddrinfo = getaddrinfo\n"
    )
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return str(folder)


def test_connectors_lists_what_is_installed(venuekit: Command) -> None:
    """`connectors` names venue and distribution of each, as text and as JSON."""
    told = json.loads(venuekit("connectors", "--json").stdout)
    assert {"binance", "kraken"} <= {each["venue"] for each in told}
    assert "venuekit-kraken" in process("connectors").stdout


def test_describe_prints_json(venuekit: Command) -> None:
    """`describe` prints the whole description as JSON, with what proves each feed."""
    told = json.loads(venuekit("describe", "binance").stdout)
    assert told["venue"] == "binance"
    assert told["environments"][0]["name"] == "production"


def test_replay_ends_with_the_repaired_books() -> None:
    """`replay --json` of the demo's tape tells one gap, one repair, and two live books that are not crossed."""
    told = json.loads(process("replay", str(TAPE), "--json").stdout)
    assert [book["state"] for book in told["books"]] == ["live", "live"]
    assert [
        told["counters"][pair][name] for pair in ("BTC-USDT", "ETH-USDT") for name in ("gaps", "repairs")
    ] == [1, 1, 0, 0]
    for book in told["books"]:
        assert float(book["bids"][0][0]) < float(book["asks"][0][0])


def test_replay_shows_ladder_and_summary(venuekit: Command) -> None:
    """`replay` prints a ladder of each pair and a summary."""
    told = venuekit("replay", str(TAPE), "--depth", "3").stdout
    assert "BTC-USDT  LIVE" in told
    assert "906 records" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("book", "nowhere", "BTC-USD"), "pip install venuekit-nowhere"),
        (("book", "krakn", "BTC-USD"), "did you mean 'kraken'?"),
        (("describe", "nowhere"), "no connector 'nowhere' is installed"),
        (("replay", "no-such-tape.jsonl"), "does not exist"),
        (("replay", str(TAPE), "--pair", "btc-usdt"), "did you mean BTC-USDT"),
        (("replay", str(TAPE), "--speed", "0"), "not in the range x>0"),
        (("book", "kraken", "BTC-USD", "--depth", "0"), "not in the range x>=1"),
        (("book", "kraken", "BTC-USD", "--timeout", "-1"), "not in the range x>0"),
        (("book", "kraken", "BTC-USD", "--environment", "moon"), "kraken has no environment 'moon'"),
        (
            ("book", "kraken", "BTC-USD", "--credentials", "no-such.toml"),
            "no-such.toml cannot be read: No such file",
        ),
        (("record", "kraken", "BTC-USD", "-o", "t.jsonl", "--account", "a"), "no credentials of account 'a'"),
        (("order", "list", "nowhere"), "pip install venuekit-nowhere"),
        (("order", "place", "kraken", "BTC-USD", "hold", "1"), "'hold' is not one of 'buy', 'sell'"),
        (("book", "kraken", "BTC-USD", "--variant", "11"), "kraken has no channel book:11; it has book"),
        (("record", "kraken", "BTC-USD", "-o", "t.txt"), "a tape is named *.jsonl"),
        (
            ("record", "kraken", "BTC-USD", "-o", "t.jsonl", "--channels", "candles"),
            "channels are book, trades",
        ),
    ],
)
def test_errors_are_one_line(venuekit: Command, arguments: tuple[str, ...], told: str) -> None:
    """What the user did wrong is told in a line on stderr, without a traceback, and the exit code is not zero."""
    ended = venuekit(*arguments)
    assert ended.returncode != 0
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_replay_tells_what_failed(venuekit: Command, tmp_path: Path) -> None:
    """A snapshot that cannot be read is told once for its book, with the reason: otherwise nobody knows what it waits for."""
    tape = tmp_path / "odd.jsonl"
    text = gzip.decompress(TAPE.read_bytes()).decode()
    tape.write_text(text.replace("lastUpdateId", "latestUpdate"), encoding="utf-8")
    told = venuekit("replay", str(tape)).stderr
    assert told.count("SnapshotFailed: topic book:BTC-USDT") == 1
    assert "missing required field `lastUpdateId`" in told


def test_a_tape_that_was_cut_off_says_so(venuekit: Command, tmp_path: Path) -> None:
    """`replay` plays what is whole, and tells that something is missing, as text and as JSON."""
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(TAPE.read_bytes()[:20_000])
    assert "cut.jsonl.gz was cut off" in venuekit("replay", str(cut)).stderr
    assert json.loads(venuekit("replay", str(cut), "--json").stdout)["truncated"]
    assert not json.loads(venuekit("replay", str(TAPE), "--json").stdout)["truncated"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello\n", "line 1: JSON is malformed"),
        ("", "does not say which venue and pairs it holds"),
        (
            '{"tape":1,"venue":"binance","pairs":["BTC-USDT"]}\n',
            "no instruments of 'binance': give it a sidecar",
        ),
        ('{"tape":9}\n', "this version reads format 1"),
    ],
)
def test_broken_tapes_are_told_in_a_line(venuekit: Command, tmp_path: Path, text: str, told: str) -> None:
    """What is no tape, or lacks something, ends with a sentence that says what."""
    tape = tmp_path / "tape.jsonl"
    tape.write_text(text, encoding="utf-8")
    ended = venuekit("replay", str(tape))
    assert ended.returncode == 1
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_wrong_venue_is_told(venuekit: Command) -> None:
    """A tape of one venue replayed with the connector of another says whose tape it is."""
    ended = venuekit("replay", str(TAPE), "--venue", "kraken")
    assert "no instruments of 'kraken' (its header names 'binance')" in ended.stderr


def test_a_narrow_terminal_costs_no_digit(venuekit: Command) -> None:
    """On 30 columns prices, sizes and counters are whole; bars give way, and lines of the summary go on in the next."""
    wide, narrow = (
        venuekit("replay", str(TAPE), "--depth", "1", COLUMNS=each).stdout for each in ("120", "30")
    )
    numbers = [word for word in wide.split() if word[0].isdigit()]
    assert "64000.11" in numbers
    assert [word for word in narrow.split() if word[0].isdigit()] == numbers


def test_a_terminal_without_bars() -> None:
    """Where the encoding has no bars the numbers are there all the same."""
    ended = process("replay", str(TAPE), "--depth", "1", PYTHONIOENCODING="ascii")
    assert ended.returncode == 0
    assert "64000.11" in ended.stdout


@asynccontextmanager
async def replayed(*_: object, **__: object) -> AsyncIterator[Exchange]:
    """In place of `open_exchange`: the demo's tape, played by itself."""
    async with open_replay(TAPE) as replay, helpers() as tasks:
        opened = anyio.Event()

        async def play() -> None:
            await replay.play(on_record=lambda _index, _record: opened.set() if replay.opened else None)

        tasks.start_soon(play)
        await opened.wait()
        yield replay.exchange


@pytest.mark.parametrize("form", ["--json", "--depth=2"])
def test_book_shows_the_first_proven_state(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """`book --once` waits for the proof, tells on stderr what happens meanwhile, and prints the book once."""
    monkeypatch.setattr(book_command, "open_exchange", replayed)
    ended = CliRunner().invoke(book_command.command, ["binance", "BTC-USDT", "--once", form])
    assert ended.exit_code == 0, ended.output
    assert "LinkChange: link binance.1, state open\n" in ended.stderr
    if form == "--json":
        assert json.loads(ended.stdout)["state"] == "live"
    else:
        assert "BTC-USDT  LIVE" in ended.stdout


@pytest.mark.parametrize("command", [("book", "kraken", "BTC-USD"), ("record", "kraken", "BTC-USD", "-o")])
def test_without_a_network(no_network: str, tmp_path: Path, command: tuple[str, ...]) -> None:
    """The end is a line that names the host; no file is left that would stand in the way of the next try."""
    taped = (str(tmp_path / "t.jsonl"),) if command[-1] == "-o" else ()
    ended = process(*command, *taped, PYTHONPATH=no_network)
    assert ended.returncode == 1
    assert ended.stderr.startswith("venuekit: AssetPairs at api.kraken.com failed: ")
    assert ended.stderr.count("\n") == 1
    assert not list(tmp_path.glob("t.*"))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("book", "kraken", "BTC-USD", "--timeout", "0.5"), "no proven book of BTC-USD within 0.5 s"),
        (
            ("record", "kraken", "BTC-USD", "--seconds", "0.5", "-o"),
            "no answer about the instruments within 0.5 s",
        ),
    ],
)
def test_a_network_that_does_not_answer(
    silent_network: str, tmp_path: Path, command: tuple[str, ...], told: str
) -> None:
    """The time that was given ends the command, also while the name server is waited for; it says so, and exits with 1."""
    taped = (str(tmp_path / "t.jsonl"),) if command[-1] == "-o" else ()
    ended = process(*command, *taped, PYTHONPATH=silent_network)
    assert ended.returncode == 1
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("t.*"))


def test_a_recording_that_cannot_begin_touches_nothing(venuekit: Command, tmp_path: Path) -> None:
    """A tape that exists stays as it is, and a folder that does not is told."""
    tape = tmp_path / "t.jsonl"
    tape.write_text("mine", encoding="utf-8")
    ended = venuekit("record", "kraken", "BTC-USD", "-o", str(tape))
    assert ended.stderr == f"venuekit: {tape} exists; a recording overwrites nothing\n"
    assert tape.read_text(encoding="utf-8") == "mine"
    ended = venuekit("record", "kraken", "BTC-USD", "-o", str(tmp_path / "none" / "t.jsonl"))
    assert ended.stderr.endswith("t.jsonl cannot be written: No such file or directory\n")


def test_who_has_read_enough_may_go() -> None:
    """A reader that leaves, as `head` does, is no error to be told."""
    with subprocess.Popen(
        [sys.executable, "-m", "venuekit", "replay", str(TAPE), "--json", "--depth", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert "Traceback" not in running.stderr.read()


def test_ctrl_c_leaves_no_traceback() -> None:
    """Ctrl-C in the middle of a slow replay ends it quietly."""
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "venuekit", "replay", str(TAPE), "--speed", "0.01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert running.stderr is not None
    assert "playing" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in errors
