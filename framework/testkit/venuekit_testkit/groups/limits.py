"""Limits: what is declared is kept, what the venue orders is obeyed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from venuekit import OrderRequest
from venuekit.drivers.tasks import helpers
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import (
    CallKind,
    HttpResponse,
    LimitReport,
    MalformedMessage,
    RateLimited,
    RefusalKind,
    Seconds,
    Side,
    VenuekitError,
    after,
    seconds_between,
)
from venuekit_testkit.catalogue import BOOK, DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.hand import Hand
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject

LIMITED: Final = frozenset({403, 418, 429})
PRESSING: Final[Seconds] = 10.0
"""For so long as many requests are made as the pacer lets through; limits of orders are mostly per second, or per ten."""
UNTOLD: Final[Seconds] = 1.0
"""The least pause after a refusal that does not say how long."""


@check(Group.LIMITS, DIALECT)
async def requests_declare_their_costs(subject: Subject) -> None:
    """Every request says what it costs, in pools that the description has.

    All requests of an ordinary session: instruments, snapshots, tokens, orders, reads. What costs nothing where pools are
    declared cannot be paced.
    """
    if not subject.description.pools:
        raise Unclaimed("it declares no pools")
    pools = {pool.name for pool in subject.description.pools}
    async with scene(subject) as there:
        if subject.trades:
            order = await there.rest()
            await there.exchange.open_orders()
            await there.exchange.balances()
            await there.exchange.cancel(order)
        await there.clock.sleep(5.0)
        assert there.watched.requests, "nothing was asked"
        for each in there.watched.requests:
            label = each.request.label or repr(each.request)
            assert each.request.costs, f"{label} costs nothing"
            for cost in each.request.costs:
                assert cost.pool in pools, f"{label} takes from {cost.pool!r}, which is not declared"
                assert cost.weight >= 0, f"{label} has a negative cost"


@check(Group.LIMITS, ORDERS, DIALECT)
async def declared_limits_are_kept(subject: Subject) -> None:
    """A client that asks without pause is never refused by the venue.

    Six tasks place and cancel, and ask for balances, for eleven seconds. The venue counts by itself.
    """
    async with scene(subject, channels=()) as there:
        end = after(there.clock.now(), PRESSING)

        async def press(request: OrderRequest) -> None:
            while there.clock.now() < end:
                try:
                    placed = await there.exchange.place(request)
                    await there.exchange.cancel(placed.order)
                    for _ in range(4):
                        await there.exchange.balances()
                except RateLimited:  # its turn would be too late: refused on this side, nothing was sent
                    await there.clock.sleep(5.0)
                except VenuekitError:
                    await there.clock.sleep(1.0)

        async with helpers() as tasks:
            for number in range(6):
                tasks.start_soon(press, there.limit(Side.BUY, f"0.0{number + 3}", 1))
            await there.clock.sleep(PRESSING + 1.0)
        refused = sum(status in LIMITED for status in there.watched.statuses)
        assert not refused, f"{refused} of {len(there.watched.statuses)} requests were refused"
        assert len(there.watched.statuses) > 20, "hardly anything was asked"


async def _obeyed(subject: Subject, kind: FaultKind, seconds: float) -> None:
    on = {CallKind.QUERY} if subject.trades else {CallKind.SNAPSHOT, CallKind.OTHER}
    async with scene(subject) as there:
        await there.clock.sleep(5.0)
        there.venue.inject(Fault(kind=kind, on=on, nth=1, seconds=seconds))
        for _ in range(20):
            try:
                if subject.trades:
                    await there.exchange.open_orders()
                else:
                    await there.exchange.measure_clock()
            except VenuekitError:
                pass  # the refusal itself
            await there.clock.sleep(0.5)
        await there.clock.sleep(seconds)
        refusals = [
            (each.at, each.answer)
            for each in there.watched.requests
            if isinstance(each.answer, HttpResponse) and each.answer.status in LIMITED
        ]
        if not refusals:
            raise Unclaimed("nothing that it asks could be refused")
        first, refusal = refusals[0]
        pause = seconds - 0.5 if "retry-after" in refusal.headers else UNTOLD
        early = [each for each in there.watched.requests if 0.2 < seconds_between(first, each.at) < pause]
        assert not early, f"{len(early)} requests were sent while the venue had ordered a pause"


@check(Group.LIMITS, DIALECT)
async def ordered_pauses_are_obeyed(subject: Subject) -> None:
    """After a 429 nothing is sent for as long as the venue says.

    Retry-After, or the venue's own word for it, is read and told by `limit_report`.
    """
    await _obeyed(subject, FaultKind.RATE_LIMITED, 5.0)


@check(Group.LIMITS, DIALECT)
async def bans_are_obeyed(subject: Subject) -> None:
    """While the venue has banned us nothing is sent.

    Each request in a ban makes it longer on most venues.
    """
    await _obeyed(subject, FaultKind.BANNED, 30.0)


def _odd() -> Iterator[HttpResponse]:
    for status in (200, 400, 403, 418, 429, 503):
        for value in (
            "",
            "x",
            "-1",
            "1e9",
            "NaN",
            "9" * 400,
            "\u0663",
            " 5 ",
            "1;2",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ):
            names = (
                "retry-after",
                "x-used-weight",
                "x-mbx-used-weight-1m",
                "x-ratelimit-remaining",
                "x-order-count",
            )
            yield HttpResponse(status, b"{", dict.fromkeys(names, value), 0, "https://host/path?x=1")
        yield HttpResponse(status, b"", {}, 0, "")
        yield HttpResponse(status, b"[]", {}, 0, "https://host/")


@check(Group.LIMITS)
def limit_reports_read_anything(subject: Subject) -> None:
    """Headers that mean nothing cost no answer: reading limits from a response never fails.

    An unreadable header must not cost the reply to an order.
    """
    pools = {pool.name for pool in subject.description.pools}
    for response in _odd():
        try:
            report = subject.description.limit_report(response)
        except MalformedMessage:
            continue
        assert isinstance(report, LimitReport), f"it reads {report!r} from a response"
        assert set(report.used) | set(report.capacities) <= pools, "it reports of a pool that is not declared"
        assert report.penalty is None or report.penalty >= 0, f"it orders a pause of {report.penalty} s"


@check(Group.LIMITS, DIALECT)
def refusals_are_told_as_limits(subject: Subject) -> None:
    """A 429 and a ban are `RateLimited`, with what the venue says of how long.

    Never accepted, never a bug, never "not found". A venue that words both alike (its dialect does) tells of no ban.
    """
    hand = Hand(subject)
    pause = hand.dialect.refusal(RefusalKind.RATE_LIMITED, 7.0, hand.now)
    for kind in (RefusalKind.RATE_LIMITED, RefusalKind.BANNED):
        refusal = hand.dialect.refusal(kind, 7.0, hand.now)
        response = HttpResponse(refusal.status, refusal.body, refusal.headers, hand.now, "https://host/")
        penalty = subject.description.limit_report(response).penalty
        hand.answer = lambda request, _response, refusal=refusal: HttpResponse(
            refusal.status, refusal.body, refusal.headers, hand.now, request.url
        )
        try:
            hand.run(hand.source.instruments())
        except RateLimited as error:
            banned, wait = error.banned, error.retry_after
        except VenuekitError as error:
            raise AssertionError(f"{kind} is told as {error!r}") from error
        else:
            raise AssertionError(f"{kind} was taken for an answer")
        finally:
            hand.answer = None
        assert penalty is not None or wait is None, (
            f"a pause of {wait} s is ordered, and no limit_report tells it"
        )
        assert banned or refusal == pause, "a ban is told as a pause like any other"


@check(Group.LIMITS, BOOK, DIALECT)
def frames_a_second_are_kept(subject: Subject) -> None:
    """Subscribing to many topics at once sends no more frames than a socket takes.

    A session may ask for all at once or in turns; what it sends in its first second stays within the declared limit.
    """
    from venuekit_spec import Dial, InstrumentTable, Send, Topic

    hand = Hand(subject)
    rule = subject.book_topic
    assert rule is not None
    limits = subject.description.socket_limits(rule.endpoint)
    topics = [Topic(rule.channel, id_, rule.variant) for id_ in hand.instruments][: limits.topics]
    dial: Dial = hand.run(hand.source.dial(topics))
    session = hand.source.session(dial, InstrumentTable(hand.instruments.values()))
    outputs = [*session.opened(hand.now), *session.want(frozenset(topics), hand.now)]
    sent = sum(isinstance(output, Send) for output in outputs)
    assert sent <= max(limits.frames_per_second, 1), (
        f"{sent} frames are sent at once, a socket takes {limits.frames_per_second:g} a second"
    )
