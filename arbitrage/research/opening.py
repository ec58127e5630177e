"""What `open_data` was given: a recording, raw frames, a Parquet data set or a table of quotes."""

import glob
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.core.market_frames import LINES_MAX
from arbitrage.errors import ConfigError, FramesError
from arbitrage.frame_files import PART
from arbitrage.instruments import VENUES
from arbitrage.record_files import DECISIONS, OPPORTUNITIES, SUMMARY, RecordFile, pieces_of
from arbitrage.research.contracts import ContractsChoice, Instruments
from arbitrage.research.frames_data import FramesData, FrameSource, Progress, speaks_of
from arbitrage.research.frames_writer import CONTRACTS_FILE
from arbitrage.research.market import MarketData
from arbitrage.research.table_files import is_table

if TYPE_CHECKING:
    from arbitrage.research.parquet_files import Partition

__all__ = ["open_any", "recorded_sources"]

log = logging.getLogger(__name__)

_FRAMES = re.compile(
    r"(?P<venue>bybit|okx)(?:-line(?P<line>\d+))?(?:\.(?P<piece>\d+))?\.frames(?:\.gz|\.zst)?"
    r"(?P<part>\.part)?"
)


def open_any(
    path: str | Path | Sequence[str | Path],
    *,
    okx: str | Path | Sequence[str | Path] | None,
    columns: Mapping[str, Any] | None,
    instruments: Instruments,
    symbols: Sequence[str] | None,
    stream: str | None,
    progress: Progress | None,
) -> MarketData:
    """Tell what the path is, and open it; see `arbitrage.research.market.open_data`."""
    is_one = isinstance(path, str | Path) and columns is None and okx is None
    if is_one and (found := _partitions(str(path))):
        from arbitrage.research.parquet_data import ParquetData

        return ParquetData(str(path), found, instruments, symbols)
    files, others = matched(path), [] if okx is None else matched(okx)
    path = local = files[0]
    if columns is None and is_table(local) and local.is_file():
        columns = _own_columns(local)
    if stream is not None and not local.is_dir():
        raise ConfigError(f"stream belongs to the folder of a recording, which {path} is not")
    if columns is not None:
        return _open_tables(files, others, columns, instruments, symbols)
    is_file = others or local.is_file() or _FRAMES.fullmatch(local.name) is not None
    if len(files) > 1 and not is_file:
        raise ConfigError(
            f"{path} is {len(files)} folders; `arb convert` puts them into one Parquet data set, "
            "one after the other"
        )
    if others or _FRAMES.fullmatch(local.name) is not None:
        return _open_frames(files, others, instruments, symbols, progress)
    if local.is_dir() and (recorded_sources(local) or _has_records(local)):
        return _open_folder(local, instruments, symbols, stream, progress)
    if local.is_file():
        return _open_frames(files, [], instruments, symbols, progress)
    raise ConfigError(
        f"{path} is no market data: expected is the folder of a recording, a file of raw frames, "
        "a Parquet data set, or with columns a CSV or Parquet file of quotes"
    )


def matched(path: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the files that a path, a pattern such as ``data/*.csv`` or a list of them means."""
    if not isinstance(path, str | Path):
        found = [each for one in path for each in matched(one)]
        if not found:
            raise ConfigError("path was an empty list; give one file at least")
        return found
    text = str(path)
    if Path(text).exists():
        return [Path(path)]
    if not glob.has_magic(text):
        raise ConfigError(f"{text} does not exist")
    if not (names := sorted(glob.glob(text, recursive=True))):
        raise ConfigError(f"{text} does not exist: no file has such a name")
    return [Path(name) for name in names]


def _own_columns(path: Path) -> dict[str, Any]:
    """Return the columns of a table that has our own names."""
    from arbitrage.research.columns import Columns
    from arbitrage.research.table_files import table_names

    names = table_names(path)
    if (own := Columns.own(names)) is None:
        raise ConfigError(
            f"{path} is a table whose columns are {', '.join(names)}; say which is what: "
            "columns={'recv_ns': ..., 'bid_px': ...}, or --column recv_ns=... of `arb convert`"
        )
    return own.plain()


def _open_tables(
    files: Sequence[Path],
    others: Sequence[Path],
    columns: Mapping[str, Any],
    instruments: Instruments,
    symbols: Sequence[str] | None,
) -> MarketData:
    """Open tables of quotes: of what their columns say, or one venue's and the other's."""
    from arbitrage.research.columns import Columns
    from arbitrage.research.quote_tables import TableData

    for path in (*files, *others):
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; columns belong to a table, or to {path}/*.csv")
    known = Columns.of(columns)
    paths: list[tuple[Path, str | None]] = [(one, VENUES[0] if others else None) for one in files]
    paths += [(one, VENUES[1]) for one in others]
    source = _source(
        path=_plain(files), okx=_plain(others), instruments=instruments, symbols=symbols
    )
    return TableData(paths, known, source | {"columns": known.plain()}, instruments, symbols)


def _plain(files: Sequence[Path]) -> str | tuple[str, ...] | None:
    names = tuple(str(file) for file in files)
    return names if len(names) > 1 else names[0] if names else None


def _partitions(address: str) -> "list[Partition]":
    """Return the files of a Parquet data set; none: it is something else."""
    is_far = "://" in address
    if not is_far and not any(Path(address).glob("venue=*")):
        return []
    from arbitrage.research.parquet_data import find_partitions

    found = find_partitions(address)
    if is_far and not found:
        raise ConfigError(
            f"{address} holds no Parquet data set; `arb convert SOURCE {address}` writes one"
        )
    return found


def _has_records(folder: Path) -> bool:
    return any(pieces_of(folder, stream) for stream in (DECISIONS, OPPORTUNITIES))


def _open_frames(
    files: Sequence[Path],
    others: Sequence[Path],
    instruments: Instruments,
    symbols: Sequence[str] | None,
    progress: Progress | None,
) -> MarketData:
    """Open files of Bybit's frames and of OKX', or of either; several are behind one another."""
    sources = [FrameSource(0 if others else _speaker(files[0]), 0, tuple(files))]
    if others:
        sources.append(FrameSource(1, 0, tuple(others)))
    return FramesData(
        sources,
        _source(path=_plain(files), okx=_plain(others), instruments=instruments, symbols=symbols),
        ContractsChoice(instruments),
        symbols=symbols,
        progress=progress,
    )


def _speaker(path: Path) -> int:
    """Return the venue whose frames a file holds."""
    for place, venue in enumerate(VENUES):
        if speaks_of(venue, path):
            return place
    raise FramesError(
        f"{path} holds no quote of {' or '.join(VENUES)}; a line is `recv_ns TAB frame`, a frame "
        "as the venue sent it"
    )


def _open_folder(
    folder: Path,
    instruments: Instruments,
    symbols: Sequence[str] | None,
    stream: str | None,
    progress: Progress | None,
) -> MarketData:
    """Open the folder of a recording: its frames, or its decisions."""
    if stream not in {None, "frames", "decisions"}:
        raise ConfigError(f"stream was {stream!r}; accepted are frames and decisions")
    sources = recorded_sources(folder)
    has_decisions = bool(pieces_of(folder, DECISIONS))
    if stream == "decisions" or not sources:
        if stream == "frames":
            raise ConfigError(f"{folder} holds no frames; `arb record --out {folder}` writes them")
        return _open_decisions(folder, instruments, symbols)
    manifest = _manifest(folder)
    beside = folder / CONTRACTS_FILE
    if instruments is None and beside.is_file():
        instruments = beside  # what was converted says it itself
    found = FramesData(
        sources,
        _source(
            path=folder,
            stream="frames" if has_decisions else stream,
            instruments=instruments,
            symbols=symbols,
        ),
        ContractsChoice(instruments, _session(folder)),
        _lost(manifest, {source.venue for source in sources}),
        symbols=symbols,
        progress=progress,
    )
    if stream is not None or not has_decisions or _has_books(manifest) or found.has_depth:
        return found
    told = _open_decisions(folder, instruments, symbols)
    if not told.has_depth:
        return found
    log.warning(
        "%s: its frames hold no books, so its decisions are read: quotes as the trader's detector "
        'applied them, and the levels it read; stream="frames" has the frames',
        folder,
    )
    return told


def _open_decisions(
    folder: Path, instruments: Instruments, symbols: Sequence[str] | None
) -> MarketData:
    from arbitrage.research.decisions_data import DecisionsData

    found = DecisionsData(folder, ContractsChoice(instruments, _session(folder)))
    return found if symbols is None else found.select(symbols=symbols)


def _has_books(manifest: Mapping[str, Any]) -> bool:
    """Whether the recorder wrote whole books into the frames."""
    return any(manifest.get("frames", {}).get("books", {}).values())


def recorded_sources(folder: Path) -> list[FrameSource]:
    """Return the connections that a recording holds the frames of, by venue and line."""
    found: dict[tuple[int, int], dict[int, Path]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix == PART):
        if (named := _FRAMES.fullmatch(path.name)) is None:
            continue
        line = int(named["line"] or 0)
        if line >= LINES_MAX:
            raise ConfigError(f"{path} is of line {line}; at most {LINES_MAX} lines are read")
        pieces = found.setdefault((VENUES.index(named["venue"]), line), {})
        pieces.setdefault(int(named["piece"] or 0), path)  # a whole one before its part
    return [
        FrameSource(venue, line, tuple(pieces[piece] for piece in sorted(pieces)), lift=True)
        for (venue, line), pieces in sorted(found.items())
    ]


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _session(folder: Path) -> dict[str, Any] | None:
    for stream in (DECISIONS, OPPORTUNITIES):
        for path in pieces_of(folder, stream)[:1]:
            with RecordFile(path) as file:
                return file.session
    return None


def _lost(manifest: Mapping[str, Any], venues: set[int]) -> list[tuple[int, int, int]]:
    """Return where frames were lost: (venue, time of the first frame behind it, frames)."""
    told = manifest.get("frames", {})
    lanes = len(told.get("frames_before", ()))
    found = [
        (venue, int(gap["before_recv_ns"]), int(gap["frames"]))
        for gap in told.get("gaps", ())
        for venue in (sorted(venues) if lanes < len(VENUES) else [int(gap["lane"])])
        if venue in venues
    ]
    if left := told.get("gaps_not_listed", 0):
        log.warning("%d more gaps of this recording are not listed in its manifest", left)
    return sorted(found, key=lambda gap: gap[1])


def _source(**given: Any) -> dict[str, Any]:
    """Return what opens the same again, as plain JSON: what lies in memory cannot be named."""
    return {
        name: list(value) if isinstance(value, tuple) else str(value)
        for name, value in given.items()
        if isinstance(value, (str, Path, tuple))
    }
