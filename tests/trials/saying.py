"""Lines on stdout, at once: a parent process may be waiting for them."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
