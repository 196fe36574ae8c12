"""Descriptions as plain data, for JSON and for other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, get_origin

from cattrs.preconf.json import make_converter

from venuekit_spec import Description

_FUNCTION: Final[Any] = Callable
_MAPPING: Final[Any] = Mapping
_SET: Final[Any] = frozenset


def described(description: Description) -> dict[str, Any]:
    """A description as dicts, lists, texts and numbers. Functions are told by their names, sets are sorted."""
    converter = make_converter()
    converter.register_unstructure_hook_func(
        lambda kind: get_origin(kind) is _FUNCTION, lambda function: function.__name__
    )
    converter.register_unstructure_hook_func(
        lambda kind: get_origin(kind) is _SET,
        lambda values: sorted(value.value if hasattr(value, "value") else value for value in values),
    )
    converter.register_unstructure_hook_func(
        lambda kind: get_origin(kind) is _MAPPING,
        lambda mapping: {key: converter.unstructure(value) for key, value in mapping.items()},
    )
    told: dict[str, Any] = converter.unstructure(description)
    return told
