"""The demo tells the story it promises, says so when it does not, and leaves nothing behind."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from demo.scenes import VENUES
from demo.story import PROMISES
from demo.tape import TAPE, write

REPOSITORY = Path(__file__).resolve().parents[1]

WITHOUT_END = """
import sys
import demo.story
from demo.__main__ import main

async def never(*_):
    raise TimeoutError

demo.story.lose_frames = never
sys.exit(main())
"""


def environment(folder: Path) -> dict[str, str]:
    """Temporary files go into a folder of their own; no terminal is pretended, wide lines stay whole."""
    return {**os.environ, "TMPDIR": str(folder), "TERM": "dumb", "COLUMNS": "160"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env=environment(folder),
        timeout=90,
    )


def clients(told: str) -> list[int]:
    """The processes of trading clients that a story names."""
    return [int(pid) for pid in re.findall(r"\(process (\d+)\)", told)]


def assert_nothing_left(folder: Path, told: str) -> None:
    """No file, and none of the processes that were named."""
    assert list(folder.iterdir()) == []
    for pid in clients(told):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_whole_story_comes_true(tmp_path: Path) -> None:
    """Every promise is kept and shown with its figure, in time, without a word on stderr; nothing is left behind."""
    ended = run(tmp_path, "-m", "demo")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    summary = ended.stdout.partition("what was shown")[2].splitlines()
    shown = {promise: line for promise in PROMISES for line in summary if line.startswith(promise)}
    assert list(shown) == list(PROMISES)
    told = {
        "killed order, before": "pending on disk, venue: open",
        "killed order, after": "open on both sides",
        "lost, doubled, wrong": "0, 0, 0 (3 orders, ",
    }
    assert {promise: shown[promise].count(figure) for promise, figure in told.items()} == dict.fromkeys(
        told, len(VENUES)
    )
    assert len(set(clients(ended.stdout))) == 2 * len(VENUES)
    assert_nothing_left(tmp_path, ended.stdout)


def test_a_promise_that_is_not_kept_fails_the_demo(tmp_path: Path) -> None:
    """Where a repair never ends the story does; the exit code is 1, and the summary names all that was not shown."""
    ended = run(tmp_path, "-c", WITHOUT_END)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "it ended here: that took too long" in ended.stdout
    unkept = [line for line in ended.stdout.splitlines() if line.rstrip().endswith("not shown")]
    assert len(unkept) == len(PROMISES)
    assert_nothing_left(tmp_path, ended.stdout)


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """While a client trades: code 130, no traceback, and client and files are gone."""
    with subprocess.Popen(
        [sys.executable, "-m", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
    ) as demo:
        assert demo.stdout is not None
        told = next(line for line in demo.stdout if clients(line))
        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (130, ""), rest + errors
    assert_nothing_left(tmp_path, told)


def test_a_venue_that_the_demo_does_not_know(tmp_path: Path) -> None:
    """It is refused in a line that names those it does."""
    ended = run(tmp_path, "-m", "demo", "exchange_z")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("the demo shows exchange_a")


def test_the_tape_is_what_the_script_makes(tmp_path: Path) -> None:
    """The committed tape holds the same records as a fresh one."""
    fresh = tmp_path / "fresh.jsonl.gz"
    write(fresh)
    assert unpacked(fresh) == unpacked(TAPE)


def test_the_recording_shows_a_gap_and_its_repair(tmp_path: Path) -> None:
    """One book leaves service and comes back; the other stays; it ends well."""
    ended = run(tmp_path, "-m", "demo", "gap")
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines() if "-USDT" in line]
    states = {
        pair: [line[3] for line in lines if line[1:3] == ["s", pair]] for pair in ("BTC-USDT", "ETH-USDT")
    }
    assert states == {"BTC-USDT": ["BUFFERING", "LIVE", "GAP", "LIVE"], "ETH-USDT": ["BUFFERING", "LIVE"]}


def unpacked(path: Path) -> bytes:
    """The text of a compressed tape: compression itself may differ between versions of zlib."""
    return gzip.decompress(path.read_bytes())
