"""A grid: the runs of a sweep, as a TOML file or a mapping says them."""

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from arbitrage.config_values import parse_symbols
from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.axes import Value, axis_values, setting_value

__all__ = ["DAY_NS", "Grid", "Slice", "read_grid"]

DAY_NS = 86_400 * 10**9
RUNS_MAX = 10_000_000
_DATA_KEYS = ("path", "okx", "columns", "instruments")
_TABLES = ("grid", "fixed", "latency", "strategy", "data", "days", "symbols")
_NESTED = ("latency", "strategy", "bybit", "okx")


@dataclass(frozen=True)
class Slice:
    """What of the data one run looks at.

    Attributes
    ----------
    day : str
        ``2026-11-20`` (UTC), or ``all``.
    symbols : tuple of str
        Canonical symbols that trade together.
    start_ns, end_ns : int or None
        Of ``recv_ns``, the end not included; None: all of the data.
    """

    day: str
    symbols: tuple[str, ...]
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True)
class Grid:
    """Parameters by days by symbols.

    Attributes
    ----------
    axes : dict of str to tuple
        What changes between runs, each with its values.
    fixed : dict
        What all of them share.
    days : str or tuple of date
        ``each`` day of the data by itself, ``all`` of them in one run, or these.
    symbols : str or tuple of tuple of str
        ``each`` symbol by itself, all of them ``together``, or these groups.
    data : dict
        What ``arbitrage.open_data`` takes, where the file names the data.
    """

    axes: Mapping[str, tuple[Value, ...]]
    fixed: Mapping[str, Value] = field(default_factory=dict)
    days: str | tuple[date, ...] = "each"
    symbols: str | tuple[tuple[str, ...], ...] = "each"
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def set_count(self) -> int:
        """How many sets of parameters there are."""
        return math.prod(len(values) for values in self.axes.values())

    def sets(self) -> Iterator[dict[str, Value]]:
        """Yield what is changed in each set of parameters; the last axis changes first."""
        for values in itertools.product(*self.axes.values()):
            yield dict(zip(self.axes, values, strict=True))

    def slices(self, data: Any) -> list[Slice]:
        """Return the slices of `data`, day by day.

        Raises
        ------
        ConfigError
            The data has not a day or a symbol that the grid names.
        """
        groups = self._groups(tuple(data.symbols))
        if self.days == "all":
            return [Slice("all", group) for group in groups]
        if data.end_ns <= data.start_ns:
            raise ConfigError("the data holds no records, so there is no day to run over")
        # the times of the data are of its first and of its last record
        first, last = data.start_ns // DAY_NS, data.end_ns // DAY_NS
        if isinstance(self.days, str):
            days = [_day_of(number) for number in range(first, last + 1)]
        else:
            days = list(self.days)
            outside = [day for day in days if not first <= _number_of(day) <= last]
            if outside:
                raise ConfigError(
                    f"days names {outside[0]}; the data goes from {_day_of(first)} to "
                    f"{_day_of(last)}"
                )
        return [
            Slice(
                day.isoformat(),
                group,
                # the whole day, so that data that goes on later is the same day
                _number_of(day) * DAY_NS,
                (_number_of(day) + 1) * DAY_NS,
            )
            for day in days
            for group in groups
        ]

    def _groups(self, there: tuple[str, ...]) -> list[tuple[str, ...]]:
        if self.symbols == "together":
            return [there]
        if isinstance(self.symbols, str):
            return [(symbol,) for symbol in there]
        for symbol in itertools.chain(*self.symbols):
            if symbol not in there:
                raise ConfigError(
                    f"symbols names {symbol}; the data has {', '.join(sorted(there)) or 'none'}"
                )
        return list(self.symbols)


# ---- reading -------------------------------------------------------------------------------------


def read_grid(given: "Grid | Mapping[str, object] | str | Path", **more: object) -> Grid:
    """Read a grid: a file, or a mapping of axes as the table ``[grid]`` of one.

    Parameters
    ----------
    given : Grid, mapping, str or Path
        A mapping names axes and their values; a path is a TOML file, see docs/sweep.md.
    more : object
        ``fixed``, ``days`` and ``symbols`` instead of those of a file; None: not said.

    Raises
    ------
    ConfigError
        One line: the file, the name, what it was and what is accepted.
    """
    if isinstance(given, Grid):
        grid = given
    elif isinstance(given, Mapping):
        grid = _grid("grid", {"grid": given})
    else:
        grid = _grid(str(given), _read(Path(given)), Path(given).parent)
    changes: dict[str, Any] = {}
    fixed = more.get("fixed")
    if fixed is not None:
        if not isinstance(fixed, Mapping):
            raise ConfigError(f"fixed was {fixed!r}; accepted is a mapping of settings to values")
        changes["fixed"] = {**grid.fixed, **_fixed("fixed", fixed)}
    if more.get("days") is not None:
        changes["days"] = _days("days", more["days"])
    if more.get("symbols") is not None:
        changes["symbols"] = _symbols("symbols", more["symbols"])
    grid = Grid(**{**grid.__dict__, **changes})
    _check(grid)
    return grid


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"grid {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"grid {path} is no TOML: {error}") from None


def _grid(where: str, text: Mapping[str, Any], folder: Path | None = None) -> Grid:
    for name in text:
        if name not in _TABLES:
            raise ConfigError(f"{where}: {name} is unknown; accepted are {', '.join(_TABLES)}")
    tables: dict[str, Mapping[str, Any]] = {}
    for name in ("grid", "fixed", "latency", "strategy", "data"):
        tables[name] = text.get(name, {})
        if not isinstance(tables[name], Mapping):
            raise ConfigError(f"{where}: {name} was {tables[name]!r}; accepted is a table [{name}]")
    axes: dict[str, tuple[Value, ...]] = {}
    for name, given in _flat(tables["grid"]):
        plain, values = axis_values(where, name, _by_name(name, given))
        if plain in axes:
            raise ConfigError(f"{where}: {name} is {plain}, which is there already")
        axes[plain] = values
    fixed = dict(tables["fixed"])
    for name in ("latency", "strategy"):
        fixed |= {f"{name}.{key}": value for key, value in _flat(tables[name])}
    return Grid(
        axes=axes,
        fixed=_fixed(where, fixed),
        days=_days(f"{where}: days", text.get("days", "each")),
        symbols=_symbols(f"{where}: symbols", text.get("symbols", "each")),
        data=_data(where, tables["data"], folder),
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ``latency.bybit.order_us`` of tables within tables; a range is no table."""
    for name, value in table.items():
        is_range = isinstance(value, Mapping) and ("from" in value or "to" in value)
        if isinstance(value, Mapping) and not is_range and name in _NESTED:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _fixed(where: str, table: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in _flat(table):
        plain, checked = setting_value(where, name, _by_name(name, value))
        found[plain] = checked
    return found


def _by_name(name: str, given: object) -> object:
    """A strategy that is given as a class travels by its name."""
    if name not in ("strategy", "ARB_STRATEGY") or isinstance(given, str):
        return given
    from arbitrage.research.sweeps.strategies import with_names

    return with_names(given)


def _data(where: str, table: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    for name in table:
        if name not in _DATA_KEYS:
            raise ConfigError(f"{where}: [data] has {name}; accepted are {', '.join(_DATA_KEYS)}")
    if table and "path" not in table:
        raise ConfigError(f"{where}: [data] names no path")
    found = dict(table)
    for name in ("path", "okx", "instruments"):
        value = found.get(name)
        if value is None or (isinstance(value, str) and "://" in value):
            continue
        if not isinstance(value, str):
            raise ConfigError(f"{where}: [data] {name} was {value!r}; accepted is a path or a URL")
        # as with every file that names others: relative to itself
        found[name] = str((folder or Path()) / Path(value).expanduser())
    return found


def _days(where: str, given: object) -> str | tuple[date, ...]:
    accepted = (
        'accepted are "each", "all", a list of days such as 2026-11-20, or {from = 2026-11-01, '
        "to = 2026-11-20}"
    )
    if given in ("each", "all"):
        return str(given)
    if isinstance(given, Mapping) and set(given) == {"from", "to"}:
        first, last = (_date(where, given[name], accepted) for name in ("from", "to"))
        if last < first:
            raise ConfigError(f"{where} goes from {first} to {last}, which is before it")
        return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(f"{where} was {given!r}; {accepted}")
    days = tuple(_date(where, item, accepted) for item in given)
    if len(set(days)) < len(days):
        raise ConfigError(f"{where} names a day twice; leave one of them out")
    return days


def _date(where: str, given: object, accepted: str) -> date:
    if isinstance(given, datetime):
        return given.date()
    if isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ConfigError(f"{where} has {given!r}; {accepted}") from None


def _symbols(where: str, given: object) -> str | tuple[tuple[str, ...], ...]:
    accepted = (
        'accepted are "each", "together", or a list of symbols and of lists of symbols such as '
        '["BTCUSDT", ["ETHUSDT", "SOLUSDT"]]'
    )
    if given in ("each", "together"):
        return str(given)
    if isinstance(given, str):
        return tuple((symbol,) for symbol in parse_symbols(given, label=where))
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(f"{where} was {given!r}; {accepted}")
    groups: list[tuple[str, ...]] = []
    for item in given:
        names = [item] if isinstance(item, str) else item
        if not isinstance(names, list | tuple) or not names:
            raise ConfigError(f"{where} has {item!r}; {accepted}")
        if not all(isinstance(name, str) for name in names):
            raise ConfigError(f"{where} has {item!r}; {accepted}")
        groups.append(parse_symbols(",".join(names), label=where))
    if len(set(groups)) < len(groups):
        raise ConfigError(f"{where} names a group twice; leave one of them out")
    return tuple(groups)


def _check(grid: Grid) -> None:
    both = sorted(set(grid.axes) & set(grid.fixed))
    if both:
        raise ConfigError(f"{both[0]} is both in the grid and fixed; leave one of them out")
    from arbitrage.research.sweeps.strategies import check_parameters

    check_parameters(grid)
    if grid.set_count > RUNS_MAX:
        raise ConfigError(f"the grid has {grid.set_count:,} sets; at most {RUNS_MAX:,} are taken")


def _day_of(number: int) -> date:
    return datetime.fromtimestamp(number * 86_400, UTC).date()


def _number_of(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()
