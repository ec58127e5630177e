"""Incidents and pair states as the trader's board tells them, four times a second."""

import time
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

import msgspec

from arbitrage.board import Board, IncidentLine, decode_board
from arbitrage.cold.events import identity_of
from arbitrage.core.segment import Segment

__all__ = ["BoardSource", "IncidentEntry"]

LOOK_EVERY_S = 0.1
FRESH_S = 5.0  # older, and nobody can say that its pairs still stand
AGAIN_EVERY_S = 10.0


class BoardSource:
    """Follow the board of one run of the trader.

    An incident becomes an entry when it begins, when it ends, when it goes on after its end, and,
    while it only repeats itself, every ten seconds at most.

    Parameters
    ----------
    segment : Segment
        The trader's, attached.
    held : mapping
        What an earlier mirror has put down of how far it came.
    is_first : bool
        Nobody was asked to see what came before.

    Attributes
    ----------
    lapped : int
        Incidents that had left the board before they were read; the reader sets it back.
    board : Board or None
        The newest.
    """

    def __init__(self, segment: Segment, held: Mapping[str, str], *, is_first: bool) -> None:
        self._segment = segment
        self.identity = identity_of(segment)
        self.board: Board | None = None
        self.lapped = 0
        self._position = 0
        self._is_first = is_first
        self._seen: dict[int, tuple[bool, int]] = {}  # number -> is it open, count when told
        self._again_s: dict[int, float] = {}
        self._sent: dict[str, bytes] = {}
        self._look_s = 0.0
        if held.get("incidents_segment") == self.identity:
            self._is_first = False
            self._position = int(held.get("incidents_position", 0))
            self._open = {int(text) for text in held.get("incidents_open", "").split(",") if text}
        else:
            self._open = set()

    @property
    def is_fresh(self) -> bool:
        """Whether the board is young enough to be true."""
        return self.board is not None and time.time_ns() - self.board.wall_ns < FRESH_S * 1e9

    def take(self, *, at_once: bool = False) -> "list[IncidentEntry]":
        """Look at the board when its time has come; return what is new of the incidents."""
        now_s = time.monotonic()
        if now_s < self._look_s and not at_once:
            return []
        self._look_s = now_s + LOOK_EVERY_S
        text = self._segment.board
        if text is None:
            return []
        try:
            self.board = decode_board(text)
        except msgspec.MsgspecError:  # of another release: then there is none for us
            self.board = None
            return []
        taken = [
            self._entry(line, event)
            for line in self.board.incidents
            if (event := self._event(line, now_s))
        ]
        self._is_first = False
        return taken

    def _event(self, line: IncidentLine, now_s: float) -> str:
        """Return what there is to tell of an incident; empty: nothing."""
        number, mark = line.number, (line.is_open, line.count)
        if number > self._position:
            if not self._is_first:
                self.lapped += number - self._position - 1
            self._position = number
            event = "BEGAN"
        elif number not in self._seen:  # told by an earlier mirror
            was_open = number in self._open
            event = "" if was_open == line.is_open else "BEGAN" if line.is_open else "ENDED"
        else:
            was_open, count = self._seen[number]
            if was_open != line.is_open:
                event = "BEGAN" if line.is_open else "ENDED"
            elif count != line.count and now_s >= self._again_s.get(number, 0.0):
                event = "AGAIN"
            else:
                return ""
        self._seen[number] = mark
        self._again_s[number] = now_s + AGAIN_EVERY_S
        return event

    def _entry(self, line: IncidentLine, event: str) -> "IncidentEntry":
        (self._open.add if line.is_open else self._open.discard)(line.number)
        open_numbers = ",".join(map(str, sorted(self._open)))
        return IncidentEntry(
            self.identity, self._position, open_numbers, event, time.time_ns(), line
        )

    def pair_states(self) -> tuple[dict[str, bytes], list[str]]:
        """Return the pairs that changed since the last call, by number, and those that are over."""
        if not self.is_fresh or self.board is None:
            return {}, []
        pairs = {str(pair.pair): msgspec.json.encode(pair) for pair in self.board.pairs}
        changed = {key: body for key, body in pairs.items() if self._sent.get(key) != body}
        gone = [key for key in self._sent if key not in pairs]
        self._sent = pairs
        return changed, gone

    def forget_pairs(self) -> None:
        """Send every pair again at the next call."""
        self._sent = {}


class IncidentEntry(NamedTuple):
    """What happened to one incident."""

    identity: str
    position: int
    open_numbers: str
    event: str
    seen_wall_ns: int
    line: IncidentLine

    @property
    def stream(self) -> str:
        """Name of its stream."""
        return "incidents"

    def told(self) -> tuple[int, dict[str, str]]:
        """Return the incident by field."""
        line = self.line
        wall_ns = line.last_wall_ns if self.event != "ENDED" else self.seen_wall_ns
        values = msgspec.structs.asdict(line)
        values["is_open"] = int(line.is_open)
        fields = {name: str(value) for name, value in values.items()}
        return wall_ns, {"event": self.event, **fields, "wall_ns": str(wall_ns)}

    def mark(self, done: MutableMapping[str, Any]) -> None:
        """Put down which incidents have been told, and which of them go on."""
        done["incidents_segment"] = self.identity
        done["incidents_position"] = self.position
        done["incidents_open"] = self.open_numbers
