"""The strategy of a recorded run, decided again: its own code, its own turns, its own answers.

    decisions  --> the detector's replay --> market as the strategy saw it in each turn
    opportunities as published ------------> what it read in that turn
    journal: executions, control words ----> what it was told in that turn
                                             |
                                             v  a strategy made as the trader made its own
                                          journal of its own, to be held against the trader's

A TURN record says when the strategy's turn was, how far it had read, and how far its journal had
come; so nothing here is guessed from times. Threads: one.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arbitrage.closing import Closing
from arbitrage.core.clock import Clock
from arbitrage.core.decisions import (
    CONFIG_PIECES,
    DECISION_BYTES,
    DecisionKind,
    DecisionReplay,
)
from arbitrage.core.journal import Journal, JournalRecord
from arbitrage.core.messages import PairPhase
from arbitrage.core.records import EXEC_BYTES, OPPORTUNITY_BYTES
from arbitrage.core.ring import BroadcastRing, MpscRing, SpscRing
from arbitrage.core.strategy import SpreadStrategy
from arbitrage.record_files import Block
from arbitrage.research.recording import Recording
from arbitrage.runtime.told import RunTold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WORDS", "Machine", "Stop", "Turn"]

OPPORTUNITIES = 1 << 16
EXECUTIONS = ORDERS = 1 << 12
WORDS = struct.Struct("<QQQ")  # of a KILL record: kill, opening_off, flatten
_CONTRACT = (
    "px_mult", "qty_mult", "px_tick", "qty_lot", "min_lots", "max_lots", "min_notional",
    "taker_bps",
)  # fmt: skip
PRELUDE = ("RUN", "CONTRACT", "ADOPTED", "TAKEN")  # of the main thread, before the first turn


class Turn(NamedTuple):
    """One turn of the strategy: what was journaled in it, then and now."""

    mono_ns: int
    live: tuple[JournalRecord, ...]
    again: tuple[JournalRecord, ...]


class Stop(NamedTuple):
    """Why nothing behind this could be decided again."""

    mono_ns: int
    why: str


class Machine(Closing):
    """Run a recorded strategy again.

    Parameters
    ----------
    recording : Recording
        With decisions and opportunities.
    told : RunTold
        What the strategy was told.
    journal : sequence of JournalRecord
        The run's, from its first record on.
    folder : Path
        Where its own journal may lie meanwhile.
    """

    def __init__(
        self,
        recording: Recording,
        told: RunTold,
        journal: tuple[JournalRecord, ...],
        folder: Path,
    ) -> None:
        session = recording.session
        self.stop: Stop | None = None
        self.from_start = False  # whether the recording has the run's first decision
        self.began_mono_ns = 0  # else: of the first turn that is decided again
        self.first_pair = 1
        self._waiting: set[int] = set()  # symbols, for the session's next pair of them
        self._recording, self._live = recording, journal
        self._replay = DecisionReplay(session["venue_count"], session["symbol_capacity"])
        self._opportunities = BroadcastRing(OPPORTUNITIES, OPPORTUNITY_BYTES)
        self._executions = MpscRing(EXECUTIONS, EXEC_BYTES)
        self._orders = [SpscRing(ORDERS) for _ in recording.venues]
        self._clock = Clock()
        self._open = ExitStack()
        records = 2 * len(journal) + int(told.settings.get("journal_room_min", 0)) + (1 << 16)
        self._journal = Journal.create(folder / "again.journal", records, session["run"])
        self._open.callback(self._journal.close)
        settings: dict[str, Any] = dict(told.settings)
        self.strategy = SpreadStrategy(
            self._replay.store, self._opportunities, self._executions, self._orders,
            self._journal, told.lots, clock=self._clock, **settings,
        )  # fmt: skip
        self._numbers, self._events = recording.numbered_opportunities()
        self._begun = self._is_under_way = False
        self._rounds_due = 0
        self._read = 0  # opportunities the strategy has read
        self._sequence = 0  # records of the trader's journal up to its last turn
        self._count = self._journal.count  # of its own: it begins with the run
        self._day_result_usd = told.day_result_usd

    def close(self) -> None:
        """Let go of its journal."""
        self._open.close()

    @property
    def detector_differences(self) -> int:
        """Records that the detector answered otherwise than in the trader."""
        return self._replay.counts["differences"]

    def turns(self) -> Iterator[Turn]:
        """Yield every turn that can be decided again, in order; `stop` says what ended it."""
        following, behind_ns = None, 0  # behind_ns: after all that was decided again
        for block in self._recording.decision_blocks():
            if following is not None and block.first != following:
                # what the session did with the last recorded ticks may be lost already
                begun_ns = max(behind_ns, self._replay.latest_mono_ns)
                self.stop = Stop(begun_ns, "the recorder lost decisions here")
                return
            following = block.first + block.count
            for turn in self._of_block(block):
                behind_ns = max(behind_ns, *(one.mono_ns + 1 for one in turn.live), 0)
                yield turn
            if self.stop is not None:
                return

    def _of_block(self, block: Block) -> Iterator[Turn]:
        import numpy as np

        from arbitrage.core import decisions

        records = np.frombuffer(block.records, decisions.DECISION_DTYPE)
        whole = memoryview(block.records)
        begin = 0
        if not self._begun:
            begin = self._begin(block, records, whole)
            if not self._begun:
                return
        marks = (records["kind"] == DecisionKind.TURN) | (records["kind"] == DecisionKind.ROUND)
        for end in np.flatnonzero(marks).tolist():
            if end < begin:
                continue
            if records["kind"][end] == DecisionKind.ROUND:
                self._rounds_due -= 1
                continue
            self._see(whole[begin * DECISION_BYTES : end * DECISION_BYTES])
            begin = end + 1
            turn = self._turn(records[end])
            if turn is not None:
                yield turn
            if self.stop is not None:
                return
        self._see(whole[begin * DECISION_BYTES :])

    def _see(self, records: memoryview) -> None:
        """Bring the market on."""
        taken, count = 0, len(records) // DECISION_BYTES
        while taken < count:
            taken += self._replay.run(records, taken)
        if self._replay.event_count:
            self._replay.take_events()  # the published ones are read instead

    # ---- the beginning ---------------------------------------------------------------------------

    def _begin(self, block: Block, records: "NDArray[np.void]", whole: memoryview) -> int:
        """Take the first round's configuration; then the contracts, which it does not tell."""
        import numpy as np

        last = records["events"] == CONFIG_PIECES - 1
        pieces = np.flatnonzero((records["kind"] == DecisionKind.CONFIG) & last)
        rounds = np.flatnonzero(records["kind"] == DecisionKind.ROUND)
        if len(rounds) == 0 or len(pieces) == 0 or pieces[-1] < rounds[0]:
            return len(records)  # the next block may have it
        end = int(pieces[pieces > rounds[0]][0]) + 1
        self._see(whole[: end * DECISION_BYTES])
        store = self._replay.store
        for contract in self._recording.session["contracts"]:
            store.set_instrument(
                contract["row"], **{name: contract[name] for name in _CONTRACT if name in contract}
            )
        self._begun = True
        self.from_start = bool(block.first == 0 and rounds[0] == 0)
        self._rounds_due = 0 if self.from_start else 1  # until every symbol is known
        self.strategy.risk.begin_day(self._day_result_usd, 0)
        return end

    def _may_begin(self, record: "np.void", count: int) -> bool:
        """Whether the strategy's own state is known: at its beginning, or while no pair stands."""
        if self._is_under_way:
            return True
        if self.from_start:
            self._sequence = next(
                (i for i, one in enumerate(self._live) if one.type not in PRELUDE), count
            )
        elif self._rounds_due > 0:
            return False
        else:
            self._join(count, record)
        self._is_under_way = True
        return True

    def _join(self, count: int, record: "np.void") -> None:
        """Begin in the middle: with the pairs that begin from now on.

        What the strategy remembered of a symbol (a pair, a rest after one) is not known, so each
        symbol waits for the session's next pair of it.
        """
        before = [PairPhase.unpack(one.payload) for one in self._live[:count] if one.type == "PAIR"]
        self.first_pair = max((one.pair for one in before), default=0) + 1
        self.strategy.number_from(self.first_pair)
        self._sequence, self._read = count, int(record["words"][1])
        self.began_mono_ns = int(record["mono_ns"])
        self._waiting = set(range(len(self._recording.symbols)))
        for symbol in self._waiting:
            self.strategy.risk.pause(symbol)

    def _let_begin(self, live: Sequence[JournalRecord]) -> None:
        for one in live:
            if one.type == "PAIR":
                told = PairPhase.unpack(one.payload)
                if told.pair >= self.first_pair and told.symbol_index in self._waiting:
                    self._waiting.discard(told.symbol_index)
                    self.strategy.risk.pause(told.symbol_index, False)

    # ---- a turn ----------------------------------------------------------------------------------

    def _turn(self, record: "np.void") -> Turn | None:
        now_ns = int(record["mono_ns"])
        count, read, offset_ns = (int(word) for word in record["words"][:3])
        if not self._may_begin(record, count):
            return None
        if count > len(self._live):
            self.stop = Stop(now_ns, "the journal ends here")
            return None
        live = self._live[self._sequence : count]
        if not self._publish(read, now_ns):
            return None
        if self._waiting:
            self._let_begin(live)
        for one in live:
            if one.type == "EXEC":
                self._executions.try_push(one.payload[:EXEC_BYTES])
            elif one.type == "KILL":
                kill, opening_off, flatten = WORDS.unpack(one.payload[: WORDS.size])
                self.strategy.risk.kill = kill
                self.strategy.risk.opening_off = bool(opening_off)
                self.strategy.flatten = bool(flatten)
        # a turn reads its clock again for every order: what stands between is its own work
        first = next((one.mono_ns for one in live if one.type == "INTENT"), now_ns)
        self._clock.stand(first)
        self._journal.wall_offset_ns = offset_ns if offset_ns < 1 << 63 else offset_ns - (1 << 64)
        self.strategy.poll(now_ns)
        for ring in self._orders:
            ring.drain()
        again = tuple(self._journal[i] for i in range(self._count, self._journal.count))
        self._count, self._sequence = self._journal.count, count
        return Turn(now_ns, live, again) if live or again else None

    def _publish(self, read: int, now_ns: int) -> bool:
        """Tell the opportunities that the strategy read in this turn."""
        if read == self._read:
            return True
        first = int(self._numbers.searchsorted(self._read))
        wanted = read - self._read
        if list(self._numbers[first : first + wanted]) != list(range(self._read, read)):
            self.stop = Stop(now_ns, "the recorder lost opportunities here")
            return False
        for event in self._events[first : first + wanted]:
            self._opportunities.try_push(event.tobytes())
        self._read = read
        return True
