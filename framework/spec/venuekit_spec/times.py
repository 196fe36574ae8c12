"""Time, as every room of venuekit speaks of it.

An *instant* is an ``int``: nanoseconds since the Unix epoch, UTC. A *duration* is a ``float``: seconds. Nothing in a
connector reads a clock; `now` is always an argument.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Instant: TypeAlias = int
"""Nanoseconds since the Unix epoch, UTC."""

Seconds: TypeAlias = float
"""A duration."""

MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000


def after(now: Instant, delay: Seconds) -> Instant:
    """The instant `delay` seconds after `now`."""
    return now + round(delay * SECOND)


def seconds_between(earlier: Instant, later: Instant) -> Seconds:
    """How many seconds lie between two instants; negative when they are in the other order."""
    return (later - earlier) / SECOND
