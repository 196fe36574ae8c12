"""One process per key: nonces, rate limits and the state of orders belong to one process at a time.

The lock is a file in the user's state directory, held by the operating system: it ends with the process, however that ends.
Beside it stands a note of who holds it. Exchange objects of one process share the lock; it is let go with the last of them.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define
from filelock import FileLock, Timeout
from platformdirs import user_state_path

from venuekit_spec import Credentials, LocalError

STATE_VARIABLE: Final = "VENUEKIT_STATE"
FINGERPRINT_LENGTH: Final = 16
ROUNDS: Final = 10_000


class KeyInUse(LocalError):
    """Another process uses this key. `pid` is its process id, None where it cannot be read."""

    def __init__(self, venue: str, environment: str, pid: int | None) -> None:
        self.venue = venue
        self.environment = environment
        self.pid = pid
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"{holder} trades on {venue} ({environment}) with this key: a key belongs to one process at a time"
        )


@define
class _Held:
    lock: FileLock
    count: int = 1


_held: dict[Path, _Held] = {}
_guard: Final = threading.Lock()


def state_directory() -> Path:
    """Where locks and orders are kept: what VENUEKIT_STATE says, or the user's state directory."""
    chosen = os.environ.get(STATE_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_state_path("venuekit", appauthor=False)


def fingerprint(credentials: Credentials) -> str:
    """A name for a key that says nothing of it: a slow, salted, shortened hash of its fields.

    The same key is the same under every account name; the account tells keys apart only where a signer elsewhere holds them.
    """
    parts = [
        "" if credentials.fields else credentials.account,
        *(f"{name}={credentials[name]}" for name in sorted(credentials.fields)),
    ]
    joined = "\0".join(parts).encode()
    return hashlib.pbkdf2_hmac("sha256", joined, b"venuekit key", ROUNDS).hex()[:FINGERPRINT_LENGTH]


@contextmanager
def hold_key(venue: str, environment: str, fingerprint: str) -> Iterator[None]:
    """Hold the lock of a key. Raises `KeyInUse`, and `LocalError` where the state directory cannot be written."""
    path = state_directory() / "locks" / f"{_safe(venue)}-{_safe(environment)}-{_safe(fingerprint)}.lock"
    with _guard:
        held = _held.get(path)
        if held is not None:
            held.count += 1
        else:
            held = _held[path] = _Held(_acquire(path, venue, environment))
    try:
        yield
    finally:
        with _guard:
            held.count -= 1
            if not held.count:
                del _held[path]
                _note(path).unlink(missing_ok=True)
                held.lock.release()


def _acquire(path: Path, venue: str, environment: str) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(path, thread_local=False)
        lock.acquire(blocking=False)
        _note(path).write_text(str(os.getpid()))
    except Timeout:
        raise KeyInUse(venue, environment, _holder(path)) from None
    except OSError as error:
        raise LocalError(f"the lock of a key cannot be made in {path.parent}: {error}") from error
    return lock


def _note(path: Path) -> Path:
    return path.with_suffix(".pid")


def _holder(path: Path) -> int | None:
    try:
        return int(_note(path).read_text())
    except (OSError, ValueError):
        return None


def _safe(part: str) -> str:
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in part)
