"""The mutants, what else they fail, and the checks that none is made for.

Every check is failed by some mutant, or it is said here why none is made for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tests.mutants import feeds, packages, streams, trading
from tests.mutants.judging import Mutant

MUTANTS: Final[Sequence[Mutant]] = (*packages.MUTANTS, *feeds.MUTANTS, *trading.MUTANTS, *streams.MUTANTS)

ALSO: Final[Mapping[str, str]] = MappingProxyType({
    "dropped-frames-are-noticed": "closes-gaps",
    "swapped-frames-are-noticed": "closes-gaps",
    "corrupted-frames-are-lost-frames": "glosses-over",
    "venue-restarts-are-survived": "subscribes-once",
    "lost-names-are-survived": "subscribes-once",
    "stalled-sockets-are-noticed": "never-silent",
    "black-holes-are-survived": "never-silent",
    "silence-is-noticed": "never-silent",
    "one-bad-pair-delays-no-other": "keeps-its-snapshot",
    "nonsense-is-malformed": "raises-key-errors",
    "orders-survive-lost-sockets": "matches-nothing",
    "placement-survives-socket-cut-after": "unknown-is-rejected",
    "placement-survives-proxy-error-after": "unknown-is-rejected",
    "placement-survives-reply-truncated": "unknown-is-rejected",
    "placement-survives-reply-corrupted": "unknown-is-rejected",
    "placement-survives-error-before": "sends-again",
    "placement-survives-reply-slow": "sends-again",
    "placement-survives-connection-cut": "sends-again",
    "placement-survives-connection-stalled": "sends-again",
    "placement-survives-events-first": "shouts-twice",
    "placement-survives-banned": "limited-is-accepted",
    "stream-survives-dropped-frames": "keys-of-its-own",
    "stream-survives-late-frames": "keys-of-its-own",
    "stream-survives-swapped-frames": "partial-is-filled",
    "stream-survives-truncated-frames": "partial-is-filled",
    "outage-fails-no-order-dns": "keys-of-its-own",
    "unknown-outcomes-survive-restarts": "unknown-is-rejected",
    "bans-are-obeyed": "ignores-pauses",
})  # fmt: skip
"""Check -> a mutant that it catches too, where none is made for it alone."""

_CORE: Final = (
    "it is the core's work; what a connector adds to it is looked at by checks with mutants of their own"
)
_SAME: Final = (
    "it differs from a check beside it in the fault only; a connector fails both in the same way, or none"
)

WITHOUT: Final[Mapping[str, str]] = MappingProxyType({
    "unknown-instruments-are-told": "the table of instruments is the contract's own",
    "crossed-books-are-not-served": _CORE,
    "events-show-no-keys": "what a connector shows is looked at alone, signers and errors, with mutants of their own",
    "signatures-cover-everything": "a venue refuses what is signed wrong, so only its dialect could be wrong here",
    "placement-survives-clock-skewed": _CORE,
    "placement-survives-venue-restarted": _CORE,
    "placement-survives-name-lost": _SAME,
    "placement-survives-black-hole": _SAME,
    "cancel-survives-reply-lost": _SAME,
    "cancel-survives-error-after": _SAME,
    "cancel-survives-reply-truncated": _SAME,
    "amend-survives-reply-lost": _CORE,
    "amend-survives-error-after": _CORE,
    "amend-survives-error-before": _CORE,
    "amend-survives-reply-truncated": _CORE,
    "cancels-end-orders": "reports, fills and cancels are looked at one by one; this puts them together",
    "stream-survives-cut-frames": _SAME,
    "outage-fails-no-order-refused": _SAME,
    "outage-fails-no-order-black-hole": _SAME,
    "restarts-find-everything": _CORE,
    "tapes-hold-no-keys": _CORE,
    "no-socket-is-left": _CORE,
    "no-task-is-left": _CORE,
    "closing-amid-trouble-ends": _CORE,
    "failed-openings-leave-nothing": _CORE,
})  # fmt: skip
"""Check -> why no mutant is made that fails it."""
