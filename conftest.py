"""What holds for every test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("pytester",)  # the testkit's tests run pytest; only the outermost conftest may say so

# Many machines of CI, and images of containers, ask for no bytecode beside the sources. A run starts hundreds of processes, and
# each would compile all of it anew: theirs is kept elsewhere, for the next run too.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).with_name(".pytest_cache") / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# A slow machine is no finding: the first text that Hypothesis draws in a fresh clone takes seconds to prepare. In CI its own
# profile says the same; what else that profile says is kept.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Locks and stores of a test are its own: no test meets another one's, or those of whoever runs it."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path_factory.mktemp("state")))
