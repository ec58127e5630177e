"""A trader's events and quotes, by name: what other programs are told of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from arbitrage.core.memory import process_start_ticks
from arbitrage.core.messages import Opportunity, PairEvent
from arbitrage.core.records import CloseReason, OppEvent, RowState
from arbitrage.core.ring_ends import BroadcastReader
from arbitrage.core.segment import VENUES, Segment

__all__ = ["STREAMS", "Entry", "Source"]

STREAMS = ("opportunities", "pairs")
# by number, as in records.h and pair.h
OPPORTUNITY_EVENTS = {event.value: event.name for event in OppEvent}
CLOSE_REASONS = {reason.value: reason.name for reason in CloseReason}
ROW_STATES = {state.value: state.name for state in RowState}
PAIR_EVENTS = dict(
    enumerate(
        (
            *("OPENING", "OPENED", "CLOSING", "CLOSED"),
            *("UNWINDING", "UNWOUND", "MISSED", "BROKEN"),
        ),
        1,
    )
)
EXIT_REASONS = dict(
    enumerate(
        (
            *("NONE", "TAKE_PROFIT", "STOP", "MAX_HOLD", "FLATTEN"),
            *("LEG_FAILED", "NAKED", "MISSED", "LATE_FILL", "LEG_LOST"),
        )
    )
)


def _at(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)


class Source:
    """One run of the trader: its segment, and how far its two broadcasts have been read."""

    def __init__(self, segment: Segment, held: Mapping[str, str], *, is_first: bool) -> None:
        self.segment = segment
        start = process_start_ticks(segment.pid)
        self.identity = f"{segment.run}.{segment.pid}.{start}"
        self._rings = (segment.opportunities, segment.pair_events)
        self._readers: list[BroadcastReader] = [
            ring.reader(from_oldest=True) for ring in self._rings
        ]
        self._sent: dict[tuple[int, int], tuple[int, int]] = {}
        self._symbols: list[str] = []
        self._lost = [0, 0]
        self.lapped = 0
        if held.get("segment") == self.identity:  # an earlier mirror has read a part of it
            for stream, reader in zip(STREAMS, self._readers, strict=True):
                self._skip(reader, int(held.get(f"{stream}_position", 0)))
        elif not is_first:  # nobody else has seen its beginning
            self.lapped += sum(reader.popped for reader in self._readers)

    def _skip(self, reader: BroadcastReader, position: int) -> None:
        self.lapped += max(0, reader.popped - position)
        while reader.popped < position and reader.try_pop() is not None:
            pass

    def take(self, entries_max: int) -> "list[Entry]":
        """Read what the trader has published since, and count what was overwritten."""
        taken: list[Entry] = []
        for index, reader in enumerate(self._readers):
            room = entries_max
            while room and (record := reader.try_pop()) is not None:
                taken.append(Entry(self, index, reader.popped, record))
                room -= 1
            self.lapped += reader.lost - self._lost[index]
            self._lost[index] = reader.lost
        return taken

    def symbol(self, index: int) -> str:
        """Return a canonical symbol."""
        if index >= len(self._symbols):
            self._symbols = list(self.segment.symbols)
        return _at(self._symbols, index)

    def venue(self, row: int) -> str:
        """Return the venue that a row belongs to."""
        return _at(VENUES, row // self.segment.store.symbol_capacity)

    def quotes(self) -> dict[str, bytes]:
        """Return the rows that changed since the last call, ready for the hash."""
        changed: dict[str, bytes] = {}
        store = self.segment.store
        for index, symbol in enumerate(self.segment.symbols):
            for number, venue in enumerate(VENUES):
                row = store.read_row(venue, index)
                mark = (row.update_count, row.state)
                if self._sent.get((number, index)) == mark:
                    continue
                self._sent[number, index] = mark
                body = {name: getattr(row, name) for name in row._fields[:7]}
                body["state"] = ROW_STATES.get(row.state, str(row.state))
                changed[f"{venue}:{symbol}"] = msgspec.json.encode(body)
        return changed

    def forget_quotes(self) -> None:
        """Send every row again at the next call."""
        self._sent.clear()


class Entry(NamedTuple):
    """One event on its way: where it came from, its ring and position there, and its bytes."""

    source: Source
    stream: int
    position: int
    record: bytes

    def fields(self) -> dict[str, str]:
        """Return the record by field; rows become venues, numbers of symbols their names."""
        if self.stream == 0:
            event: Any = Opportunity.unpack(self.record)
            events, reasons = OPPORTUNITY_EVENTS, CLOSE_REASONS
        else:
            event = PairEvent.unpack(self.record)
            events, reasons = PAIR_EVENTS, EXIT_REASONS
        values = event._asdict()
        symbol = self.source.symbol(values.pop("symbol_index"))
        rows = {side: values.pop(f"{side}_row") for side in ("buy", "sell")}
        kinds = {
            "event": events.get(event.event, str(event.event)),
            "reason": reasons.get(event.reason, str(event.reason)),
        }
        del values["event"], values["reason"]
        venues = {f"{side}_venue": self.source.venue(row) for side, row in rows.items()}
        numbers = {name: repr(value) for name, value in values.items()}
        return {**kinds, "symbol": symbol, **venues, **numbers}
