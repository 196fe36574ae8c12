"""Replays: a tape, played through connector and core as if it were live.

    from venuekit.replay import open_replay

    async with open_replay("session.jsonl.gz") as replay:
        await replay.play()
        print(replay.exchange.books["BTC-USDT"].best_bid)

The header of the tape (or of its sidecar) says which venue and which pairs; arguments say otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from os import PathLike

import anyio
from attrs import define, field

from venuekit.drivers.tasks import helpers
from venuekit.exchange import Exchange, open_exchange
from venuekit.loader import LoadedConnector, load_connector
from venuekit.pacing import PacerRegistry
from venuekit.tapes import Header, Played, TapePlayer, open_tape
from venuekit.tapes.player import OnRecord
from venuekit_spec import Channel, LocalError


@define(eq=False)
class Replay:
    """One tape and the exchange that it is played to."""

    player: TapePlayer
    venue: str
    pairs: tuple[str, ...]
    played: Played | None = None
    _exchange: Exchange | None = field(default=None, alias="_exchange")

    @property
    def exchange(self) -> Exchange:
        """The exchange. Raises `LocalError` before the tape has told the instruments, which comes early."""
        if self._exchange is None:
            raise LocalError(
                f"the tape has told no instruments of {self.venue!r}{self._other_venue()}: "
                "give it a sidecar with the venue's instrument list"
            )
        return self._exchange

    @property
    def opened(self) -> bool:
        """Whether the tape has told the instruments."""
        return self._exchange is not None

    def _other_venue(self) -> str:
        header = self.player.tape.header
        named = header.venue if header else ""
        return f" (its header names {named!r})" if named not in {"", self.venue} else ""

    async def play(self, speed: float | None = None, on_record: OnRecord | None = None) -> Played:
        """Play the tape to its end; the books stay as they are then. Arguments and errors as `TapePlayer.play`."""
        self.played = await self.player.play(speed, on_record, close=False)
        return self.played


@asynccontextmanager
async def open_replay(
    path: str | PathLike[str],
    *,
    sidecar: str | PathLike[str] | None = None,
    venue: str | LoadedConnector = "",
    pairs: Iterable[str] = (),
    channels: Iterable[str] = (),
    variant: str = "",
) -> AsyncIterator[Replay]:
    """Open a tape. Nothing has been played yet when the body begins.

    Raises `TapeDamaged`, `LocalError` when neither the tape nor the arguments name venue and pairs, and what
    `open_exchange` raises, as soon as the tape has told the instruments.
    """
    tape = open_tape(path, sidecar)
    header = tape.header or Header()
    named = venue or header.venue
    wanted = tuple(pairs) or header.pairs
    if not named or not wanted:
        next(iter(tape), None)  # what is no tape at all is told as that
        raise LocalError(
            f"{tape.path.name} does not say which venue and pairs it holds: name them, or give it a sidecar"
        )
    told = [topic.split(":") for topic in header.topics]
    taped = dict.fromkeys(parts[0] for parts in told) or {Channel.BOOK.value: None}
    variants = [parts[2] for parts in told if parts[0] == Channel.BOOK and len(parts) > 2]
    player = TapePlayer(tape)
    replay = Replay(player, named if isinstance(named, str) else named.description.venue, wanted)
    over = anyio.Event()

    async def serve() -> None:
        connector = load_connector(named) if isinstance(named, str) else named
        async with open_exchange(
            connector,
            pairs=wanted,
            environment=header.environment,
            channels=tuple(channels) or tuple(taped),
            variant=variant or next(iter(variants), ""),
            clock=player.clock,
            transports=player,
            pacers=PacerRegistry(),
            seed=0,
        ) as exchange:
            replay._exchange = exchange  # noqa: SLF001  # made here, a line above
            await over.wait()

    async with helpers() as tasks:
        tasks.start_soon(serve)
        yield replay
        over.set()
