"""Market records as a folder of raw frames: what `arb record` would have left of them."""

import gzip
import importlib
import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.closing import Closing
from arbitrage.core.market_text import MarketText
from arbitrage.errors import ConfigError
from arbitrage.frame_files import PART, SUFFIXES
from arbitrage.instruments import VENUES
from arbitrage.record_files import SUMMARY
from arbitrage.research.contracts import Contracts
from arbitrage.research.market import MarketData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CONTRACTS_FILE", "write_frames"]

log = logging.getLogger(__name__)

CONTRACTS_FILE = "contracts.json"
MANIFEST_VERSION = 2  # of what `arb record` writes
MS_NS = 1_000_000


class _Lines(Closing):
    """A venue's file of lines: under another name until it is whole."""

    def __init__(self, path: Path, compress: str) -> None:
        self._path, self._part = path, path.with_name(path.name + PART)
        self._raw = self._part.open("xb")
        self._out: Any  # gzip, zstd or the file itself
        if compress == "gzip":
            self._out = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=4, mtime=0)
        elif compress == "zstd":
            module: Any = importlib.import_module("zstandard")
            self._out = module.ZstdCompressor().stream_writer(self._raw, closefd=False)
        else:
            self._out = self._raw

    def write(self, text: bytes) -> None:
        """Append lines."""
        if text:
            self._out.write(text)

    def finish(self) -> None:
        """Give the file its name."""
        self.close()
        self._part.rename(self._path)

    def close(self) -> None:
        if not self._raw.closed:
            self._out.close()
            self._raw.close()


def write_frames(
    data: MarketData,
    folder: Path,
    *,
    compress: str = "gzip",
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Write a stream as raw frames, with the gaps in a manifest and the contracts beside them.

    Parameters
    ----------
    data : MarketData
        What to write.
    folder : Path
        Made when it is not there; one that holds frames is refused.
    compress : str
        ``gzip``, ``zstd`` or ``none``.
    progress : callable, optional
        Told the time up to which records are written, `recv_ns`.

    Returns
    -------
    dict
        ``records``, ``bybit_frames`` and ``okx_frames`` written.

    Raises
    ------
    ConfigError
        The folder cannot be written; or a record says what no frame can, it is named.
    """
    paths = [folder / f"{venue}.frames{SUFFIXES[compress]}" for venue in VENUES]
    if folder.is_dir() and any(folder.glob("*.frames*")):
        raise ConfigError(f"{folder} holds frames already; choose another target")
    names = [
        [data.venue_name(venue, symbol).encode() for symbol in data.symbols] for venue in VENUES
    ]
    text, count, cut = MarketText(names), 0, 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = [stack.enter_context(_Lines(path, compress)) for path in paths]
            for block in data.blocks():
                _take(text, block)
                for venue, file in enumerate(files):
                    file.write(text.text(venue))
                count += len(block)
                cut += int((block["exch_ns"] % MS_NS != 0).sum())
                if progress is not None:
                    progress(int(block["recv_ns"][-1]))
            for file in files:
                file.finish()
        _write_manifest(folder, text, paths)
        lines = contract_lines(data.contracts)
        if lines:
            (folder / CONTRACTS_FILE).write_bytes(b"".join(lines))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}") from None
    if cut:
        log.warning(
            "%s: the venue's times of %d records are cut to the millisecond, which is all that "
            "frames tell; Parquet keeps them", folder, cut,
        )  # fmt: skip
    return {"records": count} | {
        f"{venue}_frames": frames for venue, frames in zip(VENUES, text.frames, strict=True)
    }


def _take(text: MarketText, block: "NDArray[np.void]") -> None:
    import numpy as np

    try:
        text.take(np.ascontiguousarray(block))
    except ValueError as error:
        raise ConfigError(f"{error}; raw frames cannot hold it, Parquet can") from None


def _write_manifest(folder: Path, text: MarketText, paths: Iterable[Path]) -> None:
    """Say where frames are missing, as a recorder says it: a lane a venue."""
    gaps = [
        {"lane": venue, "before_recv_ns": before_ns, "frames": 0, "bytes": 0}
        for venue, _, before_ns in text.gaps
    ]
    files = [
        {"file": path.name, "venue": venue, "line": 0, "frames": frames}
        for path, venue, frames in zip(paths, VENUES, text.frames, strict=True)
    ]
    told = {"files": files, "frames_before": [0, 0], "gaps": gaps, "gaps_not_listed": 0}
    found = {"version": MANIFEST_VERSION, "why": "converted", "frames": told}
    text_of = msgspec.json.format(msgspec.json.encode(found)) + b"\n"
    (folder / SUMMARY).write_bytes(text_of)


def contract_lines(contracts: Contracts) -> list[bytes]:
    """Return contracts as lines of `arb instruments --json`."""
    lines = []
    for item in contracts.values():
        exact = item.instrument()
        names = ("venue", "venue_symbol", "symbol", "contract_base_qty", "tick", "lot", "min_qty",
                 "max_qty", "min_notional", "px_mult")  # fmt: skip
        row: dict[str, Any] = {name: str(getattr(exact, name)) for name in names}
        if item.taker_bps is not None:
            row["taker_bps"] = item.taker_bps
        lines.append(msgspec.json.encode(row) + b"\n")
    return lines
