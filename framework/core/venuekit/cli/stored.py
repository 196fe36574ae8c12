"""Order stores, looked into without opening them for writing: also while another process trades with one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from venuekit_spec import Credentials

LATEST: Final = 100


def stored_at(venue: str, environment: str, credentials: Credentials) -> Path:
    """Where the orders of a key are kept unless the user says otherwise."""
    from venuekit.exchange import MAIN
    from venuekit.orders import fingerprint
    from venuekit.trading.stores import store_file

    return store_file(venue, environment, credentials.account or MAIN, fingerprint(credentials))


def count_incomplete(path: Path) -> dict[str, int]:
    """How many orders of a store are not complete, by state. Raises `sqlite3.Error` where the file is no store."""
    rows = _read(path, "SELECT state, count(*) FROM orders WHERE NOT complete GROUP BY state ORDER BY state")
    return {str(state): int(str(count)) for state, count in rows}


def latest_ids(path: Path, account: str) -> Sequence[str]:
    """The client order ids of an account's latest orders, newest first; none where there is no file."""
    if not path.exists():
        return []
    query = "SELECT client_order_id FROM orders WHERE account = ? ORDER BY created DESC LIMIT ?"
    return [str(id_) for (id_,) in _read(path, query, account, LATEST)]


def _read(path: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


__all__ = ["count_incomplete", "latest_ids", "stored_at"]
