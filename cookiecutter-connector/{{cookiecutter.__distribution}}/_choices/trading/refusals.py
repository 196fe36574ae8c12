"""How the venue says no to what is signed."""

from __future__ import annotations


class No(Exception):
    """What ends a request: a code of the venue's."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
