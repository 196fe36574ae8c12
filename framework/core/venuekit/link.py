"""A link: one socket, from its dial to its end, and the books it feeds.

It makes a session and hands every frame to it inside the driver's callback; what the session returns is carried out at once:
messages go to the books, commands to the driver. Nothing is awaited or queued per frame.

A frame that cannot be read costs that frame: it is counted and told as an event. Where the session knows which book lost a
message, that book is repaired; where it does not, every book is whose feed could not show the loss by itself.

An error that no session may raise costs the socket: its connection dials again. From the moment that a socket is to end,
nothing that still comes by it counts.

What happens before and after a socket's life is the business of `venuekit.connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import anyio
from attrs import define, field

from venuekit.backoff import Backoff
from venuekit.books.tracker import AnyEntry
from venuekit.drivers.tasks import helpers
from venuekit.drivers.websocket import WebSocket
from venuekit.events import FrameRefused, TopicRefused
from venuekit.faults import unexpected
from venuekit.feeds import Feeds
from venuekit.venue import Venue
from venuekit_spec import (
    AuthenticationRefused,
    BookChecksum,
    BookDelta,
    BookSnapshot,
    Channel,
    Codec,
    Continuity,
    Dial,
    Heard,
    Instant,
    LimitReport,
    LocalError,
    Login,
    MalformedMessage,
    OrderBookSnapshot,
    OrderEvent,
    Outputs,
    Redial,
    Run,
    Seconds,
    Send,
    Session,
    Sign,
    StatusChange,
    Topic,
    TopicLive,
    TopicLost,
    TopOfBook,
    Trade,
    VenueError,
    Wake,
    after,
)

HOUSEKEEPING: Final[Seconds] = 1.0
"""How often silence and overdue repairs are looked for."""

RENEWAL_TIMEOUT: Final[Seconds] = 10.0
"""How long an in-band snapshot may take before it is subscribed to again."""

UNHEARD_TIMEOUT: Final[Seconds] = 30.0
"""How long a subscription may bring neither a confirmation nor data before it is asked for again. Sessions know their venue's
answers and act sooner; this is for those that cannot know."""

LIFETIME_SHARE: Final = 0.95
"""The share of a connection's permitted lifetime after which it is replaced."""


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

    `opened` is told when it is open, `retire` that it will end soon.
    """

    def __init__(
        self,
        venue: Venue,
        topics: Topics,
        entries: Iterable[AnyEntry],
        feeds: Feeds,
        counters: LinkCounters,
        opened: Callable[[], None],
        retire: Callable[[Link, str], None],
    ) -> None:
        self.counters = counters
        self.pause: Seconds = 0.0
        """How long not to dial again, by the venue's wish."""
        self.retiring = False
        """Whether its end is foreseen."""
        self.confirmed: set[Topic] = set()
        """The topics that the venue confirmed."""
        self._venue = venue
        self._topics = topics
        self._feeds = feeds
        self._opened = opened
        self._retire = retire
        self._renewal_backoffs: dict[Topic, Backoff] = {}
        self._renewals: dict[Topic, Instant] = {}
        self._renewing: set[Topic] = set()
        self._ended: set[Topic] = set()
        self._socket: WebSocket | None = None
        self._session: Session | None = None
        self._codec: Codec | None = None
        self._ending: anyio.CancelScope | None = None
        self._reason = ""
        self._wake: Instant | None = None
        self._waking: Instant | None = None
        self._life: Instant = 0
        self._numbers: dict[str, int] = {}
        self._repeated: dict[str, int] = {}
        self.feed(entries)
        self._handlers: dict[type, Callable[[Any], None]] = {
            BookDelta: self._on_delta,
            BookSnapshot: self._on_snapshot,
            OrderEvent: self._on_order_event,
            OrderBookSnapshot: self._on_order_snapshot,
            BookChecksum: self._on_checksum,
            TopOfBook: feeds.on_top,
            Trade: feeds.on_trade,
            StatusChange: self._on_status,
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
        }

    def feed(self, entries: Iterable[AnyEntry]) -> None:
        """These are the entries whose books this socket feeds from now on."""
        self.entries: Mapping[Topic, AnyEntry] = {entry.topic: entry for entry in entries}
        self._levels = self._by_instrument(orders=False)
        self._orders = self._by_instrument(orders=True)

    @property
    def open(self) -> bool:
        """Whether the socket is open."""
        return self._session is not None

    # The life of the socket

    async def serve(self) -> str:
        """One socket from dial to end; why it ended. Raises `VenueError` when it could not be opened."""
        venue, now = self._venue, self._venue.clock.now
        self.counters.dials += 1
        dial = await venue.flows.run(venue.source.dial(self._topics.wanted))
        socket = await venue.websockets.open(dial)
        unwanted = self._reason
        if unwanted:
            await socket.aclose()
            return unwanted
        session: Session | None = None
        try:
            session = venue.source.session(dial, venue.instruments)
            self._socket, self._session, self._codec = socket, session, dial.codec
            self._life = now()
            self._opened()
            async with helpers() as tasks:
                self._ending = tasks.cancel_scope
                tasks.start_soon(self._housekeeping, dial)
                self._perform(session.opened, now())
                self._perform(session.want, self._topics.wanted, now())
                reason = await socket.run(self._on_frame, self._on_life)
                self._reason = self._reason or reason
        finally:
            self._socket = self._session = self._ending = None
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

    def _ends_soon(self, reason: str) -> None:
        self.retiring = True
        self._retire(self, reason)

    async def _housekeeping(self, dial: Dial) -> None:
        clock = self._venue.clock
        began = clock.now()
        until = None if dial.lifetime is None else after(clock.now(), dial.lifetime * LIFETIME_SHARE)
        while True:
            await clock.sleep(HOUSEKEEPING)
            now = clock.now()
            if dial.silence is not None and now >= after(self._life, dial.silence):
                self.end(f"no sign of life for {dial.silence:g} s")
            elif until is not None and now >= until:
                until = None
                self._ends_soon("its lifetime is nearly over")
            for entry in self.entries.values():
                if entry.silent(now):
                    self.end(f"{entry.topic} was silent")
                self._guard(entry.tick, now)
                asked = max(entry.since, self._renewals.get(entry.topic, 0))
                if (entry.waits_for_renewal and now >= after(asked, RENEWAL_TIMEOUT)) or (
                    entry.unheard and now >= after(max(asked, began), UNHEARD_TIMEOUT)
                ):
                    self.renew(entry.topic)

    # Frames

    def _on_frame(self, frame: bytes, now: Instant) -> None:
        self.counters.frames += 1
        self._life = now
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
        self._life = now

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

    def _fail(self, error: Exception) -> None:
        self.end(str(unexpected(error, self._venue.id)))

    def _carry_out(self, outputs: Outputs) -> None:
        handlers = self._handlers
        for output in outputs:
            if type(output) is Continuity:
                if not self._continues(output):
                    return  # the frame is a repetition: nothing in it is news
                continue
            handler = handlers.get(type(output))
            if handler is not None:
                try:
                    handler(output)
                except MalformedMessage as error:  # the book that it was for has seen to itself
                    self._refuse(error)

    def _guard(self, verb: Callable[[Instant], None], now: Instant) -> None:
        try:
            verb(now)
        except MalformedMessage as error:
            self._refuse(error)

    def _continues(self, told: Continuity) -> bool:
        """Whether a frame is new. A hole before it takes every book of its scope out of LIVE.

        A number that was seen is a repetition. Two of those that follow one another are a sequence that began anew: a hole.
        """
        scope, n = told.scope, told.n
        last = self._numbers.get(scope)
        if last is not None and n <= last:
            before = self._repeated.get(scope)
            self._repeated[scope] = n
            if before is None or n != before + 1:
                return False
        self._repeated.pop(scope, None)
        self._numbers[scope] = n
        if last is None:
            return True
        if n == last + 1:
            self.counters.numbered += 1
            return True
        self.counters.holes += 1
        now, covered = self._venue.clock.now(), self._covered(scope)
        for topic, entry in self.entries.items():
            if entry.rule.per_connection and topic in covered:
                entry.lost(f"after frame {last} came {n}", now)
        return True

    def _covered(self, scope: str) -> frozenset[Topic]:
        """The topics of a sequence: those that its scope names, by channel or in full; of no such name, all."""
        topics = self._topics.all
        return frozenset(topic for topic in topics if scope in {topic.channel.value, str(topic)}) or topics

    def _refuse(self, error: MalformedMessage) -> None:
        self.counters.malformed += 1
        self._venue.events.publish(FrameRefused(error=error, at=self._venue.clock.now()))

    def _lose(self, error: MalformedMessage) -> None:
        """Repair the books that an unreadable frame may have been for."""
        now = self._venue.clock.now()
        known = error.topic in map(str, self._topics.all)
        for topic, entry in self.entries.items():
            if error.instrument:
                if str(topic) == error.topic if known else topic.instrument == error.instrument:
                    entry.lost("a message could not be read", now)
            elif not entry.rule.shows_loss:
                entry.lost("a frame could not be read", now)

    # Messages

    def _on_delta(self, delta: BookDelta) -> None:
        entry = self._levels.get(delta.instrument)
        if entry is not None:
            entry.delta(delta)

    def _on_snapshot(self, snapshot: BookSnapshot) -> None:
        entry = self._levels.get(snapshot.instrument)
        if entry is not None:
            entry.snapshot(snapshot)

    def _on_order_event(self, event: OrderEvent) -> None:
        entry = self._orders.get(event.instrument)
        if entry is not None:
            entry.delta(event)

    def _on_order_snapshot(self, snapshot: OrderBookSnapshot) -> None:
        entry = self._orders.get(snapshot.instrument)
        if entry is not None:
            entry.snapshot(snapshot)

    def _on_checksum(self, checksum: BookChecksum) -> None:
        """A checksum does not say of which channel: a venue that sends both kinds keeps them on sockets of their own."""
        entry = self._levels.get(checksum.instrument) or self._orders.get(checksum.instrument)
        if entry is not None:
            entry.checksum(checksum)

    def _on_status(self, change: StatusChange) -> None:
        for entries in (self._levels, self._orders):
            entry = entries.get(change.instrument)
            if entry is not None:
                entry.status(change)

    # Commands

    def _on_send(self, command: Send) -> None:
        if self._socket is not None:
            self._socket.send(command.frame)

    def _on_run(self, command: Run) -> None:
        session = self._session

        async def ask() -> None:
            result: Any
            try:
                result = await self._venue.flows.run(command.flow)
            except VenueError as error:
                result = error
            except LocalError as error:
                self.end(str(error))
                return
            if session is not None and session is self._session:
                self._perform(session.answered, command.tag, result, self._venue.clock.now())

        self._venue.spawn(ask)

    def _on_login(self, command: Login) -> None:
        auth, now = self._venue.auth, self._venue.venue_time()
        frame = None if auth is None else auth.login(now, self._venue.nonce(now), command.challenge)
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
            fields = venue.auth.topic_fields(command.topic, now, venue.nonce(now))
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
        self._ended.discard(command.topic)
        self.confirmed.add(command.topic)
        entry = self.entries.get(command.topic)
        if entry is not None:
            entry.started(self._venue.clock.now())

    def _on_heard(self, command: Heard) -> None:
        entry = self.entries.get(command.topic)
        if entry is not None:
            entry.heard = self._venue.clock.now()

    def _on_topic_lost(self, command: TopicLost) -> None:
        now = self._venue.clock.now()
        self._venue.events.publish(
            TopicRefused(topic=command.topic, reason=command.reason, final=command.final, at=now)
        )
        entry = self.entries.get(command.topic)
        if command.final:
            self._topics.lost[command.topic] = command.reason
            self._ended.discard(command.topic)
            if entry is not None:
                entry.close(command.reason, now)
        elif command.topic in self._topics.wanted:
            self._ended.add(command.topic)
            if entry is not None:
                entry.disconnected(command.reason, now)
            self.renew(command.topic)

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
        entry = self.entries.get(topic)
        return entry is not None and (entry.waits_for_renewal or entry.unheard)

    def _by_instrument(self, *, orders: bool) -> dict[str, AnyEntry]:
        """The entries that messages of levels, or of orders, are for."""
        return {
            topic.instrument: entry
            for topic, entry in self.entries.items()
            if (topic.channel is Channel.ORDERS) is orders
        }
