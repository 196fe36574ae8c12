"""Exchange A."""

__all__: list[str] = []
