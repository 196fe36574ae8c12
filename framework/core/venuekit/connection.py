"""A connection: some topics, kept alive by one link after another.

When a socket ends, for whatever reason, the books it fed become STALE and it is dialled again with backoff. Where an end is
foreseen (the venue announces it, or a connection may live only so long) the next link is opened while the old one still
feeds the books, and takes over once it is as good:

A second, shadow book is built on the new socket, beside the first, and the book becomes what its shadow is once that is
proven too. Its snapshot comes as any does; where ids mean the same on every socket (`SyncRule.global_ids`) the live book
itself is the snapshot, and the shadow takes over at the same id or a later one. Until then the book never leaves LIVE. An end
that comes earlier than foreseen is an end like any other.

A user stream has no shadow: both sockets tell the account what they hear until the next one is confirmed and takes over, and
then the account asks for what fell between them. The old socket ends once its calls have been answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import anyio

from venuekit.backoff import Backoff
from venuekit.books.keeping import Need, NeedCallback
from venuekit.books.states import BookState
from venuekit.books.tracker import AnyEntry
from venuekit.events import LinkChange, LinkState
from venuekit.faults import unexpected
from venuekit.feeds import Feeds
from venuekit.link import Link, LinkCounters, Topics
from venuekit.snapshots import Snapshots
from venuekit.user_side import UserHandlers
from venuekit.venue import Speaker, Venue
from venuekit_spec import (
    Channel,
    Cost,
    Instant,
    NetworkError,
    Seconds,
    SocketRequest,
    SocketResponse,
    Topic,
    VenuekitError,
    after,
)

DIALS: Final = "dials"
"""The rate-limit pool that every dial takes from (`SocketLimits.dials`)."""

HANDOVER_CHECK: Final[Seconds] = 0.25
"""How often it is looked whether a new link is as good as the old one."""

HANDOVER_LIMIT: Final[Seconds] = 30.0
"""How long a new link may take to become so before it takes over as it is."""


class Connection:
    """The topics of one socket, the books they feed, and the account they tell of. `run` serves them until cancelled.

    `speaker` knows the protocol of the socket. `shadow` makes an entry like another one, with another callback, for a book
    beside it. `user` is told of the account where the user stream is among the topics.
    """

    def __init__(
        self,
        name: str,
        venue: Venue,
        speaker: Speaker,
        topics: Iterable[Topic],
        entries: Iterable[AnyEntry],
        snapshots: Snapshots,
        feeds: Feeds,
        shadow: Callable[[AnyEntry, NeedCallback], AnyEntry],
        *,
        user: UserHandlers | None = None,
    ) -> None:
        self.name = name
        self.counters = LinkCounters()
        self.entries = tuple(entries)
        self._topics = Topics(frozenset(topics))
        self._venue = venue
        self._speaker = speaker
        self._user = user
        self._user_live = False
        self._snapshots = snapshots
        self._feeds = feeds
        self._shadow = shadow
        self._backoff = Backoff(venue.random.random)
        self._current: Link | None = None
        self._next: Link | None = None
        self._shadows: dict[AnyEntry, AnyEntry] = {}

    async def run(self) -> None:
        """Serve until cancelled."""
        self._launch(self._link(self.entries), 0.0)
        try:
            await anyio.sleep_forever()
        finally:
            links, self._current, self._next = (self._current, self._next), None, None
            for link in links:
                if link is not None:
                    link.end("it is wanted no more")

    def serves(self, channel: Channel) -> bool:
        """Whether its topics of this channel are all confirmed on an open socket; False where it has none."""
        return self._current is not None and self._current.serves(channel)

    @property
    def life(self) -> Instant:
        """The last sign of life of its socket, 0 where none is open."""
        return self._current.life if self._current is not None else 0

    async def call(self, request: SocketRequest) -> SocketResponse:
        """Send a call and have its answer. Raises as `Link.call` does."""
        if self._current is None:
            raise NetworkError("no socket that takes calls is open", venue=self._venue.id, sent=False)
        return await self._current.call(request)

    def need(self, entry: AnyEntry, need: Need) -> None:
        """What an entry asks for: the callback it was made with. Shadows ask the next link."""
        link = self._current if entry not in self._shadows.values() else self._next
        if need is Need.RESUBSCRIBE:
            if link is not None:
                link.renew(entry.topic)
        elif link is self._current or not entry.rule.global_ids:
            self._snapshots.wanted(entry)

    # One link after another

    def _launch(self, link: Link, wait: Seconds) -> None:
        """Open a link, as the next one where there is a current one."""
        if self._current is None:
            self._current = link
        else:
            self._next = link

        async def live() -> None:
            await self._venue.clock.sleep(wait)
            if link not in {self._current, self._next}:
                return
            self._tell(LinkState.DIALLING)
            try:
                await self._venue.flows.turn((Cost(DIALS),))
                reason = await link.serve()
            except VenuekitError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001  # whatever foreign code raises costs this connection alone
                reason = str(unexpected(error, self._venue.id))
            self._over(link, reason)

        self._venue.spawn(live)

    def _over(self, link: Link, reason: str) -> None:
        """A link has ended."""
        self._tell(LinkState.LOST, reason)
        now = self._venue.clock.now()
        if link is self._next:
            self._drop_shadows()
            self._next = None
            if self._topics.wanted:
                self._succeed(self._backoff.failed(now))
        elif link is self._current and self._next is not None and self._next.open:
            self._hand_over(self._next)
        elif link is self._current:
            self._drop_shadows()
            if self._next is not None:
                self._next.end("the socket that it was to follow ended first")
            self._current, self._next = None, None
            for entry in self.entries:
                entry.disconnected(reason, now)
            self._look(reason)
            if self._topics.wanted:
                self._launch(self._link(self.entries), max(self._backoff.failed(now), link.pause))

    def _retire(self, link: Link, _reason: str) -> None:
        """A link says that it will end soon."""
        if link is self._current and self._next is None:
            self._succeed(max(self._backoff.failed(self._venue.clock.now()), link.pause))

    def _succeed(self, wait: Seconds) -> None:
        """Open the next link beside the current one, each book with a shadow."""
        open_ = [entry for entry in self.entries if entry.book.state is not BookState.CLOSED]
        self._shadows = {entry: self._shadow(entry, self.need) for entry in open_}
        for entry, shadow in self._shadows.items():
            shadow.book.status = entry.book.status
        link = self._link(self._shadows.values())
        if link.user is not None:
            link.user.leading = False
        self._launch(link, wait)
        limit = after(self._venue.clock.now(), wait + HANDOVER_LIMIT)

        async def watch() -> None:
            clock = self._venue.clock
            while link is self._next:
                await clock.sleep(HANDOVER_CHECK)
                if link is self._next and link.open and (self._ready(link) or clock.now() >= limit):
                    self._hand_over(link)

        self._venue.spawn(watch)

    def _ready(self, link: Link) -> bool:
        """Whether every book has a shadow as good as itself. Shadows that can are helped to a snapshot here."""
        now = self._venue.clock.now()
        for entry, shadow in self._shadows.items():
            if entry.rule.global_ids and shadow.waits_for_snapshot and entry.book.live:
                shadow.copy(entry, now)
        books = all(entry.as_good(shadow) for entry, shadow in self._shadows.items())
        others = self._topics.wanted - {entry.topic for entry in self.entries}
        return books and others <= link.confirmed

    def _hand_over(self, link: Link) -> None:
        """The next link becomes the current one."""
        now, old = self._venue.clock.now(), self._current
        self._current, self._next = link, None
        shadows, self._shadows = self._shadows, {}
        for entry, shadow in shadows.items():
            entry.take_over(shadow, now)
            shadow.close("it has taken over", now)
        link.books.feed(self.entries)
        self.counters.handovers += 1
        if link.user is not None:
            link.user.leading = True
        if old is not None:
            if old.user is not None:
                old.user.leading = False
            old.books.feed(())
            old.leave("another socket took over")
        self._look("another socket took over", anew=True)
        if link.retiring:  # it said so before it was its turn
            self._retire(link, "")

    def _drop_shadows(self) -> None:
        for shadow in self._shadows.values():
            shadow.close("its socket ended", self._venue.clock.now())
        self._shadows = {}

    def _link(self, entries: Iterable[AnyEntry]) -> Link:
        return Link(
            self._venue,
            self._speaker,
            self._topics,
            entries,
            self._feeds,
            self.counters,
            opened=self._opened,
            retire=self._retire,
            turned=self._turned,
            user=self._user,
        )

    def _turned(self, link: Link, topic: Topic, reason: str) -> None:
        """A topic of a link was confirmed, or lost for that reason."""
        if link is not self._current:
            return
        if topic.channel is Channel.USER:
            self._look(reason, anew=not reason)
        elif self._user is not None:
            self._user.changed()

    def _look(self, reason: str, *, anew: bool = False) -> None:
        """Tell the account whether its stream is whole, where that has changed; `anew`: also where it is whole again."""
        before, self._user_live = self._user_live, self.serves(Channel.USER)
        if self._user is None:
            return
        self._user.changed()
        if not (before or self._user_live):
            return
        if not self._user_live:
            self._user.lost(reason)
        elif anew or not before:
            self._user.opened()

    def _opened(self) -> None:
        self._backoff.worked(self._venue.clock.now())
        self._tell(LinkState.OPEN)

    def _tell(self, state: LinkState, reason: str = "") -> None:
        now = self._venue.clock.now()
        self._venue.events.publish(LinkChange(link=self.name, state=state, reason=reason, at=now))
