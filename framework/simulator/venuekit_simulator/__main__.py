"""``python -m venuekit_simulator``."""

from venuekit_simulator.cli import main

main()
