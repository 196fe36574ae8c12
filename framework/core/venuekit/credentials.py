"""Credentials: where the keys of an account come from. They are never shown.

A *source* is one of

    "env"               VENUEKIT_<VENUE>_<FIELD>, of a named account VENUEKIT_<VENUE>_<ACCOUNT>_<FIELD>
    a path              a TOML file: a table per venue, in it one per named account. Yours alone (0600), and no link
    "keyring"           the system's keyring, service "venuekit"; "keyring:SERVICE" for another. The user names there are
                        VENUE/FIELD and VENUE/ACCOUNT/FIELD
    a function          without arguments, that returns the fields by name, or `Credentials`
    `Credentials`       themselves

and the fields are those that the venue's description names (`Description.credentials`). In names of environment variables
everything that is neither letter nor digit is an underscore.

Rules:

1. An error names fields, variables, files and lines, and never a value.
2. An error of a parser, a keyring or a function is not chained: its text, its object or its frames may hold a value.
3. A value is wrapped in a `Secret` before anything can fail: no frame of a traceback holds it, not even as a local variable.
4. A source that has some of the fields and not all is an error, and never a reason to look elsewhere.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Any, Final, TypeAlias

from attrs import frozen

from venuekit_spec import Credentials, Description, LocalError, Secret, VenuekitError

ENVIRONMENT: Final = "env"
KEYRING: Final = "keyring"
SERVICE: Final = "venuekit"
FILE_VARIABLE: Final = "VENUEKIT_CREDENTIALS"
"""Names the file of the default lookup, in place of ``credentials.toml`` in the user's configuration folder."""

Source: TypeAlias = str | os.PathLike[str] | Credentials | Callable[[], Mapping[str, str] | Credentials]

_Table: TypeAlias = "dict[str, Secret | _Table | None]"
"""A TOML table: text is a secret, what is neither text nor table is None."""

_OPEN_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe of that name is refused, not waited for
)


@frozen
class FoundCredentials:
    """What the default lookup found, and where: ``env``, ``keyring``, or the path of a file."""

    credentials: Credentials
    source: str


@frozen
class _Problem:
    """Why a source could not be read; what is raised where no secret is in reach."""

    text: str


def load_credentials(source: Source, description: Description, account: str = "") -> Credentials:
    """The credentials of one account of a venue, from a source (see above). `Credentials` are returned as they are.

    Raises `LocalError` naming what is missing, unknown, unreadable, or open to others.
    """
    if isinstance(source, Credentials):
        return source
    if callable(source):
        return _from_function(source, description, account)
    place = os.fspath(source)
    if place == ENVIRONMENT:
        return _from_environment(description, account)
    if place == KEYRING or place.startswith(f"{KEYRING}:"):
        return _from_keyring(place.partition(":")[2] or SERVICE, description, account)
    return _from_file(Path(place), description, account)


def find_credentials(description: Description, account: str = "") -> Credentials | None:
    """The credentials of an account from where they usually are, None where there are none: see `locate_credentials`."""
    found = locate_credentials(description, account)
    return None if found is None else found.credentials


def locate_credentials(description: Description, account: str = "") -> FoundCredentials | None:
    """Look in the environment, in the user's file, in the keyring; the first that has any field of the account counts.

    The file is ``credentials.toml`` in the user's configuration folder, or what ``VENUEKIT_CREDENTIALS`` names. A keyring
    that is not installed, or cannot be opened, has nothing.

    Raises `LocalError` as `load_credentials` does for the source that counts, and where the file is open to others.
    """
    if not description.credentials:
        return None
    if any(name in os.environ for name in _variables(description, account).values()):
        return FoundCredentials(load_credentials(ENVIRONMENT, description, account), ENVIRONMENT)
    path = credentials_file()
    if FILE_VARIABLE in os.environ or path.is_symlink() or path.exists():
        table = _account_table(_read_tables(path), description.venue, account)
        if table is not None:
            return FoundCredentials(_from_file(path, description, account), str(path))
    values = _keyring_values(SERVICE, description, account)
    if isinstance(values, _Problem) or not any(values.values()):
        return None
    return FoundCredentials(load_credentials(KEYRING, description, account), KEYRING)


def credentials_file() -> Path:
    """The file of the default lookup, whether it exists or not."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_config_path

    return user_config_path("venuekit", appauthor=False) / "credentials.toml"


# --- the environment


def _from_environment(description: Description, account: str) -> Credentials:
    variables = _variables(description, account)
    values = {field: Secret(os.environ.get(name, "").strip()) for field, name in variables.items()}
    missing = [variables[field] for field, value in values.items() if not value]
    if missing:
        prefix = _variable(description.venue, "")
        near = sorted(
            name for name in os.environ if name.startswith(prefix) and name not in variables.values()
        )
        told = f"; set, but not what is asked for: {', '.join(near)}" if near else ""
        raise LocalError(f"the environment has no {', '.join(missing)}{told}")
    return _complete(values, description, account, "the environment")


def _variables(description: Description, account: str) -> dict[str, str]:
    """The variable of each field."""
    owner = (description.venue, account) if account else (description.venue,)
    return {field: _variable(*owner, field) for field in description.credentials}


def _variable(*parts: str) -> str:
    return "_".join(("VENUEKIT", *(re.sub(r"[^A-Z0-9]", "_", part.upper()) for part in parts)))


# --- a file


def _from_file(path: Path, description: Description, account: str) -> Credentials:
    path = path.expanduser()
    tables = _read_tables(path)
    table = _account_table(tables, description.venue, account)
    where = f"[{description.venue}.{account}]" if account else f"[{description.venue}]"
    if table is None:
        known = (
            ", ".join(f"[{name}]" for name, each in tables.items() if isinstance(each, dict)) or "no table"
        )
        raise LocalError(f"{path} has no table {where}; it has {known}")
    odd = [name for name, value in table.items() if value is None]
    if odd:
        raise LocalError(f"{path}: in {where} {', '.join(odd)} must be text in quotes")
    values = {name: value for name, value in table.items() if isinstance(value, Secret)}
    return _complete(values, description, account, f"{path}, table {where}")


def _account_table(tables: _Table, venue: str, account: str) -> _Table | None:
    """The table of an account; None where there is none, or where the venue's has only tables of other accounts."""
    table = tables.get(venue)
    if isinstance(table, dict) and account:
        table = table.get(account)
    if not isinstance(table, dict):
        return None
    return table if account or any(not isinstance(value, dict) for value in table.values()) else None


def _read_tables(path: Path) -> _Table:
    read = _read_file(path)
    if isinstance(read, _Problem):
        raise LocalError(f"the credentials file {path} {read.text}")
    return read


def _read_file(path: Path) -> _Table | _Problem:
    """The tables of a file that is its owner's alone. Returns what is wrong: an error raised here would carry the text."""
    try:
        if path.is_symlink():  # told by name; what O_NOFOLLOW is for is a link put there a moment later
            return _Problem(f"is a symbolic link; name the file itself: {path.resolve()}")
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            problem = _exposure(os.fstat(descriptor), path)
            if problem is not None:
                return problem
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read()
        finally:
            os.close(descriptor)
    except OSError as error:
        return _Problem(f"cannot be read: {error.strerror or type(error).__name__}")
    try:
        return _wrapped(tomllib.loads(data.decode("utf-8")))
    except UnicodeDecodeError:
        return _Problem("is not UTF-8 text")
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at ([^()]*)\)$", str(error))
        return _Problem(f"is not TOML ({place[1] if place else 'somewhere'})")


def _exposure(status: os.stat_result, path: Path) -> _Problem | None:
    """Who else could read or change the file. On Windows a home folder's own rules must do."""
    if not stat.S_ISREG(status.st_mode):
        return _Problem("is not a regular file")
    if sys.platform != "win32":
        if status.st_uid != os.geteuid():
            return _Problem(f"belongs to another user; make it yours: chown $USER {quote(str(path))}")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            return _Problem(
                f"can be read or changed by others (mode {mode:04o}); make it yours alone: chmod 600 {quote(str(path))}"
            )
    return None


def _wrapped(table: Mapping[str, Any]) -> _Table:
    wrapped: _Table = {}
    for name, value in table.items():
        if isinstance(value, dict):
            wrapped[name] = _wrapped(value)
        else:
            wrapped[name] = Secret(value.strip()) if isinstance(value, str) else None
    return wrapped


# --- the keyring


def _from_keyring(service: str, description: Description, account: str) -> Credentials:
    values = _keyring_values(service, description, account)
    if isinstance(values, _Problem):
        raise LocalError(values.text)
    missing = [_user(description, account, field) for field, value in values.items() if not value]
    if missing:
        lines = "; ".join(f"keyring set {quote(service)} {quote(user)}" for user in missing)
        raise LocalError(f"the keyring has no {', '.join(missing)} of service {service!r}; run: {lines}")
    return _complete(values, description, account, "the keyring")


def _keyring_values(service: str, description: Description, account: str) -> dict[str, Secret] | _Problem:
    try:
        import keyring
    except ImportError:
        return _Problem("credentials from the keyring need an extra: pip install 'venuekit[keyring]'")
    try:
        return {
            field: Secret((keyring.get_password(service, _user(description, account, field)) or "").strip())
            for field in description.credentials
        }
    except Exception as error:  # noqa: BLE001  # backends are plugins and raise what they like
        return _Problem(f"the keyring could not be read: {type(error).__name__}")


def _user(description: Description, account: str, field: str) -> str:
    return "/".join(part for part in (description.venue, account, field) if part)


# --- a function


def _from_function(
    source: Callable[[], Mapping[str, str] | Credentials], description: Description, account: str
) -> Credentials:
    given = _called(source)
    name = getattr(source, "__qualname__", type(source).__name__)
    if isinstance(given, _Problem):
        raise LocalError(f"the credentials function {name} {given.text}")
    if isinstance(given, Credentials):
        return given
    return _complete(given, description, account, f"what {name} returned")


def _called(
    source: Callable[[], Mapping[str, str] | Credentials],
) -> dict[str, Secret] | Credentials | _Problem:
    try:
        given: Any = source()
        if isinstance(given, Credentials):
            return given
        if not isinstance(given, Mapping):
            return _Problem(f"returned a {type(given).__name__}, not a mapping of fields to values")
        odd = [field for field, value in given.items() if not isinstance(value, str)]
        if odd:
            return _Problem(f"returned no text for {', '.join(map(str, odd))}")
        return {str(field): Secret(value.strip()) for field, value in given.items()}
    except VenuekitError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it raises may quote a value: kind and place are told
        return _Problem(f"raised {type(error).__name__}{_place(error.__traceback__)}")


def _place(trace: TracebackType | None) -> str:
    """Where an error was raised: file name and line."""
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


# --- all


def _complete(
    values: Mapping[str, Secret], description: Description, account: str, where: str
) -> Credentials:
    """The credentials, if every field that the venue wants is there and no other."""
    wanted = description.credentials
    if not wanted:
        raise LocalError(f"{description.venue} takes no credentials")
    missing = [field for field in wanted if not values.get(field)]
    unknown = [field for field in values if field not in wanted]
    if missing or unknown:
        told = [f"no {', '.join(missing)}"] if missing else []
        told += [f"unknown: {', '.join(unknown)}"] if unknown else []
        raise LocalError(f"{where}: {'; '.join(told)} ({description.venue} wants {', '.join(wanted)})")
    return Credentials({field: values[field] for field in wanted}, account=account)


__all__ = [
    "FoundCredentials",
    "Source",
    "credentials_file",
    "find_credentials",
    "load_credentials",
    "locate_credentials",
]
