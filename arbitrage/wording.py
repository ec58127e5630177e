"""Small words of messages."""

from collections.abc import Iterable

__all__ = ["counted", "listed"]


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 pair`` and ``2 pairs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(words: Iterable[str]) -> str:
    """Return words as a person lists them: ``a``, ``a and b``, ``a, b and c``."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
