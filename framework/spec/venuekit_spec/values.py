"""What frozen values need to be frozen in more than name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def fixed(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """A read-only copy of a mapping: the converter of every mapping field."""
    return MappingProxyType(dict(mapping))
