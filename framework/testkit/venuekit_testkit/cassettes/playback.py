"""Recorded pairs in tests: a tape, with its cassette, played through a connector and the core as if it were live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from venuekit.replay import Replay, open_replay
from venuekit.tapes import open_tape
from venuekit.tapes.cassettes import on_disk
from venuekit_testkit.cassettes.network import no_network
from venuekit_testkit.cassettes.recording import search
from venuekit_testkit.cassettes.rules import secrets_of


@asynccontextmanager
async def replaying(
    tape: str | PathLike[str], *, public: Iterable[str] = (), **chosen: Any
) -> AsyncIterator[Replay]:
    """Open a recording: ``await replay.play()`` plays it to its end, ``replay.exchange.books`` are what it leaves.

    Frames come from the tape, answers to requests from the tape or from its cassette, each at its recorded instant on one
    virtual clock (``replay.player.clock``). `chosen` is what `venuekit.replay.open_replay` takes. Meanwhile the network is
    blocked. Both files are searched for secrets first: a finding fails the test; `public` is what `findings` takes. Raises
    what `open_replay` raises.
    """
    path = Path(tape)
    header = open_tape(path, chosen.get("sidecar")).header
    secrets = secrets_of(header.venue) if header is not None and header.venue else ()
    files = (
        [path] if header is None or not header.cassette else [path, on_disk(path.parent / header.cassette)]
    )
    for file in files:
        if file.exists():  # what is missing is told by the reader
            search(file, secrets, f"{file.name} is not replayed", public)
    with no_network():
        async with open_replay(path, **chosen) as replay:
            yield replay
