"""Measurements: ``./x bench``. Figures belong here and in reports, never in assertions."""
