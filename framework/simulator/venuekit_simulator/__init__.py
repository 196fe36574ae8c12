"""A local trading venue."""

__all__: list[str] = []
