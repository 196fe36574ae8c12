"""``./x demo gap``: a recorded session with a gap in it, replayed through the code that runs live.

Two books, one of which loses a message: it is noticed on the next one, the book is taken out of service, and repaired with
the buffered messages and a fresh snapshot, while the other book goes on.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Final

import anyio
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from demo.tape import TAPE
from venuekit import BookState, OrderBook, StateChange
from venuekit.cli.ladder import ladder, summary
from venuekit.drivers.tasks import helpers
from venuekit.replay import Replay, open_replay
from venuekit_spec import seconds_between

SPEED: Final = 4.0
DEPTH: Final = 8
EXPLAINED: Final = {
    BookState.BUFFERING: "subscribed: deltas wait for a snapshot",
    BookState.LIVE: "joined: every message since the snapshot is accounted for",
    BookState.GAP: "a message is missing: out of service, repair under way",
    BookState.STALE: "the socket is gone",
    BookState.EMPTY: "nothing asked for yet",
}


class Story:
    """What happens to the books, told as it happens."""

    def __init__(self, console: Console, *, live: bool) -> None:
        self.told: deque[Text] = deque(maxlen=8)
        self._console = console
        self._live = live
        self._start = 0
        self._listening: set[str] = set()

    def follow(self, replay: Replay) -> None:
        """Listen to each book from the moment there is one."""
        self._start = self._start or replay.player.clock.now()
        for pair in replay.pairs:
            if pair not in self._listening:
                self._listening.add(pair)
                replay.exchange.books[pair].listeners.append(self._tell)

    def _tell(self, message: object) -> None:
        if not isinstance(message, StateChange) or message.state is BookState.CLOSED:
            return
        style = {BookState.LIVE: "green", BookState.GAP: "bold red"}.get(message.state, "yellow")
        at = seconds_between(self._start, message.at)
        line = Text.assemble(
            (f"{at:6.1f} s  ", "dim"),
            f"{message.instrument}  ",
            (f"{message.state.value.upper():9}", style),
            f"  {EXPLAINED[message.state]}",
            (f" ({message.reason})" if message.state is BookState.GAP else "", "dim"),
        )
        self.told.append(line)
        if not self._live:
            self._console.print(line, soft_wrap=True)


def picture(books: list[OrderBook], story: Story) -> RenderableType:
    """Both ladders, and the story so far."""
    ladders = Columns([Panel(ladder(book, DEPTH), width=70) for book in books])
    return Group(ladders, *story.told)


async def main() -> None:
    """Play the tape and show it."""
    console = Console()
    live = console.is_terminal and sys.stdout.isatty()
    story = Story(console, live=live)
    console.print(
        f"a recorded session ({TAPE.name}), with one message missing, through the code that runs live\n",
        soft_wrap=True,
    )
    async with open_replay(TAPE) as replay:

        def on_record(_index: int | None, _record: object) -> None:
            if replay.opened:
                story.follow(replay)

        def books() -> list[OrderBook]:
            return [replay.exchange.books[pair] for pair in replay.pairs] if replay.opened else []

        async with helpers() as tasks:
            if live:
                screen = Live(picture([], story), console=console, auto_refresh=False, transient=True)

                async def draw() -> None:
                    with screen:
                        while True:
                            screen.update(picture(books(), story), refresh=True)
                            await anyio.sleep(0.05)

                tasks.start_soon(draw)
            await replay.play(SPEED if live else None, on_record)
        if live:
            for line in story.told:
                console.print(line)
        console.print(picture(books(), Story(console, live=True)))
        console.print(summary(replay.exchange, replay.player.records), crop=False)
        console.print(
            "next:  venuekit replay demo/gap.jsonl.gz  |  venuekit book kraken BTC-USD  |  docs/architecture.md",
            soft_wrap=True,
        )
