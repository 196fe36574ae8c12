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
    (Listed("BTCUSDT", "BTC", "USDT", "0.01", "0.00001", "5", trading=True), "60000"),
    (Listed("ETHUSDT", "ETH", "USDT", "0.01", "0.0001", "5", trading=True), "3000"),
    (Listed("ETHBTC", "ETH", "BTC", "0.00001", "0.0001", "0.0001", trading=True), "0.05"),
)


def listings() -> Sequence[Listing]:
    """Three markets."""
    return [Listing(instrument_of(listed), Decimal(price)) for listed, price in _MARKETS]
{%- if cookiecutter.auth != "none" %}


def accounts() -> Sequence[VenueAccount]:
    """Two accounts with the same balances; the first is the one that examples use."""
    rich = {"BTC": Decimal(50), "ETH": Decimal(500), "USDT": Decimal(5_000_000)}
    return [VenueAccount(name, credentials, rich) for name, credentials in CREDENTIALS.items()]
{%- endif %}
