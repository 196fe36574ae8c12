"""What a program pays for `import venuekit` and one connector: memory, and no module that it does not use yet."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from venuekit import installed_connectors

BUDGET = 40
"""Megabytes of a whole process."""

PROBE = """
import json, sys
import venuekit
venuekit.load_connector(sys.argv[1])
(most,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({"megabytes": int(most.split()[1]) / 1024, "modules": list(sys.modules)}))
"""
"""The high-water mark of the process itself: what `resource` tells begins with that of the process it was forked from."""

LATER = {
    "httpx",
    "keyring",
    "rich",
    "sqlite3",
    "trio",
    "venuekit.orders",
    "venuekit.tapes",
    "venuekit.trading",
}
"""Packages that are imported only by who needs them."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it of a process alone")
@pytest.mark.parametrize("venue", [connector.venue for connector in installed_connectors()])
def test_the_core_and_one_connector_stay_small(venue: str) -> None:
    """At most forty megabytes, and nothing of trading, tapes, or transports."""
    command = [sys.executable, "-c", PROBE, venue]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert said["megabytes"] <= BUDGET
    assert LATER.isdisjoint(said["modules"])
