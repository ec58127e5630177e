"""One run of a sweep again, with all that a backtest tells."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.run import run_backtest
from arbitrage.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arbitrage.research.results import Backtest
    from arbitrage.research.sweeps.table import Sweep

__all__ = ["run_again"]


def run_again(sweep: "Sweep", row: Any, day: str | date | None, symbols: str | None) -> "Backtest":
    """See `Sweep.backtest`."""
    from arbitrage.research.market import open_data

    if not sweep.source:
        raise ConfigError("this sweep does not know its data's path, so no run can be done again")
    run = _found(sweep, row, day, symbols)
    settings = dict(sweep.fixed) | {name: run[name].item() for name in sweep.axes}
    data = open_data(**sweep.source)
    bounds: dict[str, Any] = {}
    if run["day"] != "all":
        first = date.fromisoformat(str(run["day"]))
        bounds = {"start": str(first), "end": str(first + timedelta(days=1))}
    part = data.select(symbols=str(run["symbols"]).split(","), **bounds)
    return run_backtest(part, settings)


def _found(sweep: "Sweep", row: Any, day: str | date | None, symbols: str | None) -> "np.void":
    import numpy as np

    table = sweep.table
    if isinstance(row, int | np.integer) and not isinstance(row, bool):
        if not -len(table) <= row < len(table):
            raise ConfigError(f"row was {row}; the table has {counted(len(table), 'row')}")
        found: np.void = table[row]
        return found
    names = getattr(getattr(row, "dtype", None), "names", None) or ()
    if np.ndim(row) != 0 or not set(sweep.axes) <= set(names):
        raise ConfigError(
            f"row was {row!r}; accepted is a place in the table, or one row of table or best()"
        )
    same = np.ones(len(table), bool)
    for name in sweep.axes:
        same &= table[name] == row[name]
    for name, given in (("day", day), ("symbols", symbols)):
        wanted = given if given is not None else (row[name] if name in names else None)
        if wanted is not None:
            same &= table[name] == str(wanted)
    return _only(table[same])


def _only(runs: "NDArray[np.void]") -> "np.void":
    if len(runs) == 1:
        found: np.void = runs[0]
        return found
    if not len(runs):
        raise ConfigError("the sweep has no run with these parameters, day and symbols")
    days, groups = (", ".join(sorted(set(runs[name].tolist()))) for name in ("day", "symbols"))
    raise ConfigError(
        f"{len(runs)} runs have these parameters; say which by day ({days}) and symbols ({groups})"
    )
