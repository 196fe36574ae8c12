"""A link: one socket, from its dial to its end, the books and the account it feeds, and the calls it takes.

It makes a session and hands every frame to it inside the driver's callback; what the session returns is carried out at once:
messages go to the books or the account, commands to the driver. Nothing is awaited or queued per frame.

A frame that cannot be read costs that frame: it is counted and told as an event. Where the session knows which book lost a
message, that book is repaired; where it does not, every book is whose feed could not show the loss by itself. The account of
a link that has the user stream asks for what it may have missed.

An error that no session may raise costs the socket: its connection dials again. From the moment that a socket is to end,
nothing that still comes by it counts.

What happens before and after a socket's life is the business of `venuekit.connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import anyio
from attrs import define, field

from venuekit.backoff import Backoff
from venuekit.book_side import BookSide
from venuekit.books.tracker import AnyEntry
from venuekit.calls import PendingCalls
from venuekit.drivers.tasks import helpers
from venuekit.events import FrameRefused, TopicRefused
from venuekit.faults import UnexpectedError, unexpected
from venuekit.feeds import Feeds
from venuekit.outbox import Outbox
from venuekit.sequences import FOLLOWS, HOLE, REPEATED, Sequences
from venuekit.user_side import UserHandlers, UserSide
from venuekit.venue import Speaker, Venue
from venuekit_spec import (
    Answer,
    AuthenticationRefused,
    Channel,
    ClockSkewed,
    Codec,
    Continuity,
    Dial,
    Heard,
    Instant,
    InstrumentChange,
    LimitReport,
    LocalError,
    Login,
    MalformedMessage,
    NetworkError,
    Outputs,
    Redial,
    Run,
    Seconds,
    Send,
    Session,
    Sign,
    SocketRequest,
    SocketResponse,
    Topic,
    TopicLive,
    TopicLost,
    TopOfBook,
    Trade,
    VenueError,
    Wake,
    after,
    seconds_between,
)

HOUSEKEEPING: Final[Seconds] = 1.0
"""How often silence and overdue repairs are looked for."""

LEISURE: Final[Seconds] = 10.0
"""How seldom, at most, where a link feeds no book and all that it is for is confirmed."""

RENEWAL_TIMEOUT: Final[Seconds] = 10.0
"""How long an in-band snapshot may take before it is subscribed to again."""

UNHEARD_TIMEOUT: Final[Seconds] = 30.0
"""How long a subscription may bring neither a confirmation nor data before it is asked for again. Sessions know their venue's
answers and act sooner; this is for those that cannot know."""

LIFETIME_SHARE: Final = 0.95
"""The share of a connection's permitted lifetime after which it is replaced."""

PRIVATE: Final = frozenset({Channel.USER, Channel.CALLS})
"""Channels of an account. What is refused for good here is dialled for again: it may be a token that has run out."""


@define
class LinkCounters:
    """What happened on the sockets of one connection. `numbered` frames followed one another in a sequence of the socket."""

    frames: int = 0
    malformed: int = 0
    dials: int = 0
    numbered: int = 0
    holes: int = 0
    renewals: int = 0
    handovers: int = 0
    late_answers: int = 0


@define
class Topics:
    """The topics of one connection, and which of them are lost for good. Its links share it."""

    all: frozenset[Topic]
    lost: dict[Topic, str] = field(factory=dict)

    @property
    def wanted(self) -> frozenset[Topic]:
        """Those that are to be subscribed to."""
        return self.all - self.lost.keys()


class Link:
    """One socket. `serve` returns when it has ended.

    `speaker` knows its protocol. `opened` is told when it is open, `retire` that it will end soon, `turned` that a topic was
    confirmed or, with a reason, lost. `user` is told of the account where it has the user stream.
    """

    def __init__(
        self,
        venue: Venue,
        speaker: Speaker,
        topics: Topics,
        entries: Iterable[AnyEntry],
        feeds: Feeds,
        counters: LinkCounters,
        *,
        opened: Callable[[], None],
        retire: Callable[[Link, str], None],
        turned: Callable[[Link, Topic, str], None],
        user: UserHandlers | None = None,
    ) -> None:
        self.counters = counters
        self.pause: Seconds = 0.0
        """How long not to dial again, by the venue's wish."""
        self.retiring = False
        """Whether its end is foreseen."""
        self.confirmed: set[Topic] = set()
        """The topics that the venue confirmed."""
        self.life: Instant = 0
        """The last sign of life."""
        self.user = None if user is None else UserSide(user)
        self._venue = venue
        self._speaker = speaker
        self._topics = topics
        self.books = BookSide(topics.all, entries)
        """The books that it feeds."""
        self._opened = opened
        self._retire = retire
        self._turned = turned
        self._renewal_backoffs: dict[Topic, Backoff] = {}
        self._renewals: dict[Topic, Instant] = {}
        self._renewing: set[Topic] = set()
        self._ended: set[Topic] = set()
        self._private = frozenset(topic for topic in topics.all if topic.channel in PRIVATE)
        self._late = None if user is None else user.late
        self._calls = PendingCalls(
            venue.clock, venue.id, withdraw=self._withdraw, late=self._on_late, idle=self._on_idle
        )
        self._calling = ""
        self._leaving = ""
        self._outbox: Outbox | None = None
        self._session: Session | None = None
        self._codec: Codec | None = None
        self._ending: anyio.CancelScope | None = None
        self._reason = ""
        self._wake: Instant | None = None
        self._waking: Instant | None = None
        self._sequences = Sequences()
        self._handlers: dict[type, Callable[[Any], None]] = {
            **self.books.handlers(),
            TopOfBook: feeds.on_top,
            Trade: feeds.on_trade,
            InstrumentChange: self._on_instrument,
            Send: self._on_send,
            Run: self._on_run,
            Login: self._on_login,
            Sign: self._on_sign,
            Wake: self._on_wake,
            Redial: self._on_redial,
            LimitReport: self._on_limits,
            TopicLive: self._on_topic_live,
            TopicLost: self._on_topic_lost,
            Heard: self._on_heard,
            Answer: self._calls.answer,
        }
        if self.user is not None:
            self._handlers.update(self.user.handlers())

    @property
    def open(self) -> bool:
        """Whether the socket is open."""
        return self._session is not None

    def serves(self, channel: Channel) -> bool:
        """Whether the socket is open for good and every topic of this channel is confirmed on it; False where it has none."""
        topics = {topic for topic in self._topics.wanted if topic.channel is channel}
        sound = self.open and not self._reason and not self._leaving
        return sound and bool(topics) and topics <= self.confirmed

    # The life of the socket

    async def serve(self) -> str:
        """One socket from dial to end; why it ended. Raises `VenueError` when it could not be opened."""
        venue, now = self._venue, self._venue.clock.now
        self.counters.dials += 1
        dial = await venue.ask(lambda: self._speaker.dial(self._topics.wanted))
        socket = await venue.websockets.open(dial)
        unwanted = self._reason
        if unwanted:
            await socket.aclose()
            return unwanted
        session: Session | None = None
        try:
            session = self._speaker.session(dial, venue.instruments)
            self._outbox = Outbox(socket.send, venue.flows, venue.clock, venue.spawn, self._fail)
            self._session, self._codec = session, dial.codec
            self.life = now()
            self._opened()
            async with helpers() as tasks:
                self._ending = tasks.cancel_scope
                tasks.start_soon(self._housekeeping, dial)
                self._perform(session.opened, now())
                self._perform(session.want, self._topics.wanted, now())
                reason = await socket.run(self._on_frame, self._on_life)
                self._reason = self._reason or reason
        finally:
            if self._outbox is not None:
                self._outbox.close()
            self._calls.end(self._reason or "it was given up")
            self._session = self._ending = None
            with anyio.CancelScope(shield=True):
                await socket.aclose()
            if session is not None:
                session.closed(self._reason)
        return self._reason or "the socket was closed"

    def end(self, reason: str) -> None:
        """Close the socket, as soon as it is open where it is not yet; `serve` returns."""
        if not self._reason:
            self._reason = reason
            if self._ending is not None:
                self._ending.cancel()

    def leave(self, reason: str) -> None:
        """End, once no call waits for its answer; until then no further call is taken."""
        self._leaving = self._leaving or reason
        if not self._calls.waiting:
            self.end(reason)

    def _on_idle(self) -> None:
        if self._leaving:
            self.end(self._leaving)

    def _ends_soon(self, reason: str) -> None:
        self.retiring = True
        self._retire(self, reason)

    async def _housekeeping(self, dial: Dial) -> None:
        clock = self._venue.clock
        began = clock.now()
        until = None if dial.lifetime is None else after(clock.now(), dial.lifetime * LIFETIME_SHARE)
        while True:
            await clock.sleep(self._pause(dial, until))
            now = clock.now()
            if dial.silence is not None and now >= after(self.life, dial.silence):
                self.end(f"no sign of life for {dial.silence:g} s")
            elif until is not None and now >= until:
                until = None
                self._ends_soon("its lifetime is nearly over")
            for entry in self.books.entries.values():
                if entry.silent(now):
                    self.end(f"{entry.topic} was silent")
                self._guard(entry.tick, now)
                asked = max(entry.since, self._renewals.get(entry.topic, 0))
                if (entry.waits_for_renewal and now >= after(asked, RENEWAL_TIMEOUT)) or (
                    entry.unheard and now >= after(max(asked, began), UNHEARD_TIMEOUT)
                ):
                    self.renew(entry.topic)
            for topic in self._private - self.confirmed:
                if now >= after(max(began, self._renewals.get(topic, 0)), UNHEARD_TIMEOUT):
                    self.leave(f"{topic} was not confirmed")

    def _pause(self, dial: Dial, until: Instant | None) -> Seconds:
        """How long nothing needs to be looked at."""
        if self.books.entries or self._private - self.confirmed:
            return HOUSEKEEPING
        now = self._venue.clock.now()
        silent = None if dial.silence is None else after(self.life, dial.silence)
        ends = [seconds_between(now, each) for each in (silent, until) if each is not None]
        return max(HOUSEKEEPING, min([LEISURE, *ends]))

    # Frames

    def _on_frame(self, frame: bytes, now: Instant) -> None:
        self.counters.frames += 1
        self.life = now
        session = self._session
        if session is None:
            return
        if self._codec is None:
            self._perform(session.feed, frame, now)
            return
        try:
            messages = self._codec.decode(frame)
        except MalformedMessage as error:
            self._refuse(error)
            self._lose(error)
            return
        except Exception as error:  # noqa: BLE001  # as in `_perform`
            self._fail(error)
            return
        for message in messages:
            self._perform(session.feed, message, now)

    def _on_life(self, now: Instant) -> None:
        self.life = now

    def _perform(self, verb: Callable[..., Outputs], *arguments: Any) -> None:
        """Let the session speak, and do what it says; nothing once the socket is to end."""
        if self._reason:
            return
        try:
            self._carry_out(verb(*arguments))
        except MalformedMessage as error:
            self._refuse(error)
            self._lose(error)
        except Exception as error:  # noqa: BLE001  # whatever foreign code raises costs this socket alone
            self._fail(error)

    def _fail(self, error: Exception) -> UnexpectedError:
        told = unexpected(error, self._venue.id)
        self.end(str(told))
        return told

    def _carry_out(self, outputs: Outputs) -> None:
        handlers = self._handlers
        for output in outputs:
            if type(output) is Continuity:
                place = self._sequences.judge(output.scope, output.n)
                if place is FOLLOWS:
                    self.counters.numbered += 1
                elif place is REPEATED and self.user is None:
                    return  # the frame is a repetition: nothing in it is news to a book, and to an account no harm
                elif place is HOLE:
                    self._on_hole(output)
                continue
            handler = handlers.get(type(output))
            if handler is not None:
                try:
                    handler(output)
                except MalformedMessage as error:  # the book that it was for has seen to itself
                    self._refuse(error)

    def _on_hole(self, told: Continuity) -> None:
        """Frames of the socket are missing: they may have been for a book or for the account."""
        self.counters.holes += 1
        before = self._sequences.before
        self.books.hole(told, before, self._venue.clock.now())
        if self.user is not None:
            self.user.missing(before, told.n)

    def _guard(self, verb: Callable[[Instant], None], now: Instant) -> None:
        try:
            verb(now)
        except MalformedMessage as error:
            self._refuse(error)

    def _lose(self, error: MalformedMessage) -> None:
        """A frame that cannot be read may have been for a book or for the account."""
        self.books.unreadable(error, self._venue.clock.now())
        if self.user is not None:
            self.user.unreadable()

    def _refuse(self, error: MalformedMessage) -> None:
        self.counters.malformed += 1
        self._venue.events.publish(FrameRefused(error=error, at=self._venue.clock.now()))

    # Messages and calls

    def _on_instrument(self, change: InstrumentChange) -> None:
        try:
            self._venue.instrument_changed(change)
        except LocalError as error:
            raise MalformedMessage(str(error), venue=self._venue.id) from error

    async def call(self, request: SocketRequest) -> SocketResponse:
        """Send a call and have its answer. Raises as `PendingCalls.ask` does, and `NetworkError` where no call is taken now."""
        if not self.serves(Channel.CALLS):
            raise NetworkError("no socket that takes calls is open", venue=self._venue.id, sent=False)
        return await self._calls.ask(request, self._say)

    def _say(self, request: SocketRequest) -> None:
        """Let the session send a call. What goes wrong before it has said what to send means that nothing was sent."""
        session, venue = self._session, self._venue
        assert session is not None
        try:
            outputs = session.call(request, venue.clock.now())
        except MalformedMessage as error:
            raise NetworkError(str(error), venue=venue.id, sent=False) from error
        except LocalError:
            raise
        except Exception as error:
            raise self._fail(error) from error
        self._calling = request.key
        try:
            self._carry_out(outputs)
        except Exception as error:  # noqa: BLE001  # as in `_perform`; whether anything was sent is not known
            self._fail(error)
        finally:
            self._calling = ""

    def _withdraw(self, key: str) -> bool:
        return self._outbox is not None and self._outbox.withdraw(key)

    def _on_late(self, answer: Answer) -> None:
        self.counters.late_answers += 1
        if self._late is not None:
            self._late(answer)

    # Commands

    def _on_send(self, command: Send) -> None:
        if self._outbox is not None and self._outbox.put(command, self._calling):
            self._calling = ""  # something of the call has left

    def _on_run(self, command: Run) -> None:
        session = self._session

        async def ask() -> None:
            result: Any
            try:
                result = await self._venue.run(command.flow)
            except VenueError as error:
                result = error
                if isinstance(error, ClockSkewed):  # the session asks again, then with a better time
                    await self._venue.flows.resync()
            except LocalError as error:
                self.end(str(error))
                return
            if session is not None and session is self._session:
                self._perform(session.answered, command.tag, result, self._venue.clock.now())

        self._venue.spawn(ask)

    def _on_login(self, command: Login) -> None:
        auth, now = self._venue.auth, self._venue.venue_time()
        frame = None if auth is None else auth.login(now, self._venue.nonces(now), command.challenge)
        if frame is None:
            self.end("the venue asks for a login, and there are no credentials")
        else:
            self._on_send(Send(frame))

    def _on_sign(self, command: Sign) -> None:
        venue, session = self._venue, self._session
        now = venue.venue_time()
        fields: Any
        if venue.auth is None:
            fields = AuthenticationRefused(f"{command.topic} needs credentials", venue=venue.id)
        else:
            fields = venue.auth.topic_fields(command.topic, now, venue.nonces(now))
        if session is not None:
            self._perform(session.answered, command.tag, fields, venue.clock.now())

    def _on_wake(self, command: Wake) -> None:
        """The latest instant counts. A task that sleeps already is used again: a session may say it with every frame."""
        self._wake = at = command.at
        session = self._session
        if at is None or (self._waking is not None and self._waking <= at):
            return
        self._waking = at

        async def wake() -> None:
            await self._venue.clock.sleep_until(at)
            if self._waking != at or session is None or session is not self._session:
                return
            self._waking, due = None, self._wake
            if due is not None and due > at:
                self._on_wake(Wake(due))
            elif due is not None:
                self._wake = None
                self._perform(session.tick, self._venue.clock.now())

        self._venue.spawn(wake)

    def _on_redial(self, command: Redial) -> None:
        self.pause = command.after
        if command.planned:
            self._ends_soon(command.reason)
        else:
            self.end(command.reason)

    def _on_limits(self, report: LimitReport) -> None:
        self._venue.flows.report(report)

    def _on_topic_live(self, command: TopicLive) -> None:
        if self._leaving:
            return
        self._ended.discard(command.topic)
        self.confirmed.add(command.topic)
        entry = self.books.entries.get(command.topic)
        if entry is not None:
            entry.started(self._venue.clock.now())
        self._turned(self, command.topic, "")

    def _on_heard(self, command: Heard) -> None:
        entry = self.books.entries.get(command.topic)
        if entry is not None:
            entry.heard = self._venue.clock.now()

    def _on_topic_lost(self, command: TopicLost) -> None:
        if self._leaving:
            return
        now = self._venue.clock.now()
        final = command.final and command.topic not in self._private
        self._venue.events.publish(
            TopicRefused(topic=command.topic, reason=command.reason, final=final, at=now)
        )
        entry = self.books.entries.get(command.topic)
        self.confirmed.discard(command.topic)
        if final:
            self._topics.lost[command.topic] = command.reason
            self._ended.discard(command.topic)
            if entry is not None:
                entry.close(command.reason, now)
        elif command.final:
            self.leave(f"{command.topic} was refused: {command.reason}")
        elif command.topic in self._topics.wanted:
            self._ended.add(command.topic)
            if entry is not None:
                entry.disconnected(command.reason, now)
            self.renew(command.topic)
        self._turned(self, command.topic, command.reason)

    # Repairs

    def renew(self, topic: Topic) -> None:
        """Subscribe to a topic anew: at once, or after a pause where that was just done."""
        clock, session = self._venue.clock, self._session
        now = clock.now()
        due = self._renewals.get(topic)
        if session is None or topic in self._renewing:
            return
        self._renewing.add(topic)
        backoff = self._renewal_backoffs.setdefault(topic, Backoff(self._venue.random.random))
        recent = due is not None and now < after(due, RENEWAL_TIMEOUT)
        wait = backoff.failed(now) if recent else 0.0
        self._renewals[topic] = at = after(now, wait)

        async def renew() -> None:
            await clock.sleep_until(at)
            if session is self._session:
                self._renew_due(session, clock.now())

        self._venue.spawn(renew)

    def _renew_due(self, session: Session, now: Instant) -> None:
        """All that are due go together: after a hole in a connection's sequence that is every book of it."""
        due = {topic for topic in self._renewing if self._renewals[topic] <= now}
        self._renewing -= due
        wanted = {topic for topic in due if topic in self._ended or self._waits(topic)}
        if wanted:
            self.counters.renewals += len(wanted)
            self._perform(session.want, self._topics.wanted - wanted, now)
            self._perform(session.want, self._topics.wanted, now)

    def _waits(self, topic: Topic) -> bool:
        entry = self.books.entries.get(topic)
        return entry is not None and (entry.waits_for_renewal or entry.unheard)
