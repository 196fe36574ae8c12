from __future__ import annotations

import pytest
from plugins.exchange_b.tests.local import LocalB


@pytest.fixture
def local() -> LocalB:
    """A venue, and alice's client of it."""
    return LocalB()
