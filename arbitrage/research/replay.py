"""Replay two recorded files through the live parsers, store and detector.

The files are merged by receive time (ties: Bybit first, then file order) on the file's own clock.
There are no gates but the net edge and, if asked for, the age of both legs. A file is what one
connection said, in its order; the end of the files closes nothing.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from arbitrage.core.frames import parse_frame
from arbitrage.core.replay import CSV_HEADER, ReplayCore
from arbitrage.errors import ConfigError, FramesError
from arbitrage.research.frames import FrameFile, read_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_FEES", "Replay", "replay", "run_replay"]

log = logging.getLogger(__name__)

DEFAULT_FEES: Mapping[str, float] = {"bybit": 5.5, "okx": 5.0}
CSV_ROWS_AT_ONCE = 1024
LOOK_FRAMES = 1000  # of a file without a quote: whose are they?
BUFFER_BYTES = 1 << 23  # of undecoded lines a file

Progress = Callable[[float], None]


def _core(
    min_net_bps: float, fees: Mapping[str, float], max_age_ms: float, keep_quotes: bool
) -> ReplayCore:
    unknown = sorted(set(fees) - set(DEFAULT_FEES))
    if unknown:
        raise ConfigError(f"fees named {', '.join(unknown)}; accepted venues are bybit and okx")
    if not 0 <= max_age_ms < 1e12:
        raise ConfigError(f"max_age_ms was {max_age_ms}; accepted values are from 0 (off)")
    taker_bps = {**DEFAULT_FEES, **fees}
    try:
        return ReplayCore(
            min_net_bps=min_net_bps,
            bybit_taker_bps=taker_bps["bybit"],
            okx_taker_bps=taker_bps["okx"],
            max_age_ns=round(max_age_ms * 1e6),
            keep_quotes=keep_quotes,
            buffer_bytes=BUFFER_BYTES,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _drive(core: ReplayCore, files: tuple[FrameFile, FrameFile]) -> Iterator[None]:
    """Run the core to the end; yield whenever events may be taken."""
    while (venue := core.run()) != 2:
        if venue < 2:
            room = core.free_space(venue)
            if len(room) == 0:
                raise ConfigError(
                    f"frames file {files[venue].path} has a line longer than {BUFFER_BYTES} bytes"
                )
            core.filled(venue, files[venue].read_into(room))
        yield
    yield


def _report_oddities(counts: Mapping[str, int]) -> None:
    if counts["unordered"]:
        log.warning(
            "%d lines were older than a line before them in their file; file order was kept",
            counts["unordered"],
        )
    if counts["unknown_symbols"]:
        log.warning("%d quotes were of symbols beyond the first 2000", counts["unknown_symbols"])


def _require_quotes(core: ReplayCore, paths: Mapping[str, Path]) -> None:
    """Refuse a file in which not one frame was a quote of its venue."""
    for venue, path in paths.items():
        if core.counts[f"quotes_{venue}"] > 0:
            continue
        other = "okx" if venue == "bybit" else "bybit"
        advice = f"a line is `recv_ns TAB frame`, a frame as {venue} sent it"
        if _holds_quote(other, path):
            advice = f"its frames look like {other}'s: are --bybit and --okx swapped?"
        raise FramesError(f"{path} holds no quote of {venue}; {advice}")


def _holds_quote(venue: str, path: Path) -> bool:
    for _, frame in islice(read_frames(path), LOOK_FRAMES):
        with suppress(ValueError):
            if parse_frame(venue, frame) is not None:
                return True
    return False


def _csv_chunks(core: ReplayCore) -> Iterator[bytes]:
    for first in range(0, core.event_count, CSV_ROWS_AT_ONCE):
        yield core.csv_rows(first, CSV_ROWS_AT_ONCE)


def _frames_per_s(frames: int, elapsed_ns: int) -> float:
    return frames / (elapsed_ns / 1e9) if elapsed_ns > 0 else 0.0


@dataclass(frozen=True, repr=False)
class Replay:
    """What a replay found.

    Attributes
    ----------
    events : structured array
        OPEN (1), UPDATE (2) and CLOSE (3) events in order, the opportunity dtype. A file names no
        contract sizes: ``ask_qty`` and ``bid_qty`` are in each venue's own units (OKX: contracts).
        ``recv_mono_ns`` and ``open_mono_ns`` hold the files' ``recv_ns``: a wall clock as a rule.
    quotes : structured array
        Every quote applied, in order: the complete top of its row, venue units.
    symbols : tuple of str
        Canonical symbols by ``symbol_index``.
    summary : dict
        frames, malformed, quotes, opportunities, events, events_sha256, wall_s, frames_per_s.
    """

    events: "NDArray[np.void]"
    quotes: "NDArray[np.void]"
    symbols: tuple[str, ...]
    summary: dict[str, Any]
    _core: ReplayCore

    def __repr__(self) -> str:
        found = self.summary
        return (
            f"Replay({found['quotes']:,} quotes of {', '.join(self.symbols)}; "
            f"{found['opportunities']:,} opportunities in {found['events']:,} events)"
        )

    def write_events(self, path: str | Path) -> None:
        """Write the events as CSV: UTF-8, ``\\n`` line ends, prices as ``repr(float)``."""
        with open(path, "wb") as out:
            out.write(CSV_HEADER)
            out.writelines(_csv_chunks(self._core))


def replay(
    bybit: str | Path,
    okx: str | Path,
    *,
    min_net_bps: float = 0.0,
    fees: Mapping[str, float] = DEFAULT_FEES,
    max_age_ms: float = 0,
) -> Replay:
    """Replay two recorded files and keep every event and quote in memory.

    Parameters
    ----------
    bybit, okx : str or Path
        Files of ``recv_ns TAB frame`` lines, plain, gzip or zstd.
    min_net_bps : float
        An opportunity opens when its net edge reaches this, basis points.
    fees : mapping
        Taker fees in basis points by venue; a round trip pays both twice.
    max_age_ms : float
        Oldest quote of either leg by the file's clock, judged at each frame; 0: off.

    Returns
    -------
    Replay
        Events, quotes, symbols and the summary.

    Raises
    ------
    ConfigError
        A file cannot be read, or a number is out of range.

    Examples
    --------
    >>> found = replay("bybit.frames.gz", "okx.frames.gz", min_net_bps=2)  # doctest: +SKIP
    >>> found.summary["opportunities"], found.events["net_bps"].max()  # doctest: +SKIP
    """
    begun = time.monotonic()
    core = _core(min_net_bps, fees, max_age_ms, keep_quotes=True)
    with FrameFile(bybit) as bybit_file, FrameFile(okx) as okx_file:
        for _ in _drive(core, (bybit_file, okx_file)):
            pass
    digest = hashlib.sha256(CSV_HEADER)
    for chunk in _csv_chunks(core):
        digest.update(chunk)
    summary = _summary(core, core.event_count, digest.hexdigest(), begun)
    return Replay(core.events(), core.quotes(), core.symbols(), summary, core)


def _summary(core: ReplayCore, events: int, sha256: str, begun: float) -> dict[str, Any]:
    counts = core.counts
    _report_oddities(counts)
    return {
        "frames": counts["frames"],
        "malformed": counts["malformed"],
        "quotes": counts["quotes"],
        "opportunities": counts["opportunities"],
        "events": events,
        "events_sha256": sha256,
        "wall_s": time.monotonic() - begun,
        "frames_per_s": _frames_per_s(counts["frames"], core.elapsed_ns),
    }


def run_replay(
    bybit: Path,
    okx: Path,
    min_net_bps: float = 0.0,
    fees: Mapping[str, float] = DEFAULT_FEES,
    max_age_ms: float = 0,
    events_path: Path | None = None,
    progress: Progress | None = None,
    needs_quotes: bool = False,
) -> dict[str, Any]:
    """Replay two files of any size in bounded memory, writing events as they come.

    ``events_path`` receives the CSV; ``progress`` is told the fraction done, 0 to 1. Returns the
    summary. ``frames_per_s`` is frames over the time spent on frames: decompression and writing are
    not in it, ``wall_s`` holds them. Errors as :func:`replay`; an ``events_path`` that cannot be
    written is a ConfigError too, with ``needs_quotes`` a file without a single quote of its
    venue is a WireError.
    """
    begun = time.monotonic()
    core = _core(min_net_bps, fees, max_age_ms, keep_quotes=False)
    out: BinaryIO | None = None
    digest = hashlib.sha256(CSV_HEADER)
    events = 0
    try:
        with FrameFile(bybit) as bybit_file, FrameFile(okx) as okx_file:
            if events_path is not None:
                out = open(events_path, "wb")  # noqa: SIM115  closed below
                out.write(CSV_HEADER)
            for _ in _drive(core, (bybit_file, okx_file)):
                for chunk in _csv_chunks(core):
                    digest.update(chunk)
                    if out is not None:
                        out.write(chunk)
                events += core.event_count
                core.drop_events()
                if progress is not None:
                    progress((bybit_file.fraction_read + okx_file.fraction_read) / 2)
        if out is not None:
            out.close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"events file {events_path} could not be written: {reason}") from None
    finally:
        if out is not None:
            out.close()
    if needs_quotes:
        _require_quotes(core, {"bybit": bybit, "okx": okx})
    return _summary(core, events, digest.hexdigest(), begun)
