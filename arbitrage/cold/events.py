"""A trader's events and quotes, by name: what other programs are told of them.

An entry of a stream comes from a broadcast ring (here), from the board
(`arbitrage.cold.board_source`) or from a journal (`arbitrage.cold.journal_source`); all of them
keep the shape of `Entry`.
"""

import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from arbitrage.core.memory import process_start_ticks
from arbitrage.core.messages import PAIR_KINDS, Opportunity, PairEvent
from arbitrage.core.records import CloseReason, OppEvent, RowState
from arbitrage.core.ring_ends import BroadcastReader
from arbitrage.core.segment import VENUES, Segment

__all__ = ["BROADCASTS", "STREAMS", "Entry", "RingEntry", "Source", "identity_of"]

BROADCASTS = ("opportunities", "pairs")
STREAMS = (*BROADCASTS, "orders", "fills", "incidents")
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


class Entry(Protocol):
    """One event on its way into a stream."""

    @property
    def stream(self) -> str:
        """Name of its stream, one of `STREAMS`."""

    def told(self) -> tuple[int, dict[str, str]]:
        """Return when it happened, UTC epoch in ns, and its fields."""

    def mark(self, done: MutableMapping[str, Any]) -> None:
        """Put down that its stream has come as far as this."""


def identity_of(segment: Segment) -> str:
    """Name one start of a trader, apart from every other."""
    return f"{segment.run}.{segment.pid}.{process_start_ticks(segment.pid)}"


def _at(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)


class Source:
    """One run of the trader: its segment, and how far its two broadcasts have been read.

    Parameters
    ----------
    segment : Segment
        The trader's, attached.
    held : mapping
        What an earlier mirror has put down of how far it came.
    is_first : bool
        Nobody was asked to see what came before.
    """

    def __init__(self, segment: Segment, held: Mapping[str, str], *, is_first: bool) -> None:
        self.segment = segment
        self.identity = identity_of(segment)
        self.wall_offset_ns = time.time_ns() - time.monotonic_ns()
        rings = (segment.opportunities, segment.pair_events)
        self._readers: dict[str, BroadcastReader] = {
            stream: ring.reader(from_oldest=True)
            for stream, ring in zip(BROADCASTS, rings, strict=True)
        }
        self._sent: dict[tuple[int, int], tuple[int, int]] = {}
        self._symbols: list[str] = []
        self._lost = dict.fromkeys(BROADCASTS, 0)
        self.lapped = dict.fromkeys(BROADCASTS, 0)
        self._begins: set[str] = set()  # streams of which whoever comes first reads the first
        for stream, reader in self._readers.items():
            if held.get(f"{stream}_segment") == self.identity:  # an earlier mirror has read a part
                self._skip(stream, int(held.get(f"{stream}_position", 0)))
            elif not is_first:  # nobody else has seen its beginning
                self.lapped[stream] += reader.popped
            else:
                self._begins.add(stream)

    def _skip(self, stream: str, position: int) -> None:
        reader = self._readers[stream]
        self.lapped[stream] += max(0, reader.popped - position)
        while reader.popped < position and reader.try_pop() is not None:
            pass

    def take(self, entries_max: int) -> "list[RingEntry]":
        """Read what the trader has published since, and count what was overwritten."""
        taken: list[RingEntry] = []
        for stream, reader in self._readers.items():
            room = entries_max
            while room and (record := reader.try_pop()) is not None:
                if stream in self._begins:
                    # the oldest of a full ring are overwritten before anybody can read them
                    self._begins.discard(stream)
                    self._lost[stream] = reader.lost
                taken.append(RingEntry(self, stream, reader.popped, record))
                room -= 1
            self.lapped[stream] += reader.lost - self._lost[stream]
            self._lost[stream] = reader.lost
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
                body["wall_ns"] = row.recv_mono_ns + self.wall_offset_ns if row.recv_mono_ns else 0
                changed[f"{venue}:{symbol}"] = msgspec.json.encode(body)
        return changed

    def forget_quotes(self) -> None:
        """Send every row again at the next call."""
        self._sent.clear()


class RingEntry(NamedTuple):
    """One event of a broadcast: where it came from, its position there, and its bytes."""

    source: Source
    stream: str
    position: int
    record: bytes

    def told(self) -> tuple[int, dict[str, str]]:
        """Return the record by field; rows become venues, numbers of symbols their names."""
        if self.stream == "opportunities":
            event: Any = Opportunity.unpack(self.record)
            events, reasons = OPPORTUNITY_EVENTS, CLOSE_REASONS
            at_mono_ns = event.recv_mono_ns + event.detected_ns
        else:
            event = PairEvent.unpack(self.record)
            events, reasons = PAIR_EVENTS, EXIT_REASONS
            at_mono_ns = event.mono_ns
        values = event._asdict()
        symbol = self.source.symbol(values.pop("symbol_index"))
        rows = {side: values.pop(f"{side}_row") for side in ("buy", "sell")}
        kinds = {
            "event": events.get(event.event, str(event.event)),
            "reason": reasons.get(event.reason, str(event.reason)),
        }
        del values["event"], values["reason"]
        if "kind" in values:
            kinds["kind"] = _at(PAIR_KINDS, values.pop("kind"))
        venues = {f"{side}_venue": self.source.venue(row) for side, row in rows.items()}
        wall_ns = at_mono_ns + self.source.wall_offset_ns
        numbers = {name: repr(value) for name, value in values.items()}
        return wall_ns, {**kinds, "symbol": symbol, **venues, **numbers, "wall_ns": str(wall_ns)}

    def mark(self, done: MutableMapping[str, Any]) -> None:
        """Put down the ring's position."""
        done[f"{self.stream}_segment"] = self.source.identity
        done[f"{self.stream}_position"] = self.position
