"""What the frozen values share: mappings that are frozen too, and URLs that may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit


def fixed(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """A read-only copy of a mapping: the converter of every mapping field."""
    return MappingProxyType(dict(mapping))


def shown_url(url: str, *, path: bool = True) -> str:
    """A URL as it may be shown: without user and query, and without its path where that carries a token too."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path if path else ''}"
