"""Helper tasks beside a body, without turning the body's error into a group.

An anyio task group wraps whatever leaves it in an exception group, also where it only runs a few helpers (a writer, a
pinger) for one body that the caller thinks of as a plain call. `helpers` keeps a single error bare.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def helpers() -> AsyncIterator[TaskGroup]:
    """A task group whose tasks end with the body, and from which a single error comes out as itself.

    Raises what the body or a task raised; an exception group only where several failed at once.
    """
    try:
        async with anyio.create_task_group() as group:
            yield group
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        alone, *others = errors.exceptions
        if others:
            raise
        raise alone from alone.__cause__  # `from` keeps its own cause: the group around it says nothing
