"""The deck: everything about one trader that a person watches, as one struct.

Page, terminal and notebook show the same `Deck`; a `DeckReader` makes one from the attached segment
and the board in it (`arbitrage.board`). Nothing here writes to the segment.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from arbitrage.board import Board
from arbitrage.cold.attached import Attached
from arbitrage.cold.beside import read_beside
from arbitrage.cold.deck_beside import beside_lines
from arbitrage.cold.deck_lines import (
    Deck,
    OpportunityLine,
    QueueLine,
    RowLine,
    StageLine,
    VenueLine,
)
from arbitrage.cold.deck_opportunities import OpportunityBook
from arbitrage.cold.deck_stages import StageClock
from arbitrage.cold.metrics.feeds import ROW_STATES, FeedLine
from arbitrage.cold.metrics.snapshot import read_board
from arbitrage.core.segment import VENUES, Segment

__all__ = [
    "Deck",
    "DeckReader",
    "OpportunityLine",
    "QueueLine",
    "RowLine",
    "StageLine",
    "VenueLine",
]

SILENT_S = 5.0  # its main thread beats ten times a second; it is stopped or stuck
PNL_POINTS_MAX = 2000


class _Attachment:
    """What a reader keeps of one run of the trader."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.opportunities = OpportunityBook(segment)
        self.stages = StageClock(segment)
        self.states: Any = segment.store.column("state")
        self.recv_mono_ns: Any = segment.store.column("recv_mono_ns")
        self.frames: dict[str, tuple[float, int]] = {}


class DeckReader:
    """Look at one trader, across its restarts.

    Threads: one.

    Parameters
    ----------
    name : str
        The trader's name.
    attach : callable
        Attaches its segment read-only by name (`arbitrage.attach`).

    Examples
    --------
    >>> deck = DeckReader("arbitrage", arbitrage.attach).look()     # doctest: +SKIP
    >>> deck.alive, len(deck.opportunities)                         # doctest: +SKIP
    """

    def __init__(self, name: str, attach: Callable[[str], Segment]) -> None:
        self.name = name
        self._attached = Attached(name, attach)
        self._run: _Attachment | None = None
        self._pnl: list[tuple[int, float]] = []
        self._pnl_step_ns = 0

    def look(self) -> Deck:
        """Return the trader as it is now.

        When it does not run or does not answer, ``alive`` is False, ``why_not`` says why, and there
        is no number in it. It never raises for that.
        """
        segment = self._attached.view()
        if segment is None:
            self._run = None
            return self._absent(self._attached.why_not)
        is_starting = segment.state == "initialising"
        if not is_starting and segment.heartbeat_age_s > SILENT_S:
            return self._absent(
                f"the trader (pid {segment.pid}) does not answer: its heartbeat is "
                f"{segment.heartbeat_age_s:.0f} s old"
            )
        if self._run is None or self._run.segment is not segment:
            self._run = _Attachment(segment)
            self._pnl, self._pnl_step_ns = [], 0
        return self._look(self._run)

    def _absent(self, why_not: str) -> Deck:
        return Deck(name=self.name, wall_ns=time.time_ns(), alive=False, why_not=why_not)

    def _look(self, run: _Attachment) -> Deck:
        segment, wall_ns = run.segment, time.time_ns()
        run.opportunities.take()
        deck = Deck(
            name=self.name,
            wall_ns=wall_ns,
            alive=True,
            why_not="",
            mode=segment.mode,
            run=segment.run,
            pid=segment.pid,
            uptime_s=segment.uptime_s,
            heartbeat_age_s=max(0.0, segment.heartbeat_age_s),
            venues=_venues(run),
            opportunities=run.opportunities.lines(),
            opportunities_lost=run.opportunities.lost,
            latency=run.stages.lines(),
            queues=_queues(segment),
            beside=beside_lines(read_beside(self.name)),
        )
        board = read_board(segment)
        if board is not None:
            self._put(deck, board)
        deck.pnl = list(self._pnl)
        return deck

    def _put(self, deck: Deck, board: Board) -> None:
        for name in (
            *("strategy", "pairs", "money", "day_result_usd", "incidents", "limits"),
            *("refusals", "rates", "killed", "opening", "paused"),
        ):
            setattr(deck, name, getattr(board, name))
        deck.board_age_s = max(0.0, (deck.wall_ns - board.wall_ns) / 1e9)
        if not self._pnl or board.wall_ns - self._pnl[-1][0] >= max(1, self._pnl_step_ns):
            total = sum(
                line.realised_usd + line.fees_usd + line.funding_usd + (line.unrealised_usd or 0.0)
                for line in board.money
            )
            self._pnl.append((board.wall_ns, total))
        if len(self._pnl) > PNL_POINTS_MAX:
            # every other point, and from now on at this distance
            del self._pnl[1::2]
            self._pnl_step_ns = (self._pnl[-1][0] - self._pnl[0][0]) // len(self._pnl)


def _venues(run: _Attachment) -> list[VenueLine]:
    counters, symbols = run.segment.counters(), list(run.segment.symbols)
    return [
        _venue(run, number, venue, counters["feed"][venue], counters["gateway"][venue], symbols)
        for number, venue in enumerate(VENUES)
    ]


def _venue(
    run: _Attachment,
    number: int,
    venue: str,
    feed: Mapping[str, Any],
    gateway: Mapping[str, int],
    symbols: list[str],
) -> VenueLine:
    count = len(symbols)
    now_s, frames = time.monotonic(), int(feed["frames"])
    before_s, before = run.frames.get(venue, (now_s, frames))
    run.frames[venue] = (now_s, frames)
    newest_ns = int(run.recv_mono_ns[number, :count].max(initial=0))
    lines = [msgspec.convert(line, FeedLine) for line in feed["lines"]]
    is_timed = gateway["clock_rtt_us"] > 0
    ahead_ms = gateway["clock_ahead_ms"] - gateway["clock_behind_ms"]
    return VenueLine(
        venue=venue,
        rows_by_state=_states(run.states[number, :count]),
        frames=frames,
        frames_per_s=(frames - before) / (now_s - before_s) if now_s > before_s else 0.0,
        malformed=feed["malformed"],
        age_ms=max(0.0, (time.monotonic_ns() - newest_ns) / 1e6) if newest_ns else None,
        gaps=feed["depth_gaps"],
        reconnects=sum(max(0, line.connects - 1) for line in lines),
        clock_offset_ms=float(ahead_ms) if is_timed else None,
        rtt_ms=gateway["clock_rtt_us"] / 1e3 if is_timed else None,
        lines=lines,
        rows=_rows(run, number, symbols, feed["rows"]),
    )


def _rows(
    run: _Attachment, number: int, symbols: list[str], counted: Mapping[str, list[int]]
) -> list[RowLine]:
    """Return one venue's symbols; one that came since the counters were read waits."""
    now_ns = time.monotonic_ns()
    states, stamps_ns = run.states[number].tolist(), run.recv_mono_ns[number].tolist()
    return [
        RowLine(
            symbol=symbol,
            state=ROW_STATES[state] if state < len(ROW_STATES) else "UNKNOWN",
            age_ms=max(0.0, (now_ns - stamp_ns) / 1e6) if stamp_ns else None,
            gaps=gaps,
            cuts=cuts,
        )
        for symbol, state, stamp_ns, gaps, cuts in zip(
            symbols, states, stamps_ns, counted["gaps"], counted["cuts"], strict=False
        )
    ]


def _states(states: Any) -> dict[str, int]:
    counts = np.bincount(states, minlength=len(ROW_STATES))
    found = {name: int(counts[place]) for place, name in enumerate(ROW_STATES) if counts[place]}
    unknown = int(counts[len(ROW_STATES) :].sum())
    return found | ({"UNKNOWN": unknown} if unknown else {})


def _queues(segment: Segment) -> list[QueueLine]:
    return [
        QueueLine(
            kind=kind,
            depth=meter["depth"],
            capacity=meter["capacity"],
            utilization_percent=(
                100.0 * meter["depth"] / meter["capacity"] if meter["capacity"] else 0.0
            ),
            pushed=meter["pushed"],
            dropped=meter["dropped"],
        )
        for kind, meter in segment.queues().items()
    ]
