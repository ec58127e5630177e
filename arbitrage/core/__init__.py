"""The compiled data plane. Headers and .pxd files lie in this folder: see :func:`get_include`."""

from pathlib import Path


def get_include() -> str:
    """Return the folder that holds the C headers, for ``include_dirs`` of code that cimports us."""
    return str(Path(__file__).parent)
