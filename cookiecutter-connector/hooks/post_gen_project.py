"""Put the files of what was chosen in their places, and leave out the rest."""

import shutil
from pathlib import Path

PACKAGE = Path("{{ cookiecutter.__package }}")
CHOICES = Path("_choices")

SYNC = CHOICES / "sync"
AUTH = CHOICES / "auth"
TRADING = CHOICES / "trading"
ORDERS = CHOICES / "order_by_order"

PLACES = {
    SYNC / "{{ cookiecutter.sync }}.py": PACKAGE / "books.py",
    SYNC / "{{ cookiecutter.sync }}_dialect.py": PACKAGE / "dialect" / "books.py",
{%- if cookiecutter.order_by_order == "yes" %}
    ORDERS / "order_feed.py": PACKAGE / "order_feed.py",
{%- endif %}
{%- if cookiecutter.auth != "none" %}
    AUTH / "{{ cookiecutter.auth.partition('_')[0] }}.py": PACKAGE / "auth.py",
    AUTH / "{{ cookiecutter.auth.partition('_')[0] }}_dialect.py": PACKAGE / "dialect" / "keys.py",
    TRADING / "orders.py": PACKAGE / "orders.py",
    TRADING / "market.py": PACKAGE / "market.py",
    TRADING / "user_stream.py": PACKAGE / "user_stream.py",
    TRADING / "refusals.py": PACKAGE / "dialect" / "refusals.py",
    TRADING / "requests.py": PACKAGE / "dialect" / "requests.py",
    TRADING / "user_socket.py": PACKAGE / "dialect" / "user_socket.py",
    TRADING / "tests" / "test_orders.py": Path("tests") / "test_orders.py",
{%- endif %}
}

for source, place in PLACES.items():
    source.rename(place)
shutil.rmtree(CHOICES)
