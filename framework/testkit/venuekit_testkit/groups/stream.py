"""User stream: whatever befalls its frames and tokens, in the end client and venue agree."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from venuekit import InFlightOrder, StreamHole
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import (
    CallKind,
    Capability,
    Fill,
    Finality,
    OrderReport,
    OrderStatus,
    ReversibleDialect,
    Seconds,
    Side,
    StreamSequence,
    Unsupported,
    VenuekitError,
)
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, Unclaimed, check, register
from venuekit_testkit.groups.frames import is_private
from venuekit_testkit.groups.placing import paid_of
from venuekit_testkit.scene import Scene, scene
from venuekit_testkit.subject import Subject


async def _live(there: Scene) -> None:
    await there.until(lambda: there.account.streaming, "the user stream is live", 60.0)


async def _busy(there: Scene) -> list[InFlightOrder]:
    """Orders that rest, are filled in part, filled, and cancelled."""
    orders = [await there.rest(away) for away in ("0.001", "0.002", "0.03", "0.04")]
    there.somebody(Side.SELL, "-0.0015", 4)
    await there.clock.sleep(2.0)
    there.somebody(Side.SELL, "-0.003", 10)
    await there.clock.sleep(2.0)
    for order in (orders[1], orders[3]):
        await there.exchange.cancel(order)
    await there.clock.sleep(2.0)
    return orders


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def fills_come_by_stream(subject: Subject) -> None:
    """A fill is told by the stream, within seconds, without being asked for.

    Somebody trades with an order that rests.
    """
    async with scene(subject) as there:
        await _live(there)
        order = await there.rest("0.001")
        there.somebody(Side.SELL, "-0.002", 20)
        await there.until(lambda: order.complete, "the fill is told", 8.0)
        await there.settle()


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def reports_never_take_back(subject: Subject) -> None:
    """What the stream says was filled never shrinks, and is what the venue has filled.

    Reports are patches: what a frame leaves out is not said, and never zero. Read from the session itself.
    """
    async with scene(subject) as there:
        await _live(there)
        said = listen(there)
        await _busy(there)
        await there.settle()
        largest: dict[str, Decimal] = {}
        held = {order.order_id: order for order in there.orders}
        for output in said:
            if not isinstance(output, OrderReport):
                continue
            key = output.order_id or output.client_order_id
            if output.filled is not None:
                assert output.filled >= largest.get(key, Decimal(0)), f"filled fell: {output}"
                largest[key] = output.filled
                if key in held:
                    assert output.filled <= held[key].filled, f"more than was filled: {output}"
            for name in ("quantity", "price"):
                assert getattr(output, name) != 0, f"{name} of zero: {output}"
        assert largest, "no report told what was filled"


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def fill_keys_are_the_venues(subject: Subject) -> None:
    """Each execution has a key of its own, the same by stream and by request.

    It is what keeps a fill from counting twice when it comes by both ways.
    """
    async with scene(subject) as there:
        await _live(there)
        said = listen(there)
        began = there.clock.now()
        await _busy(there)
        await there.settle()
        streamed = {output.key for output in said if isinstance(output, Fill)}
        asked = [fill.key for fill in await there.exchange.fills(there.pair, began)]
        executions = there.executions
        assert len(set(asked)) == len(asked) == len(executions), (
            f"{len(set(asked))} keys of {len(executions)} executions"
        )
        assert not streamed or streamed == set(asked), (
            "an execution has another key by stream than by request"
        )


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def streamed_fills_are_whole(subject: Subject) -> None:
    """A fill that comes by stream is the venue's: side, price, quantity, fees, and who was there first.

    Read from the session itself. The side is ours, not that of whom we traded with; what is paid is positive. What a stream
    leaves out is not compared.
    """
    async with scene(subject) as there:
        await _live(there)
        said = listen(there)
        await _busy(there)
        there.somebody(Side.SELL, "0.001", 5)
        taken = await there.exchange.place(there.limit(Side.BUY, "-0.002", 5))
        await there.until(lambda: taken.order.complete, "the order is complete", 60.0)
        await there.settle()
        held = {execution.fill.key: execution for execution in there.executions}
        for fill in said:
            if not isinstance(fill, Fill) or fill.key not in held:
                continue
            execution = held[fill.key]
            for name in ("side", "price", "quantity", "liquidity"):
                told, wanted = getattr(fill, name), getattr(execution.fill, name)
                assert told in {None, wanted}, f"the {name} of a fill is told as {told}, it is {wanted}"
            if fill.fees is not None:
                paid, wanted = paid_of(fill.fees), paid_of(execution.fees)
                assert paid == wanted, f"the fees of a fill are told as {paid}, they are {wanted}"


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def provisional_comes_before_final(subject: Subject) -> None:
    """Where a venue may take things back, a fill is provisional first, final in the end, and final once and for all.

    Read from the session itself: each fill that was told as provisional is told as final, and none that was final is told as
    anything else. Skipped where nothing is ever provisional.
    """
    async with scene(subject) as there:
        await _live(there)
        said = listen(there)
        await _busy(there)
        await there.settle()
        await there.clock.sleep(30.0)
        told: dict[str, list[Finality]] = {}
        for output in said:
            if isinstance(output, Fill):
                told.setdefault(output.key, []).append(output.finality)
        if not any(Finality.PROVISIONAL in steps for steps in told.values()):
            reversible = isinstance(there.venue.dialect, ReversibleDialect)
            assert not reversible, "the venue may take fills back, and none was told as provisional"
            raise Unclaimed("nothing that it tells is provisional")
        for key, steps in told.items():
            assert steps[-1] is Finality.FINAL, f"the fill {key} was {steps[-1]} in the end"
            first = steps.index(Finality.FINAL)
            assert set(steps[first:]) == {Finality.FINAL}, f"the fill {key} was final, then not"
        keys = {execution.fill.key for execution in there.executions}
        assert set(told) == keys, f"fills told were {sorted(told)}, at the venue {sorted(keys)}"


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def undone_fills_are_taken_back(subject: Subject) -> None:
    """A fill that the venue takes back is taken back here, and counts once when it comes again.

    An order is filled, and the block of that trade is undone. Read from the session too: what was undone is told as undone.
    Skipped where a venue takes nothing back.
    """
    async with scene(subject) as there:
        dialect = there.venue.dialect
        if not isinstance(dialect, ReversibleDialect):
            raise Unclaimed("its venue takes nothing back")
        await _live(there)
        order = await there.rest("0.001")
        await there.clock.sleep(10.0)  # the order itself is final
        said = listen(there)
        there.somebody(Side.SELL, "-0.002", 20)
        await there.until(lambda: order.filled > 0, "the fill is told", 30.0)
        kept = {execution.fill.key for execution in there.executions}
        dialect.undo_block()
        await there.clock.sleep(20.0)
        await there.settle()
        gone = kept - {execution.fill.key for execution in there.executions}
        if not gone:
            raise Unclaimed("its venue took nothing back")
        undone = {each.key for each in said if isinstance(each, Fill) and each.finality is Finality.UNDONE}
        assert gone <= undone, f"{len(gone - undone)} fills were taken back, and not told as undone"


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def ends_are_the_venues(subject: Subject) -> None:
    """An order is told as over when it is over at the venue, in the way in which it ended, and not before.

    Partly filled is not filled. Read from the session itself: whatever it calls filled, cancelled, rejected or expired is that
    at the venue at that moment, and the last that it says of each order is where that order is.
    """
    async with scene(subject) as there:
        await _live(there)
        wrong: list[str] = []
        last: dict[str, OrderStatus] = {}

        def look(output: Any) -> None:
            if not isinstance(output, OrderReport) or output.status is None:
                return
            held = {order.order_id: order for order in there.orders}.get(output.order_id)
            if held is not None and output.finality is not Finality.UNDONE:
                last[output.order_id] = output.status
                if output.status.terminal and output.status is not held.status:
                    wrong.append(f"an order that is {held.status} was told as {output.status}")

        said = listen(there, look)
        await _busy(there)
        await there.settle()
        assert said, "its session said nothing"
        assert not wrong, wrong[0]
        held = {order.order_id: order.status for order in there.orders}
        differ = [
            f"{held[id_]}, and was told as {status}"
            for id_, status in last.items()
            if held[id_] is not status
        ]
        assert not differ, f"in the end an order is {differ[0]}"


def listen(there: Scene, look: Callable[[Any], None] = lambda _output: None) -> list[Any]:
    """What fresh private sessions say of the frames that arrive from now on, as they arrive; `look` sees it at that moment."""
    said: list[Any] = []
    stream = there.subject.connector.hooks.user_stream(
        environment=there.subject.environment,
        instruments=there.exchange.instruments,
        credentials=_credentials(there.subject),
    )
    for conversation in there.watched.sockets:
        try:
            session = stream.session(conversation.dial, there.exchange.instruments)
            session.opened(conversation.opened)
            session.want(frozenset(stream.topics()), conversation.opened)
        except Unsupported:
            continue
        conversation.listeners.append(_feeder(session.feed, said, look))
    return said


def _credentials(subject: Subject) -> Any:
    credentials = subject.credentials
    if credentials is None:
        raise Unclaimed("its dialect has no account")
    return credentials


def _feeder(
    feed: Callable[[bytes, int], Any], said: list[Any], look: Callable[[Any], None]
) -> Callable[[bytes, int], None]:
    def hear(frame: bytes, now: int) -> None:
        try:
            outputs = feed(frame, now)
        except VenuekitError:  # a frame of the public stream
            return
        for output in outputs:
            said.append(output)
            look(output)

    return hear


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def stream_holes_are_seen(subject: Subject) -> None:
    """A lost frame of the stream is noticed, and what it said is asked for.

    Every frame is left out for a moment in which an order is filled. The account agrees with the venue within two minutes,
    also where nothing else happens.
    """
    async with scene(subject) as there:
        await _live(there)
        order = await there.rest("0.001")
        await there.clock.sleep(3.0)
        there.venue.inject(Fault(kind=FaultKind.DROP, probability=1.0, times=3))
        there.somebody(Side.SELL, "-0.002", 20)
        await there.until(lambda: order.complete, "the fill is known all the same", 120.0)
        await there.settle()


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def stream_sequence_is_told(subject: Subject) -> None:
    """Where the stream has numbers a hole among them is told at once, and not only found by asking.

    Skipped where the venue numbers nothing: its sessions then say no `StreamSequence`, and loss is found by asking.
    """
    async with scene(subject) as there:
        await _live(there)
        said = listen(there)
        for away in ("0.05", "0.06", "0.07"):
            await there.rest(away)
        await there.clock.sleep(3.0)
        private = [each for each in there.watched.sockets if is_private(subject, each.dial.url)]
        if not any(isinstance(output, StreamSequence) for output in said):
            assert not _numbered(private), "its frames are numbered, and no number is told"
            raise Unclaimed("its user stream has no numbers")
        seen = len(there.told(StreamHole))
        for away in ("0.03", "0.04"):
            there.venue.inject(Fault(kind=FaultKind.DROP, probability=1.0, times=2))
            await there.exchange.place(there.limit(Side.BUY, away))
            await there.clock.sleep(30.0)
        assert len(there.told(StreamHole)) > seen, "frames are missing, and no hole was told"
        await there.settle()


def _numbered(conversations: Any) -> bool:
    """Whether the frames of a socket carry a number that rises by one from frame to frame."""
    import json

    for conversation in conversations:
        told = []
        for _, frame in conversation.frames:
            try:
                told.append(json.loads(frame))
            except ValueError:
                continue
        rows = [each for each in told if isinstance(each, dict)]
        for name in {key for row in rows for key in row}:
            numbers = [row[name] for row in rows if isinstance(row.get(name), int)]
            if len(numbers) >= 4 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
                return True
    return False


FAULTS: Final = {
    "doubled": (FaultKind.DOUBLE, 0.0, "Frames come twice."),
    "dropped": (FaultKind.DROP, 0.0, "Frames never come."),
    "swapped": (FaultKind.SWAP, 0.0, "Frames come in the wrong order."),
    "late": (FaultKind.DELAY, 5.0, "Frames come late."),
    "truncated": (FaultKind.TRUNCATE, 0.0, "Half of a frame comes."),
    "cut": (FaultKind.CUT, 0.0, "The socket breaks off."),
}


def _register(name: str, kind: FaultKind, seconds: Seconds, story: str) -> None:
    async def check(subject: Subject) -> None:
        async with scene(subject) as there:
            await _live(there)
            fault = (
                Fault(kind=kind, probability=0.3, times=5, seconds=seconds)
                if seconds
                else Fault(kind=kind, probability=0.3, times=5)
            )
            there.venue.inject(fault)
            await _busy(there)
            await there.settle()
            assert there.venue.injected.total(), "no fault struck"

    register(
        f"stream-survives-{name}-frames",
        Group.STREAM,
        check,
        needs=(Capability.USER_STREAM, ORDERS, DIALECT),
        documentation=f"{story}\n\nA third of the frames of all sockets, while orders rest, are filled and cancelled. "
        "In the end client and venue agree on every order and fill, and nothing counts twice.",
    )


for _name, (_kind, _seconds, _story) in FAULTS.items():
    _register(_name, _kind, _seconds, _story)


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def expired_tokens_are_replaced(subject: Subject) -> None:
    """A stream whose token has expired is opened again with a new one.

    Every token is worthless at once; a fill that comes soon after is known within two minutes.
    """
    async with scene(subject) as there:
        await _live(there)
        order = await there.rest("0.001")
        there.venue.expire_tokens()
        await there.clock.sleep(20.0)
        there.somebody(Side.SELL, "-0.002", 20)
        await there.until(lambda: order.complete, "the fill is known", 120.0)
        await _live(there)
        await there.settle()


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def tokens_are_renewed(subject: Subject) -> None:
    """A stream lives long: tokens are renewed before they expire, and no socket is lost for want of it.

    An hour and a half passes, ten minutes where there are no tokens; then a fill is told by the stream. Only what the venue
    itself ends is dialled again.
    """
    async with scene(subject, trade=True, channels=()) as there:
        await _live(there)
        await there.clock.sleep(60.0)
        dialled = len(there.watched.sockets)
        kind = there.venue.dialect.kind
        tokens = any(kind(each.request) is CallKind.TOKEN for each in there.watched.requests)
        await there.clock.sleep(1.5 * 3600.0 if tokens else 600.0)
        assert len(there.watched.sockets) == dialled, (
            f"{len(there.watched.sockets) - dialled} sockets were dialled again while it was quiet"
        )
        await _live(there)
        order = await there.rest("0.001")
        there.somebody(Side.SELL, "-0.002", 20)
        await there.until(lambda: order.complete, "the fill is told", 8.0)


@check(Group.STREAM, Capability.USER_STREAM, ORDERS, DIALECT)
async def private_urls_are_secret(subject: Subject) -> None:
    """Where the URL of a private socket carries a token it is declared secret, and not shown.

    Otherwise the token stands in logs and on tapes.
    """
    async with scene(subject, channels=()) as there:
        await _live(there)
        stated = set(subject.environment.urls.values())
        for conversation in there.watched.sockets:
            dial = conversation.dial
            if dial.url.partition("?")[0] not in stated:
                assert dial.secret_url, "a socket's path is none of the description's, and is shown"
