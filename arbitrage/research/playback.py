"""A recording's opportunities, as far as the recording's own clock has come.

Those that the trader published are played as they are (`PublishedPlayback`); recorded frames are
judged anew, step by step, by the replay's parsers and detector (`Playback`).
"""

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from arbitrage.closing import Closing
from arbitrage.core.records import OPPORTUNITY_DTYPE
from arbitrage.core.replay import ReplayCore
from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule
from arbitrage.frame_files import find_frames
from arbitrage.instruments import VENUES
from arbitrage.record_files import OPPORTUNITIES, Block, RecordFile, pieces_of
from arbitrage.research.frames import FrameFile

__all__ = ["Playback", "Played", "PublishedPlayback"]

STEP_BYTES = 1 << 16  # of a file at once: so far may the counts run ahead of the clock
ROWS_PER_VENUE = 2000  # of the replay's store
BOTH = 2  # `ReplayCore.run`: neither file has more
FULL = 3
NEVER_NS = 1 << 62


@dataclass(frozen=True, slots=True)
class Played:
    """One event of an opportunity, named; `recv_ns` and `open_ns` by the clock of the files."""

    id: int
    event: int
    reason: int
    recv_ns: int
    open_ns: int
    symbol: str
    buy_venue: str
    sell_venue: str
    gross_bps: float | None
    fees_bps: float
    slippage_bps: float | None
    funding_bps: float
    net_bps: float | None
    peak_net_bps: float
    size_usd: float | None


class Playback(Closing):
    """Play a recording's opportunities through the replay's parsers and detector.

    Threads: one.

    Parameters
    ----------
    folder : Path
        What `arb record` wrote.
    fees : FeeSchedule
        Taker fees.
    min_net_bps : float
        An opportunity opens at this net edge.
    max_age_ms : float
        Oldest quote of a leg; 0: off.

    Raises
    ------
    ConfigError
        The folder lacks a venue's frames, or they cannot be read.
    """

    def __init__(
        self, folder: Path, fees: FeeSchedule, min_net_bps: float = 0.0, max_age_ms: float = 0.0
    ) -> None:
        paths = [find_frames(folder, venue) for venue in VENUES]
        for venue, path in zip(VENUES, paths, strict=True):
            if path is None:
                raise ConfigError(
                    f"{folder} holds no frames of {venue}; expected is what arb record --out wrote"
                )
        taker_bps: Mapping[str, float] = fees.by_venue()
        try:
            self._core = ReplayCore(
                min_net_bps,
                bybit_taker_bps=taker_bps["bybit"],
                okx_taker_bps=taker_bps["okx"],
                max_age_ns=round(max_age_ms * 1e6),
                keep_quotes=False,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        self._files = [FrameFile(path) for path in paths if path is not None]
        self._read_ns = [0 for _ in VENUES]  # of the newest whole line handed over
        self._waiting: deque[Played] = deque()
        self._end_ns = 0
        self.is_read = False
        begun = []
        for number, file in enumerate(self._files):
            chunk = self._feed(number)
            if not chunk:
                raise ConfigError(f"frames file {file.path} holds no frame")
            begun.append(_recv_ns(chunk))
        self.start_ns = min(begun)

    def advance(self, until_ns: int) -> list[Played]:
        """Handle what was received up to then; return the events up to then, in order."""
        while not self.is_read:
            venue = self._core.run()
            self._take()
            if venue == BOTH:
                self.is_read = True
            elif venue != FULL:
                if self._read_ns[venue] > until_ns:
                    break  # all it holds is handled, and what else there is up to that line
                self._feed(venue)
        found = []
        while self._waiting and self._waiting[0].recv_ns <= until_ns:
            found.append(self._waiting.popleft())
        return found

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.is_read and not self._waiting

    @property
    def end_ns(self) -> int:
        """Time of the newest line read so far."""
        return self._end_ns

    @property
    def malformed(self) -> int:
        """Frames so far that could not be read."""
        return self._core.counts["malformed"]

    @property
    def lost(self) -> int:
        """Events that are missing: frames do not tell."""
        return 0

    def close(self) -> None:
        """Close both files."""
        for file in self._files:
            file.close()

    def _feed(self, number: int) -> bytes:
        """Hand over the next piece of a file; return it, empty at the end."""
        room = self._core.free_space(number)[:STEP_BYTES]
        if len(room) == 0:
            raise ConfigError(f"frames file {self._files[number].path} has a line too long to read")
        size = self._files[number].read_into(room)
        chunk = bytes(room[:size])
        self._core.filled(number, size)
        if size:
            self._read_ns[number] = max(self._read_ns[number], _newest_ns(chunk))
            self._end_ns = max(self._end_ns, self._read_ns[number])
        else:
            self._read_ns[number] = NEVER_NS
        return chunk

    def _take(self) -> None:
        if self._core.event_count == 0:
            return
        symbols, events = self._core.symbols(), self._core.events()
        self._core.drop_events()
        for event in events:
            # no file of frames says what a contract holds
            self._waiting.append(_played(event, symbols, ROWS_PER_VENUE, size_usd=None))


class PublishedPlayback(Closing):
    """Play the opportunities that a trader published, as `arb record` kept them.

    Threads: one.

    Parameters
    ----------
    folder : Path
        What `arb record` wrote, or is writing.

    Raises
    ------
    ConfigError
        The folder holds no published opportunity, or a file of it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = pieces_of(folder, OPPORTUNITIES)
        if not self._paths:
            raise ConfigError(f"{folder} holds no recorded opportunities")
        with RecordFile(self._paths[0]) as file:
            self.session: dict[str, Any] = file.session
        try:
            self._offset_ns = int(self.session["wall_offset_ns"])
            self._symbols = tuple(self.session["symbols"])
            self._rows_per_venue = int(self.session["symbol_capacity"])
            self._px_mult = {
                int(each["row"]): float(each["px_mult"]) for each in self.session["contracts"]
            }
        except (KeyError, TypeError, ValueError):
            raise ConfigError(
                f"record file {self._paths[0]} does not say what its rows are"
            ) from None
        self._blocks = self._read_blocks()
        self._waiting: deque[Played] = deque()
        self._following: int | None = None  # number of the event that comes next
        self.lost = 0
        self.is_read = False
        self.end_ns = 0
        while not self._waiting:
            self._turn()
            if self.is_read and not self._waiting:
                raise ConfigError(f"{folder} holds no recorded opportunities")
        self.start_ns = self._waiting[0].recv_ns

    def advance(self, until_ns: int) -> list[Played]:
        """Return the events published up to then, in order."""
        while not self.is_read and self.end_ns <= until_ns:
            self._turn()
        found = []
        while self._waiting and self._waiting[0].recv_ns <= until_ns:
            found.append(self._waiting.popleft())
        return found

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.is_read and not self._waiting

    @property
    def malformed(self) -> int:
        """Frames that could not be read: opportunities do not tell."""
        return 0

    def close(self) -> None:
        """Close the file that is being read."""
        self._blocks.close()

    def _read_blocks(self) -> Generator[Block, None, None]:
        for path in self._paths:
            with RecordFile(path) as file:
                yield from file.blocks()

    def _turn(self) -> None:
        import numpy as np

        block = next(self._blocks, None)
        if block is None:
            self.is_read = True
            return
        if self._following is not None:
            self.lost += max(0, block.first - self._following)
        self._following = block.first + block.count
        for event in np.frombuffer(block.records, OPPORTUNITY_DTYPE):
            # its own trigger's time; those of one round may be told in another order
            at_ns = max(self.end_ns, int(event["recv_mono_ns"]) + self._offset_ns)
            qty = min(float(event["ask_qty"]), float(event["bid_qty"]))
            size_usd = float(event["ask_px"]) * self._px_mult.get(int(event["buy_row"]), 1.0) * qty
            told = _played(event, self._symbols, self._rows_per_venue, size_usd)
            opened_ns = told.open_ns + self._offset_ns
            self._waiting.append(replace(told, recv_ns=at_ns, open_ns=opened_ns))
            self.end_ns = at_ns


def _played(
    event: Any, symbols: Sequence[str], rows_per_venue: int, size_usd: float | None
) -> Played:
    """Name what an event of the opportunity dtype says."""
    told: dict[str, Any] = dict(zip(event.dtype.names, event.item(), strict=True))
    return Played(
        id=told["id"],
        event=told["event"],
        reason=told["reason"],
        recv_ns=told["recv_mono_ns"],
        open_ns=told["open_mono_ns"],
        symbol=symbols[told["symbol_index"]],
        buy_venue=VENUES[told["buy_row"] // rows_per_venue],
        sell_venue=VENUES[told["sell_row"] // rows_per_venue],
        gross_bps=_number(told["gross_bps"]),
        fees_bps=told["fees_bps"],
        slippage_bps=_number(told["slippage_bps"]),
        funding_bps=told["funding_bps"],
        net_bps=_number(told["net_bps"]),
        peak_net_bps=told["peak_net_bps"],
        size_usd=None if size_usd is None else _number(size_usd),
    )


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _recv_ns(line: bytes) -> int:
    """Return the time at the beginning of a line; 0 where there is none."""
    digits, tab, _ = line.partition(b"\t")
    return int(digits) if tab and digits.isdigit() else 0


def _newest_ns(chunk: bytes) -> int:
    """Return the time of the last whole line that begins in a piece of a file; 0: none does."""
    lines = chunk.rsplit(b"\n", 2)
    return _recv_ns(lines[-2]) if len(lines) > 1 else 0
