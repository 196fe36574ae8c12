"""{{ cookiecutter.name }} seen from the venue: the mirror of the connector, for a venue on this machine and for tests.

This module is what the entry point names: a `DialectPlugin`. It grows with the connector, one refusal and one oddity at a time.
"""

{% if cookiecutter.auth == "none" -%}
from collections.abc import Sequence

from venuekit_spec import Dialect, Engine, VenueAccount

from {{ cookiecutter.__package }}.dialect.listings import listings
{%- else -%}
from venuekit_spec import Dialect, Engine

from {{ cookiecutter.__package }}.dialect.listings import accounts, listings
{%- endif %}
from {{ cookiecutter.__package }}.dialect.server import VenueDialect

__all__ = ["accounts", "listings", "serve"]

{% if cookiecutter.auth == "none" %}
def accounts() -> Sequence[VenueAccount]:
    """None: public data need no account."""
    return ()

{% endif %}
def serve(engine: Engine) -> Dialect:
    """The venue's protocol over this engine, with its memory empty."""
    return VenueDialect(engine)
