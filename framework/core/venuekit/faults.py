"""Unexpected errors: what a connector raises that no connector may raise.

A plugin with a bug costs the connection, the snapshot or the flow that met it, and nobody else: the error is told as an
event, and tried again with backoff as any failure is.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from traceback import extract_tb, format_list

from venuekit_spec import VenueError

_log = logging.getLogger(__name__)


class UnexpectedError(VenueError):
    """A bug of a connector, or of what listens to its books. ``__cause__`` is the error itself.

    The text tells its kind and place only: what an error of foreign code says may carry a secret.
    """

    retryable = True


def unexpected(error: Exception, venue: str) -> UnexpectedError:
    """The typed error for one that nobody expected; it is logged with the way that it came."""
    frames = extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    made = UnexpectedError(f"unexpected {type(error).__name__}{place}", venue=venue)
    made.__cause__ = error
    _log.error("%s\n%s", made, "".join(format_list(frames)))
    return made
