"""Where orders are kept: the file of a key, and one store object for a file, whoever asks for it.

Unless the user says otherwise the orders of an account are in a file of their own, in the state directory:
``orders/<venue>/<environment>/<account>-<fingerprint of the key>.sqlite``.
"""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from venuekit.orders.key_lock import state_directory
from venuekit.orders.sqlite_store import SqliteOrderStore
from venuekit.orders.store import InFlightOrderStore
from venuekit_spec import LocalError

MEMORY: Final = ":memory:"

Store = str | PathLike[str] | InFlightOrderStore
"""A file, ``":memory:"``, or a store of one's own."""

_STORES: Final[WeakValueDictionary[Path, SqliteOrderStore]] = WeakValueDictionary()


def store_file(venue: str, environment: str, account: str, key: str) -> Path:
    """Where the orders of an account are kept by default; `key` is the fingerprint of its key."""
    return state_directory() / "orders" / venue / environment / f"{account}-{key}.sqlite"


def find_store(store: Store | None, default: Path) -> InFlightOrderStore:
    """The store that was asked for, or that of the default file, whose folder is made then.

    Raises `LocalError` where the folder cannot be made. The store is not open yet.
    """
    if store is None:
        path = default
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LocalError(f"the order store cannot be made in {path.parent}: {error}") from error
    elif isinstance(store, (str, PathLike)):
        if fspath(store) == MEMORY:
            return SqliteOrderStore(MEMORY)
        path = Path(store)
    else:
        return store
    path = path.expanduser().absolute()
    return _STORES.setdefault(path, SqliteOrderStore(path))


__all__ = ["MEMORY", "Store", "find_store", "store_file"]
