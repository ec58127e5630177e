"""Small words of messages."""

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 pair`` and ``2 pairs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
