"""The public session by itself: repeatable, exact, and one topic at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import frozen

from venuekit_spec import (
    SECOND,
    BookDelta,
    BookSnapshot,
    Channel,
    DataSource,
    InstrumentTable,
    Send,
    Topic,
    TopicLost,
)
from venuekit_testkit.catalogue import BOOK, DIALECT, Group, check
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject
from venuekit_testkit.talking import Talk
from venuekit_testkit.watching import Conversation


@frozen
class Heard:
    """What one public socket brought, and what is needed to hear it again."""

    source: DataSource
    conversation: Conversation
    instruments: InstrumentTable
    topics: frozenset[Topic]

    def talk(self, topics: frozenset[Topic] | None = None) -> Talk:
        """A fresh session that has not heard it yet."""
        return Talk(
            self.source, self.conversation, self.instruments, self.topics if topics is None else topics
        )


async def heard(subject: Subject, seconds: float = 5.0, pairs: int = 1) -> Heard:
    """The frames of a book's socket on a lively market."""
    rule = subject.book_topic
    assert rule is not None
    async with scene(subject, trade=False, pairs=pairs) as there:
        there.crowd()
        await there.clock.sleep(seconds)
        (conversation, *_) = [each for each in there.watched.sockets if each.raw]
        return Heard(
            subject.connector.hooks.data_source(environment=subject.environment),
            conversation,
            InstrumentTable(there.exchange.instruments.values()),
            frozenset(Topic(rule.channel, pair, rule.variant) for pair in there.pairs),
        )


def shown(outputs: Any) -> list[str]:
    """Outputs as text that can be compared."""
    return [repr(output) for output in outputs]


@check(Group.FRAMES, BOOK, DIALECT)
async def sessions_are_repeatable(subject: Subject) -> None:
    """Two fresh sessions that hear the same frames say the same.

    Nothing is remembered from one session to the next, so a tape replays as it was.
    """
    found = await heard(subject)
    first, second = found.talk(), found.talk()
    for talk in (first, second):
        for now, frame in found.conversation.frames:
            talk.feed(frame, now)
    assert first.outputs, "a session said nothing"
    differ = [
        (one, other)
        for one, other in zip(*map(shown, (first.outputs, second.outputs)), strict=False)
        if one != other
    ]
    assert not differ, f"one said {differ[0][0]}, the other {differ[0][1]}"
    assert len(first.outputs) == len(second.outputs), "one said more than the other"


@check(Group.FRAMES, BOOK, DIALECT)
async def real_frames_are_read(subject: Subject) -> None:
    """Every frame that the venue sends is understood.

    None is refused as malformed on an undisturbed socket.
    """
    found = await heard(subject)
    talk = found.talk()
    for now, frame in found.conversation.frames:
        talk.feed(frame, now)
    assert not talk.refused, str(talk.refused[0])


@check(Group.FRAMES, BOOK, DIALECT)
async def rows_are_exact(subject: Subject) -> None:
    """Prices and sizes of levels are the venue's text, or a double only where that gives the text back.

    Sizes are decimal text in plain notation. Prices are text, or doubles where `Instrument.float_keys` holds. Anything else
    has lost digits. Up to ten markets are looked at, as they differ in digits.
    """
    found = await heard(subject, pairs=10)
    talk = found.talk()
    for now, frame in found.conversation.frames:
        talk.feed(frame, now)
    for message in talk.told:
        if not isinstance(message, BookSnapshot | BookDelta):
            continue
        doubles = found.instruments[message.instrument].float_keys
        for row in (*message.bids, *message.asks):
            price, size = row[0], row[1]
            assert isinstance(size, str), f"the size {size!r} is {type(size).__name__}"
            assert "e" not in size.lower(), f"the size {size!r} has an exponent"
            assert Decimal(size) >= 0, f"the size {size!r} is negative"
            assert isinstance(price, str) or (doubles and isinstance(price, float)), (
                f"the price {price!r} is {type(price).__name__}"
            )


@check(Group.FRAMES, BOOK, DIALECT)
async def unknown_topics_are_lost_alone(subject: Subject) -> None:
    """A topic that the venue does not have is lost by itself; the others are asked for as ever.

    A session that raises, or takes the good topic down with the bad one, would let one typing mistake cost a socket.
    """
    found = await heard(subject)
    bad = Topic(Channel.BOOK, "NO-SUCH-MARKET")
    talk = found.talk(found.topics | {bad})
    for now, frame in found.conversation.frames:
        talk.feed(frame, now)
    lost = {output.topic for output in talk.told if isinstance(output, TopicLost)}
    assert lost == {bad}, f"lost were {lost or 'none'}"


@check(Group.FRAMES, BOOK, DIALECT)
async def topics_can_be_left(subject: Subject) -> None:
    """A topic that is no longer wanted is unsubscribed.

    That brings a frame for the venue, at once or when the session next may send; otherwise the venue goes on telling.
    """
    found = await heard(subject)
    talk = found.talk()
    frames = found.conversation.frames
    for now, frame in frames:
        talk.feed(frame, now)
    last = frames[-1][0]
    left = [*talk.session.want(frozenset(), last), *talk.session.tick(last + 10 * SECOND)]
    assert any(isinstance(output, Send) for output in left), "nothing was sent to the venue"


@check(Group.FRAMES, BOOK, DIALECT)
async def closed_sessions_are_quiet(subject: Subject) -> None:
    """A session whose socket is gone can be told so at any time.

    Right after it was made, in the middle, and twice.
    """
    found = await heard(subject, 2.0)
    for count in (0, 1, len(found.conversation.frames)):
        talk = found.talk()
        for now, frame in found.conversation.frames[:count]:
            talk.feed(frame, now)
        talk.session.closed("the test is over")
        talk.session.closed("the test is over")


@check(Group.FRAMES, BOOK, DIALECT)
async def refused_frames_name_their_place(subject: Subject) -> None:
    """What cannot be read says so with the venue's name and the beginning of the bytes.

    Whoever reads the log finds the frame, and the core the book.
    """
    found = await heard(subject, 2.0)
    talk = found.talk()
    now, frame = found.conversation.frames[-1]
    for each in found.conversation.frames:
        talk.feed(each[1], each[0])
    talk.feed(frame[: len(frame) // 2], now)
    assert talk.refused, "half a frame was read as a whole one"
    error = talk.refused[-1]
    assert error.venue == subject.venue, f"its error names the venue {error.venue!r}"
    assert error.excerpt, "its error shows nothing of the frame"
