from __future__ import annotations

import pytest
from plugins.exchange_a.tests.local import local_venue

from venuekit_exchange_a.dialect.server import ExchangeADialect
from venuekit_spec import OrderEntry
from venuekit_testkit import Hand


@pytest.fixture
def local() -> Hand:
    """A venue, and a client that trades by REST."""
    return local_venue()


@pytest.fixture
def dialect(local: Hand) -> ExchangeADialect:
    """That venue's protocol."""
    assert isinstance(local.dialect, ExchangeADialect)
    return local.dialect


@pytest.fixture(params=list(OrderEntry))
def either(request: pytest.FixtureRequest) -> Hand:
    """A venue, and a client that trades by REST, then one that trades by calls on a socket."""
    return local_venue(request.param)
