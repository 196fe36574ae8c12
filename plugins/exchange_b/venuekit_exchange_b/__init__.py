"""Exchange B."""

__all__: list[str] = []
