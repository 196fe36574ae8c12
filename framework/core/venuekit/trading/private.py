"""The private stream: what an account hears of its orders and its money, and the sockets that take its calls.

It is kept alive by the same connections as books are: backoff, planned redial with both sockets open, lifetimes, silence. Its
topics are spread over sockets by the endpoints of their rules, so that the user stream and the calls may share one or not.

1. While `live`, all that the venue tells of the account reaches `receive`, at least once: repetitions are the tracker's.
2. `opened` is called whenever the stream is whole again, after a pause of any length, and also when one socket followed another
   without one. What came before it is to be asked for.
3. `hole` is called when messages may be missing although the socket lives.
4. A refusal that the venue calls final (a token, a permission) is told as `TopicRefused`, and tried again with backoff on a
   socket of its own making: a fresh dial has a fresh token.
5. A call goes out on a socket that is logged in, or not at all (``sent=False``). A socket that ends makes what it was asked
   unknown; one that is replaced in good time is kept until it has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import anyio

from venuekit.books.keeping import NeedCallback
from venuekit.books.tracker import AnyEntry
from venuekit.connection import Connection
from venuekit.feeds import Feeds
from venuekit.link import LinkCounters
from venuekit.sharding import shard
from venuekit.snapshots import Snapshots
from venuekit.user_side import UserHandlers
from venuekit.venue import Venue
from venuekit_spec import (
    Answer,
    Channel,
    Instant,
    NetworkError,
    SocketRequest,
    SocketResponse,
    UserMessage,
    UserStream,
)


class PrivateStream:
    """The private side of one account. `venue` is the account's: its signer, its flows, its nonces.

    `receive`, `hole`, `opened` and `lost` are called synchronously, inside the receive callback; `late` with answers of calls
    that were given up, which still carry news. `name` names its links in events.
    """

    def __init__(
        self,
        venue: Venue,
        stream: UserStream,
        *,
        receive: Callable[[UserMessage], None],
        hole: Callable[[str], None],
        opened: Callable[[], None],
        lost: Callable[[str], None],
        late: Callable[[Answer], None] | None = None,
        name: str = "private",
    ) -> None:
        self._venue = venue
        self._tell_opened = opened
        self._tell_lost = lost
        self._told_live = False
        self._changed = anyio.Event()
        handlers = UserHandlers(
            receive, hole, self._on_opened, self._on_lost, late or _unheard, self._on_changed
        )
        topics = sorted(stream.topics(), key=str)
        self._user: list[Connection] = []
        self._calls: list[Connection] = []
        self._connections: list[Connection] = []
        for number, part in enumerate(shard(topics, venue.description, venue.instruments), start=1):
            connection = Connection(
                f"{venue.id}.{name}.{number}",
                venue,
                stream,
                part,
                (),
                Snapshots(venue),
                Feeds(),
                _no_shadow,
                user=handlers,
            )
            channels = {topic.channel for topic in part}
            self._connections.append(connection)
            self._user += [connection] if Channel.USER in channels else []
            self._calls += [connection] if Channel.CALLS in channels else []

    async def run(self) -> None:
        """Keep the stream alive until cancelled; its sockets are closed then. At once over where the venue has no topics."""
        async with anyio.create_task_group() as tasks:
            for connection in self._connections:
                tasks.start_soon(connection.run)

    @property
    def live(self) -> bool:
        """Whether all topics of the user stream are confirmed: what happens to the account is being told."""
        return bool(self._user) and all(each.serves(Channel.USER) for each in self._user)

    @property
    def calls_live(self) -> bool:
        """Whether a socket takes calls now."""
        return any(each.serves(Channel.CALLS) for each in self._calls)

    async def wait_calls(self) -> None:
        """Return once a socket takes calls; never where the venue has none for them."""
        while not self.calls_live:
            await self._changed.wait()

    async def wait_ready(self) -> None:
        """Return once all that happens to the account is told, and calls are taken; at once where the venue has neither."""
        while not (
            all(each.serves(Channel.USER) for each in self._user)
            and all(each.serves(Channel.CALLS) for each in self._calls)
        ):
            await self._changed.wait()

    @property
    def last_life(self) -> Instant:
        """The last sign of life of the user stream's sockets, of the one that was silent longest; 0 before the first."""
        return min((each.life for each in self._user), default=0)

    async def call(self, request: SocketRequest) -> SocketResponse:
        """Send a call, signed already where it is to be (`FlowRunner.run`), and have its answer.

        Raises `NetworkError` (``sent=False``) where no socket takes calls now, `DeadlinePassed` and `NetworkError` where the
        outcome is unknown, `LocalError` for a key that is under way, and the error of the answer.
        """
        for connection in self._calls:
            if connection.serves(Channel.CALLS):
                return await connection.call(request)
        raise NetworkError("no socket that takes calls is open", venue=self._venue.id, sent=False)

    def link_counters(self) -> dict[str, LinkCounters]:
        """What has happened on each connection so far."""
        return {connection.name: connection.counters for connection in self._connections}

    def _on_changed(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def _on_opened(self) -> None:
        """One of the sockets is whole (again)."""
        if self.live:
            self._told_live = True
            self._tell_opened()

    def _on_lost(self, reason: str) -> None:
        if self._told_live:
            self._told_live = False
            self._tell_lost(reason)


def _unheard(_answer: Answer) -> None:
    """A late answer that nobody asked to be told of."""


def _no_shadow(_entry: AnyEntry, _need: NeedCallback) -> NoReturn:
    raise AssertionError("a private connection feeds no book")
