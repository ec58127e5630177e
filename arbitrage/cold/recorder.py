"""Record a running trader from a process of its own: raw frames, decisions, opportunities.

A trader that was started with ``ARB_TAP_MB`` copies each frame of its public connections into the
tap of its feed lane, and its detector tells all it does, in its own order, to a tap of decisions. A
recorder reads the taps from the trader's segment, read-only, and can never slow it. A recorder that
is too slow is lapped: what it lost is counted exactly, told in the log and listed in
``recording.json``.

A file of frames holds what one connection of a venue said, as ``recv_ns TAB frame`` lines in the
order of their arrival; the copies of parallel connections go to files of their own. ``recv_ns`` is
the wall clock: the trader's monotonic stamp plus an offset that is measured once for all, so that
distances stay what they were. Files of decisions and opportunities: `arbitrage.record_files`.
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from arbitrage.cold.beside import RecorderState
from arbitrage.cold.frame_stream import FrameStream
from arbitrage.cold.record_stream import Place, Stream
from arbitrage.cold.typed_streams import DecisionStream, OpportunityStream
from arbitrage.core.clock import wall_ns
from arbitrage.core.segment import VENUES, Segment
from arbitrage.errors import ArbitrageError
from arbitrage.frame_files import PART
from arbitrage.record_files import SUMMARY

__all__ = ["STREAMS", "SUMMARY", "Recorder"]

STREAMS = ("frames", "decisions", "opportunities")
MANIFEST_VERSION = 2
TURN_S = 0.005
FLUSH_S = 1.0
WARN_S = 1.0
_log = logging.getLogger("arbitrage.record")


class Recorder:
    """Copy what a trader tells into files.

    Threads: one.

    Parameters
    ----------
    segment : Segment
        The trader, attached.
    folder : Path
        Made when it is not there; a recording that lies in it is not overwritten.
    venues : sequence of str
        Whose frames to keep.
    compress : str
        ``gzip``, ``zstd`` or ``none``.
    rotate_bytes, rotate_s : float
        Begin new files when one has this size (compressed) or this age; 0: never.
    without : collection of str
        Which of `STREAMS` to leave out.
    """

    def __init__(
        self,
        segment: Segment,
        folder: Path,
        *,
        venues: Sequence[str] = VENUES,
        compress: str = "gzip",
        rotate_bytes: float = 0,
        rotate_s: float = 0,
        without: Collection[str] = (),
    ) -> None:
        self._segment, self._folder = segment, folder
        self._rotate_bytes, self._rotate_s = rotate_bytes, rotate_s
        self._rotates = rotate_bytes > 0 or rotate_s > 0
        self._piece = 0
        self._piece_s = self._flush_s = self._warn_s = 0.0
        self._place = Place(folder, compress, self._rotates, _wall_offset_ns(segment))
        made: dict[str, Stream] = {}
        # An opportunity is published before the decision that made it is told: to begin with
        # opportunities, and to take them last in every turn, leaves none of them out.
        if "opportunities" not in without:
            made["opportunities"] = OpportunityStream(segment, self._place)
        if "decisions" not in without:
            made["decisions"] = DecisionStream(segment, self._place)
        if "frames" not in without:
            made["frames"] = FrameStream(segment, self._place, venues)
        self.streams = {name: made[name] for name in STREAMS if name in made}
        self._begun_wall_ns = wall_ns()

    # ---- what a caller sees ----------------------------------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """Frames written, by venue; decisions and opportunities."""
        found: dict[str, int] = {}
        if isinstance(frames := self.streams.get("frames"), FrameStream):
            found |= {f"{venue} frames": count for venue, count in frames.frames.items()}
        for name in STREAMS[1:]:
            if isinstance(stream := self.streams.get(name), (DecisionStream, OpportunityStream)):
                found[name] = stream.records
        return found

    @property
    def written_bytes(self) -> int:
        """Size of all files so far."""
        return sum(
            stream.whole_bytes + sum(file.written_bytes for file in stream.files)
            for stream in self.streams.values()
        )

    @property
    def lost(self) -> dict[str, int]:
        """What the trader had and the files have not, by stream; only those that lost any."""
        found: dict[str, int] = {}
        for name, stream in self.streams.items():
            if isinstance(stream, FrameStream):
                found[name] = stream.lost_frames
            elif isinstance(stream, (DecisionStream, OpportunityStream)):
                found[name] = stream.lost_records
        return {name: count for name, count in found.items() if count}

    @property
    def state(self) -> RecorderState:
        """What is told of it to who watches the trader."""
        return RecorderState(
            written={name.replace(" ", "_"): count for name, count in self.counts.items()},
            lost=dict.fromkeys(self.streams, 0) | self.lost,
            written_bytes=self.written_bytes,
        )

    def open(self) -> None:
        """Make the folder and the first files."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArbitrageError(
                f"{self._folder} cannot be made: {error.strerror}; choose another --out"
            ) from None
        if (self._folder / SUMMARY).exists():
            raise ArbitrageError(
                f"{self._folder} holds a recording already and is not overwritten; choose another "
                "--out, or move it away"
            )
        self._open_files()

    def run(self, should_stop: Callable[[], bool], tell: Callable[[], None]) -> str:
        """Record until told to stop or until the trader ends; return which of them it was.

        `tell` is called at every turn. When a file cannot be written the files stay parts.
        """
        why = "asked to stop"
        try:
            while not should_stop():
                was_alive = self._segment.alive  # asked first: what came before the end is read
                took = self._turn()
                tell()
                if not took and not was_alive:
                    why = "the trader ended"
                    break
                if not took:
                    time.sleep(TURN_S)
            self._turn()
            for stream in self.streams.values():
                stream.finish()
            self._close_files()
            self._write_summary(why)
        except BaseException:
            for stream in self.streams.values():
                for file in stream.files:
                    file.abandon()
            raise
        return why

    # ---- a turn ----------------------------------------------------------------------------------

    def _turn(self) -> bool:
        took = [stream.turn() for stream in self.streams.values()]
        self._keep_time(time.monotonic())
        return any(took)

    def _keep_time(self, now_s: float) -> None:
        if now_s - self._flush_s >= FLUSH_S:
            self._flush_s = now_s
            for stream in self.streams.values():
                for file in stream.files:
                    file.flush()
        if now_s - self._warn_s >= WARN_S:
            losses = [stream.take_untold_loss() for stream in self.streams.values()]
            if any(losses):
                self._warn_s = now_s
                _log.warning(
                    "lost %s: the recorder was slower than the trader; a larger ARB_TAP_MB gives "
                    "it more time",
                    "; ".join(loss for loss in losses if loss),
                )
        if self._rotates and self._is_full(now_s):
            self._close_files()
            self._open_files()

    def _is_full(self, now_s: float) -> bool:
        if self._rotate_s and now_s - self._piece_s >= self._rotate_s:
            return True
        return self._rotate_bytes > 0 and any(
            file.written_bytes >= self._rotate_bytes
            for stream in self.streams.values()
            for file in stream.files
        )

    # ---- files -----------------------------------------------------------------------------------

    def _open_files(self) -> None:
        self._piece += 1
        for stream in self.streams.values():
            stream.open_files(self._piece)
        self._piece_s = self._flush_s = time.monotonic()

    def _close_files(self) -> None:
        for stream in self.streams.values():
            stream.close_files()

    def _write_summary(self, why: str) -> None:
        segment, path = self._segment, self._folder / SUMMARY
        part = path.with_name(path.name + PART)
        found = {
            "version": MANIFEST_VERSION,
            "trader": segment.name,
            "run": segment.run,
            "mode": segment.mode,
            "pid": segment.pid,
            "begun": _iso(self._begun_wall_ns),
            "ended": _iso(wall_ns()),
            "why": why,
            "wall_offset_ns": self._place.wall_offset_ns,
        } | {name: stream.summary() for name, stream in self.streams.items()}
        try:
            part.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
            os.rename(part, path)
        except OSError as error:
            raise ArbitrageError(f"{part} cannot be written: {error.strerror}") from None


def _wall_offset_ns(segment: Segment) -> int:
    """Measure the wall clock less the trader's clock, by the quickest of some tries."""
    narrowest, offset_ns = 1 << 62, 0
    for _ in range(16):
        before_ns = segment.clock.now()
        at_ns = wall_ns()
        after_ns = segment.clock.now()
        if after_ns - before_ns < narrowest:
            narrowest = after_ns - before_ns
            offset_ns = at_ns - (before_ns + after_ns) // 2
    return offset_ns


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds")
