"""Print where the allocation shim lies, for ``LD_PRELOAD=$(python -m arbitrage.core.shim)``."""

from pathlib import Path

__all__ = ["shim_path"]


def shim_path() -> Path:
    """Return the shared library to put into ``LD_PRELOAD``; it counts allocations by thread."""
    return Path(__file__).with_name("alloc_shim.so")


if __name__ == "__main__":
    print(shim_path())
