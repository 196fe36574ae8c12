"""The checks, a module per subject matter; `venuekit_testkit.catalogue` has the list."""
