"""Typed records of a trader: what its detector decided, and the opportunities it published."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from arbitrage.cold.part_file import PartFile, RecordsWriter
from arbitrage.cold.record_stream import GAPS_MAX, Place, Stream, not_recordable
from arbitrage.core.decisions import DECISION_BYTES, DecisionReplay
from arbitrage.core.records import OPPORTUNITY_BYTES
from arbitrage.core.segment import VENUES, Segment
from arbitrage.exact_ranges import ExactRanges
from arbitrage.record_files import DECISIONS, OPPORTUNITIES

__all__ = ["DecisionStream", "OpportunityStream", "describe_session"]

BATCH_MAX = 20_000  # reads of one turn

Told = tuple[int, bytes, int]  # number of the first record, records, the trader's clock


def describe_session(segment: Segment, wall_offset_ns: int) -> dict[str, Any]:
    """Say whose records a file holds, and what their rows mean."""
    store, symbols = segment.store, segment.symbols
    names = list(symbols)
    static = ("px_mult", "qty_mult", "px_tick", "qty_lot", "min_lots", "max_lots", "min_notional")
    columns = {name: store.column(name) for name in (*static, "taker_bps")}
    contracts = [
        {"venue": venue, "symbol": symbol, "row": store.row(place, index)}
        | {name: column[place, index].item() for name, column in columns.items()}
        for place, venue in enumerate(VENUES)
        for index, symbol in enumerate(names)
    ]
    return {
        "trader": segment.name,
        "run": segment.run,
        "mode": segment.mode,
        "pid": segment.pid,
        "wall_offset_ns": wall_offset_ns,
        "venues": list(VENUES),
        "venue_count": store.venue_count,
        "symbol_capacity": store.symbol_capacity,
        "symbols": names,
        "contracts": contracts,
    }


class _TypedStream(Stream):
    """Records of one size in files of blocks; gaps by number."""

    stream: tuple[str, str]
    record_bytes: int

    def __init__(self, segment: Segment, place: Place) -> None:
        self._segment, self._place = segment, place
        self._file: RecordsWriter | None = None
        self._whole: list[dict[str, Any]] = []
        self._gaps: list[dict[str, int]] = []
        self._gap_count = self._untold_lost = 0
        self._last_mono_ns = 0
        self.records = 0
        self.lost_records = 0
        self._next = self.before = 0  # records

    @abstractmethod
    def read(self) -> Told | None:
        """Return what comes next; None: nothing waits."""

    @property
    def files(self) -> Sequence[PartFile]:
        return [] if self._file is None else [self._file]

    @property
    def whole_bytes(self) -> int:
        return sum(int(row["file_bytes"]) for row in self._whole)

    def take_untold_loss(self) -> str:
        lost, self._untold_lost = self._untold_lost, 0
        return f"{lost} {self.stream[0]}, {self.lost_records} in all" if lost else ""

    def turn(self) -> bool:
        took: list[Told] = []
        while len(took) < BATCH_MAX and (told := self.read()) is not None:
            first, records, mono_ns = told
            if first != self._next:
                self._note_gap(first, mono_ns)
            self._next = first + len(records) // self.record_bytes
            self._last_mono_ns = mono_ns
            took.append(told)
        if took:
            self._write(took)
        return bool(took)

    def finish(self) -> None:
        """Nothing is held back."""

    def _write(self, took: list[Told]) -> None:
        assert self._file is not None
        for first, records, mono_ns in took:
            self._file.write(first, records, mono_ns)
            self.records += len(records) // self.record_bytes

    def _note_gap(self, first: int, mono_ns: int) -> None:
        lost = first - self._next
        self.lost_records += lost
        self._untold_lost += lost
        self._gap_count += 1
        if len(self._gaps) < GAPS_MAX:
            self._gaps.append(
                {
                    "from_record": self._next,
                    "to_record": first,
                    "records": lost,
                    "after_mono_ns": self._last_mono_ns,
                    "before_mono_ns": mono_ns,
                }
            )

    def open_files(self, piece: int) -> None:
        session = describe_session(self._segment, self._place.wall_offset_ns)
        self._file = RecordsWriter(
            self._place.path(*self.stream, piece),
            self._place.compress,
            self.record_bytes,
            session | {"stream": self.stream[0]},
        )

    def close_files(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        file.close()
        self._whole.append(
            {
                "file": file.path.name,
                "records": file.records,
                "from_record": file.first_record,
                "to_record": file.next_record,
                "file_bytes": file.written_bytes,
                "first_mono_ns": file.first_mono_ns,
                "last_mono_ns": file.last_mono_ns,
                "sha256": file.sha256,
            }
        )

    def summary(self) -> dict[str, Any]:
        return {
            "record_bytes": self.record_bytes,
            "records": self.records,
            "records_before": self.before,
            "lost_records": self.lost_records,
            "files": self._whole,
            "gaps": self._gaps,
            "gaps_not_listed": self._gap_count - len(self._gaps),
        }


class DecisionStream(_TypedStream):
    """The detector's own order of ticks, rows looked at by time, and states.

    They are replayed as they come, so that the manifest can say from where to where a replay will
    be exact, and a difference is found while the trader still runs.
    """

    stream = DECISIONS
    record_bytes = DECISION_BYTES

    def __init__(self, segment: Segment, place: Place) -> None:
        super().__init__(segment, place)
        if not segment.decisions.enabled:
            raise not_recordable(segment.name)
        # from the trader's beginning, where that is still there
        self._reader = segment.decisions.reader(from_first=True)
        self._replay = DecisionReplay(segment.store.venue_count, segment.store.symbol_capacity)
        self._exact = ExactRanges(self._replay)
        self._next = self.before = self._reader.bytes_position // DECISION_BYTES

    def read(self) -> Told | None:
        found = self._reader.read()
        if found is None:
            return None
        mono_ns, _, _, records = found
        first = (self._reader.bytes_position - len(records)) // DECISION_BYTES
        return first, records, mono_ns

    def _write(self, took: list[Told]) -> None:
        super()._write(took)
        begun, parts, following = -1, list[bytes](), -1
        for first, records, _ in took:
            if first != following:
                self._exact.feed(begun, b"".join(parts), DECISION_BYTES)
                begun, parts = first, []
            parts.append(records)
            following = first + len(records) // DECISION_BYTES
        self._exact.feed(begun, b"".join(parts), DECISION_BYTES)

    def summary(self) -> dict[str, Any]:
        ranges = self._exact.ranges[:GAPS_MAX]
        return super().summary() | {
            "exact": [msgspec.to_builtins(one) for one in ranges],
            "exact_not_listed": len(self._exact.ranges) - len(ranges),
            "differences": self._replay.counts["differences"],
        }


class OpportunityStream(_TypedStream):
    """The events of the opportunity broadcast, as the trader published them."""

    stream = OPPORTUNITIES
    record_bytes = OPPORTUNITY_BYTES

    def __init__(self, segment: Segment, place: Place) -> None:
        super().__init__(segment, place)
        self._reader = segment.opportunities.reader(from_oldest=True)
        self.before = self._next = self._reader.popped

    def read(self) -> Told | None:
        record = self._reader.try_pop()
        if record is None:
            return None
        mono_ns = int.from_bytes(record[8:16], "little", signed=True)
        return self._reader.popped - 1, record, mono_ns
