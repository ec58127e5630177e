"""What a sweep was given, looked at before anything is opened or run."""

import inspect
import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import Any

from arbitrage.errors import ConfigError
from arbitrage.research.market import MarketData
from arbitrage.research.sweeps.grid import Grid
from arbitrage.research.sweeps.pool import WORKERS_MAX

__all__ = ["check_arguments"]

Check = Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= WORKERS_MAX


def _is_size(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _makes_executors(value: Any) -> bool:
    return callable(value) and (not inspect.isclass(value) or issubclass(value, Executor))


_CHECKS: dict[str, tuple[Check, str]] = {
    "data": (
        lambda value: isinstance(value, MarketData | str | PathLike),
        "a path, a URL or what arbitrage.open_data returns",
    ),
    "grid": (
        lambda value: isinstance(value, Grid | Mapping | str | Path),
        "a mapping of settings to values, or the path of a TOML file",
    ),
    "executor": (
        lambda value: isinstance(value, Executor) or _makes_executors(value),
        "an executor of concurrent.futures, or a function that makes one",
    ),
    "out": (lambda value: isinstance(value, str | PathLike), "the path of a folder"),
    "workers": (_is_whole, f"a whole number from 1 to {WORKERS_MAX}"),
    "keep_mb": (_is_size, "a number from 0"),
    "progress": (
        lambda value: isinstance(value, bool) or callable(value),
        "True, False or a function of (done, total, row)",
    ),
}


def check_arguments(**given: Any) -> None:
    """Refuse what cannot be meant; None is always well.

    Raises
    ------
    ConfigError
        The argument, what it was and what is accepted.
    """
    for name, value in given.items():
        is_well, accepted = _CHECKS[name]
        if value is None and name != "grid":
            continue
        if not is_well(value):
            words = repr(value) if len(repr(value)) < 80 else f"a {type(value).__name__}"
            raise ConfigError(f"{name} was {words}; accepted is {accepted}")
