"""The story that the demo tells of each venue, and checks while it tells it.

    1  the book is LIVE                               4  what the account holds then
    2  frames of it are lost: noticed, repaired       5  an order is sent; before its answer the client is killed
    3  an order rests, another one trades             6  the client is started again, and finds the order

Each venue is a `LocalVenue` on a port of this machine. The trading client is a process of its own (`demo.client`), so that
its SIGKILL is one.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from rich.console import Console
from tests.trials.comparing import compare

from demo.acts import Acts
from demo.scenes import Scene
from demo.screen import Screen
from demo.stage import Fact, Stage, plain, repair, staged, until
from demo.trading import Client, accounted, on_disk, running
from demo.words import AskMoney, Place
from venuekit import BookState, Side, quantise_price, quantise_quantity
from venuekit.drivers.tasks import helpers
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import CallKind, OrderStatus, VenuekitError

BOOK: Final = "book"
RESTING: Final = "resting order"
CROSSING: Final = "crossing order"
MONEY: Final = "balances"
LOSS: Final = "lost frames"
REPAIR: Final = "repaired"
REPAIRS: Final = "gaps, repairs"
BEFORE: Final = "killed order, before"
AFTER: Final = "killed order, after"
ACCOUNT: Final = "lost, doubled, wrong"
PROMISES: Final = (BOOK, LOSS, REPAIR, REPAIRS, RESTING, CROSSING, MONEY, BEFORE, AFTER, ACCOUNT)
"""What is shown of each venue, or the demo has failed."""

SEEN: Final = 5
"""Frames of a book before anything else begins: its proof is of something then."""

INTERRUPTED: Final = 130

PATIENT: Final = Fault(kind=FaultKind.SLOW, on=[CallKind.PLACE], times=1, seconds=1.0)
"""The answer to the next placement takes its time: nobody lives to hear it."""


async def show(scenes: Sequence[Scene]) -> int:
    """Tell the story of these venues side by side.

    Returns the exit code: 0 when all of it came true, 1 when not, 130 when it was interrupted.
    """
    with (
        anyio.CancelScope() as scope,
        anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
    ):

        async def interruptible() -> None:
            async for _ in signals:
                scope.cancel()

        async with helpers() as tasks:
            tasks.start_soon(interruptible)
            return 0 if await _tell(scenes) else 1
    return INTERRUPTED


async def _tell(scenes: Sequence[Scene]) -> bool:
    """Everything from the first venue's start to the summary; whether all came true."""
    with TemporaryDirectory(prefix="venuekit-demo-") as folder:
        async with AsyncExitStack() as stack:
            stages = [await stack.enter_async_context(staged(scene, Path(folder))) for scene in scenes]
            screen = Screen(Console(), stages)
            acts = Acts(len(stages), pause=screen.live)
            async with helpers() as tasks:
                tasks.start_soon(screen.draw)
                async with anyio.create_task_group() as performers:
                    for stage in stages:
                        performers.start_soon(perform, stage, screen, acts)
            return screen.end(PROMISES)


async def perform(stage: Stage, screen: Screen, acts: Acts) -> None:
    """The story of one venue. What goes wrong ends it, and leaves the promises after it unkept."""
    try:
        await open_book(stage, screen)
        await acts.next()
        await lose_frames(stage, screen)
        await acts.next()
        async with running(stage.scene.venue, stage.address, stage.store) as client:
            await arrive(stage, screen, client)
            await acts.next()
            await trade(stage, screen, client)
            await acts.next()
            killed = await kill(stage, screen, client)
            await acts.next()
        async with running(stage.scene.venue, stage.address, stage.store) as client:
            await find(stage, screen, client, killed)
            await acts.next()
            await client.leave()
        await account_for(stage, screen)
        await acts.next()
    except (TimeoutError, VenuekitError) as error:
        screen.say(stage, f"it ended here: {str(error) or 'that took too long'}", "bold red")
    finally:
        acts.leave()


async def open_book(stage: Stage, screen: Screen) -> None:
    """1: the live book."""
    await until(lambda: stage.book.live and stage.frames > SEEN)
    screen.say(
        stage,
        f"{stage.exchange.description.name} at {stage.address}: the book of {stage.instrument.id} is LIVE, "
        f"proof: {stage.book.proof}",
    )


async def lose_frames(stage: Stage, screen: Screen) -> None:
    """2: some of the book never arrives."""
    stage.changes.clear()
    stage.local.inject(stage.scene.loss)
    await until(lambda: repair(stage) is not None and stage.book.live)
    done = repair(stage)
    assert done is not None
    lost = stage.local.injected[stage.scene.loss.kind]
    frames = "a frame" if lost == 1 else f"{lost} frames"
    noticed, took = f"noticed in {done.noticed:.1f} s", f"in {done.took * 1e3:.0f} ms, by a snapshot"
    stage.facts[LOSS] = Fact(f"{frames}, {noticed}")
    stage.facts[REPAIR] = Fact(took)
    screen.say(stage, f"{frames} of the book lost: {noticed} ({done.reason})", "red")
    screen.say(stage, f"repaired {took}: LIVE", "green")


async def arrive(stage: Stage, screen: Screen, client: Client) -> None:
    """The trading client opens the venue with the key of the example account."""
    stage.client = client
    await until(lambda: client.found is not None)
    screen.say(stage, f"a trading client opens the account {stage.account!r} (process {client.pid})")


async def trade(stage: Stage, screen: Screen, client: Client) -> None:
    """3 and 4: an order that rests, one that trades with what rests, and what the account holds then."""
    asks = stage.book.asks(3)
    quantity = quantise_quantity(stage.instrument, sum((each.size for each in asks), Decimal(0)))
    resting = await place(stage, client, "resting", quantity, Decimal("0.97"))
    await until(lambda: client.orders[resting].state == "open")
    said = client.orders[resting]
    stage.facts[RESTING] = Fact(said.state, stage.agrees(resting))
    screen.say(stage, f"buy {plain(said.quantity)} at {plain(said.price or Decimal(0))}: {said.state}")

    crossing = await place(stage, client, "crossing", quantity, Decimal("1.005"))
    await until(lambda: client.orders[crossing].complete)
    said = client.orders[crossing]
    average = (said.average_price or Decimal(0)).quantize(stage.instrument.price.tick or Decimal(1))
    traded = f"{said.state}, {said.fills} fills at {plain(average)}"
    stage.facts[CROSSING] = Fact(traded, said.fills > 0 and stage.agrees(crossing))
    fees = ", ".join(f"{plain(amount)} {asset}" for asset, amount in said.fees.items())
    screen.say(stage, f"buy {plain(said.quantity)}: {traded}; fee {fees or 'none'}")

    await client.say(AskMoney())
    await until(lambda: client.money is not None)
    assert client.money is not None
    held = {each.asset: (each.total, each.held) for each in stage.local.engine.balances(stage.account)}
    differ = [asset for asset, amounts in client.money.assets.items() if held.get(asset) != amounts]
    stage.facts[MONEY] = Fact(
        "as the venue has them" if not differ else f"wrong: {', '.join(differ)}", not differ
    )
    screen.say(stage, f"balances of {len(client.money.assets)} assets: {stage.facts[MONEY].figure}")


async def kill(stage: Stage, screen: Screen, client: Client) -> str:
    """5: the client is killed at the first byte of an order. Returns the order's id."""
    before = set(on_disk(stage.store))
    written: dict[str, str] = {}

    def first_byte(_request: object) -> None:
        if not client.leaving:
            written.update(on_disk(stage.store))
            client.kill()

    stage.local.inject(PATIENT)
    stage.local.on_placement.append(first_byte)
    quantity = quantise_quantity(stage.instrument, stage.book.asks(1)[0].size)
    await client.say(Place(stage.instrument.id, Side.BUY, quantity, _price(stage, Decimal("0.98"))))
    await until(lambda: client.ended)
    stage.local.on_placement.remove(first_byte)
    (id_,) = written.keys() - before
    stage.names[id_] = "killed"
    await until(lambda: stage.at_venue[id_].status is OrderStatus.OPEN if id_ in stage.at_venue else False)
    heard = client.orders.pop(id_, None)
    unanswered = heard is None or heard.state == "pending"
    figure = f"{written[id_]} on disk, venue: {stage.at_venue[id_].status.value}"
    stage.facts[BEFORE] = Fact(
        figure, unanswered and written[id_] == "pending" and client.process.returncode == -signal.SIGKILL
    )
    screen.say(stage, f"SIGKILL between an order and its answer: {figure}", "red")
    return id_


async def find(stage: Stage, screen: Screen, client: Client, id_: str) -> None:
    """6: a new client with the same store finds the order."""
    stage.client = client
    begun = anyio.current_time()
    await until(lambda: client.found is not None)
    assert client.found is not None
    opened = {order.client_order_id: order.state for order in client.found}
    screen.say(
        stage, f"a new client (process {client.pid}), the same store: the order is {opened.get(id_, 'lost')}"
    )
    await until(lambda: all(stage.agrees(each) for each in client.orders))
    found = client.orders[id_]
    took = anyio.current_time() - begun
    stage.facts[AFTER] = Fact(f"{found.state} on both sides in {took:.1f} s", id_ in opened)
    screen.say(stage, f"asked for at the venue, and found: {found.state}", "green")


async def account_for(stage: Stage, screen: Screen) -> None:
    """Store and venue, order by order and fill by fill; and what the book went through."""
    found = compare(stage.local.engine, stage.account, await accounted(stage.store))
    stage.facts[ACCOUNT] = Fact(
        f"{found.lost}, {found.doubled}, {found.wrong} ({found.orders} orders, {found.fills} fills)",
        not found.problems,
    )
    for problem in found.problems:
        screen.say(stage, problem, "bold red")
    await until(lambda: stage.book.live)
    counters = stage.exchange.counters()[stage.instrument.id]
    stage.facts[REPAIRS] = Fact(f"{counters.gaps}, {counters.repairs}", 0 < counters.gaps == counters.repairs)
    stage.facts[BOOK] = Fact(
        f"{stage.book.state.value}, {stage.frames:,} frames", stage.book.state is BookState.LIVE
    )


async def place(stage: Stage, client: Client, name: str, quantity: Decimal, factor: Decimal) -> str:
    """Buy at so many times the best price; the order's id once the client has its answer."""
    known = set(client.orders)
    await client.say(Place(stage.instrument.id, Side.BUY, quantity, _price(stage, factor)))
    await until(lambda: any(stage.agrees(each) for each in client.orders.keys() - known))
    (id_,) = client.orders.keys() - known
    stage.names[id_] = name
    return id_


def _price(stage: Stage, factor: Decimal) -> Decimal:
    """A valid price so far from the best ask."""
    (best,) = stage.book.asks(1)
    return quantise_price(stage.instrument, best.price * factor, ROUND_UP if factor > 1 else ROUND_DOWN)
