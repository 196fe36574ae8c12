"""The socket that takes calls: what comes back of one, and what its session makes of it."""

from __future__ import annotations

import json

import pytest

from venuekit_spec import (
    Answer,
    Channel,
    LimitReport,
    MalformedMessage,
    Outcome,
    RateLimited,
    RefusalKind,
    RefusingSession,
    Send,
    SocketRequest,
    Topic,
    TopicLive,
    VenueUnavailable,
)
from venuekit_testkit import Hand, Pair


@pytest.fixture
def calls(local: Hand) -> Pair:
    """A socket that takes calls, with one that is pending and of which the venue knows nothing."""
    pair = local.open(Topic(Channel.CALLS))
    assert pair.take() == [TopicLive(Topic(Channel.CALLS))]
    pair.session.call(SocketRequest("7", "order.place", {}), local.now)
    return pair


def test_an_unsigned_call_is_refused(local: Hand, calls: Pair) -> None:
    """A call is acknowledged, then refused with what is used of the limits."""
    acknowledged, report, refused = calls.call(SocketRequest("8", "order.place", {}))
    assert acknowledged == Answer("8", acknowledgement=True)
    assert report == LimitReport(used={"weight": 1.0})
    assert isinstance(refused, Answer)
    assert refused.error is not None
    assert refused.error.code == "-1023"


@pytest.mark.parametrize("frame", [b"", b"[]", b'{"id":null,"error":{"code":-1100}}', b'{"id":7}'])
def test_malformed_frames(calls: Pair, frame: bytes) -> None:
    """What answers no call raises the one error that costs a frame; the call stays pending."""
    with pytest.raises(MalformedMessage):
        calls.session.feed(frame, 0)
    [answer] = calls.session.feed(b'{"id":"7","status":200,"result":{}}', 0)
    assert answer == Answer("7", payload=b"{}")


def test_a_failure_of_the_venue_is_unknown(calls: Pair) -> None:
    """A 5xx and an answer without a result prove nothing; a second answer means nothing."""
    [answer] = calls.session.feed(b'{"id":"7","status":503,"error":{"code":-1001}}', 0)
    assert isinstance(answer, Answer)
    assert isinstance(answer.error, VenueUnavailable)
    assert answer.error.outcome is Outcome.UNKNOWN
    assert calls.session.feed(b'{"id":"7","status":200,"result":{}}', 0) == []


def test_a_limit_orders_a_pause(calls: Pair) -> None:
    """A refusal for limits tells the pacer how long to wait."""
    report, _ = calls.session.feed(b'{"id":"7","status":418,"error":{"code":-1003},"retryAfter":9}', 0)
    assert report == LimitReport(penalty=9.0, banned=True)


@pytest.mark.parametrize(
    ("kind", "error", "outcome"),
    [
        (RefusalKind.OVERLOADED, VenueUnavailable, Outcome.UNKNOWN),
        (RefusalKind.RATE_LIMITED, RateLimited, Outcome.REJECTED),
        (RefusalKind.BANNED, RateLimited, Outcome.REJECTED),
    ],
)
def test_a_refusal_in_front_answers_its_call(
    calls: Pair, kind: RefusalKind, error: type[Exception], outcome: Outcome
) -> None:
    """In the venue's words, with the time to wait, and of no other call; the socket stays open."""
    assert isinstance(calls.line.server, RefusingSession)
    frame = json.dumps({"id": "7", "method": "order.place", "params": {}})
    [refusal] = calls.line.server.refuse(frame, kind, 7.5, 0)
    assert isinstance(refusal, Send)
    assert isinstance(refusal.frame, str)
    told = calls.session.feed(refusal.frame.encode(), 0)
    [answer] = [each for each in told if isinstance(each, Answer)]
    assert answer.key == "7"
    assert isinstance(answer.error, error)
    assert answer.error.outcome is outcome
    limited = [each for each in told if isinstance(each, LimitReport)]
    pause = LimitReport(penalty=8.0, banned=kind is RefusalKind.BANNED)
    assert limited == ([] if kind is RefusalKind.OVERLOADED else [pause])


def test_a_refusal_of_what_is_no_call_names_none(calls: Pair) -> None:
    """The venue could not read it."""
    assert isinstance(calls.line.server, RefusingSession)
    [refusal] = calls.line.server.refuse("no call", RefusalKind.OVERLOADED, 0.0, 0)
    assert isinstance(refusal, Send)
    assert json.loads(refusal.frame)["id"] is None
