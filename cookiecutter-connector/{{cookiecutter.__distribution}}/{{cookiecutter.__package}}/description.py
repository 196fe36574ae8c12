"""What is true of {{ cookiecutter.name }} before anything is sent. Facts only: where each comes from belongs beside it."""

from __future__ import annotations

from typing import Final

from venuekit_spec import (
{%- if cookiecutter.auth != "none" %}
    Absence,
{%- endif %}
    Capability,
    Channel,
{%- if cookiecutter.auth != "none" %}
    ClientOrderIds,
{%- endif %}
    Description,
    Environment,
    HttpResponse,
    InstrumentKind,
    LimitReport,
{%- if cookiecutter.auth != "none" %}
{%- if cookiecutter.kind == "decentralised" %}
    OrderLife,
{%- endif %}
    OrderType,
{%- endif %}
    RatePool,
{%- if cookiecutter.auth != "none" %}
    Resolution,
    Resolver,
{%- endif %}
    TopicRule,
{%- if cookiecutter.auth != "none" %}
    Uniqueness,
{%- endif %}
    retry_after,
)

{% if cookiecutter.auth != "none" -%}
from {{ cookiecutter.__package }}.auth import FIELDS, LANDS_WITHIN
{% endif -%}
from {{ cookiecutter.__package }}.books import BOOKS
from {{ cookiecutter.__package }}.errors import BANNED, LIMITED
{%- if cookiecutter.order_by_order == "yes" %}
from {{ cookiecutter.__package }}.order_feed import ORDERS
{%- endif %}
{%- if cookiecutter.auth != "none" %}
from {{ cookiecutter.__package }}.orders import TIMES_IN_FORCE
{%- endif %}
from {{ cookiecutter.__package }}.payloads import REQUESTS, VENUE

ENVIRONMENTS: Final = (
    # The venue's own come first once they are known: Environment("production", {"rest": "https://...", ...}). The first one
    # is the default; this one is then had by `--environment local`.
    Environment(
        "local",
        {
            "rest": "http://127.0.0.1:8710",
            "stream": "ws://127.0.0.1:8710/stream",
{%- if cookiecutter.auth != "none" %}
            "user": "ws://127.0.0.1:8710/user",
{%- endif %}
        },
        real_money=False,
    ),
)


def limit_report(response: HttpResponse) -> LimitReport:
    """The pause that the venue orders, with its refusals."""
    if response.status not in {LIMITED, BANNED}:
        return LimitReport()
    return LimitReport(penalty=retry_after(response), banned=response.status == BANNED)


DESCRIPTION: Final = Description(
    venue=VENUE,
    name="{{ cookiecutter.name }}",
    environments=ENVIRONMENTS,
    kinds=frozenset({InstrumentKind.SPOT}),
    capabilities=frozenset(
        {
            Capability.BOOKS,
{%- if cookiecutter.order_by_order == "yes" %}
            Capability.ORDER_BY_ORDER,
{%- endif %}
            Capability.TRADES,
            Capability.SERVER_TIME,
{%- if cookiecutter.auth != "none" %}
            Capability.REST_ORDERS,
            Capability.USER_STREAM,
            Capability.BALANCE_STREAM,
{%- endif %}
        }
    ),
    topics=(
        TopicRule(Channel.BOOK, sync=BOOKS),
{%- if cookiecutter.order_by_order == "yes" %}
        TopicRule(Channel.ORDERS, sync=ORDERS),
{%- endif %}
        TopicRule(Channel.TRADES),
{%- if cookiecutter.auth != "none" %}
        TopicRule(Channel.USER, authenticated=True, endpoint="user"),
{%- endif %}
    ),
    links=("https://example.com/",),  # the pages of the venue's documentation that this connector follows
    pools=(RatePool(REQUESTS, capacity=1_200, period=60.0),),
    limit_report=limit_report,
{%- if cookiecutter.auth != "none" %}
    credentials=FIELDS,
    order_types=frozenset({OrderType.LIMIT}),
    times_in_force=frozenset(TIMES_IN_FORCE),
    client_order_ids=ClientOrderIds(r"vk[0-9a-f]{1,14}", maximum_length=16, unique=Uniqueness.EVER),
{%- if cookiecutter.kind == "decentralised" %}
    resolver=Resolver((Resolution.ASK,), Absence(after=LANDS_WITHIN, above_expiry_height=True)),
    order_life=OrderLife(blocks=600, maximum=86_400),
{%- else %}
    resolver=Resolver((Resolution.ASK,), Absence(after=LANDS_WITHIN)),
{%- endif %}
{%- endif %}
)
