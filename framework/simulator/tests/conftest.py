"""Fixtures of the simulator's tests."""

from __future__ import annotations

import pytest

from venuekit.clock import VirtualClock
from venuekit_spec import SECOND


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops, for every test that is marked `anyio`."""
    loop: str = request.param
    return loop


@pytest.fixture
def clock() -> VirtualClock:
    """Time that stands still until it is moved."""
    return VirtualClock(1_800_000_000 * SECOND)
