"""The tables of the SQLite store, and the steps from one version of them to the next.

``user_version`` of the file is the version. A file of a newer version is refused, an older one is brought up to date in one
transaction when it is opened. A step, once released, is never changed: a new one is added.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from venuekit.orders.store import StoreError

APPLICATION_ID: Final = 0x76656E75
"""Marks a file as ours ("venu"), so that no other program's database is written to."""

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE orders (
            account TEXT NOT NULL,
            client_order_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            instrument TEXT NOT NULL,
            state TEXT NOT NULL,
            complete INTEGER NOT NULL,
            order_id TEXT NOT NULL,
            created INTEGER NOT NULL,
            updated INTEGER NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (client_order_id, account)
        )""",
        "CREATE INDEX incomplete_orders ON orders (account, created) WHERE NOT complete",
        """CREATE TABLE order_ids (
            account TEXT NOT NULL,
            order_id TEXT NOT NULL,
            instrument TEXT NOT NULL,
            client_order_id TEXT NOT NULL,
            PRIMARY KEY (account, order_id, instrument)
        ) WITHOUT ROWID""",
        """CREATE TABLE fills (
            account TEXT NOT NULL,
            client_order_id TEXT NOT NULL,
            key TEXT NOT NULL,
            fill TEXT NOT NULL,
            PRIMARY KEY (account, client_order_id, key)
        )""",
    ),
)

VERSION: Final = len(STEPS)


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring a file up to this version, or refuse it. Raises `StoreError`; `sqlite3.Error` where it cannot be read."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (owner or tables):
        raise StoreError(f"{name} is a database, but no order store of venuekit")
    if version > VERSION:
        raise StoreError(
            f"{name} was written by a newer venuekit (schema {version}; this one knows {VERSION}): upgrade venuekit"
        )
    if version == VERSION:
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        # Read again: another process may have done it while this one waited for the lock.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for step in STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
