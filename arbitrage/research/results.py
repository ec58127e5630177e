"""What a backtest found: its arrays, what follows from them, and their text, page and files."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from arbitrage.core.records import OPPORTUNITY_DTYPE
from arbitrage.instruments import VENUES
from arbitrage.research import measures, result_files, result_summary, result_text
from arbitrage.research.result_types import RESULT_DTYPES

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Backtest", "by_latency_us"]

NS_PER_S = 1_000_000_000
ARRAYS = (*RESULT_DTYPES, "opportunities")


def by_latency_us(most_us: float = 1e6, per_decade: int = 8) -> "NDArray[np.float64]":
    """Return latencies from 0 and 1 us up to `most_us`, evenly spread over its decades."""
    decades = float(np.log10(most_us))
    return np.concatenate([[0.0], np.logspace(0, decades, round(decades * per_decade) + 1)])


class Backtest:
    """What a strategy would have done with recorded data, order by order.

    Made by `arbitrage.backtest` or read by `Backtest.load`. Two are equal when the same data,
    settings and seed led to the same result, to the byte; how long it took and where the data lay
    do not count.

    Threads: any number may read.

    Attributes
    ----------
    orders, fills, pairs, funding, equity, halts : structured array
        Rows of `arbitrage.research.result_types`, which says what each field means; read-only.
    opportunities : structured array
        The detector's events, ``OPPORTUNITY_DTYPE``, their times those of the data.
    symbols : tuple of str
        Canonical symbols by number.
    contracts : dict
        (venue, symbol) -> the contract's grids and multipliers, plain values.
    config : dict
        The settings it ran with, without secrets.
    latency : dict
        What each way took, in words and figures.
    counts : dict of str to int
        Records, refusals and other counts of the run.
    start_ns, end_ns : int
        First and last ``recv_ns`` of the data.
    contracts_from : str
        Who said what the contracts are.
    source : dict or None
        Opens the same data again: ``open_data(**source)``; None: it lay in memory only.

    Raises
    ------
    ValueError
        An array is not of its type.
    """

    orders: "NDArray[np.void]"
    fills: "NDArray[np.void]"
    pairs: "NDArray[np.void]"
    funding: "NDArray[np.void]"
    equity: "NDArray[np.void]"
    halts: "NDArray[np.void]"
    opportunities: "NDArray[np.void]"

    def __init__(
        self,
        arrays: Mapping[str, "NDArray[np.void]"],
        *,
        symbols: Iterable[str],
        contracts: Mapping[tuple[str, str], Any],
        config: Mapping[str, Any],
        strategy: str,
        seed: int,
        latency: Mapping[str, Any],
        counts: Mapping[str, int],
        start_ns: int,
        end_ns: int,
        wall_s: float = 0.0,
        source: Mapping[str, Any] | None = None,
        contracts_from: str = "",
        data: Any = None,
    ) -> None:
        for name in ARRAYS:
            setattr(self, name, _checked(name, arrays.get(name)))
        self.symbols = tuple(symbols)
        self.contracts = {key: _plain(contracts[key]) for key in sorted(contracts)}
        self.config = dict(config)
        self.strategy = strategy
        self.seed = seed
        self.latency = dict(latency)
        self.counts = dict(counts)
        self.start_ns, self.end_ns = start_ns, end_ns
        self.wall_s = wall_s
        self.source = None if source is None else dict(source)
        self.contracts_from = contracts_from
        self._data = data

    # ---- what follows from the arrays -----------------------------------------------------------

    @cached_property
    def px_mult(self) -> "NDArray[np.float64] | None":
        """(venues, symbols): a venue's price times this is the price of a coin; None: unknown."""
        if not self.contracts:
            return None
        found = np.full((len(VENUES), len(self.symbols)), np.nan)
        for (venue, symbol), contract in self.contracts.items():
            if venue in VENUES and symbol in self.symbols:
                place = VENUES.index(venue), self.symbols.index(symbol)
                found[place] = float(contract.get("px_mult", np.nan))
        return found

    @cached_property
    def lives(self) -> "NDArray[np.void]":
        """One row an opportunity, LIVES_DTYPE."""
        return measures.lives_of(self.opportunities, self.px_mult, self.end_ns)

    def caught(self, latencies_us: "ArrayLike | None" = None) -> "NDArray[np.void]":
        """Return what would still have been there so long after each opportunity opened.

        Rows of CAUGHT_DTYPE, see `measures.caught`; by default from 0 to a second.
        """
        waits = by_latency_us() if latencies_us is None else latencies_us
        return measures.caught(self.opportunities, waits, self.px_mult, self.end_ns)

    @cached_property
    def drawdown(self) -> "NDArray[np.float64]":
        """USD below the highest equity so far, 0 or less, one for each row of `equity`."""
        return measures.drawdown(self.equity["equity_usd"])

    @property
    def closed(self) -> "NDArray[np.void]":
        """The pairs that are over."""
        return self.pairs[self.pairs["closed_ns"] > 0]

    @property
    def naked_ms(self) -> "NDArray[np.float64]":
        """How long a leg stood alone, of each pair in which one did, milliseconds."""
        naked = self.pairs["naked_ns"]
        alone: NDArray[np.float64] = naked[naked > 0] / 1e6
        return alone

    @property
    def hold_s(self) -> "NDArray[np.float64]":
        """How long each pair that stood and is over was held, seconds."""
        over = self.closed
        over = over[over["opened_ns"] > 0]
        held: NDArray[np.float64] = (over["closed_ns"] - over["opened_ns"]) / NS_PER_S
        return held

    @property
    def volume_usd(self) -> float:
        """Value of all fills."""
        value = self.fills["base_qty"] * self.fills["px"]
        if self.px_mult is not None:
            value = value * self.px_mult[self.fills["venue"], self.fills["symbol"]]
        return float(np.abs(value).sum())

    def costs(self, by: str = "total") -> dict[Any, dict[str, float]]:
        """Return what the pairs earned and what it cost, USD as it changed the equity.

        Parameters
        ----------
        by : str
            ``total``, ``symbol``, ``direction`` (bought at > sold at), ``kind``, ``reason`` (why
            a pair left), ``day`` (UTC, of its first order) or ``pair``.

        Returns
        -------
        dict
            Name -> pairs, gross_usd, slippage_usd, fees_usd, funding_usd and their sum, net_usd.
        """
        keys, names = result_text.grouping(self, by)
        return measures.sums_by(self.pairs, keys, names)

    @cached_property
    def daily(self) -> "NDArray[np.void]":
        """One row a UTC day of the data: ``day`` (datetime64), ``net_usd`` (change of equity)."""
        first = self.start_ns // measures.DAY_NS
        found_usd = measures.changes(self.equity, self.start_ns, self.end_ns, measures.DAY_NS)
        found = np.zeros(len(found_usd), [("day", "M8[D]"), ("net_usd", "f8")])
        found["day"] = (first + np.arange(len(found))).astype("M8[D]")
        found["net_usd"] = found_usd
        return found

    def summary(self) -> dict[str, Any]:
        """Return the figures of the run: plain JSON, one level, names with their units.

        A figure that nothing was there to measure is None, never 0.
        """
        return result_summary.summary_of(self)

    # ---- how it shows itself --------------------------------------------------------------------

    def __repr__(self) -> str:
        return result_text.one_line(self)

    def __str__(self) -> str:
        return result_text.as_text(self)

    def _repr_html_(self) -> str:
        return result_text.as_html(self)

    def report(self, path: str | Path, *, title: str | None = None) -> Path:
        """Write the tear sheet: one HTML file that needs no other file and no network.

        Parameters
        ----------
        path : str or Path
            Where to; replaced when it is there.
        title : str, optional
            Its heading, by default strategy and symbols.

        Raises
        ------
        ConfigError
            It cannot be written, or matplotlib is not installed.
        """
        from arbitrage.research.tear_sheet import write_tear_sheet

        return write_tear_sheet(self, Path(path), title)

    def data(self) -> Any:
        """Return the data it ran over, opened again by `source` unless it lies in memory.

        Raises
        ------
        ConfigError
            It lay in memory only, in another process, or is gone.
        """
        if self._data is None:
            self._data = result_files.reopen(self.source)
        return self._data

    # ---- tables and files -----------------------------------------------------------------------

    def to_arrow(self, name: str) -> "pyarrow.Table":
        """Return an array (``orders``, ``pairs``, ``lives`` ...) as a table for people.

        Symbols, venues and other numbers with a meaning become words, times become UTC
        timestamps, 0 for "not" becomes null.
        """
        return result_files.named_table(self, name)

    def to_pandas(self, name: str) -> "pandas.DataFrame":
        """Return `to_arrow` as a pandas frame."""
        return self.to_arrow(name).to_pandas()

    def to_polars(self, name: str) -> "polars.DataFrame":
        """Return `to_arrow` as a polars frame."""
        import polars

        found = polars.from_arrow(self.to_arrow(name))
        assert isinstance(found, polars.DataFrame)
        return found

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write it as a folder: a Parquet file an array, and ``backtest.json``, which comes last.

        Raises
        ------
        ConfigError
            The folder holds something and `overwrite` is false, it cannot be written, or pyarrow
            is not installed.
        """
        return result_files.save(self, Path(folder), overwrite)

    @classmethod
    def load(cls, folder: str | Path) -> "Backtest":
        """Read what `save` wrote; ConfigError when it is not whole or not what it was."""
        found = result_files.load(cls, Path(folder))
        assert isinstance(found, cls)
        return found

    # ---- equality -------------------------------------------------------------------------------

    def described(self) -> dict[str, Any]:
        """Return everything that is not an array as plain JSON values."""
        return {
            "symbols": list(self.symbols),
            "contracts": {":".join(key): value for key, value in self.contracts.items()},
            "config": self.config,
            "strategy": self.strategy,
            "seed": self.seed,
            "latency": self.latency,
            "counts": self.counts,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
        }

    @cached_property
    def sha256(self) -> str:
        """Digest of all that two equal runs share: arrays and what they were made with."""
        digest = hashlib.sha256(msgspec.json.encode(self.described(), order="sorted"))
        for name in ARRAYS:
            array = getattr(self, name)
            for field in array.dtype.names:
                digest.update(f"{name}.{field}:{len(array)}".encode())
                digest.update(array[field].tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.sha256 == other.sha256 if isinstance(other, Backtest) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)


def _checked(name: str, array: "NDArray[np.void] | None") -> "NDArray[np.void]":
    dtype = OPPORTUNITY_DTYPE if name == "opportunities" else RESULT_DTYPES[name]
    if array is None:
        array = np.zeros(0, dtype)
    if array.dtype != dtype or array.ndim != 1:
        raise ValueError(f"{name} was {array.dtype} of {array.ndim} dimensions; wanted is {dtype}")
    view = array.view()
    view.flags.writeable = False
    return view


def _plain(contract: Any) -> dict[str, Any]:
    values = asdict(contract) if is_dataclass(contract) and not isinstance(contract, type) else None
    found: dict[str, Any] = msgspec.to_builtins(contract if values is None else values)
    return found
