"""The checks, a module per subject matter; `venuekit_testkit.checks` has the list."""
