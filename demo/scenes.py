"""The venues that the demo shows, and what it has to know of each: how to lose a frame of its book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import Channel, Seconds


@frozen
class Scene:
    """One venue: which feed its ladder comes by, and the fault that loses some of it while nobody trades yet.

    `audit` and `window`, seconds: where only an audit shows a loss, how often the book is audited instead of the connector's
    own period, and how far around an audit changes are left out; 0: as the connector has it.
    """

    venue: str
    channel: Channel
    loss: Fault
    audit: Seconds = 0.0
    window: Seconds = 0.0
    seed: int = 7


SCENES: Final[Mapping[str, Scene]] = {
    scene.venue: scene
    for scene in (
        Scene("exchange_a", Channel.BOOK, Fault(kind=FaultKind.DROP, containing="depth:", nth=1)),
        # A single event may be undone by the next one. Of some in a row something stays wrong until an audit finds it.
        Scene("exchange_b", Channel.ORDERS, Fault(kind=FaultKind.DROP, times=6), audit=2.0, window=0.8),
    )
}
"""By venue id."""

VENUES: Final = ("exchange_a", "exchange_b")
"""What is shown, side by side, where no venue is named."""
