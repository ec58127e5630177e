"""Strategies of a sweep: a class of one's own by its file, and the parameters that it has."""

import difflib
import inspect
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.axes import PARAMETER, Value
from arbitrage.trading.strategy import Strategy
from arbitrage.trading.strategy_host import BUILT_IN, load_class, made

if TYPE_CHECKING:
    from arbitrage.research.sweeps.grid import Grid

__all__ = ["check_parameters", "named", "strategies_of", "with_names"]


# ---- a class by its name -------------------------------------------------------------------------


def named(kind: type) -> str:
    """Return what a worker finds a class by: ``package.module:Class`` or ``/path/file.py:Class``.

    Raises
    ------
    ConfigError
        It is no strategy, or no file holds it.
    """
    name = kind.__qualname__
    if not issubclass(kind, Strategy):
        raise ConfigError(f"strategy was {name}, which is no arbitrage.Strategy")
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if file is None or "." in name:
        raise ConfigError(
            f"strategy was {name}, which is in no module that a worker can import; write it to a "
            f"file, and name it as mine.py:{name.rpartition('.')[2]}"
        )
    if "." in kind.__module__ and find_spec(kind.__module__) is not None:
        return f"{kind.__module__}:{name}"
    return f"{Path(file).resolve()}:{name}"


def with_names(given: object) -> object:
    """Return what was given for ``strategy`` with the names of classes instead of the classes."""
    if isinstance(given, type):
        return named(given)
    if isinstance(given, Strategy):
        raise ConfigError(
            f"strategy was an instance of {type(given).__qualname__}; give the class, and its "
            f"parameters as {PARAMETER}NAME: each run makes its own"
        )
    if isinstance(given, list | tuple):
        return [with_names(one) for one in given]
    return given


# ---- parameters ----------------------------------------------------------------------------------


def _parameters(kind: type[Strategy]) -> tuple[set[str], set[str]]:
    """Return the keyword arguments that a class takes, and its own attributes beside them."""
    taken = {
        name
        for name, one in inspect.signature(kind).parameters.items()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
    own = {
        name
        for base in kind.__mro__
        if issubclass(base, Strategy) and base is not Strategy
        for name, value in vars(base).items()
        if not name.startswith("_") and isinstance(value, bool | int | float | str)
    }
    return taken, (own | {"timer_s"}) - taken


def _with(kind: type[Strategy], parameters: Mapping[str, Value], name: str) -> Strategy:
    """Make a strategy with those of the parameters that it has."""
    taken, own = _parameters(kind)
    attributes = {key: value for key, value in parameters.items() if key in own}
    if attributes:
        # a class of the same name, so that `__init__` and other classes see them too
        about = {name: getattr(kind, name) for name in ("__module__", "__qualname__")}
        kind = type(kind.__name__, (kind,), about | attributes)
    words = {key: value for key, value in parameters.items() if key in taken}
    return made(name, kind, words)


def strategies_of(settings: Mapping[str, Value]) -> list[str | Strategy]:
    """Return what a backtest takes: built-in names as they are, and instances of the others."""
    names = str(settings.get("strategy", "spread")).split(",")
    parameters = {
        name.removeprefix(PARAMETER): value
        for name, value in settings.items()
        if name.startswith(PARAMETER)
    }
    if not parameters:
        return list(names)
    return [
        name if name in BUILT_IN else _with(load_class(name), parameters, name) for name in names
    ]


def check_parameters(grid: "Grid") -> None:
    """Refuse a grid that names a parameter which no strategy of one of its runs has.

    Raises
    ------
    ConfigError
        The parameter, and what there is.
    """
    names = [
        name.removeprefix(PARAMETER)
        for name in (*grid.axes, *grid.fixed)
        if name.startswith(PARAMETER)
    ]
    if not names:
        return
    chosen = grid.axes.get("strategy", (grid.fixed.get("strategy", "spread"),))
    for strategy in chosen:
        classes = [name for name in str(strategy).split(",") if name not in BUILT_IN]
        if not classes:
            raise ConfigError(
                f"{PARAMETER}{names[0]} is of a class of yours, and strategy {strategy} has none; "
                "name the class as strategy, file.py:Class"
            )
        known = set[str]().union(*map(_known, classes))
        for name in names:
            if name not in known:
                raise ConfigError(_unknown(name, strategy, known))


def _known(name: str) -> set[str]:
    taken, own = _parameters(load_class(name))
    return taken | own


def _unknown(name: str, strategy: Value, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {PARAMETER}{near[0]}?" if near else f"it has {', '.join(sorted(known))}"
    return (
        f"{PARAMETER}{name}: {strategy} takes no such keyword argument and has no such attribute; "
        f"{hint}"
    )
