"""The command line, as a user calls it: in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
TAPE = REPOSITORY / "demo" / "gap.jsonl.gz"


def venuekit(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line and wait for it."""
    return subprocess.run(
        [sys.executable, "-m", "venuekit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=60,
    )


def test_connectors_lists_what_is_installed() -> None:
    """`connectors` names venue and distribution of each, as text and as JSON."""
    told = json.loads(venuekit("connectors", "--json").stdout)
    assert {"binance", "kraken"} <= {each["venue"] for each in told}
    assert "venuekit-kraken" in venuekit("connectors").stdout


def test_describe_prints_json() -> None:
    """`describe` prints the whole description as JSON, with what proves each feed."""
    told = json.loads(venuekit("describe", "binance").stdout)
    assert told["venue"] == "binance"
    assert told["environments"][0]["name"] == "production"


def test_replay_ends_with_the_repaired_books() -> None:
    """`replay --json` of the demo's tape tells one gap, one repair, and two live books that are not crossed."""
    told = json.loads(venuekit("replay", str(TAPE), "--json").stdout)
    assert [book["state"] for book in told["books"]] == ["live", "live"]
    assert [
        told["counters"][pair][name] for pair in ("BTC-USDT", "ETH-USDT") for name in ("gaps", "repairs")
    ] == [1, 1, 0, 0]
    for book in told["books"]:
        assert float(book["bids"][0][0]) < float(book["asks"][0][0])


def test_replay_shows_ladder_and_summary() -> None:
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
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], told: str) -> None:
    """What the user did wrong is told in a line on stderr, without a traceback, and the exit code is not zero."""
    ended = venuekit(*arguments)
    assert ended.returncode != 0
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


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
