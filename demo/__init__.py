"""What ``./x demo`` shows."""
