"""Faults upon a feed: whatever befalls frames, snapshots and sockets, no book is LIVE and wrong, and each comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from venuekit import BookState, StateChange
from venuekit_simulator.faults import Fault, FaultKind, Unreachable
from venuekit_spec import (
    CallKind,
    Crossed,
    Seconds,
    SnapshotSource,
    SyncRule,
)
from venuekit_testkit.catalogue import BOOK, DIALECT, Group, Need, Unclaimed, check, register
from venuekit_testkit.groups.data import quiet, same, watch
from venuekit_testkit.scene import Scene, scene
from venuekit_testkit.subject import Subject

LONG: Final[Seconds] = 10.0


@frozen
class Trial:
    """What befalls a feed. `harmless`: it loses nothing and keeps the order, so no feed may be wrong after it."""

    id: str
    faults: tuple[Fault, ...]
    summary: str
    story: str
    harmless: bool = False
    patience: Seconds = 0.0
    """How long it takes to be noticed, where nothing comes any more."""


def _frames(kind: FaultKind, seconds: Seconds = 1.0) -> tuple[Fault, ...]:
    """A few frames, the first of them soon: feeds differ in how many they send."""
    return tuple(Fault(kind=kind, nth=number, seconds=seconds) for number in (2, 4, 7, 11, 17, 26))


_SAME: Final = "A book that is LIVE meanwhile is right where the feed can show a loss; at the end every book is the venue's."

TRIALS: Final = (
    Trial(
        "dropped-frames-are-noticed",
        _frames(FaultKind.DROP),
        "Frames that never arrive are noticed, and the book is repaired.",
        f"Several are left out at random. {_SAME}",
    ),
    Trial(
        "doubled-frames-change-nothing",
        _frames(FaultKind.DOUBLE),
        "A frame that comes twice changes nothing.",
        f"Several come twice, one right after the other. {_SAME}",
    ),
    Trial(
        "swapped-frames-are-noticed",
        _frames(FaultKind.SWAP),
        "Frames in the wrong order are noticed, or do no harm.",
        f"Several come after the next one. {_SAME}",
    ),
    Trial(
        "delayed-frames-change-nothing",
        _frames(FaultKind.DELAY, 2.0),
        "Frames that come late, and all behind them, change nothing but time.",
        f"Several are held up for two seconds. {_SAME}",
        harmless=True,
    ),
    Trial(
        "truncated-frames-are-lost-frames",
        _frames(FaultKind.TRUNCATE),
        "Half a frame is a frame that was lost.",
        f"Several arrive in part. The error names the book, which is repaired. {_SAME}",
    ),
    Trial(
        "corrupted-frames-are-lost-frames",
        _frames(FaultKind.CORRUPT),
        "A frame with a wrong character in it is a frame that was lost.",
        f"One character of several makes no sense. {_SAME}",
    ),
    Trial(
        "cut-sockets-are-redialled",
        (Fault(kind=FaultKind.CUT, at=2.0), Fault(kind=FaultKind.CUT, at=7.0)),
        "A socket that breaks off is dialled again, and the book starts anew.",
        f"Twice, without a goodbye. {_SAME}",
        harmless=True,
    ),
    Trial(
        "stalled-sockets-are-noticed",
        (Fault(kind=FaultKind.STALL, nth=10),),
        "A socket that stays open in silence is noticed by its silence.",
        f"Nothing comes any more, not even pongs; the book leaves LIVE within the declared limit. {_SAME}",
        harmless=True,
        patience=150.0,
    ),
    Trial(
        "venue-restarts-are-survived",
        (Fault(kind=FaultKind.RESTART, at=3.0, seconds=4.0),),
        "A venue that starts anew is found again.",
        f"Sockets are cut, and for some seconds nobody listens. {_SAME}",
        harmless=True,
    ),
    Trial(
        "lost-names-are-survived",
        (
            Fault(kind=FaultKind.UNREACHABLE, at=4.0, how=Unreachable.DNS, seconds=30.0),
            Fault(kind=FaultKind.CUT, at=6.0),
        ),
        "A venue whose name cannot be found for a while is found again.",
        f"The socket is cut meanwhile. {_SAME}",
        harmless=True,
    ),
    Trial(
        "black-holes-are-survived",
        (Fault(kind=FaultKind.UNREACHABLE, at=4.0, how=Unreachable.BLACK_HOLE, seconds=60.0),),
        "A way on which everything vanishes is noticed, and left.",
        f"For a minute nothing arrives and nothing is refused. {_SAME}",
        harmless=True,
        patience=150.0,
    ),
)


def _audited(rule: SyncRule) -> Seconds:
    """How long it takes until an audit has seen everything."""
    return 1.3 * rule.audit + 60.0 if rule.audit is not None else 0.0


async def _tried(subject: Subject, trial: Trial) -> None:
    rule = subject.book_rule
    assert rule is not None
    async with scene(subject, trade=False) as there:
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        sure = rule.shows_loss
        wrong = watch(there) if sure or trial.harmless else []
        for fault in trial.faults:
            there.venue.inject(fault)
        await there.clock.sleep(LONG)
        crowd.leave()
        await there.clock.sleep(trial.patience)
        await back(there)
        assert there.venue.injected.total(), "no fault struck"
        if not rule.shows_loss:
            if rule.audit is None:
                raise Unclaimed("nothing but an audit could show a loss, and it has none")
            await there.clock.sleep(_audited(rule))
            await back(there)
        else:
            # What is lost last is shown by what comes next.
            there.crowd()
            await there.clock.sleep(5.0)
            crowd.leave()
            await back(there)
        assert not wrong, wrong[0]
        same(there)


async def back(there: Scene) -> None:
    """Wait until every book is LIVE again and has heard everything."""
    await quiet(there)
    books = [there.exchange.books[pair] for pair in there.pairs]
    await there.until(
        lambda: all(book.live for book in books), f"LIVE again, not {[book.state for book in books]}", 300.0
    )
    await quiet(there)


def _register(trial: Trial) -> None:
    async def tried(subject: Subject) -> None:
        await _tried(subject, trial)

    register(
        trial.id,
        Group.DATA,
        tried,
        needs=(BOOK, DIALECT),
        documentation=f"{trial.summary}\n\n{trial.story}",
    )


for _trial in TRIALS:
    _register(_trial)


def _needs(judge: str, reason: str, rules: Sequence[object]) -> Need:
    def lacks(subject: Subject) -> str:
        rule = subject.book_rule
        return "" if rule is not None and getattr(rule, judge) in rules else reason

    return Need(lacks)


def _lacks_sequence(subject: Subject) -> str:
    rule = subject.book_rule
    return "" if rule is not None and {"sequence", "checksum"} & set(rule.proofs) else "its feed shows no gap"


BY_REST: Final = _needs("snapshot", "it asks for no snapshots", [SnapshotSource.REST])


@check(Group.DATA, BOOK, DIALECT, Need(_lacks_sequence))
async def book_gap_noticed(subject: Subject) -> None:
    """A gap takes the book out of LIVE on the message that shows it, and it is repaired.

    Eight frames in a row are left out. The gap is counted, the book leaves LIVE before anyone can read it, and comes back as
    the venue's.
    """
    async with scene(subject, trade=False) as there:
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        await there.clock.sleep(2.0)
        wrong, seen = watch(there), len(there.events)
        there.venue.inject(Fault(kind=FaultKind.DROP, probability=1.0, times=8))
        await there.clock.sleep(10.0)
        crowd.leave()
        await back(there)
        left = [event for event in there.events[seen:] if isinstance(event, StateChange)]
        assert any(event.state is not BookState.LIVE for event in left), "nobody noticed eight frames less"
        assert not wrong, wrong[0]
        same(there)


@check(Group.DATA, BOOK, DIALECT)
async def reconnect_replaces(subject: Subject) -> None:
    """After a reconnect the new snapshot replaces the book: no level of the old one is left.

    While the socket is gone the whole market goes elsewhere. A merged book would keep what is no more.
    """
    async with scene(subject, trade=False) as there:
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        crowd.leave()
        there.venue.unreachable(Unreachable.REFUSED, 10.0)
        there.crowd()
        await there.clock.sleep(15.0)
        crowd.leave()
        await back(there)
        same(there)


@check(Group.DATA, BOOK, DIALECT)
async def silence_is_noticed(subject: Subject) -> None:
    """A feed that falls silent is not LIVE for longer than its silence limit.

    The socket stays open and nothing comes any more. Reading the book fails then, until a new socket has served it.
    """
    async with scene(subject, trade=False) as there:
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 30.0)
        crowd.leave()
        seen = len(there.events)
        for socket in there.venue.sockets:
            socket.stall()
        await there.until(
            lambda: any(
                isinstance(event, StateChange) and event.state is not BookState.LIVE
                for event in there.events[seen:]
            ),
            "the silence is noticed",
            150.0,
        )
        await back(there)


@check(Group.DATA, BOOK, DIALECT, BY_REST)
async def failed_snapshots_are_tried_again(subject: Subject) -> None:
    """A snapshot that fails is asked for again, and what was kept for it is not thrown away.

    The first three answers are errors of the venue.
    """
    fault = Fault(kind=FaultKind.ERROR_BEFORE, on={CallKind.SNAPSHOT}, probability=1.0, times=3)
    async with scene(subject, [fault], trade=False) as there:
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 120.0)
        crowd.leave()
        await back(there)
        assert there.venue.injected[FaultKind.ERROR_BEFORE] == 3, "it did not ask again"
        same(there)


@check(Group.DATA, BOOK, DIALECT, BY_REST)
async def stale_snapshots_are_refused(subject: Subject) -> None:
    """A snapshot that is older than what was kept for it is not joined to it.

    The first is fifty changes old. Where ids tell, it is asked for again.
    """
    fault = Fault(kind=FaultKind.STALE_SNAPSHOT, on={CallKind.SNAPSHOT}, nth=1, updates=50)
    async with scene(subject, [fault], trade=False) as there:
        wrong = watch(there)
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 120.0)
        await there.clock.sleep(5.0)
        crowd.leave()
        await back(there)
        assert not wrong, wrong[0]
        same(there)


@check(
    Group.DATA, BOOK, DIALECT, BY_REST, _needs("crossed", "its books may cross for moments", [Crossed.FAULT])
)
async def crossed_books_are_not_served(subject: Subject) -> None:
    """A book whose best bid is above its best ask is never LIVE.

    The first snapshot is crossed.
    """
    fault = Fault(kind=FaultKind.CROSSED_SNAPSHOT, on={CallKind.SNAPSHOT}, nth=1)
    async with scene(subject, [fault], trade=False) as there:
        crossed: list[str] = []

        def look(_message: object) -> None:
            book = there.book
            if book.live and book.spread is not None and book.spread < 0:
                crossed.append(str(book.spread))

        there.book.listeners.append(look)
        crowd = there.crowd()
        await there.until(lambda: there.book.live, "the book is LIVE", 120.0)
        crowd.leave()
        await back(there)
        assert not crossed, f"it was LIVE with a spread of {crossed[0]}"
        same(there)


@check(Group.DATA, BOOK, DIALECT)
async def one_bad_pair_delays_no_other(subject: Subject) -> None:
    """Where snapshots of one market fail, the others become LIVE all the same.

    Four of five requests for snapshots fail at first; every book comes LIVE in the end, and one of them soon.
    """
    fault = Fault(kind=FaultKind.ERROR_BEFORE, on={CallKind.SNAPSHOT}, probability=0.8, times=12)
    async with scene(subject, [fault], trade=False, pairs=3) as there:
        crowd = there.crowd()
        books = [there.exchange.books[pair] for pair in there.pairs]
        await there.until(lambda: all(book.live for book in books), "every book is LIVE", 300.0)
        crowd.leave()
        await back(there)
        same(there)
