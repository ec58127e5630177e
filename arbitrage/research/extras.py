"""Libraries that research uses and trading does not need: imported on first use."""

import importlib
from typing import Any

from arbitrage.errors import ConfigError

__all__ = ["needed"]


def needed(module: str, extra: str, what: str) -> Any:
    """Return a module of an extra; ConfigError that says how to install it when it is missing.

    Parameters
    ----------
    module : str
        Dotted name, such as ``matplotlib.figure``.
    extra : str
        The extra of this package that brings it.
    what : str
        What needs it, the subject of the message: ``plots``.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != top:
            raise
        raise ConfigError(
            f"{what} need {top}, which is not installed: pip install '.[{extra}]' in a clone, "
            f"or pip install {top}"
        ) from None
