"""Record a running trader's raw market frames, as they came, from a process of its own.

The trader copies each frame of its public connections into the tap of its feed lane when it was
started with ``ARB_TAP_MB``; a recorder reads the taps from the trader's segment, read-only, and can
never slow it. A recorder that is too slow is lapped: what it lost is counted exactly, told in the
log and listed in ``recording.json``.

A file holds what one connection of a venue said, as ``recv_ns TAB frame`` lines in the order of
their arrival; the copies of parallel connections go to files of their own. ``recv_ns`` is the wall
clock: the trader's monotonic stamp plus an offset that is measured once for all, so that distances
stay what they were.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from arbitrage.cold.frames_writer import FramesWriter
from arbitrage.core.clock import wall_ns
from arbitrage.core.segment import VENUES, Segment
from arbitrage.core.tap import TapReader
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.frame_files import PART, SUFFIXES

__all__ = ["SUMMARY", "Recorder"]

SUMMARY = "recording.json"
TURN_S = 0.005
FLUSH_S = 1.0
BATCH_MAX = 10_000  # frames of a lane in one turn
# A frame is stamped a moment before it is in its tap: frames younger than this wait for those of
# other lanes that may be older.
HOLD_NS = 20_000_000
FOREVER_NS = 1 << 62
GAPS_MAX = 1_000  # listed one by one
WARN_S = 1.0
_log = logging.getLogger("arbitrage.record")

Frame = tuple[int, int, int, bytes]  # recv_mono_ns, venue, line, payload


class _Lane:
    """One lane's tap, and how far it has been read."""

    def __init__(self, index: int, reader: TapReader) -> None:
        self.index, self.reader = index, reader
        self.before = reader.position  # frames that were written before we came
        self.lost_frames = self.lost_bytes = 0
        self.last_mono_ns = 0

    def take(self, into: list[Frame]) -> tuple[bool, list[tuple[int, int, int]]]:
        """Read what waits; return whether that was all, and gaps: (at, frames, bytes)."""
        gaps: list[tuple[int, int, int]] = []
        for _ in range(BATCH_MAX):
            found = self.reader.read()
            if found is None:
                return True, gaps
            mono_ns = found[0]
            if self.reader.lost_frames != self.lost_frames:
                lost = self.reader.lost_frames - self.lost_frames
                lost_bytes = self.reader.lost_bytes - self.lost_bytes
                gaps.append((mono_ns, lost, lost_bytes))
                self.lost_frames += lost
                self.lost_bytes += lost_bytes
            self.last_mono_ns = mono_ns
            into.append(found)
        return False, gaps


class Recorder:
    """Copy the taps of a trader into files.

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
    ) -> None:
        self._segment, self._folder = segment, folder
        self._venues = {VENUES.index(venue): venue for venue in venues}
        self._compress = compress
        self._rotate_bytes, self._rotate_s = rotate_bytes, rotate_s
        self._rotates = rotate_bytes > 0 or rotate_s > 0
        self._files: dict[tuple[int, int], FramesWriter] = {}  # by venue and line
        self._whole: list[dict[str, Any]] = []
        self._held: list[Frame] = []
        self._gaps: list[dict[str, int]] = []
        self._gap_count = 0
        self._piece = 0
        self._piece_s = self._flush_s = self._warn_s = 0.0
        self._untold_lost = 0
        self.reshaped = 0  # frames with a line end inside, which became a space
        self.unordered = 0  # lines older than the line before them
        taps = [segment.tap(index) for index in range(segment.spec["lane_count"])]
        if not all(tap.enabled for tap in taps):
            raise ConfigError(
                f"trader {segment.name!r} keeps no raw frames; start it with ARB_TAP_MB=64"
            )
        self._refused_before = sum(tap.refused for tap in taps)
        self._lanes = [_Lane(index, tap.reader()) for index, tap in enumerate(taps)]
        self._taps = taps
        self._offset_ns = _wall_offset_ns(segment)
        self._begun_wall_ns = wall_ns()

    # ---- what a caller sees ----------------------------------------------------------------------

    @property
    def frames(self) -> dict[str, int]:
        """Frames written, by venue."""
        counts = dict.fromkeys(self._venues.values(), 0)
        for row in self._whole:
            counts[row["venue"]] += row["frames"]
        for (venue, _), file in self._files.items():
            counts[self._venues[venue]] += file.frames
        return counts

    @property
    def written_bytes(self) -> int:
        """Size of all files so far."""
        done = sum(int(row["file_bytes"]) for row in self._whole)
        return done + sum(file.written_bytes for file in self._files.values())

    @property
    def lost_frames(self) -> int:
        """Frames that the trader had and the files have not."""
        lapped = sum(lane.lost_frames for lane in self._lanes)
        return lapped + sum(tap.refused for tap in self._taps) - self._refused_before

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
            self._write_until(FOREVER_NS)
            self._close_files()
            self._write_summary(why)
        except BaseException:
            for file in self._files.values():
                file.abandon()
            raise
        return why

    # ---- a turn ----------------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Move what waits in the taps into the files; return whether anything did."""
        now_ns = self._segment.clock.now()
        before = len(self._held)
        until_ns = now_ns - HOLD_NS
        for lane in self._lanes:
            is_all, gaps = lane.take(self._held)
            for gap in gaps:
                self._note_gap(lane, *gap)
            if not is_all:
                until_ns = min(until_ns, lane.last_mono_ns)
        took = len(self._held) > before
        self._held.sort(key=lambda frame: frame[0])  # stable: a lane's own order stays
        self._write_until(until_ns)
        self._keep_time(time.monotonic())
        return took

    def _write_until(self, mono_ns: int) -> None:
        count = len(self._held)
        while count and self._held[count - 1][0] > mono_ns:
            count -= 1
        if count == 0:
            return
        lines: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
        for recv_mono_ns, venue, line, payload in self._held[:count]:
            if venue not in self._venues:
                continue
            if b"\n" in payload or b"\r" in payload:
                payload = payload.replace(b"\n", b" ").replace(b"\r", b" ")
                self.reshaped += 1
            lines.setdefault((venue, line), []).append((recv_mono_ns + self._offset_ns, payload))
        del self._held[:count]
        for key, taken in lines.items():
            file = self._files.get(key) or self._open_file(*key)
            if taken[0][0] < file.last_recv_ns:
                self.unordered += 1
            file.write(taken)

    def _keep_time(self, now_s: float) -> None:
        if now_s - self._flush_s >= FLUSH_S:
            self._flush_s = now_s
            for file in self._files.values():
                file.flush()
        if self._untold_lost and now_s - self._warn_s >= WARN_S:
            self._warn_s = now_s
            _log.warning(
                "lost %d frames, %d in all: the recorder was slower than the trader; a larger "
                "ARB_TAP_MB gives it more time",
                self._untold_lost,
                self.lost_frames,
            )
            self._untold_lost = 0
        if self._rotates and (
            (self._rotate_s and now_s - self._piece_s >= self._rotate_s)
            or any(
                self._rotate_bytes and file.written_bytes >= self._rotate_bytes
                for file in self._files.values()
            )
        ):
            self._close_files()
            self._open_files()

    def _note_gap(self, lane: _Lane, before_mono_ns: int, frames: int, lost_bytes: int) -> None:
        self._untold_lost += frames
        self._gap_count += 1
        if len(self._gaps) < GAPS_MAX:
            self._gaps.append(
                {
                    "lane": lane.index,
                    "before_recv_ns": before_mono_ns + self._offset_ns,
                    "frames": frames,
                    "bytes": lost_bytes,
                }
            )

    # ---- files -----------------------------------------------------------------------------------

    def _open_files(self) -> None:
        self._piece += 1
        for venue in self._venues:
            self._open_file(venue, 0)
        self._piece_s = self._flush_s = time.monotonic()

    def _open_file(self, venue: int, line: int) -> FramesWriter:
        name = self._venues[venue] + (f"-line{line}" if line else "")
        number = f".{self._piece:04d}" if self._rotates else ""
        path = self._folder / f"{name}{number}.frames{SUFFIXES[self._compress]}"
        self._files[venue, line] = FramesWriter(path, self._compress)
        return self._files[venue, line]

    def _close_files(self) -> None:
        for key in list(self._files):
            file = self._files[key]
            file.close()
            del self._files[key]
            self._whole.append(
                {
                    "file": file.path.name,
                    "venue": self._venues[key[0]],
                    "line": key[1],
                    "frames": file.frames,
                    "frame_bytes": file.frame_bytes,
                    "file_bytes": file.written_bytes,
                    "first_recv_ns": file.first_recv_ns,
                    "last_recv_ns": file.last_recv_ns,
                }
            )

    def _write_summary(self, why: str) -> None:
        segment, path = self._segment, self._folder / SUMMARY
        part = path.with_name(path.name + PART)
        found = {
            "trader": segment.name,
            "run": segment.run,
            "mode": segment.mode,
            "pid": segment.pid,
            "begun": _iso(self._begun_wall_ns),
            "ended": _iso(wall_ns()),
            "why": why,
            "wall_offset_ns": self._offset_ns,
            "tap_bytes": self._taps[0].capacity,
            "files": self._whole,
            "frames": self.frames,
            "frames_before": [lane.before for lane in self._lanes],
            "lost_frames": self.lost_frames,
            "lost_bytes": sum(lane.lost_bytes for lane in self._lanes),
            "too_long_frames": sum(tap.refused for tap in self._taps) - self._refused_before,
            "reshaped_frames": self.reshaped,
            "unordered": self.unordered,
            "gaps": self._gaps,
            "gaps_not_listed": self._gap_count - len(self._gaps),
        }
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
