"""What the demo looks like: ladders and orders side by side, the story below; plain lines where there is no terminal."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from demo.stage import Stage, plain
from venuekit.cli.ladder import ladder
from venuekit_spec import Seconds, Side

FRAME: Final[Seconds] = 0.06
"""Between two pictures."""
DEPTH: Final = 4
WIDTH: Final = 38
"""Of a ladder, in columns."""
SIDES: Final = {Side.BUY: "green", Side.SELL: "red"}


class Screen:
    """The only writer to the terminal. `live`: it is one, and the picture moves."""

    def __init__(self, console: Console, stages: Sequence[Stage]) -> None:
        self.live = console.is_terminal
        self._console = console
        self._stages = stages
        self._told: list[Text] = []
        self._start = anyio.current_time()

    def say(self, stage: Stage, what: str, style: str = "") -> None:
        """One line of the story."""
        told = Text.assemble(
            (f"{anyio.current_time() - self._start:5.1f} s  ", "dim"),
            (f"{stage.scene.venue}  ", "dim") if len(self._stages) > 1 else "",
            (what, style),
        )
        self._told.append(told)
        if not self.live:
            self._console.print(told, soft_wrap=True)

    async def draw(self) -> None:
        """Keep the picture up to date until cancelled. Without a terminal there is none."""
        if not self.live:
            return
        with Live(self.picture(), console=self._console, auto_refresh=False, transient=True) as shown:
            while True:
                picture = self.picture()
                room = self._console.height - len(self._console.render_lines(picture)) - 1
                shown.update(Group(picture, *self._told[-max(room, 1) :]), refresh=True)
                await anyio.sleep(FRAME)

    def picture(self) -> RenderableType:
        """The ladder and the orders of each venue."""
        if len(self._stages) == 1:
            (stage,) = self._stages
            grid = Table.grid(padding=(0, 1))
            grid.add_column(width=WIDTH)
            grid.add_column()
            grid.add_row(_ladder(stage), _orders(stage))
            return grid
        grid = Table.grid(*("" for _ in self._stages), padding=(0, 1), expand=True)
        grid.add_row(*map(_ladder, self._stages))
        grid.add_row(*map(_orders, self._stages))
        return grid

    def end(self, promises: Sequence[str]) -> bool:
        """Tell how it went, in one table; whether everything came true."""
        if self.live:
            self._console.print(*self._told, sep="\n", soft_wrap=True)
        else:
            self._console.print(self.picture())
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("what was shown", no_wrap=True)
        for stage in self._stages:
            table.add_column(stage.exchange.description.name)
        for promise in promises:
            table.add_row(promise, *(_cell(stage, promise) for stage in self._stages))
        self._console.print("", table, sep="\n")
        return all(
            promise in stage.facts and stage.facts[promise].true
            for promise in promises
            for stage in self._stages
        )


def _ladder(stage: Stage) -> RenderableType:
    return Panel(ladder(stage.book, DEPTH), title=stage.exchange.description.name, title_align="left")


def _orders(stage: Stage) -> RenderableType:
    """Each order, as the client has it (or its store, where it is dead) and as the venue holds it."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("order", "price", "client", "venue"):
        table.add_column(column, header_style="dim", no_wrap=True)
    held = stage.at_venue
    for id_, name in stage.names.items():
        said = Text(stage.client_says(id_), style="" if stage.agrees(id_) else "bold yellow")
        if (order := held.get(id_)) is None:
            table.add_row(name, "", said, "")
        else:
            price = "" if order.price is None else plain(order.price)
            table.add_row(name, Text(price, style=SIDES[order.intent.side]), said, order.status.value)
    return Panel(Group(_client(stage), table, _money(stage)), title="orders", title_align="left")


def _client(stage: Stage) -> Text:
    client = stage.client
    if client is None:
        return Text("no trading client yet", style="dim")
    code = client.process.returncode
    if code is None:
        return Text(f"client {client.pid}: trading", style="dim")
    if code == -signal.SIGKILL:
        return Text(f"client {client.pid}: killed; its store says", style="bold red")
    return Text(f"client {client.pid}: left", style="dim")


def _money(stage: Stage) -> Text:
    """What the account holds of the pair's two assets, as the client was told last."""
    told = {} if stage.client is None or stage.client.money is None else stage.client.money.assets
    pair = [asset for asset in (stage.instrument.base, stage.instrument.quote) if asset in told]
    return Text("\n").join(
        Text(f"{asset} {plain(told[asset][0])}, {plain(told[asset][1])} held") for asset in pair
    )


def _cell(stage: Stage, promise: str) -> Text:
    fact = stage.facts.get(promise)
    if fact is None:
        return Text("not shown", style="bold red")
    return Text(fact.figure, style="green" if fact.true else "bold red")
