"""What a fresh venue lists{% if cookiecutter.auth != "none" %}, and who has an account there{% endif %}."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
{%- if cookiecutter.auth != "none" %}

from venuekit_spec import Listing, VenueAccount

from {{ cookiecutter.__package }}.dialect.keys import CREDENTIALS
{%- else %}

from venuekit_spec import Listing
{% endif %}
from {{ cookiecutter.__package }}.instruments import instrument_of
from {{ cookiecutter.__package }}.payloads import Listed

_MARKETS = (
    # symbol, base, quote, tick, step, smallest notional, price
    ("BTCUSDT", "BTC", "USDT", "0.01", "0.00001", "5", "60000"),
    ("ETHUSDT", "ETH", "USDT", "0.01", "0.0001", "5", "3000"),
    ("ETHBTC", "ETH", "BTC", "0.00001", "0.0001", "0.0001", "0.05"),
)


def listings() -> Sequence[Listing]:
    """Three markets."""
    return [
        Listing(instrument_of(Listed(*names, trading=True)), Decimal(price)) for *names, price in _MARKETS
    ]
{%- if cookiecutter.auth != "none" %}


def accounts() -> Sequence[VenueAccount]:
    """Two accounts with the same balances; the first is the one that examples use."""
    rich = {"BTC": Decimal(50), "ETH": Decimal(500), "USDT": Decimal(5_000_000)}
    return [VenueAccount(name, credentials, rich) for name, credentials in CREDENTIALS.items()]
{%- endif %}
