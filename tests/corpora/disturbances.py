"""What can happen to the records of a stretch on their way, and what is left of them then."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from attrs import evolve, frozen
from msgspec.structs import replace
from tests.corpora.stretches import Stretch

from venuekit.tapes import Record


class Kind(StrEnum):
    """What can happen to a record."""

    DROPPED = "dropped"
    DOUBLED = "doubled"
    SWAPPED = "swapped"
    """It arrives right after the next frame of its book."""
    TRUNCATED = "truncated"
    """Only its first part arrives: `Fault.by` percent."""
    DELAYED = "delayed"
    """It arrives `Fault.by` records later."""
    FAILING = "failing"
    """From this record on, the next `Fault.by` snapshots of its book fail."""
    CUT = "cut"
    """The socket is cut after it."""


@frozen
class Fault:
    """One fault, at a record."""

    kind: Kind
    at: int
    by: int = 0


@frozen
class Delivery:
    """What the stage hands over at one place: a record, or nothing. `at` is its index in the recording.

    `taints`: from here on the book may be wrong, until a fresh snapshot.
    """

    at: int | None
    record: Record | None
    taints: bool = False
    whole: bool = True
    cut: bool = False
    failures: int = 0


def disturbed(stretch: Stretch, faults: Sequence[Fault]) -> list[Delivery]:
    """The records of a stretch as they arrive. What is to befall a record that another fault took away does not."""
    plan = [Delivery(index, record) for index, record in stretch.entries]
    for fault in faults:
        anyway = fault.kind in {Kind.FAILING, Kind.CUT}
        places = (place for place, each in enumerate(plan) if each.at == fault.at and (each.record or anyway))
        place = next(places, None)
        if place is not None:
            _disturb(plan, place, fault, stretch)
    return plan


def _disturb(plan: list[Delivery], place: int, fault: Fault, stretch: Stretch) -> None:
    hit = plan[place]
    gone = Delivery(hit.at, None, taints=True, cut=hit.cut, failures=hit.failures)
    late = Delivery(hit.at, hit.record, taints=True, whole=hit.whole)
    match fault.kind:
        case Kind.DROPPED:
            plan[place] = gone
        case Kind.DOUBLED:
            plan.insert(place + 1, evolve(hit, cut=False, failures=0))
        case Kind.SWAPPED:
            following = range(place + 1, len(plan))
            owner = stretch.owner(hit.at)
            after = [k for k in following if plan[k].record and stretch.owner(plan[k].at) == owner]
            if after:
                plan[place] = gone
                plan.insert(after[0] + 1, late)
        case Kind.TRUNCATED:
            plan[place] = evolve(hit, record=_part(hit.record, fault.by), taints=True, whole=False)
        case Kind.DELAYED:
            plan[place] = gone
            plan.insert(place + 1 + fault.by, late)
        case Kind.FAILING:
            plan[place] = evolve(hit, failures=hit.failures + fault.by)
        case Kind.CUT:
            plan[place] = evolve(hit, cut=True)


def _part(record: Record | None, percent: int) -> Record | None:
    payload = b"" if record is None else record.payload or b""
    return record and replace(record, payload=payload[: max(1, len(payload) * percent // 100)])
