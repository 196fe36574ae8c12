"""What the small connectors of this folder share.

They exist to show that the contract fits feeds of every kind, and play recordings only: each knows the books of its venue,
and of the rest as much as those need. A module has a `Session`, a `DataSource`, and the two joined with a description::

    CONNECTOR = SmallConnector(small_description("my_venue", RULE, rest="https://...", stream="wss://..."), MyDataSource)

which ``venuekit.connect(CONNECTOR, "my_venue")`` takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from attrs import frozen

from venuekit_spec import (
    NOTHING,
    BookSnapshot,
    Capability,
    Channel,
    DataSource,
    Description,
    Dial,
    Environment,
    Flow,
    HttpRequest,
    HttpResponse,
    Instant,
    Instrument,
    InstrumentKind,
    InstrumentTable,
    MalformedMessage,
    OrderBookSnapshot,
    Outputs,
    PriceRule,
    Send,
    Session,
    SizeRule,
    SocketRequest,
    SyncRule,
    Topic,
    TopicRule,
    Unsupported,
    VenueUnavailable,
    hookimpl,
    http,
)

UNREADABLE = (msgspec.DecodeError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What comes out of a frame that is not as expected."""

BAD_REQUEST = 400
"""The first HTTP status that is a refusal."""


class SmallSession:
    """A session of books. Its venue tells how it subscribes (`ask`, `leave`) and what a frame says (`read`).

    `native` is the use of the names in its frames. `ids` maps those to ours, `names` ours to those; `wanted` are the topics
    that it is subscribed to.
    """

    native: str = "socket"

    def __init__(self, dial: Dial, instruments: InstrumentTable) -> None:
        self.dial = dial
        self.instruments = instruments
        self.ids: Mapping[str, str] = instruments.ids_by_native(self.native)
        self.names: Mapping[str, str] = {id_: name for name, id_ in self.ids.items()}
        self.wanted: frozenset[Topic] = frozenset()

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """Subscribe to these."""
        return NOTHING

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """Unsubscribe from these."""
        return NOTHING

    def decode(self, frame: bytes) -> Any:
        """What a frame holds. JSON, unless a venue says otherwise."""
        return msgspec.json.decode(frame)

    def read(self, told: Any, now: Instant) -> Outputs:
        """What a decoded frame says. Whatever `UNREADABLE` names makes it a malformed one."""
        raise NotImplementedError

    # The verbs

    def opened(self, now: Instant) -> Outputs:
        """Nothing is said before a topic is wanted."""
        return NOTHING

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Leave what is no longer wanted, ask for what is new."""
        left, new = (sorted(those, key=str) for those in (self.wanted - topics, topics - self.wanted))
        self.wanted = topics
        return [*(self.leave(left) if left else NOTHING), *(self.ask(new) if new else NOTHING)]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """These sockets take none."""
        raise Unsupported(f"no {request.method} here")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """Decode and read. Raises `MalformedMessage`."""
        try:
            return self.read(self.decode(frame), now)
        except UNREADABLE as error:
            raise MalformedMessage(repr(error), frame=frame[:200].decode("utf-8", "replace")) from error

    def tick(self, now: Instant) -> Outputs:
        """Nothing is waited for."""
        return NOTHING

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """No flow is asked for."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """Nothing is kept."""


class SmallDataSource:
    """The public side. Its venue tells its instrument list (`instruments`), its snapshots if it has any, its session."""

    session_type: ClassVar[type[SmallSession]]

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """The venue's instrument list."""
        raise NotImplementedError

    def server_time(self) -> Flow[Instant]:
        """Not asked for: no capability claims it."""
        raise Unsupported("no clock here")

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """By REST, where the venue says how."""
        raise Unsupported(f"no snapshot of {topic}")

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The URL "stream" of the environment."""
        yield from ()
        return Dial(self.environment.url("stream"))

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh one."""
        return self.session_type(dial, instruments)

    def get(self, path: str) -> Flow[HttpResponse]:
        """GET a path under the URL "rest" of the environment.

        Raises `VenueUnavailable` for a refusal, `MalformedMessage` for what is no JSON.
        """
        response = yield from http(HttpRequest("GET", f"{self.environment.url('rest')}{path}", label=path))
        if response.status >= BAD_REQUEST:
            raise VenueUnavailable(f"{path}: HTTP {response.status}")
        try:
            msgspec.json.decode(response.body)
        except UNREADABLE as error:
            raise MalformedMessage(repr(error), topic=path) from error
        return response


@frozen
class SmallConnector:
    """The hooks: what ``venuekit.connect`` takes."""

    description: Description
    source: Callable[[Environment], DataSource]

    @hookimpl
    def describe(self) -> Description:
        """What is true of the venue before anything is sent."""
        return self.description

    @hookimpl
    def data_source(self, environment: Environment) -> DataSource:
        """The public side."""
        return self.source(environment)


def small_description(
    venue: str, sync: SyncRule, *, rest: str, stream: str, channel: Channel = Channel.BOOK, **options: Any
) -> Description:
    """A venue with one channel of books, and two URLs. `options` are other members of `Description`."""
    told: dict[str, Any] = {
        "venue": venue,
        "name": venue,
        "environments": (Environment("production", {"rest": rest, "stream": stream}),),
        "kinds": frozenset(InstrumentKind),
        "capabilities": frozenset(
            {Capability.BOOKS if channel is Channel.BOOK else Capability.ORDER_BY_ORDER}
        ),
        "topics": (TopicRule(channel, sync),),
        "links": (),
    }
    return Description(**{**told, **options})


def small_instrument(
    base: str,
    quote: str,
    native: str | Mapping[str, str],
    kind: InstrumentKind = InstrumentKind.SPOT,
    *,
    tick: str | Decimal = "0.000001",
    **options: Any,
) -> Instrument:
    """A market with few rules. `native` is its name for every use, or its names by use; `tick` the step of its price.

    Spot and perpetual ids are made here; `options` are other members of `Instrument`, as the `id` of another kind.
    """
    told: dict[str, Any] = {
        "id": f"{base}-{quote}" + ("-PERP" if kind is InstrumentKind.PERPETUAL else ""),
        "kind": kind,
        "base": base,
        "quote": quote,
        "native": {"rest": native, "socket": native} if isinstance(native, str) else native,
        "price": PriceRule(Decimal(tick)),
        "size": SizeRule(Decimal("1e-12")),
    }
    return Instrument(**{**told, **options})


def send(told: Any) -> Send:
    """A frame of JSON."""
    return Send(json.dumps(told))


def numbers_as_text(frame: bytes) -> Any:
    """JSON whose numbers are the text that they are on the wire, whole ones too, and without exponents."""
    return json.loads(frame, parse_float=plain_text, parse_int=str)


def plain_text(number: str) -> str:
    """A number in plain notation."""
    return f"{Decimal(number):f}" if "e" in number.lower() else number


def day_of(milliseconds: int) -> str:
    """The day of an expiry as ids have it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m%d")
