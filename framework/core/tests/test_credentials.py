"""Where keys come from, and that nobody sees them on the way."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from framework.core.tests.venues import toy

from venuekit.credentials import (
    Source,
    credentials_file,
    find_credentials,
    load_credentials,
    locate_credentials,
)
from venuekit_spec import Credentials, Description, LocalError, Secret

DESCRIPTION: Description = evolve(toy().description, credentials=("key", "secret"))

SECRETS = ("correct-horse-battery", "staple:9f8e7d6c5b4a", "savings-of-a-lifetime")
KEY, SECRET, SAVINGS = SECRETS

TABLES = f'[toy]\nkey = "{KEY}"\nsecret = "{SECRET}"\n[toy.savings]\nkey = "{SAVINGS}"\nsecret = "{SECRET}"\n'


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of this machine's own credentials is seen, and every log line is."""
    for name in ("VENUEKIT_CREDENTIALS", "VENUEKIT_TOY_KEY", "VENUEKIT_TOY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "keyring", None)
    caplog.set_level(logging.DEBUG)


def written(path: Path, text: str | bytes = TABLES, mode: int = 0o600) -> Path:
    """A file with that content and those permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def keyring(monkeypatch: pytest.MonkeyPatch, get: Callable[[str, str], str | None]) -> None:
    """A keyring is installed that answers so."""
    module: Any = ModuleType("keyring")
    module.get_password = get
    monkeypatch.setitem(sys.modules, "keyring", module)


def values(credentials: Credentials) -> dict[str, str]:
    """The fields, revealed."""
    return {name: credentials[name] for name in credentials.fields}


def refusal(source: Source, account: str = "", description: Description = DESCRIPTION) -> LocalError:
    """The error of a source that cannot be loaded; nothing of it shows a value, its local variables included."""
    with pytest.raises(LocalError) as caught:
        load_credentials(source, description, account)
    error = caught.value
    assert error.__context__ is None
    ours = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours.stack = traceback.StackSummary.from_list(
        [
            frame for frame in ours.stack if frame.filename != __file__
        ]  # this file's own variables are the secrets
    )
    for told in ("".join(ours.format()), repr(error), str(error), repr(error.args)):
        assert not any(secret in told for secret in SECRETS)
    return error


# --- each source


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of venue and field give the fields; those of a named account are its own."""
    monkeypatch.setenv("VENUEKIT_TOY_KEY", KEY)
    monkeypatch.setenv("VENUEKIT_TOY_SECRET", f" {SECRET}\n")
    monkeypatch.setenv("VENUEKIT_TOY_MY_SAVINGS_KEY", SAVINGS)
    monkeypatch.setenv("VENUEKIT_TOY_MY_SAVINGS_SECRET", SECRET)
    assert values(load_credentials("env", DESCRIPTION)) == {"key": KEY, "secret": SECRET}
    savings = load_credentials("env", DESCRIPTION, "my-savings")
    assert (savings["key"], savings.account) == (SAVINGS, "my-savings")


def test_the_environment_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named as it must be called, and so is what was probably meant."""
    monkeypatch.setenv("VENUEKIT_TOY_KEY", KEY)
    monkeypatch.setenv("VENUEKIT_TOY_SECRT", SECRET)
    told = str(refusal("env"))
    assert told == (
        "the environment has no VENUEKIT_TOY_SECRET; set, but not what is asked for: VENUEKIT_TOY_SECRT"
    )


def test_a_file(tmp_path: Path) -> None:
    """A table per venue, in it one per account, by path or by its text."""
    path = written(tmp_path / "keys.toml")
    assert values(load_credentials(path, DESCRIPTION)) == {"key": KEY, "secret": SECRET}
    assert load_credentials(str(path), DESCRIPTION, "savings")["key"] == SAVINGS
    path.chmod(0o400)
    assert load_credentials("~/keys.toml", DESCRIPTION)["key"] == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666, 0o610])
def test_a_file_that_others_may_open(tmp_path: Path, mode: int) -> None:
    """A file that a group or the world may read, write or run is refused, with the line that mends it."""
    path = written(tmp_path / "my keys.toml", mode=mode)
    told = str(refusal(path))
    assert f"mode {mode:04o}" in told
    assert f"chmod 600 '{path}'" in told


def test_a_file_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another user owns could be changed by them: refused."""
    path = written(tmp_path / "keys.toml")
    monkeypatch.setattr("os.geteuid", lambda: path.stat().st_uid + 1)
    assert "belongs to another user" in str(refusal(path))


def test_a_link(tmp_path: Path) -> None:
    """A symbolic link is refused, also to a file that would do, and the file is named."""
    path = written(tmp_path / "keys.toml")
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    told = str(refusal(link))
    assert "symbolic link" in told
    assert str(path) in told


def test_a_folder_or_nothing(tmp_path: Path) -> None:
    """What is no file, or not there, is told with its path."""
    assert "not a regular file" in str(refusal(tmp_path))
    assert f"{tmp_path / 'none.toml'} cannot be read: No such file" in str(refusal(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'[toy]\nkey = "{KEY}"\nsecret = {SECRET}\n', "is not TOML (line 3, column"),
        (f'[toy]\nkey = "{KEY}\n', "is not TOML (line 2, column"),
        (f'[toy]\nkey = "{KEY}', "is not TOML (end of document)"),
        (f'key = "{KEY}"'.encode("utf-16"), "is not UTF-8"),
        (f'[toy]\nkey = "{KEY}"\n', "no secret (toy wants key, secret)"),
        (f'[toy]\nkey = "{KEY}"\nsecret = "{SECRET}"\npin = "{SAVINGS}"\n', "unknown: pin"),
        (f'[toy]\nkey = "{KEY}"\nsecret = 12\n', "in [toy] secret must be text in quotes"),
        (f'[toy]\nkey = "{KEY}"\nsecret = " "\n', "no secret"),
        (f'[other]\nkey = "{KEY}"\n', "no table [toy]; it has [other]"),
        (f'toy = "{KEY}"\n', "no table [toy]; it has no table"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str | bytes, told: str) -> None:
    """What is wrong with a file is told by line or by name, and the line is not quoted."""
    assert told in str(refusal(written(tmp_path / "keys.toml", text)))


def test_a_file_without_the_account(tmp_path: Path) -> None:
    """An account that has no table is told as the table that is missing."""
    assert "no table [toy.main]" in str(refusal(written(tmp_path / "keys.toml"), "main"))


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring is asked by service and venue/account/field."""
    held = {
        ("venuekit", "toy/key"): KEY,
        ("venuekit", "toy/secret"): SECRET,
        ("desk", "toy/savings/key"): SAVINGS,
        ("desk", "toy/savings/secret"): SECRET,
    }
    keyring(monkeypatch, lambda service, user: held.get((service, user)))
    assert values(load_credentials("keyring", DESCRIPTION)) == {"key": KEY, "secret": SECRET}
    assert load_credentials("keyring:desk", DESCRIPTION, "savings")["key"] == SAVINGS
    told = str(refusal("keyring:desk"))
    assert "run: keyring set desk toy/key; keyring set desk toy/secret" in told


def test_a_keyring_that_is_not_installed() -> None:
    """Without the extra the error has the pip line."""
    assert "pip install 'venuekit[keyring]'" in str(refusal("keyring"))


def test_a_keyring_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a keyring raises is told by its kind only."""

    def locked(_service: str, _user: str) -> str:
        raise RuntimeError(f"locked: {KEY}")

    keyring(monkeypatch, locked)
    assert str(refusal("keyring")) == "the keyring could not be read: RuntimeError"


def test_a_function() -> None:
    """A function returns the fields, or credentials, which are taken as they are."""
    given = Credentials({"key": Secret(KEY)}, account="theirs")
    assert values(load_credentials(lambda: {"key": KEY, "secret": SECRET}, DESCRIPTION)) == {
        "key": KEY,
        "secret": SECRET,
    }
    assert load_credentials(lambda: given, DESCRIPTION, "mine") is given
    assert load_credentials(given, DESCRIPTION) is given


def nothing_of_use() -> Mapping[str, str]:
    """In place of a function that should return fields."""
    wrong: Any = [KEY, SECRET]
    return wrong  # type: ignore[no-any-return]


def failing() -> Mapping[str, str]:
    """A function that tells too much."""
    raise KeyError(KEY)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (failing, "credentials function failing raised KeyError at test_credentials.py:"),
        (nothing_of_use, "returned a list"),
        (lambda: {"key": KEY, "pin": SECRET}, "no secret; unknown: pin (toy wants key, secret)"),
        (lambda: {"key": KEY, "secret": KEY.encode()}, "returned no text for secret"),
    ],
)
def test_a_function_that_is_wrong(function: Callable[[], Mapping[str, str]], told: str) -> None:
    """What a function returns or raises is told by name, kind and place."""
    assert told in str(refusal(function))


def test_a_venue_without_keys() -> None:
    """Where a description names no field there is nothing to load, and nothing is found."""
    without = evolve(DESCRIPTION, credentials=())
    assert "toy takes no credentials" in str(refusal("env", description=without))
    assert find_credentials(without) is None


# --- the default lookup


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Environment, file and keyring all have credentials; they can be told apart by the key."""
    monkeypatch.setenv("VENUEKIT_TOY_KEY", "of-the-environment")
    monkeypatch.setenv("VENUEKIT_TOY_SECRET", SECRET)
    path = written(credentials_file(), '[toy]\nkey = "of-the-file"\nsecret = "x"\n')
    keyring(monkeypatch, lambda _service, user: "of-the-keyring" if user.count("/") == 1 else None)
    return SimpleNamespace(path=path)


def test_the_order_of_the_lookup(everywhere: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment comes first, then the file, then the keyring; each is named, and none is None."""

    def located() -> tuple[str, str]:
        found = locate_credentials(DESCRIPTION)
        assert found is not None
        return found.source, found.credentials["key"]

    assert located() == ("env", "of-the-environment")
    monkeypatch.delenv("VENUEKIT_TOY_KEY")
    monkeypatch.delenv("VENUEKIT_TOY_SECRET")
    assert located() == (str(everywhere.path), "of-the-file")
    everywhere.path.unlink()
    assert located() == ("keyring", "of-the-keyring")
    assert find_credentials(DESCRIPTION, "savings") is None


def test_half_of_the_fields_is_no_reason_to_look_elsewhere(
    everywhere: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One variable of two is a mistake that is told, though the file has both."""
    monkeypatch.delenv("VENUEKIT_TOY_SECRET")
    with pytest.raises(LocalError, match="no VENUEKIT_TOY_SECRET"):
        find_credentials(DESCRIPTION)
    assert everywhere.path.exists()


def test_the_file_of_the_lookup_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """VENUEKIT_CREDENTIALS names the file; one that is not there is a mistake, and so is one open to others."""
    path = tmp_path / "elsewhere.toml"
    monkeypatch.setenv("VENUEKIT_CREDENTIALS", str(path))
    with pytest.raises(LocalError, match="No such file"):
        find_credentials(DESCRIPTION)
    written(path, mode=0o644)
    with pytest.raises(LocalError, match="chmod 600"):
        find_credentials(DESCRIPTION)
    path.chmod(0o600)
    found = find_credentials(DESCRIPTION, "savings")
    assert found is not None
    assert found["key"] == SAVINGS


def test_a_file_with_other_accounts_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A venue's table that has only named accounts has nothing for the unnamed one."""
    path = written(tmp_path / "keys.toml", f'[toy.savings]\nkey = "{KEY}"\nsecret = "{SECRET}"\n')
    monkeypatch.setenv("VENUEKIT_CREDENTIALS", str(path))
    assert find_credentials(DESCRIPTION) is None


def test_nothing_is_shown(
    everywhere: SimpleNamespace, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loading from everywhere writes no value to a log or a terminal, and what is loaded shows none."""
    found = locate_credentials(DESCRIPTION)
    sources: list[Source] = ["env", everywhere.path, "keyring", lambda: {"key": KEY, "secret": SECRET}]
    loaded = [load_credentials(source, DESCRIPTION) for source in sources]
    said = [repr(found), caplog.text, *capsys.readouterr()]
    said += [text for each in loaded for text in (repr(each), str(each), repr(each.fields))]
    shown = [values(each)["key"] for each in loaded]
    assert len(set(shown)) == len(sources)
    for secret in (*SECRETS, *shown):
        assert not any(secret in text for text in said)
