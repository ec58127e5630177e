"""Market records out of raw frames: two files, or the folder of a recording."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.core.market_frames import UNWANTED, FramesNeed, MarketFrames
from arbitrage.core.market_records import MarketKind
from arbitrage.errors import ConfigError, FramesError
from arbitrage.frame_files import PART
from arbitrage.instruments import VENUES, canonical_symbol
from arbitrage.research.contracts import Contracts, ContractsChoice
from arbitrage.research.frames import FrameFile
from arbitrage.research.market import BLOCK_ROWS, Gap, MarketData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FrameSource", "FramesData", "Progress", "Survey", "speaks_of"]

log = logging.getLogger(__name__)

BUFFER_BYTES = 1 << 22  # of undecoded lines a source
LOOK_BYTES = 1 << 20  # of a file: whose is it?
Progress = Callable[[float], None]


@dataclass(frozen=True)
class FrameSource:
    """What one connection of a venue said: its files, one behind the other."""

    venue: int
    line: int
    paths: tuple[Path, ...]
    lift: bool = False  # a recorder wrote it: a line that runs backwards came late

    @property
    def size_bytes(self) -> int:
        """Size of its files."""
        return sum(path.stat().st_size for path in self.paths)


class _Pieces:
    """The files of a source as one run of bytes."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self._left = list(source.paths)
        self._file: FrameFile | None = None
        self.path = source.paths[0]
        self._done_bytes = 0

    def read_into(self, room: memoryview) -> int:
        """Fill the room as far as the files go; 0 at their end."""
        while True:
            if self._file is None:
                if not self._left:
                    return 0
                self.path = self._left.pop(0)
                self._file = FrameFile(self.path)
            count = self._file.read_into(room)
            if count:
                return count
            self._done_bytes += self._file.size_bytes
            self.close()

    @property
    def read_bytes(self) -> float:
        """How much of the files was read, as they lie on the disk."""
        now = 0.0 if self._file is None else self._file.fraction_read * self._file.size_bytes
        return self._done_bytes + now

    def close(self) -> None:
        """Close the file at hand."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass
class Survey:
    """What one pass over the files found; `names`: what each venue calls a symbol."""

    symbols: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    count: int = 0
    start_ns: int = 0
    end_ns: int = 0
    has_depth: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)

    def add(self, block: "NDArray[np.void]") -> None:
        """Take a block into account."""
        if not self.count:
            self.start_ns = int(block["recv_ns"][0])
        self.count += len(block)
        self.end_ns = int(block["recv_ns"][-1])
        self.has_depth = self.has_depth or bool((block["kind"] == MarketKind.LEVEL).any())


class FramesData(MarketData):
    """Frames of both venues. What it holds is found by reading it once, when it is first asked.

    Parameters
    ----------
    sources : sequence of FrameSource
        By venue, then line.
    source : mapping
        What `open_data` takes to open the same again.
    gaps : sequence of (venue, before_ns, lost)
        Where the recorder lost frames.
    contracts : ContractsChoice
        What the contracts are.
    symbols : sequence of str, optional
        Those to keep; None: all.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource],
        source: Mapping[str, Any],
        contracts: ContractsChoice,
        gaps: Sequence[tuple[int, int, int]] = (),
        symbols: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._sources, self._lost = tuple(sources), tuple(gaps)
        self._source, self._contracts_of = dict(source), contracts
        self._wanted = None if symbols is None else tuple(symbols)
        self._survey: Survey | None = None
        self._has_warned = False
        self.progress = progress
        for each in self._sources:
            for path in each.paths:
                FrameFile(path).close()  # one that cannot be read is told now

    @property
    def source(self) -> dict[str, Any]:
        return dict(self._source)

    def survey(self) -> Survey:
        """Read all of it once, unless that was done before."""
        if self._survey is None:
            for _ in self._read(BLOCK_ROWS):
                pass
        assert self._survey is not None
        return self._survey

    def _chosen(self) -> tuple[Contracts, str]:
        found = self.survey()
        return self._contracts_of.of(found.symbols, found.names)

    def venue_name(self, venue: str, symbol: str) -> str:
        return self.survey().names.get((venue, symbol)) or super().venue_name(venue, symbol)

    # attributes of the base, found when they are asked for
    @property
    def symbols(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self.survey().symbols)

    @property
    def contracts(self) -> Contracts:  # type: ignore[override]
        return self._chosen()[0]

    @property
    def contracts_from(self) -> str:  # type: ignore[override]
        return self._chosen()[1]

    @property
    def has_depth(self) -> bool:  # type: ignore[override]
        return self.survey().has_depth

    @property
    def start_ns(self) -> int:  # type: ignore[override]
        return self.survey().start_ns

    @property
    def end_ns(self) -> int:  # type: ignore[override]
        return self.survey().end_ns

    @property
    def gaps(self) -> tuple[Gap, ...]:  # type: ignore[override]
        return tuple(self.survey().gaps)

    @property
    def count(self) -> int:  # type: ignore[override]
        return self.survey().count

    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        for block in self._read(rows):
            for first in range(0, len(block), rows):
                yield block[first : first + rows]

    # ---- reading ---------------------------------------------------------------------------------

    def _read(self, rows: int) -> "Iterator[NDArray[np.void]]":
        core = MarketFrames(
            [(each.venue, each.line, each.lift) for each in self._sources],
            self._lost,
            rows=rows,
            buffer_bytes=BUFFER_BYTES,
        )
        files = [_Pieces(each) for each in self._sources]
        found = Survey()
        if self._wanted is not None:
            found.symbols = list(self._wanted)
        try:
            while (need := core.run()) != FramesNeed.DONE:
                if need == FramesNeed.BYTES:
                    self._feed(core, files[core.asked])
                elif need == FramesNeed.NAME:
                    self._learn(core, found)
                elif need == FramesNeed.UNORDERED:
                    raise self._unordered(core, files[core.asked])
                elif len(block := core.take()):
                    found.add(block)
                    yield block
                    self._tell(files)
            if len(block := core.take()):
                found.add(block)
                yield block
        finally:
            for file in files:
                file.close()
        self._finish(core, found)

    def _feed(self, core: MarketFrames, file: _Pieces) -> None:
        room = core.free_space(core.asked)
        if len(room) == 0:
            raise ConfigError(
                f"frames file {file.path} has a line longer than {BUFFER_BYTES} bytes; "
                "a line is `recv_ns TAB frame`"
            )
        core.filled(core.asked, file.read_into(room))

    def _learn(self, core: MarketFrames, found: Survey) -> None:
        venue, name = VENUES[core.asked], core.name.decode("utf-8", "backslashreplace")
        try:
            symbol = canonical_symbol(venue, name)
        except ConfigError:
            symbol = name  # not settled in dollars, say: its own name serves
        found.seen.add(symbol)
        if symbol not in found.symbols and self._wanted is None:
            found.symbols.append(symbol)
        is_kept = symbol in found.symbols
        try:
            core.learn(
                core.asked,
                core.name,
                symbol.encode(),
                found.symbols.index(symbol) if is_kept else UNWANTED,
            )
        except ValueError as error:
            raise ConfigError(f"{venue} frames: {error}; choose some of its --symbols") from None
        if is_kept:
            found.names[venue, symbol] = name

    def _unordered(self, core: MarketFrames, file: _Pieces) -> ConfigError:
        counts = core.source_counts(core.asked)
        return ConfigError(
            f"frames file {file.path}, line {counts['lines']}, was received "
            f"{(counts['latest_ns'] - counts['recv_ns']) / 1e9:.9f} s before a line above it; "
            "sort the file by its times: sort -s -n -k1,1"
        )

    def _tell(self, files: Sequence[_Pieces]) -> None:
        if self.progress is not None:
            size = sum(file.source.size_bytes for file in files)
            self.progress(sum(file.read_bytes for file in files) / size if size else 1.0)

    # ---- at the end ------------------------------------------------------------------------------

    def _finish(self, core: MarketFrames, found: Survey) -> None:
        found.counts = core.counts
        found.gaps = [
            Gap(told_ns, before_ns, VENUES[venue], None, lost)
            for venue, told_ns, before_ns, lost in core.gaps
        ]
        for place, source in enumerate(self._sources):
            self._check(core.source_counts(place), source)
        for symbol in set(self._wanted or ()) - found.seen:
            raise ConfigError(
                f"symbol was {symbol!r}; {self._sources[0].paths[0]} holds "
                f"{', '.join(sorted(found.seen)) or 'none'}"
            )
        for venue in {source.venue for source in self._sources}:
            name = VENUES[venue]
            if (
                not found.counts[f"waiting_{name}"]
                + found.counts[f"quotes_{name}"]
                + found.counts[f"updates_{name}"]
            ):
                self._complain_of_nothing(venue)
        if not self._has_warned:
            self._warn(core)
        self._survey = found

    def _check(self, counts: dict[str, Any], source: FrameSource) -> None:
        path = source.paths[-1]
        if counts["ends_cut"] and path.suffix != PART:
            raise ConfigError(
                f"frames file {path} ends in the middle of line {counts['lines']}; copy it again, "
                "or take that line away"
            )
        if counts["malformed_lines"] and not source.lift:
            raise ConfigError(
                f"frames file {source.paths[0]}, line {counts['first_malformed_line']}, is not "
                f"`recv_ns TAB frame`, as {counts['malformed_lines']} of {counts['frames']} lines "
                "are not; take them away, or copy the file again"
            )

    def _complain_of_nothing(self, venue: int) -> None:
        name, other = VENUES[venue], VENUES[1 - venue]
        path = next(each.paths[0] for each in self._sources if each.venue == venue)
        if self._wanted is not None:
            return  # of these symbols there is none
        advice = f"a line is `recv_ns TAB frame`, a frame as {name} sent it"
        if speaks_of(other, path):
            advice = f"its frames look like {other}'s: were the two files swapped?"
        raise FramesError(f"{path} holds no quote of {name}; {advice}")

    def _warn(self, core: MarketFrames) -> None:
        self._has_warned = True
        for venue in sorted({source.venue for source in self._sources}):
            name = VENUES[venue]
            # before a recorder's first whole book there may be some; without one there is no depth
            if (waiting := core.counts[f"waiting_{name}"]) and not core.counts[f"updates_{name}"]:
                log.warning(
                    "%s: %d book updates of %s, and no snapshot of any book: the quotes are read, "
                    "the books are not",
                    self._sources[0].paths[0].parent,
                    waiting,
                    name,
                )
        for place, source in enumerate(self._sources):
            counts, path = core.source_counts(place), source.paths[0]
            if counts["refused"]:
                log.warning(
                    "%s: %d of %d frames could not be read and were left out, the first is line "
                    "%d: %s",
                    path,
                    counts["refused"],
                    counts["frames"],
                    counts["first_refused_line"],
                    counts["first_reason"],
                )
            if counts["unordered"]:
                log.warning(
                    "%s: %d of %d lines were written late and are taken at the time of the line "
                    "before them",
                    path,
                    counts["unordered"],
                    counts["frames"],
                )


def speaks_of(venue: str, path: Path) -> bool:
    """Tell whether a quote, a book or funding of the venue is near the file's beginning."""
    with FrameFile(path) as file:
        room = bytearray(LOOK_BYTES)
        text = bytes(room[: file.read_into(memoryview(room))])
    core = MarketFrames([(VENUES.index(venue), 0, True)], buffer_bytes=LOOK_BYTES + 1)
    while (need := core.run()) != FramesNeed.NAME:
        if need != FramesNeed.BYTES:
            return False
        core.free_space(0)[: len(text)] = text
        core.filled(0, len(text))
        text = b""
    return True
