"""A local trading venue: a matching engine behind any venue's protocol, with faults on demand.

    from venuekit_simulator import Fault, FaultKind, FaultPlan, LocalVenue, load_dialect

    venue = LocalVenue(load_dialect("exchange_a"), clock=clock, seed=7)

The venue itself needs no transport: `LocalVenue.http` and `LocalVenue.websockets` are two in process, and
`venuekit_simulator.server` puts it on a port.
"""

from venuekit_simulator.faults import Fault, FaultKind, FaultPlan, FaultPlanError, Transport, Unreachable
from venuekit_simulator.injection import Injection
from venuekit_simulator.plugins import DialectError, installed_dialects, load_dialect
from venuekit_simulator.timeline import MachineClock
from venuekit_simulator.venue import LocalVenue

__all__ = [
    "DialectError",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "FaultPlanError",
    "Injection",
    "LocalVenue",
    "MachineClock",
    "Transport",
    "Unreachable",
    "installed_dialects",
    "load_dialect",
]
