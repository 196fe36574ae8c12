"""SyncRule: how one feed keeps a book consistent, as data.

A connector states the rule; the core implements each once. A rule has four independent parts: where snapshots come from,
how ids follow one another, how the first delta meets the snapshot, and what proves the result beside the ids.

===================================================  =============================================================
feed                                                 rule
===================================================  =============================================================
Binance spot, KuCoin, Gate (update)                  REST, `Ids.RANGE`, `Join.SPANS_NEXT`
Binance futures                                      REST, `Ids.LINK`, `Join.SPANS_LAST`
OKX                                                  in band, `Ids.LINK`, `Checksum` retired in 2026
Gate (obu), Bybit                                    in band, `Ids.RANGE` or `Ids.NEXT`
Coinbase Exchange full                               REST level 3, `Ids.NEXT`
Coinbase Advanced, Bitfinex, dYdX                    in band, `Ids.ARRIVAL`, ``per_connection`` (`Continuity` messages)
Bitstamp                                             REST, `Join.NEWER`, `Ids.ARRIVAL`
Kraken                                               in band, `Ids.ARRIVAL`, `Checksum` on each message; audit
Hyperliquid                                          `SnapshotSource.EVERY_MESSAGE`, ``overlay``
Huobi depth                                          `SnapshotSource.EVERY_MESSAGE`
Coinbase Exchange level2_batch, Gemini               in band, `Ids.ARRIVAL`; only the audit proves anything
===================================================  =============================================================
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from attrs import frozen

from venuekit_spec.instruments import Instrument
from venuekit_spec.messages import Rows
from venuekit_spec.times import Instant, Seconds


class SnapshotSource(StrEnum):
    """Where a snapshot comes from."""

    REST = "rest"
    """`DataSource.snapshot` is run; deltas that arrive before it are buffered.

    One that comes on the socket besides helps a book that waits; it replaces none that is LIVE.
    """
    IN_BAND = "in_band"
    """The venue sends one on the socket after each subscription; a repair subscribes again."""
    EVERY_MESSAGE = "every_message"
    """Every message is the whole book (full replacement); an older one is dropped."""


class Ids(StrEnum):
    """How the ids of live deltas follow one another; ``L`` is the id at which the book stands."""

    RANGE = "range"
    """Ranges: stale if ``last <= L``; a gap if ``first > L + 1``."""
    LINK = "link"
    """Links: ``previous == L``, equality only, never "newer": ids may jump or be reset. The same link twice is stale."""
    NEXT = "next"
    """Strictly one by one: stale if ``last <= L``; a gap if ``last > L + 1``."""
    RISING = "rising"
    """Rising ids or times: stale if ``last <= L``. A loss cannot be seen."""
    ARRIVAL = "arrival"
    """No ids: the order of arrival, an id is assigned on arrival. A loss cannot be seen by this part of the rule.

    Ids that are told all the same (dYdX's offsets) may come in any order: the book stands at the highest.
    """


class Join(StrEnum):
    """How the first delta meets a snapshot that stands at ``L``."""

    FOLLOWS = "follows"
    """As any live delta follows its predecessor."""
    SPANS_NEXT = "spans_next"
    """``first <= L + 1 <= last``; older ones are stale (Binance spot)."""
    SPANS_LAST = "spans_last"
    """``first <= L <= last``, or ``previous == L``; stale if ``last < L`` (Binance futures)."""
    NEWER = "newer"
    """``last > L`` of the snapshot, now and later, in whatever order; older ones are stale (Bitstamp's stamps).

    A snapshot older than the first delta that waits for it is taken again: what lies between was never received.
    """
    ANYWHERE = "anywhere"
    """The snapshot has no id: everything buffered is replayed on top (events are idempotent)."""


class Crossed(StrEnum):
    """What a crossed book (best bid strictly above best ask) means. A locked one is always legal."""

    FAULT = "fault"
    """The book has lost something: it leaves LIVE and is repaired."""
    TRANSIENT = "transient"
    """The feed crosses for moments: a fault only when it lasts longer than `SyncRule.crossed_tolerance`."""
    UNCROSS = "uncross"
    """Levels carry stamps: the older of two crossing levels is dropped; of equal age, the smaller size off both (dYdX)."""


ChecksumFunction: TypeAlias = Callable[[Rows, Rows, Instrument], int]
"""Best bids and best asks (rows as on the wire, best first) and the instrument -> what the venue would compute."""


@frozen
class Checksum:
    """A checksum that the venue sends with (or between) messages, over the best `levels` of each side.

    `orders`: the book is order by order and `compute` gets one row per resting order, ``(price, size, order id)``, in queue
    order (Kraken level 3, Bitfinex R0). `absent` are values that mean "not sent" (OKX sends 0 since it retired the field).
    `retired` is the instant from which the venue no longer sends it: the rule's other parts carry the proof alone then.
    """

    compute: ChecksumFunction
    levels: int
    orders: bool = False
    absent: frozenset[int] = frozenset()
    retired: Instant | None = None

    def applies(self, value: int | None, now: Instant) -> bool:
        """Whether `value`, received at `now`, is one to be checked."""
        return value is not None and value not in self.absent and (self.retired is None or now < self.retired)


@frozen
class SyncRule:
    """How one feed keeps its books consistent.

    `per_connection`: frames of the socket carry one sequence, told by `Continuity` messages.
    `depth`: the feed covers this many levels a side and sends no removal for those that fall out: cut after each message.
    `row_ids`: index in a row of the id of its last change; rows that are not newer than the book's are skipped (KuCoin while
    joining, dYdX always).
    `overlay`: best prices of the channel ``top`` are merged into the book between its snapshots, where both are subscribed
    to (Hyperliquid).
    `global_ids`: ids mean the same on every connection, so a planned redial may splice one stream to the next.
    `silence`: seconds without a sign of life of a topic after which its book is STALE; None: the connection's limit only.
    `audit`: seconds between comparisons with a fresh snapshot; None: never. `audit_window`: seconds within which a level may
    differ where ids do not tell which of the two is newer.
    """

    snapshot: SnapshotSource
    ids: Ids = Ids.ARRIVAL
    join: Join = Join.FOLLOWS
    per_connection: bool = False
    checksum: Checksum | None = None
    depth: int | None = None
    row_ids: int | None = None
    overlay: bool = False
    global_ids: bool = False
    crossed: Crossed = Crossed.FAULT
    crossed_tolerance: Seconds = 0.0
    silence: Seconds | None = None
    audit: Seconds | None = None
    audit_window: Seconds = 2.0

    @property
    def shows_loss(self) -> bool:
        """Whether a later message of the feed itself shows that one was lost, or makes it good."""
        return self.snapshot is SnapshotSource.EVERY_MESSAGE or bool(
            {"sequence", "checksum"} & set(self.proofs)
        )

    @property
    def proofs(self) -> tuple[str, ...]:
        """What can show a loss on this feed, strongest first: of ``sequence``, ``checksum``, ``audit``."""
        sequence = self.ids in {Ids.RANGE, Ids.LINK, Ids.NEXT} or self.per_connection
        told = {"sequence": sequence, "checksum": self.checksum is not None, "audit": self.audit is not None}
        whole = ("replacement",) if self.snapshot is SnapshotSource.EVERY_MESSAGE else ()
        return whole + tuple(name for name, holds in told.items() if holds)
