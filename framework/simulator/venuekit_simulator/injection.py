"""Injection: which fault strikes which message. Deterministic by seed.

Each fault counts what it could strike and throws dice of its own, so that no fault changes what another one does. Of several
that strike the same message the first of the plan is done; the others have missed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final

from attrs import define, frozen

from venuekit_simulator.faults import Fault, FaultKind, Target, Transport
from venuekit_spec import CallKind, Instant, after

_USUAL: Final = frozenset(CallKind) - {CallKind.CONNECT}
"""What faults of requests strike that name no kind. No handshakes: how many there are is the client's business."""


@frozen
class Injection:
    """A fault that has been done: what, when, and to which kind of request ("" for frames and the venue as a whole)."""

    fault: Fault
    at: Instant
    on: CallKind | None = None


@frozen
class Strike:
    """A fault that strikes, and its dice: where it cuts, what it alters."""

    fault: Fault
    dice: Random


@define(eq=False)
class _Armed:
    """A fault of the plan, with its own count and dice."""

    fault: Fault
    dice: Random
    since: Instant
    seen: int = 0
    done: int = 0

    def strikes(self, now: Instant) -> bool:
        """Whether it strikes what it sees now."""
        fault = self.fault
        if now < self.since:
            return False
        self.seen += 1
        if fault.times and self.done >= fault.times:
            return False
        if fault.probability is not None:
            return self.dice.random() < fault.probability
        if fault.nth is not None:
            return self.seen == fault.nth
        return fault.at is None or self.done == 0


class Injector:
    """The faults of one venue. `counts` and `history` tell what has been done; the history is in order."""

    def __init__(self, seed: int) -> None:
        self.counts: Counter[FaultKind] = Counter()
        self.history: list[Injection] = []
        self._seed = seed
        self._armed: dict[Target, list[_Armed]] = {target: [] for target in Target}
        self._count = 0

    def arm(self, fault: Fault, now: Instant) -> None:
        """From now on this fault can strike (from `Fault.at` seconds after now, where it says so)."""
        self._count += 1
        dice = Random(f"{self._seed} {self._count} {fault.kind}")  # noqa: S311 - to be repeated, not to be secret
        since = now if fault.at is None else after(now, fault.at)
        self._armed[fault.target].append(_Armed(fault, dice, since))

    def on_frame(self, frame: str | bytes, now: Instant) -> Strike | None:
        """What strikes a frame on its way to the client."""
        return self._first(
            [each for each in self._armed[Target.FRAME] if _contains(frame, each.fault.containing)], now, None
        )

    def on_request(self, kind: CallKind, transport: Transport, now: Instant) -> Strike | None:
        """What strikes a request."""
        return self._first(
            [
                each
                for each in self._armed[Target.REQUEST]
                if kind in (each.fault.on or _USUAL) and each.fault.transport in {None, transport}
            ],
            now,
            kind,
        )

    def note(self, fault: Fault, now: Instant, on: CallKind | None = None) -> None:
        """This fault has been done."""
        self.counts[fault.kind] += 1
        self.history.append(Injection(fault, now, on))

    def _first(self, candidates: Sequence[_Armed], now: Instant, on: CallKind | None) -> Strike | None:
        striking = [each for each in candidates if each.strikes(now)]
        if not striking:
            return None
        striking[0].done += 1
        self.note(striking[0].fault, now, on)
        return Strike(striking[0].fault, striking[0].dice)


def truncated(frame: str | bytes, dice: Random) -> str | bytes:
    """A beginning of it, shorter than the whole."""
    return frame[: dice.randrange(len(frame))] if frame else frame


def corrupted(frame: str | bytes, dice: Random) -> str | bytes:
    """With one character replaced by one that makes no sense in a number, a name or between them."""
    if not frame:
        return frame
    place = dice.randrange(len(frame))
    if isinstance(frame, str):
        return f"{frame[:place]}#{frame[place + 1 :]}"
    return frame[:place] + b"#" + frame[place + 1 :]


def mangled(frame: str | bytes, kind: FaultKind, dice: Random) -> str | bytes:
    """Truncated or corrupted, by the kind of fault; the same otherwise."""
    if kind is FaultKind.TRUNCATE:
        return truncated(frame, dice)
    return corrupted(frame, dice) if kind is FaultKind.CORRUPT else frame


def _contains(frame: str | bytes, text: str) -> bool:
    return text in frame if isinstance(frame, str) else text.encode() in frame
