"""The venues that the demo shows, and what it has to know of each: how to lose a frame of its book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import Channel


@frozen
class Scene:
    """One venue: which feed its ladder comes by, and the fault that loses one frame of it."""

    venue: str
    channel: Channel
    loss: Fault
    seed: int = 7


SCENES: Final[Mapping[str, Scene]] = {
    "exchange_a": Scene(
        "exchange_a", Channel.BOOK, Fault(kind=FaultKind.DROP, containing='{"topic":"depth:', nth=1)
    ),
}
"""By venue id."""

VENUES: Final = ("exchange_a",)
"""What is shown, side by side, where no venue is named."""
