"""Secrets: keys stay out of logs, tapes, errors and events."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import CallKind, HttpRequest, VenuekitError
from venuekit_testkit.catalogue import AUTH, DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.hand import Hand
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Everything that is logged, at every level, or printed."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.exc_info}")

    root, handler = logging.getLogger(), Keep()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    printed = StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield lines
    finally:
        lines.append(printed.getvalue())
        root.removeHandler(handler)
        root.setLevel(level)


def _secrets(subject: Subject) -> frozenset[str]:
    if not subject.secrets:
        raise Unclaimed("its dialect has no account")
    return subject.secrets


def _unseen(text: str, secrets: frozenset[str], where: str) -> None:
    assert not any(secret in text for secret in secrets), f"a key stands in {where}"


@check(Group.SECRETS, AUTH, ORDERS, DIALECT)
async def logs_show_no_keys(subject: Subject) -> None:
    """Nothing that is logged at any level, or printed, shows a key.

    A session with orders, refusals and a fault; what core, connector and libraries log is read.
    """
    secrets = _secrets(subject)
    fault = Fault(kind=FaultKind.ERROR_AFTER, on={CallKind.PLACE}, nth=2)
    with _logged() as lines:
        async with scene(subject, [fault]) as there:
            order = await there.rest()
            await there.exchange.place(there.limit(order.intent.side, "0.06"))
            await there.exchange.cancel(order)
            await there.settle()
    _unseen("\n".join(lines), secrets, "a log")


@check(Group.SECRETS, AUTH, ORDERS, DIALECT)
async def events_show_no_keys(subject: Subject) -> None:
    """No event, order, exchange or socket shows a key in its repr.

    Nor does the request that was signed.
    """
    secrets = _secrets(subject)
    async with scene(subject) as there:
        await there.rest()
        shown = [repr(each) for each in (*there.events, there.exchange, *there.account.orders.values())]
        shown += [repr(each.request) for each in there.watched.requests]
        shown += [repr(each.answer) for each in there.watched.requests]
        shown += [repr(each.dial) for each in there.watched.sockets]
    _unseen("\n".join(shown), secrets, "a repr")


@check(Group.SECRETS, AUTH, ORDERS, DIALECT)
def errors_show_no_keys(subject: Subject) -> None:
    """No error, and no traceback of it, shows a key.

    Every reply to a signed request is one that cannot be read.
    """
    from venuekit_spec import HttpResponse

    secrets = _secrets(subject)
    hand = Hand(subject)
    market = hand.market(subject.ways[0])

    def unreadable(request: HttpRequest, _response: HttpResponse) -> HttpResponse:
        return HttpResponse(500, b"{", {}, hand.now, request.url)

    hand.answer = unreadable
    for flow in (market.balances(), market.open_orders(None), market.permissions()):
        try:
            hand.run(flow)
        except VenuekitError as error:
            _unseen("".join(traceback.format_exception(error)), secrets, "a traceback")
        else:
            raise AssertionError("a 500 was taken for an answer")


@check(Group.SECRETS, AUTH, ORDERS, DIALECT)
async def tapes_hold_no_keys(subject: Subject) -> None:
    """A tape of a whole session holds no key.

    Orders, tokens and private streams are taped; what is written is searched.
    """
    secrets = _secrets(subject)
    with TemporaryDirectory(prefix="venuekit-check-") as folder:
        tape = Path(folder) / "session.jsonl"
        async with scene(subject, record=tape) as there:
            order = await there.rest()
            await there.exchange.cancel(order)
            await there.settle()
        _unseen(tape.read_text(encoding="utf-8"), secrets, "a tape")


@check(Group.SECRETS, AUTH, ORDERS, DIALECT)
async def urls_hold_no_secrets(subject: Subject) -> None:
    """What signs never travels: no request and no frame holds the key that signatures are made with.

    The last of the declared credentials is taken for it.
    """
    credentials = subject.credentials
    if credentials is None:
        raise Unclaimed("its dialect has no account")
    secret = credentials.fields[subject.description.credentials[-1]].reveal()
    async with scene(subject) as there:
        order = await there.rest()
        await there.exchange.cancel(order)
        sent = [
            f"{each.request.url} {each.request.headers} {each.request.body!r}"
            for each in there.watched.requests
        ]
        sent += [str(frame) for conversation in there.watched.sockets for frame in conversation.sent]
    _unseen("\n".join(sent), frozenset({secret}), "what was sent")
