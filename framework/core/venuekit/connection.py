"""A connection: the topics of one socket, kept alive.

It dials, makes a session, and hands every frame to it inside the driver's callback; what the session returns is carried out
at once: messages go to the books, commands to the driver. Nothing is awaited or queued per frame. When the socket ends, for
whatever reason, the books it fed become STALE and it is dialled again with backoff; sockets that the venue is about to end
are dialled again before.

A frame that cannot be read costs that frame: it is counted and told as an event. Where the session knows which book lost a
message, that book is repaired; where it does not, every book is whose feed could not show the loss by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import anyio
from attrs import define

from venuekit.backoff import Backoff
from venuekit.books.states import BookState
from venuekit.books.tracker import Need, OrderBookTrackerEntry
from venuekit.broadcast import Broadcast
from venuekit.drivers.tasks import helpers
from venuekit.drivers.websocket import WebSocket
from venuekit.events import FrameRefused, LinkChange, LinkState, TopicRefused
from venuekit.snapshots import Snapshots
from venuekit.venue import Venue
from venuekit_spec import (
    BookChecksum,
    BookDelta,
    BookSnapshot,
    Continuity,
    Dial,
    Heard,
    Instant,
    MalformedMessage,
    Outputs,
    Redial,
    Run,
    Seconds,
    Send,
    Session,
    StatusChange,
    Topic,
    TopicLive,
    TopicLost,
    Trade,
    VenueError,
    Wake,
    after,
)

HOUSEKEEPING: Final[Seconds] = 1.0
"""How often silence and overdue repairs are looked for."""

RENEWAL_TIMEOUT: Final[Seconds] = 10.0
"""How long an in-band snapshot may take before it is subscribed to again."""

LIFETIME_SHARE: Final = 0.95
"""The share of a connection's permitted lifetime after which it is replaced."""


@define
class LinkCounters:
    """What happened on one connection."""

    frames: int = 0
    malformed: int = 0
    dials: int = 0
    holes: int = 0
    renewals: int = 0


class Connection:
    """The topics of one socket and the books they feed. `run` serves them until cancelled."""

    def __init__(
        self,
        name: str,
        venue: Venue,
        topics: Iterable[Topic],
        entries: Iterable[OrderBookTrackerEntry],
        snapshots: Snapshots,
        trades: dict[str, Broadcast[Trade]],
    ) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self.counters = LinkCounters()
        self.entries = {entry.topic.instrument: entry for entry in entries}
        self._venue = venue
        self._snapshots = snapshots
        self._trades = trades
        self._backoff = Backoff(venue.random.random)
        self._renewal_backoffs: dict[Topic, Backoff] = {}
        self._renewals: dict[Topic, Instant] = {}
        self._lost: dict[Topic, str] = {}
        self._socket: WebSocket | None = None
        self._session: Session | None = None
        self._ending: anyio.CancelScope | None = None
        self._reason = ""
        self._pause: Seconds = 0.0
        self._planned = False
        self._wake: Instant | None = None
        self._life: Instant = 0
        self._numbers: dict[str, int] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            BookDelta: self._on_delta,
            BookSnapshot: self._on_snapshot,
            BookChecksum: self._on_checksum,
            Trade: self._on_trade,
            StatusChange: self._on_status,
            Send: self._on_send,
            Run: self._on_run,
            Wake: self._on_wake,
            Redial: self._on_redial,
            TopicLive: self._on_topic_live,
            TopicLost: self._on_topic_lost,
            Heard: self._on_heard,
        }

    # The life of the socket

    async def run(self) -> None:
        """Serve until cancelled."""
        clock = self._venue.clock
        while self._wanted:
            self._tell(LinkState.DIALLING)
            self._planned, self._pause = False, 0.0
            try:
                reason = await self._serve()
            except VenueError as error:
                reason = str(error)
            self._tell(LinkState.LOST, reason)
            for entry in self.entries.values():
                if entry.book.state is not BookState.CLOSED:
                    entry.disconnected(reason, clock.now())
            wait = 0.0 if self._planned else self._backoff.failed(clock.now())
            await clock.sleep(max(wait, self._pause))

    async def _serve(self) -> str:
        """One socket from dial to end; why it ended. Raises `VenueError` when it could not be opened."""
        venue, now = self._venue, self._venue.clock.now
        self.counters.dials += 1
        dial = await venue.flows.run(venue.source.dial(self._wanted))
        socket = await venue.websockets.open(dial)
        session = venue.source.session(dial, venue.instruments)
        self._socket, self._session, self._reason = socket, session, ""
        self._wake, self._life = None, now()
        self._numbers.clear()
        self._renewals.clear()
        self._tell(LinkState.OPEN)
        self._backoff.worked(now())
        try:
            async with helpers() as tasks:
                self._ending = tasks.cancel_scope
                tasks.start_soon(self._housekeeping, dial)
                self._perform(session.opened, now())
                self._perform(session.want, self._wanted, now())
                reason = await socket.run(self._on_frame, self._on_life)
                self._reason = self._reason or reason
        finally:
            self._socket = self._session = self._ending = None
            session.closed(self._reason)
            with anyio.CancelScope(shield=True):
                await socket.aclose()
        return self._reason or "the socket was closed"

    def _end(self, reason: str) -> None:
        if self._ending is not None and not self._reason:
            self._reason = reason
            self._ending.cancel()

    async def _housekeeping(self, dial: Dial) -> None:
        clock = self._venue.clock
        until = None if dial.lifetime is None else after(clock.now(), dial.lifetime * LIFETIME_SHARE)
        while True:
            await clock.sleep(HOUSEKEEPING)
            now = clock.now()
            if dial.silence is not None and now >= after(self._life, dial.silence):
                self._end(f"no sign of life for {dial.silence:g} s")
            elif until is not None and now >= until:
                self._planned = True
                self._end("its lifetime is nearly over")
            for entry in self.entries.values():
                if entry.silent(now):
                    self._end(f"{entry.topic} was silent")
                self._guard(entry.tick, now)
                asked = max(entry.since, self._renewals.get(entry.topic, 0))
                if entry.waits_for_renewal and now >= after(asked, RENEWAL_TIMEOUT):
                    self._renew_soon(entry)

    # Frames

    def _on_frame(self, frame: bytes, now: Instant) -> None:
        self.counters.frames += 1
        self._life = now
        session = self._session
        if session is not None:
            self._perform(session.feed, frame, now)

    def _on_life(self, now: Instant) -> None:
        self._life = now

    def _perform(self, verb: Callable[..., Outputs], *arguments: Any) -> None:
        """Let the session speak, and do what it says."""
        try:
            outputs = verb(*arguments)
        except MalformedMessage as error:
            self._malformed(error)
            return
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
                except MalformedMessage as error:
                    self._malformed(error)

    def _guard(self, verb: Callable[[Instant], None], now: Instant) -> None:
        try:
            verb(now)
        except MalformedMessage as error:
            self._malformed(error)

    def _continues(self, told: Continuity) -> bool:
        """Whether a frame is new. A hole before it takes every book of its scope out of LIVE."""
        last = self._numbers.get(told.scope)
        if last is not None and told.n <= last:
            return False
        self._numbers[told.scope] = told.n
        if last is not None and told.n != last + 1:
            self.counters.holes += 1
            now = self._venue.clock.now()
            for entry in self.entries.values():
                if entry.rule.per_connection:
                    entry.lost(f"after frame {last} came {told.n}", now)
        return True

    def _malformed(self, error: MalformedMessage) -> None:
        self.counters.malformed += 1
        now = self._venue.clock.now()
        self._venue.events.publish(FrameRefused(error=error, at=now))
        entry = self.entries.get(error.instrument)
        if error.instrument:
            if entry is not None and error.topic == str(entry.topic):
                entry.lost("a message could not be read", now)
            return
        for entry in self.entries.values():
            if not entry.rule.shows_loss:
                entry.lost("a frame could not be read", now)

    # Messages

    def _on_delta(self, delta: BookDelta) -> None:
        entry = self.entries.get(delta.instrument)
        if entry is not None:
            entry.delta(delta)

    def _on_snapshot(self, snapshot: BookSnapshot) -> None:
        entry = self.entries.get(snapshot.instrument)
        if entry is not None:
            entry.snapshot(snapshot)

    def _on_checksum(self, checksum: BookChecksum) -> None:
        entry = self.entries.get(checksum.instrument)
        if entry is not None:
            entry.checksum(checksum)

    def _on_status(self, change: StatusChange) -> None:
        entry = self.entries.get(change.instrument)
        if entry is not None:
            entry.status(change)

    def _on_trade(self, trade: Trade) -> None:
        broadcast = self._trades.get(trade.instrument)
        if broadcast is not None:
            broadcast.publish(trade)

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
            if session is not None and session is self._session:
                self._perform(session.answered, command.tag, result, self._venue.clock.now())

        self._venue.spawn(ask)

    def _on_wake(self, command: Wake) -> None:
        self._wake = at = command.at
        session = self._session
        if at is None:
            return

        async def wake() -> None:
            await self._venue.clock.sleep_until(at)
            if self._wake == at and session is not None and session is self._session:
                self._wake = None
                self._perform(session.tick, self._venue.clock.now())

        self._venue.spawn(wake)

    def _on_redial(self, command: Redial) -> None:
        self._planned, self._pause = command.planned, command.after
        self._end(command.reason)

    def _on_topic_live(self, command: TopicLive) -> None:
        entry = self._entry(command.topic)
        if entry is not None:
            entry.started(self._venue.clock.now())

    def _on_heard(self, command: Heard) -> None:
        entry = self._entry(command.topic)
        if entry is not None:
            entry.heard = self._venue.clock.now()

    def _on_topic_lost(self, command: TopicLost) -> None:
        now = self._venue.clock.now()
        self._venue.events.publish(
            TopicRefused(topic=command.topic, reason=command.reason, final=command.final, at=now)
        )
        if command.final:
            self._lost[command.topic] = command.reason
        entry = self._entry(command.topic)
        if entry is None:
            return
        if command.final:
            entry.close(command.reason, now)
        else:
            entry.lost(command.reason, now)
            self._renew_soon(entry)

    # Repairs

    def need(self, entry: OrderBookTrackerEntry, need: Need) -> None:
        """What an entry asks for: the callback it was made with."""
        if need is Need.SNAPSHOT:
            self._snapshots.wanted(entry)
        else:
            self._renew_soon(entry)

    def _renew_soon(self, entry: OrderBookTrackerEntry) -> None:
        """Subscribe to a topic anew: at once, or after a pause where that was just done."""
        clock, topic, session = self._venue.clock, entry.topic, self._session
        now = clock.now()
        due = self._renewals.get(topic)
        if session is None or (due is not None and due > now):
            return
        backoff = self._renewal_backoffs.setdefault(topic, Backoff(self._venue.random.random))
        recent = due is not None and now < after(due, RENEWAL_TIMEOUT)
        wait = backoff.failed(now) if recent else 0.0
        self._renewals[topic] = at = after(now, wait)

        async def renew() -> None:
            await clock.sleep_until(at)
            if session is self._session and entry.waits_for_renewal:
                self.counters.renewals += 1
                self._perform(session.want, self._wanted - {topic}, clock.now())
                self._perform(session.want, self._wanted, clock.now())

        self._venue.spawn(renew)

    @property
    def _wanted(self) -> frozenset[Topic]:
        return self.topics - self._lost.keys()

    def _entry(self, topic: Topic) -> OrderBookTrackerEntry | None:
        entry = self.entries.get(topic.instrument)
        return entry if entry is not None and entry.topic == topic else None

    def _tell(self, state: LinkState, reason: str = "") -> None:
        now = self._venue.clock.now()
        self._venue.events.publish(LinkChange(link=self.name, state=state, reason=reason, at=now))
