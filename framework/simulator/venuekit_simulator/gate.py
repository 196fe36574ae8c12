"""The gate: whether requests reach the venue at all. The way there may be gone, and everybody may be refused for a while."""

from __future__ import annotations

from attrs import frozen

from venuekit_simulator.faults import Unreachable
from venuekit_spec import Instant, RefusalKind, Seconds, seconds_between


@frozen
class Block:
    """Everybody is refused in this way until an instant."""

    kind: RefusalKind
    until: Instant

    def wait(self, now: Instant) -> Seconds:
        """How long it still lasts."""
        return seconds_between(now, self.until)


@frozen
class Outage:
    """The way to the venue is gone in this way until an instant."""

    how: Unreachable
    until: Instant


class Gate:
    """At most one outage and one block at a time; the newer one counts. `refused` counts whom the block turned down."""

    def __init__(self) -> None:
        self.refused = 0
        self._block: Block | None = None
        self._outage: Outage | None = None

    def refuse_all(self, kind: RefusalKind, until: Instant) -> Block:
        """From now on."""
        self._block = Block(kind, until)
        return self._block

    def cut_off(self, how: Unreachable, until: Instant) -> None:
        """From now on."""
        self._outage = Outage(how, until)

    def outage(self, now: Instant) -> Unreachable | None:
        """How the way is gone; None where it is not."""
        if self._outage is not None and now >= self._outage.until:
            self._outage = None
        return None if self._outage is None else self._outage.how

    def turn_down(self, now: Instant) -> Block | None:
        """The block that turns down a request; counted."""
        if self._block is not None and now >= self._block.until:
            self._block = None
        self.refused += self._block is not None
        return self._block
