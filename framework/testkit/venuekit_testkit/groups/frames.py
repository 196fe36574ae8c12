"""Fuzz: bytes that mean nothing raise `MalformedMessage` and nothing else, on sockets and in replies."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from venuekit_spec import (
    Capability,
    HttpRequest,
    HttpResponse,
    InstrumentTable,
    Topic,
    VenuekitError,
)
from venuekit_testkit.catalogue import BOOK, DIALECT, ORDERS, Group, check
from venuekit_testkit.groups.placing import came_to
from venuekit_testkit.groups.public import heard, shown
from venuekit_testkit.hand import START, Hand, ref
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject
from venuekit_testkit.talking import NONSENSE, Talk, mutations

EACH: Final = 12
"""Mutations of one frame."""
FRAMES: Final = 40
"""Frames that are mutated."""


def _feed(talk: Talk, frame: bytes, now: int, at: str) -> None:
    try:
        talk.feed(frame, now)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} at {frame[:80]!r} ({at}): {error}") from error


@check(Group.FRAMES, BOOK, DIALECT)
async def nonsense_is_malformed(subject: Subject) -> None:
    """Bytes that no venue sends raise `MalformedMessage` and nothing else.

    Empty frames, binary noise, endless nesting, JSON of the wrong shape. Anything else that a session raises costs the whole
    connection.
    """
    found = await heard(subject, 2.0)
    talk = found.talk()
    for now, frame in found.conversation.frames:
        talk.feed(frame, now)
        for nonsense in NONSENSE:
            _feed(talk, nonsense, now, "nonsense")


@check(Group.FRAMES, BOOK, DIALECT)
async def mutated_frames_are_malformed(subject: Subject) -> None:
    """Frames that are nearly right raise `MalformedMessage` and nothing else.

    Real frames of the venue are cut, with other bytes, and with other values in the same structure, hundreds of them, from
    one seed.
    """
    found = await heard(subject)
    dice = Random(7)  # noqa: S311  # a seeded fuzz
    talk = found.talk()
    for now, frame in found.conversation.frames[:FRAMES]:
        talk.feed(frame, now)
        for mutation in mutations(frame, dice, EACH):
            _feed(talk, mutation, now, "a mutation")


@check(Group.FRAMES, BOOK, DIALECT)
async def malformed_frames_cost_themselves(subject: Subject) -> None:
    """A frame that cannot be read costs that frame: the next one is read as if nothing had been.

    Nonsense is put between real frames; what the session says of these is what it says without.
    """
    found = await heard(subject)
    plain, disturbed = found.talk(), found.talk()
    for now, frame in found.conversation.frames:
        plain.feed(frame, now)
        for nonsense in (b"{", b"\xff", frame[: len(frame) // 2]):
            _feed(disturbed, nonsense, now, "nonsense")
        disturbed.feed(frame, now)
    said, wanted = shown(disturbed.outputs), shown(plain.outputs)
    missing = [each for each in wanted if each not in said]
    assert not missing, f"it no longer says {missing[0]}"
    assert said == wanted, "it says other things once it was disturbed"


@check(Group.FRAMES, DIALECT, Capability.USER_STREAM)
async def mutated_user_frames_are_malformed(subject: Subject) -> None:
    """Frames of the user stream that are nearly right raise `MalformedMessage` and nothing else.

    As for the public stream; the frames are those of an order that rests, is filled and is cancelled.
    """
    async with scene(subject) as there:
        order = await there.rest("0.001")
        there.somebody(order.intent.side.opposite, "-0.002", 5)
        await there.clock.sleep(5.0)
        await there.exchange.cancel(order)
        await there.settle()
        instruments = InstrumentTable(there.exchange.instruments.values())
        credentials = subject.credentials
        assert credentials is not None
        stream = subject.connector.hooks.user_stream(
            environment=subject.environment, instruments=instruments, credentials=credentials
        )
        public = there.watched.sockets
        dice = Random(11)  # noqa: S311  # a seeded fuzz
        fuzzed = 0
        for conversation in public:
            if not is_private(subject, conversation.dial.url):
                continue
            topics = frozenset[Topic](stream.topics())
            talk = Talk(stream, conversation, instruments, topics)
            for now, frame in conversation.frames[:FRAMES]:
                _feed(talk, frame, now, "a frame of the venue")
                for mutation in (*mutations(frame, dice, EACH), b"{", b"[]", b"\xff"):
                    _feed(talk, mutation, now, "a mutation")
                    fuzzed += 1
        assert fuzzed, "no private socket brought a frame"


def is_private(subject: Subject, url: str) -> bool:
    """Whether a URL is that of a private socket: public ones are dialled without a request."""
    hand = Hand(subject)
    rule = subject.book_topic
    if rule is None:
        return True
    public = hand.run(hand.source.dial([Topic(rule.channel, hand.pair, rule.variant)])).url
    return url != public


def _answers(hand: Hand, make: Any, what: str, dice: Random) -> None:
    """Run a flow whose replies are nearly right; only errors of the contract may come out."""
    bodies: list[HttpResponse] = []

    def keep(_request: HttpRequest, response: HttpResponse) -> HttpResponse:
        bodies.append(response)
        return response

    hand.answer = keep
    hand.run(make())
    for response in bodies[:1]:
        for body in (*mutations(response.body[:20_000], dice, 40), *NONSENSE):
            for status in (response.status, 400):

                def answer(_request: HttpRequest, told: HttpResponse, body: bytes = body) -> HttpResponse:
                    return HttpResponse(
                        status,  # noqa: B023  # called before the loop goes on
                        body,
                        told.headers,
                        told.received,
                        told.url,
                    )

                hand.answer = answer
                try:
                    hand.run(make())
                except VenuekitError:
                    continue
                except Exception as error:
                    raise AssertionError(
                        f"{what}: {type(error).__name__} at {body[:60]!r}: {error}"
                    ) from error
                finally:
                    hand.answer = None


@check(Group.FRAMES, DIALECT)
def mutated_replies_are_errors(subject: Subject) -> None:
    """Replies that mean nothing raise errors of the contract, and nothing else.

    Replies to the public requests are cut, altered and replaced. A bug that they set free would be retried for ever.
    """
    hand, dice = Hand(subject), Random(13)  # noqa: S311  # a seeded fuzz
    _answers(hand, hand.source.instruments, "instruments", dice)
    if Capability.SERVER_TIME in subject.description.capabilities:
        _answers(hand, hand.source.server_time, "server_time", dice)


@check(Group.FRAMES, DIALECT, ORDERS)
def mutated_private_replies_are_errors(subject: Subject) -> None:
    """Replies to private requests that mean nothing raise errors of the contract, and nothing else.

    Open orders, balances, fills and the status of an order.
    """
    hand, dice = Hand(subject), Random(17)  # noqa: S311  # a seeded fuzz
    market = hand.market()
    order = hand.limit(5)
    hand.run(market.place([order]))
    hand.advance(5.0)
    _answers(hand, lambda: market.open_orders(None), "open_orders", dice)
    _answers(hand, lambda: market.status(ref(order)), "status", dice)
    _answers(hand, market.balances, "balances", dice)
    _answers(hand, lambda: market.fills([hand.pair], START), "fills", dice)


@check(Group.FRAMES, DIALECT, ORDERS)
def unreadable_placements_are_unknown(subject: Subject) -> None:
    """A placement whose reply cannot be read is unknown, never accepted by chance and never rejected.

    The venue has the order. A reply that is cut short proves nothing.
    """
    hand = Hand(subject)
    market = hand.market()

    for number, body in enumerate((b"", b"{", b"<html>502 Bad Gateway</html>", b"[]", b"\xff"), 1):
        order = hand.limit(number)

        def cut(_request: HttpRequest, told: HttpResponse, body: bytes = body) -> HttpResponse:
            return HttpResponse(told.status, body, told.headers, told.received, told.url)

        hand.answer = cut
        (placed,) = came_to(hand, market.place([order]), 1)
        hand.answer = None
        assert type(placed).__name__ == "Unknown", f"a reply of {body!r} was taken for {placed}"
