from __future__ import annotations

import pytest
from plugins.exchange_a.tests.local import LocalA

from venuekit_spec import OrderEntry


@pytest.fixture
def local() -> LocalA:
    """A venue, and a client that trades by REST."""
    return LocalA()


@pytest.fixture(params=list(OrderEntry))
def either(request: pytest.FixtureRequest) -> LocalA:
    """A venue, and a client that trades by REST, then one that trades by calls on a socket."""
    return LocalA(request.param)
