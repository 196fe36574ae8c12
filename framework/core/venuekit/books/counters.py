"""What happened to one book, counted."""

from __future__ import annotations

from attrs import define


@define
class Counters:
    """What happened to one book. `buffered` deltas waited for a snapshot; `deltas` were applied, from there or live."""

    snapshots: int = 0
    deltas: int = 0
    buffered: int = 0
    stale: int = 0
    before_snapshot: int = 0
    too_old: int = 0
    gaps: int = 0
    repairs: int = 0
    checksums: int = 0
    checksum_failures: int = 0
    crossed: int = 0
    malformed: int = 0
    audits: int = 0
    audits_open: int = 0
    drifts: int = 0
    overlays: int = 0
