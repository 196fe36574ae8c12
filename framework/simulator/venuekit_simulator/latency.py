"""Latency: how long a message takes, thrown anew for each, deterministic by seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TypeAlias

from venuekit_spec import LocalError, Seconds

Latency: TypeAlias = Seconds | tuple[Seconds, Seconds] | Callable[[Random], Seconds]
"""One way: always the same, evenly between two, or any distribution: a function of the dice."""


def thrower(latency: Latency, seed: str) -> Callable[[], Seconds]:
    """A function that throws a latency; the same ones in the same order for the same seed. Raises `LocalError`."""
    dice = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    if callable(latency):
        return partial(latency, dice)
    least, most = latency if isinstance(latency, tuple) else (latency, latency)
    if not 0 <= least <= most:
        raise LocalError(f"a latency is not negative, and a range goes upwards: not {latency}")
    return (lambda: least) if least == most else partial(dice.uniform, least, most)
