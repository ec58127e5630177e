"""Sums over the runs of a sweep: one row a set of parameters, and what it was worth later."""

import datetime
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.run import ADDITIVE, FIGURES
from arbitrage.research.sweeps.worker import DONE, Row

__all__ = ["best_of", "chosen_rows", "need_figure", "structured", "totals_of", "walked"]

Days = str | datetime.date | Collection[str | datetime.date] | None
_WORST = {
    "worst_pair_usd": min,
    "max_drawdown_usd": min,
    "exposure_usd_max": max,
    "naked_ms_max": max,
}


# ---- which rows ----------------------------------------------------------------------------------


def chosen_rows(
    table: NDArray[np.void], days: Days, symbols: str | Collection[str] | None
) -> NDArray[np.void]:
    """Return the runs of these days and groups of symbols; None: all.

    Raises
    ------
    ConfigError
        None of the runs is of such a day or group.
    """
    for name, wanted in (("day", days), ("symbols", symbols)):
        if wanted is None:
            continue
        several = [wanted] if isinstance(wanted, str | datetime.date) else wanted
        words = [str(one) for one in several]
        there = set(table[name].tolist())
        for word in words:
            if word not in there:
                raise ConfigError(f"{name} was {word!r}; the sweep has {', '.join(sorted(there))}")
        table = table[np.isin(table[name], words)]
    return table


def need_figure(table: NDArray[np.void], name: str, rows: NDArray[np.void]) -> None:
    """Refuse a column that is none, or no number."""
    names = rows.dtype.names or ()
    if name in names and rows.dtype[name].kind == "f":
        return
    failed = table[table["status"] != DONE]
    if len(failed) == len(table) and len(table):
        raise ConfigError(f"no run was done; the first failed: {table['error'][0]}")
    numbers = [known for known in names if rows.dtype[known].kind == "f"]
    raise ConfigError(f"there is no figure {name!r}; there are {', '.join(numbers)}")


# ---- sums ----------------------------------------------------------------------------------------


def totals_of(table: NDArray[np.void], axes: Sequence[str]) -> NDArray[np.void]:
    """Return one row a set of parameters; see `Sweep.totals`."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, values in enumerate(zip(*(table[name].tolist() for name in axes), strict=True)):
        groups.setdefault(values, []).append(number)
    if not axes and len(table):
        groups[()] = list(range(len(table)))
    found = [
        dict(zip(axes, values, strict=True)) | summed(table[numbers])
        for values, numbers in groups.items()
    ]
    return structured(list(found[0]) if found else [*axes, "runs", "failed"], found)


def summed(rows: NDArray[np.void]) -> Row:
    """Return the figures of several runs as one."""
    known = [name for name in FIGURES if name in (rows.dtype.names or ())]
    done = rows[rows["status"] == DONE]
    found: Row = {"runs": float(len(rows)), "failed": float(len(rows) - len(done))}
    found |= {name: _joined(name, done[name]) for name in known}
    if "net_bps_of_volume" in known:
        volume = found["volume_usd"]
        found["net_bps_of_volume"] = found["net_usd"] / volume * 1e4 if volume else math.nan
    if "net_usd" in known:
        found["worst_run_usd"] = float(done["net_usd"].min()) if len(done) else math.nan
    return found


def _joined(name: str, values: NDArray[np.float64]) -> float:
    known = [float(value) for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    if name in ADDITIVE:
        return math.fsum(known)
    return _WORST[name](known) if name in _WORST else math.fsum(known) / len(known)


def best_of(totals: NDArray[np.void], by: str, *, largest: bool) -> NDArray[np.void]:
    """Return rows of totals, the best first; those without the figure are left out."""
    order = np.argsort(-totals[by] if largest else totals[by], kind="stable")
    order = order[~np.isnan(totals[by][order])]
    found: NDArray[np.void] = totals[order]
    return found


# ---- chosen before, tried after ------------------------------------------------------------------


def walked(
    table: NDArray[np.void],
    axes: Sequence[str],
    spans: tuple[int, int],
    by: str,
    *,
    largest: bool,
    anchored: bool,
) -> NDArray[np.void]:
    """Return one row a stretch of days that followed a choice; see `Sweep.walk_forward`."""
    train, test = spans
    days = sorted(set(table["day"].tolist()))
    if days == ["all"]:
        raise ConfigError('the days of this sweep were one run; sweep with days="each"')
    if min(spans) < 1 or train + test > len(days):
        raise ConfigError(
            f"train was {train} and test {test}; accepted are days from 1, together at most the "
            f"{len(days)} that the sweep has"
        )
    found: list[Row] = []
    for end in range(train, len(days) - test + 1, test):
        before = days[0 if anchored else end - train : end]
        after = days[end : end + test]
        seen = table[np.isin(table["day"], before)]
        totals = totals_of(seen, axes)
        need_figure(seen, by, totals)
        ranked = best_of(totals, by, largest=largest)
        row: Row = {"train_from": before[0], "train_to": before[-1]}
        row |= {"test_from": after[0], "test_to": after[-1]}
        if len(ranked):
            row |= {name: ranked[name][0].item() for name in axes}
            row[f"train_{by}"] = float(ranked[by][0])
            is_chosen = np.isin(table["day"], after)
            for name in axes:
                is_chosen &= table[name] == ranked[name][0]
            row |= summed(table[is_chosen])
        found.append(row)
    names = list(dict.fromkeys(name for row in found for name in row))
    return structured(names, found)


# ---- arrays --------------------------------------------------------------------------------------


def structured(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> NDArray[np.void]:
    """Make a structured array: texts as wide as the longest, what is not there as nan."""
    columns: dict[str, NDArray[Any]] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        texts = any(isinstance(value, str) for value in values)
        absent: Any = "" if texts or name in ("error", "worker") else math.nan
        column = np.array([absent if value is None else value for value in values])
        columns[name] = column if len(column) else np.zeros(0, "f8")
    dtype = np.dtype([(name, column.dtype) for name, column in columns.items()])
    found = np.zeros(len(rows), dtype)
    for name, column in columns.items():
        found[name] = column
    return found
