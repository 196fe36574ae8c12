"""The {{ cookiecutter.name }} connector: what the entry point of the venue names."""

{% if cookiecutter.auth != "none" -%}
from venuekit_spec import (
    Auth,
    Credentials,
    DataSource,
    Description,
    Environment,
    InstrumentTable,
    Market,
    UserStream,
    hookimpl,
)

from {{ cookiecutter.__package }}.auth import VenueAuth
{%- else -%}
from venuekit_spec import DataSource, Description, Environment, hookimpl
{% endif %}
from {{ cookiecutter.__package }}.data_source import VenueData
from {{ cookiecutter.__package }}.description import DESCRIPTION
{%- if cookiecutter.auth != "none" %}
from {{ cookiecutter.__package }}.market import VenueMarket
from {{ cookiecutter.__package }}.user_stream import VenueUserStream

__all__ = ["auth", "data_source", "describe", "market", "user_stream"]
{%- else %}

__all__ = ["data_source", "describe"]
{%- endif %}


@hookimpl
def describe() -> Description:
    """What is true of the venue before anything is sent."""
    return DESCRIPTION


@hookimpl
def data_source(environment: Environment) -> DataSource:
    """The public side in one environment."""
    return VenueData(environment)
{%- if cookiecutter.auth != "none" %}


@hookimpl
def auth(credentials: Credentials) -> Auth:
    """The signer of one account. Raises `LocalError` where a credential is missing or is none."""
    return VenueAuth(credentials)


@hookimpl
def market(environment: Environment, instruments: InstrumentTable) -> Market:
    """Trading for one account."""
    return VenueMarket(environment, instruments)


@hookimpl
def user_stream(environment: Environment) -> UserStream:
    """The private stream of one account."""
    return VenueUserStream(environment)
{%- endif %}
