"""A recording as a deck: its opportunities come and go in the files' own time, at any speed."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from arbitrage.board import IncidentLine
from arbitrage.cold.deck import Deck, OpportunityLine
from arbitrage.core.records import CloseReason, OppEvent
from arbitrage.wording import counted

__all__ = ["RecordedDeck"]

LINES_MAX = 200
_REASONS = {reason.value: reason.name.lower() for reason in CloseReason}


class Recording(Protocol):
    """What plays: one of `arbitrage.research.playback`, whose events are `Played`."""

    start_ns: int

    @property
    def is_over(self) -> bool: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def malformed(self) -> int: ...
    @property
    def lost(self) -> int: ...
    def advance(self, until_ns: int) -> Sequence[Any]: ...


class RecordedDeck:
    """Make decks of a recording as its clock advances.

    Only what the frames say is in them: opportunities. There is no trader, so there are no pairs,
    no money and no latency.

    Threads: one.

    Parameters
    ----------
    recording : Recording
        What plays.
    name : str
        What it is called.
    speed : float
        Seconds of the recording in one of ours.
    clock : callable
        Seconds of ours, for tests.
    """

    def __init__(
        self,
        recording: Recording,
        name: str,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recording, self._name, self._speed, self._clock = recording, name, speed, clock
        self._begun_s: float | None = None
        self._open: dict[int, OpportunityLine] = {}
        self._closed: dict[int, OpportunityLine] = {}  # newest last

    def look(self) -> Deck:
        """Return what had happened by now; from its end on it stands still."""
        now_s = self._clock()
        if self._begun_s is None:
            self._begun_s = now_s
        recording = self._recording
        passed_ns = round((now_s - self._begun_s) * self._speed * 1e9)
        wall_ns = recording.start_ns + passed_ns
        for event in recording.advance(wall_ns):
            self._take(event)
        if recording.is_over:
            wall_ns = min(wall_ns, recording.end_ns)
        return Deck(
            name=self._name,
            wall_ns=wall_ns,
            alive=True,
            why_not="",
            mode="recording",
            uptime_s=(wall_ns - recording.start_ns) / 1e9,
            opportunities=self._shown(wall_ns),
            opportunities_lost=self._recording.lost,
            incidents=self._incidents(wall_ns),
            opening="the recording is over" if recording.is_over else "",
        )

    def _take(self, event: Any) -> None:
        is_open = event.event != OppEvent.CLOSE
        line = OpportunityLine(
            id=event.id,
            symbol=event.symbol,
            buy_venue=event.buy_venue,
            sell_venue=event.sell_venue,
            opened_wall_ns=event.open_ns,
            age_ms=0.0,
            gross_bps=event.gross_bps,
            fees_bps=event.fees_bps,
            slippage_bps=event.slippage_bps,
            funding_bps=event.funding_bps,
            net_bps=event.net_bps,
            peak_net_bps=event.peak_net_bps,
            size_usd=event.size_usd,
            state="open" if is_open else "closed",
            reason="" if is_open else _REASONS.get(event.reason, str(event.reason)),
            lasted_ms=None if is_open else (event.recv_ns - event.open_ns) / 1e6,
        )
        self._open.pop(line.id, None)
        (self._open if is_open else self._closed)[line.id] = line
        while len(self._closed) > LINES_MAX:
            del self._closed[next(iter(self._closed))]

    def _shown(self, wall_ns: int) -> list[OpportunityLine]:
        def net(line: OpportunityLine) -> float:
            return -(line.net_bps if line.net_bps is not None else float("-inf"))

        chosen = [*sorted(self._open.values(), key=net), *reversed(self._closed.values())]
        return [
            msgspec.structs.replace(line, age_ms=(wall_ns - line.opened_wall_ns) / 1e6)
            for line in chosen[:LINES_MAX]
        ]

    def _incidents(self, wall_ns: int) -> list[IncidentLine]:
        malformed, lost = self._recording.malformed, self._recording.lost
        told = {
            "frames": (malformed, "frame", "malformed; nothing was taken from them"),
            "recording": (lost, "event", "missing: the recorder was lapped"),
        }
        return [
            IncidentLine(number=number, began_wall_ns=self._recording.start_ns,
                         last_wall_ns=wall_ns, kind=kind, count=count,
                         text=f"{counted(count, noun)} {what}")
            for number, (kind, (count, noun, what)) in enumerate(told.items(), 1)
            if count
        ]  # fmt: skip
