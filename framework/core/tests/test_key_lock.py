"""One process per key, and names of keys that say nothing of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from venuekit.orders import KeyInUse, fingerprint, hold_key, state_directory
from venuekit_spec import Credentials, LocalError, Secret

HOLDER = """
import sys
from venuekit.orders import hold_key
with hold_key("kraken", "production", "abc"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of this test's own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


def test_a_second_process_is_refused_by_name(state: Path) -> None:
    """It is told which process has the key, on which venue; once that one is killed, the key is free."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(KeyInUse, match=f"process {holder.pid} .*kraken") as refused,
            hold_key("kraken", "production", "abc"),
        ):
            pytest.fail("two processes hold one key")
        assert refused.value.pid == holder.pid
        assert "abc" not in str(refused.value)
        with hold_key("kraken", "testnet", "abc"), hold_key("kraken", "production", "other"):
            pass
        holder.kill()
    with hold_key("kraken", "production", "abc"):
        pass


def test_objects_of_one_process_share_a_key(state: Path) -> None:
    """The lock is let go with the last of them."""
    probe = "from venuekit.orders import hold_key\nwith hold_key('v', 'e', 'k'): print('free')"

    def free() -> bool:
        done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
        return done.stdout == "free\n"

    first, second = hold_key("v", "e", "k"), hold_key("v", "e", "k")
    with first:
        with second:
            pass
        assert not free()
    assert free()


def test_a_state_directory_that_cannot_be_made_is_a_local_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clear error, and nothing is held."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path / "file"))
    with pytest.raises(LocalError, match="cannot be made"), hold_key("v", "e", "k"):
        pytest.fail("it is held nowhere")
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    with hold_key("v", "e", "k"):
        assert state_directory() == tmp_path


def test_a_fingerprint_names_a_key_and_tells_nothing_of_it() -> None:
    """The same for the same key under any account name, another for any other field, and no part of it."""
    key = Credentials({"key": Secret("public"), "secret": Secret("hidden")}, account="sub")
    same = Credentials({"secret": Secret("hidden"), "key": Secret("public")}, account="sub")
    unnamed = Credentials({"key": Secret("public"), "secret": Secret("hidden")})
    other = Credentials({"key": Secret("public"), "secret": Secret("other")}, account="sub")
    assert fingerprint(key) == fingerprint(same) == fingerprint(unnamed) != fingerprint(other)
    assert fingerprint(Credentials(account="one")) != fingerprint(Credentials(account="two"))
    assert len(fingerprint(key)) == 16
    assert "hidden" not in fingerprint(key)
