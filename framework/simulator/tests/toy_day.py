"""A day at the toy venue, as a program: it prints a digest of everything that was told, and of every frame and reply.

``python -m framework.simulator.tests.toy_day SEED``
"""

from __future__ import annotations

import sys
from hashlib import sha256

import anyio
from framework.simulator.tests.small_venue import venue as small_venue
from framework.simulator.tests.toy import ToyPlugin, placing

from venuekit.clock import VirtualClock
from venuekit_simulator import Fault, FaultKind, FaultPlan, LocalVenue
from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.market_flow import TAKER, RandomFlow
from venuekit_spec import SECOND, CallKind, Dial, EngineEvent, NetworkError, OrderChanged

PLAN = FaultPlan.of(
    Fault(kind=FaultKind.LOST, on={CallKind.PLACE, CallKind.QUERY}, probability=0.2),
    Fault(kind=FaultKind.CORRUPT, probability=0.2),
    Fault(kind=FaultKind.SLOW, on={CallKind.PLACE, CallKind.AMEND}, probability=0.3, seconds=0.5),
)


async def shell(seed: int, say: list[str]) -> None:
    """Requests and a socket, under faults and with random latency."""
    clock = VirtualClock(1_800_000_000 * SECOND)
    venue = LocalVenue(ToyPlugin(), clock=clock, seed=seed, faults=PLAN, latency=(0.001, 0.05))
    venue.engine.listen(lambda event: say.append(repr(event)))
    async with clock.autojump(), anyio.create_task_group() as group:
        socket = await venue.websockets.open(Dial("ws://toy/"))
        group.start_soon(socket.run, lambda frame, now: say.append(f"{now} {frame!r}"), lambda _: None)
        for number in range(30):
            try:
                reply = await venue.http.send(placing(f"order-{number}"))
                say.append(f"{reply.received} {reply.body!r}")
            except NetworkError as error:
                say.append(str(error))
        await socket.aclose()
        group.cancel_scope.cancel()
    say += [f"{each.at} {each.fault.kind} {each.on}" for each in venue.injections]


def floor(seed: int, say: list[str]) -> None:
    """The random flow over three instruments; now and then the last trades are taken back."""
    engine: MatchingEngine = small_venue()
    flow = RandomFlow(engine, seed)
    traded: list[str] = []

    def hear(event: EngineEvent) -> None:
        say.append(repr(event))
        if isinstance(event, OrderChanged) and event.execution and event.order.account == TAKER:
            traded.append(event.execution.key)

    engine.listen(hear)
    flow.fill_books(0)
    now = 1
    for step in range(1_500):
        now = flow.step(now)
        if step % 100 == 99:
            engine.undo(traded[-5:], now)
            del traded[-5:]


def main() -> None:
    """Print the digest."""
    say: list[str] = []
    seed = int(sys.argv[1])
    floor(seed, say)
    anyio.run(shell, seed, say)
    sys.stdout.write(f"{len(say)} {sha256(chr(10).join(say).encode()).hexdigest()}\n")


if __name__ == "__main__":
    main()
