"""Market data from one form into another: recordings, raw frames, Parquet, tables of quotes."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arbitrage.errors import ConfigError
from arbitrage.research.frames_data import FramesData
from arbitrage.research.market import MarketData

__all__ = ["FORMS", "convert"]

_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")
FORMS = ("parquet", "frames", "csv")


def convert(
    data: MarketData,
    target: str | Path,
    form: str | None = None,
    *,
    compress: str = "gzip",
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Write market data in another form.

    Parameters
    ----------
    data : MarketData
        As `arbitrage.open_data` gives it.
    target : str or Path
        A folder, or for Parquet an address that fsspec knows, or a file for CSV.
    form : str, optional
        ``parquet``, ``frames`` or ``csv``; default: by the target's name, else ``parquet``.
    compress : str
        Of frames: ``gzip``, ``zstd`` or ``none``.
    progress : callable, optional
        Told the fraction done, 0 to 1.

    Returns
    -------
    dict
        ``form``, ``target``, ``records``, ``wall_s`` and how many files or frames were written.

    Raises
    ------
    ConfigError
        The target is no such thing, cannot be written, or is there already.
    """
    begun, address = time.monotonic(), str(target)
    if form is None:
        form = _form_of(address)
    if form not in FORMS:
        raise ConfigError(f"form was {form!r}; accepted values are {', '.join(FORMS)}")
    if "://" in address and form != "parquet":
        raise ConfigError(f"{form} is written to this machine's disk alone, not to {address}")
    tell = None if progress is None else _by_time(data, progress)

    if form == "parquet":
        from arbitrage.research.parquet_writer import write_parquet

        found = write_parquet(data, address, tell)
    elif form == "frames":
        from arbitrage.research.frames_writer import write_frames

        found = write_frames(data, Path(address), compress=compress, progress=tell)
    else:
        from arbitrage.research.quote_tables import write_csv

        found = write_csv(data, Path(address), tell)
    return {"form": form, "target": address, **found, "wall_s": time.monotonic() - begun}


def _form_of(address: str) -> str:
    """Return what a target shall be, by its name."""
    if address.endswith(".csv"):
        return "csv"
    ending = _ENDING.search(address)
    if ending is not None and "://" not in address and not Path(address).is_dir():
        raise ConfigError(
            f"target was {address!r}; a Parquet data set and frames are folders, of names without "
            f"{ending[0]}, and quotes are a .csv (--to says which, whatever the name)"
        )
    return "parquet"


def _by_time(data: MarketData, progress: Callable[[float], None]) -> Callable[[int], None]:
    """Return what is told the time of what was written; raw frames are read through first."""
    begun = 0.0
    if isinstance(data, FramesData):
        begun = 0.5
        data.progress = lambda fraction: progress(fraction * begun)
        data.survey()
        data.progress = None
    start_ns, span_ns = data.start_ns, data.end_ns - data.start_ns

    def tell(recv_ns: int) -> None:
        done = (recv_ns - start_ns) / span_ns if span_ns > 0 else 1.0
        progress(begun + (1.0 - begun) * min(1.0, max(0.0, done)))

    return tell
