"""A backtest as a folder of Parquet files, and as tables that people read."""

from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from arbitrage.core.records import OPPORTUNITY_DTYPE, CloseReason, Leg, OppEvent
from arbitrage.core.strategy import EVENTS, EXIT_REASONS, PAIR_KINDS
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.extras import needed
from arbitrage.research.result_types import RESULT_DTYPES, HaltReason, OrderOutcome

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

    from arbitrage.research.results import Backtest

__all__ = ["load", "named_table", "reopen", "save"]

DESCRIPTION = "backtest.json"
VERSION = 2
DTYPES = {**RESULT_DTYPES, "opportunities": OPPORTUNITY_DTYPE}


def _named(kind: type[IntEnum]) -> list[str]:
    """Return the names of an enumeration by number, gaps as text of the number."""
    known = {int(each): each.name.lower() for each in kind}
    return [known.get(number, str(number)) for number in range(max(known) + 1)]


# What the numbers of a field mean. `reason` and `kind` depend on the array.
WORDS: dict[str, list[str]] = {
    "venue": list(VENUES),
    "buy_venue": list(VENUES),
    "sell_venue": list(VENUES),
    "leg": _named(Leg),
    "outcome": _named(OrderOutcome),
    "end": list(EVENTS),
    "kind": list(PAIR_KINDS),
    "event": _named(OppEvent)[:4],
}
REASONS = {"pairs": list(EXIT_REASONS), "halts": _named(HaltReason)}
TIMES = {"ns", "sent_ns", "arrived_ns", "answered_ns", "exch_ns", "seen_ns"}
TIMES |= {"until_ns", "opening_ns", "opened_ns", "closed_ns", "open_ns", "close_ns"}


def named_table(found: "Backtest", name: str) -> "pyarrow.Table":
    """Return an array as a table for people; see `Backtest.to_arrow`."""
    if name not in (*DTYPES, "lives"):
        raise ConfigError(f"no array {name!r}; there are {', '.join([*DTYPES, 'lives'])}")
    pa = needed("pyarrow", "research", "tables")
    array = getattr(found, name)
    columns = {
        _label(field): _column(pa, found, name, field, array[field]) for field in array.dtype.names
    }
    return pa.table(columns)


def _label(field: str) -> str:
    if field == "ns":
        return "time"
    if field.endswith("_mono_ns"):  # of a backtest they are the data's own times
        return field.removesuffix("_mono_ns") + "_time"
    return {"symbol_index": "symbol", "naked_ns": "naked"}.get(
        field, field.removesuffix("_ns") + "_time" if _is_time(field) else field
    )


def _is_time(field: str) -> bool:
    return field in TIMES or field.endswith("_mono_ns")


def _column(
    pa: Any, found: "Backtest", name: str, field: str, values: "NDArray[Any]"
) -> "pyarrow.Array":
    if _is_time(field):
        return pa.array(values, pa.timestamp("ns", tz="UTC"), mask=values == 0)
    if field == "naked_ns":
        return pa.array(values, pa.duration("ns"))
    if field in ("symbol", "symbol_index"):
        names = list(found.symbols)
        if name == "halts":  # also of all symbols together
            values, names = np.minimum(values, len(names)), [*names, "all"]
        return _dictionary(pa, values, names)
    if field == "side":
        return _dictionary(pa, (values < 0).astype(np.uint8), ["buy", "sell"])
    words = REASONS.get(name, _named(CloseReason)) if field == "reason" else WORDS.get(field)
    if words is not None:
        return _dictionary(pa, values, words)
    return pa.array(np.ascontiguousarray(values))


def _dictionary(pa: Any, values: "NDArray[Any]", words: list[str]) -> "pyarrow.Array":
    words = words + [str(number) for number in range(len(words), int(values.max(initial=0)) + 1)]
    return pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int32)), pa.array(words))


def save(found: "Backtest", folder: Path, overwrite: bool) -> Path:
    """Write the folder; see `Backtest.save`."""
    pa = needed("pyarrow", "research", "files of results")
    parquet = needed("pyarrow.parquet", "research", "files of results")
    if folder.exists() and not overwrite and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} holds something already; name another folder, or overwrite it")
    described = {
        "version": VERSION,
        **found.described(),
        "wall_s": found.wall_s,
        "source": found.source,
        "contracts_from": found.contracts_from,
        "sha256": found.sha256,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DESCRIPTION).unlink(missing_ok=True)
        for name in DTYPES:
            array = getattr(found, name)
            columns = {
                field: np.ascontiguousarray(array[field]) for field in array.dtype.names or ()
            }
            # no dictionaries: nearly all columns are numbers that hardly repeat
            parquet.write_table(
                pa.table(columns),
                folder / f"{name}.parquet",
                compression="zstd",
                use_dictionary=False,
            )
        text = msgspec.json.format(msgspec.json.encode(described), indent=2)
        (folder / DESCRIPTION).write_bytes(text + b"\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"results {folder} could not be written: {reason}") from None
    return folder


def load(kind: "type[Backtest]", folder: Path) -> "Backtest":
    """Read the folder; see `Backtest.load`."""
    parquet = needed("pyarrow.parquet", "research", "files of results")
    try:
        told = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=dict[str, Any])
        arrays = {
            name: _array(parquet.read_table(folder / f"{name}.parquet"), dtype, folder, name)
            for name, dtype in DTYPES.items()
        }
        if told["version"] != VERSION:
            raise ConfigError(
                f"results {folder} are of version {told['version']}, this release reads {VERSION}"
            )
        contracts = {
            tuple(key.split(":", 1)): value for key, value in told.pop("contracts").items()
        }
        expected = told.pop("sha256")
        del told["version"]
        found = kind(arrays, contracts=contracts, **told)
    except FileNotFoundError as error:
        what = error.filename or error  # pyarrow's own has no file name
        raise ConfigError(f"{folder} holds no whole backtest: {what} is missing") from None
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"results {folder} cannot be read: {error}") from None
    if found.sha256 != expected:
        raise ConfigError(f"results {folder} are not as they were written: their digest differs")
    return found


def _array(
    table: "pyarrow.Table", dtype: "np.dtype[np.void]", folder: Path, name: str
) -> "NDArray[np.void]":
    if table.column_names != list(dtype.names or ()):
        raise ConfigError(
            f"{folder / name}.parquet has the columns {', '.join(table.column_names)}; "
            f"this release reads {', '.join(dtype.names or ())}"
        )
    array = np.zeros(table.num_rows, dtype)
    for field in dtype.names or ():
        array[field] = table.column(field).to_numpy()
    return array


def reopen(source: "dict[str, Any] | None") -> Any:
    """Return the data that a backtest ran over, opened again."""
    if source is None:
        raise ConfigError("the data lay in memory only and cannot be opened again")
    return import_module("arbitrage.research.market").open_data(**source)
