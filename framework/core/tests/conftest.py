"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops, for every test that is marked `anyio`."""
    loop: str = request.param
    return loop
