"""The raw frames of a trader's taps, merged by time, one file a connection of a venue.

Books that the lanes tell between the frames (told_book.h) are written once a file, and again where
frames were lost: what comes behind them continues them, so every piece of a recording has books.
"""

import logging
from collections.abc import Sequence
from typing import Any

from arbitrage.cold.part_file import FramesWriter, PartFile
from arbitrage.cold.record_stream import GAPS_MAX, Place, Stream, not_recordable
from arbitrage.cold.told_books import ToldBook
from arbitrage.core.segment import VENUES, Segment
from arbitrage.core.tap import ASIDE, TapReader

__all__ = ["FrameStream"]

BATCH_MAX = 10_000  # frames of a lane in one turn
# A frame is stamped a moment before it is in its tap: frames younger than this wait for those of
# other lanes that may be older.
HOLD_NS = 20_000_000
FOREVER_NS = 1 << 62
_log = logging.getLogger("arbitrage.record")

Frame = tuple[int, int, int, bytes | ToldBook]  # recv_mono_ns, venue, line, payload


class _Lane:
    """One lane's tap, and how far it has been read."""

    def __init__(self, index: int, reader: TapReader) -> None:
        self.index, self.reader = index, reader
        self.before = reader.position  # frames that were written before we came
        self.lost_frames = self.lost_bytes = 0
        self.last_mono_ns = 0
        self.gaps = 0

    def take(self, into: list[Frame]) -> tuple[bool, list[tuple[int, int, int, int]]]:
        """Read what waits; return whether that was all, and gaps: (at, from, frames, bytes)."""
        gaps: list[tuple[int, int, int, int]] = []
        for _ in range(BATCH_MAX):
            found = self.reader.read()
            if found is None:
                return True, gaps
            mono_ns, is_aside = found[0], found[2] == ASIDE
            if self.reader.lost_frames != self.lost_frames:
                lost = self.reader.lost_frames - self.lost_frames
                lost_bytes = self.reader.lost_bytes - self.lost_bytes
                first = self.reader.position - lost - (0 if is_aside else 1)
                gaps.append((mono_ns, first, lost, lost_bytes))
                self.lost_frames += lost
                self.lost_bytes += lost_bytes
                self.gaps += 1
            self.last_mono_ns = mono_ns
            if is_aside:
                told = ToldBook.of(found[1], found[3], self.gaps)
                into.append((mono_ns, told.venue, told.line, told))
            else:
                into.append(found)
        return False, gaps


class FrameStream(Stream):
    """Copy the frames of all lanes into files of lines.

    Threads: the recorder's.
    """

    def __init__(self, segment: Segment, place: Place, venues: Sequence[str]) -> None:
        taps = [segment.tap(index) for index in range(segment.spec["lane_count"])]
        if not all(tap.enabled for tap in taps):
            raise not_recordable(segment.name)
        self._segment, self._place = segment, place
        self._venues = {VENUES.index(venue): venue for venue in venues}
        self._files: dict[tuple[int, int], FramesWriter] = {}  # by venue and line
        self._whole: list[dict[str, Any]] = []
        self._held: list[Frame] = []
        self._gaps: list[dict[str, int]] = []
        self._gap_count = 0
        self._untold_lost = 0
        self._piece = 0
        self._stated: dict[int, tuple[int, int]] = {}  # by row: the piece, and gaps before it
        self.books = dict.fromkeys(self._venues.values(), 0)
        self.reshaped = 0  # frames with a line end inside, which became a space
        self.unordered = 0  # lines older than the line before them
        self._refused_before = sum(tap.refused for tap in taps)
        self._lanes = [_Lane(index, tap.reader()) for index, tap in enumerate(taps)]
        self._taps = taps

    @property
    def files(self) -> Sequence[PartFile]:
        return list(self._files.values())

    @property
    def frames(self) -> dict[str, int]:
        """Frames written that the venue sent, by venue."""
        counts = dict.fromkeys(self._venues.values(), 0)
        for row in self._whole:
            counts[row["venue"]] += row["frames"]
        for (venue, _), file in self._files.items():
            counts[self._venues[venue]] += file.frames
        return {venue: count - self.books[venue] for venue, count in counts.items()}

    @property
    def whole_bytes(self) -> int:
        return sum(int(row["file_bytes"]) for row in self._whole)

    @property
    def lost_frames(self) -> int:
        """Frames that the trader had and the files have not."""
        lapped = sum(lane.lost_frames for lane in self._lanes)
        return lapped + sum(tap.refused for tap in self._taps) - self._refused_before

    def take_untold_loss(self) -> str:
        lost, self._untold_lost = self._untold_lost, 0
        return f"{lost} frames, {self.lost_frames} in all" if lost else ""

    # ---- a turn ----------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Move what waits in the taps into the files; return whether anything did."""
        before = len(self._held)
        until_ns = self._segment.clock.now() - HOLD_NS
        for lane in self._lanes:
            is_all, gaps = lane.take(self._held)
            for gap in gaps:
                self._note_gap(lane, *gap)
            if not is_all:
                until_ns = min(until_ns, lane.last_mono_ns)
        took = len(self._held) > before
        self._held.sort(key=lambda frame: frame[0])  # stable: a lane's own order stays
        self._write_until(until_ns)
        return took

    def finish(self) -> None:
        self._write_until(FOREVER_NS)

    def _write_until(self, mono_ns: int) -> None:
        count = len(self._held)
        while count and self._held[count - 1][0] > mono_ns:
            count -= 1
        if count == 0:
            return
        offset_ns = self._place.wall_offset_ns
        lines: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
        for recv_mono_ns, venue, line, payload in self._held[:count]:
            if venue not in self._venues:
                continue
            if isinstance(payload, ToldBook):
                if self._stated.get(payload.row) == (self._piece, payload.gaps):
                    continue
                self._stated[payload.row] = self._piece, payload.gaps
                self.books[self._venues[venue]] += 1
                payload = payload.frame(self._segment)
            if b"\n" in payload or b"\r" in payload:
                payload = payload.replace(b"\n", b" ").replace(b"\r", b" ")
                self.reshaped += 1
            lines.setdefault((venue, line), []).append((recv_mono_ns + offset_ns, payload))
        del self._held[:count]
        for key, taken in lines.items():
            file = self._files.get(key) or self._open_file(*key)
            if taken[0][0] < file.last_recv_ns:
                self.unordered += 1
            file.write(taken)

    def _note_gap(
        self, lane: _Lane, before_mono_ns: int, first: int, frames: int, lost_bytes: int
    ) -> None:
        self._untold_lost += frames
        self._gap_count += 1
        if len(self._gaps) < GAPS_MAX:
            self._gaps.append(
                {
                    "lane": lane.index,
                    "from_frame": first,
                    "to_frame": first + frames,
                    "before_recv_ns": before_mono_ns + self._place.wall_offset_ns,
                    "frames": frames,
                    "bytes": lost_bytes,
                }
            )

    # ---- files -----------------------------------------------------------------------------------

    def open_files(self, piece: int) -> None:
        self._piece = piece
        for venue in self._venues:
            self._open_file(venue, 0)

    def _open_file(self, venue: int, line: int) -> FramesWriter:
        name = self._venues[venue] + (f"-line{line}" if line else "")
        path = self._place.path(name, "frames", self._piece)
        self._files[venue, line] = FramesWriter(path, self._place.compress)
        return self._files[venue, line]

    def close_files(self) -> None:
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
                    "sha256": file.sha256,
                }
            )

    def summary(self) -> dict[str, Any]:
        return {
            "tap_bytes": self._taps[0].capacity,
            "files": self._whole,
            "frames": self.frames,
            "books": self.books,
            "frames_before": [lane.before for lane in self._lanes],
            "lost_frames": self.lost_frames,
            "lost_bytes": sum(lane.lost_bytes for lane in self._lanes),
            "too_long_frames": sum(tap.refused for tap in self._taps) - self._refused_before,
            "reshaped_frames": self.reshaped,
            "unordered": self.unordered,
            "gaps": self._gaps,
            "gaps_not_listed": self._gap_count - len(self._gaps),
        }
