"""Parity: whether a recorded session's orders come out again, one by one, and what differs.

The session is decided again from its recording and its journal (`parity_machine`): the market as
the strategy saw it in each of its turns, and every answer of the venues in the turn that took it,
so each order waits for its own answers as long as it did then. What the strategy orders is held
against what it had ordered.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import Execution, Order, PairPhase
from arbitrage.core.records import ExecKind, Venue, split_client_id
from arbitrage.errors import ConfigError
from arbitrage.research.recording import Recording
from arbitrage.runtime.parity_machine import Machine, Turn
from arbitrage.runtime.told import RunTold
from arbitrage.trading.journal_rows import RowReader, name_of
from arbitrage.trading.run_journal import RunJournal, decode
from arbitrage.trading.runs import journal_parts

__all__ = ["STATE", "Parity", "ParityOrder", "Wait", "parity"]

STATE = "state"  # the journals' folder beside a recording
BUILT_IN = {"spread", "funding"}
NOT_SENT = "the strategy did not send it again"
LATE = ": of a recording that began later, its order budget and averages are not known"
# of an order: what is decided; the rest are stamps of the turn it was decided in
_DECIDED = ("client_id", "px_ticks", "qty_lots", "row", "side", "action", "flags", "opportunity_id")
_STAMPS = ("recv_mono_ns", "detected_ns")

Progress = Callable[[float], None]


class ParityOrder(msgspec.Struct, kw_only=True):
    """One order of the session, beside the same one decided again.

    Parameters
    ----------
    time, mono_ns : str, int
        When it left, UTC, and by the trader's clock.
    is_found : bool
        Whether the strategy, decided again, sent it in the same turn.
    is_outside : bool
        Whether it left before the recording knew everything, or behind its end: it is not judged.
    time_diff_ns, qty_diff_lots, px_diff_ticks : int
        The session's less those decided again; 0 where it was not found.
    unexplained_ns : int
        What is left of the difference in time beside its reason.
    reason : str
        Why it differs, or was not found; empty: it is the same.
    """

    sequence: int
    time: str
    mono_ns: int
    pair: int
    leg: str
    venue: str
    symbol: str
    side: str
    qty: str
    px: str
    unit: str = ""
    is_found: bool = False
    is_outside: bool = False
    time_diff_ns: int = 0
    qty_diff_lots: int = 0
    px_diff_ticks: int = 0
    unexplained_ns: int = 0
    reason: str = ""

    @property
    def is_explained(self) -> bool:
        """Whether nothing of it is left to be explained."""
        return (
            self.is_found and self.unexplained_ns == self.qty_diff_lots == self.px_diff_ticks == 0
        )


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """How long a venue let orders wait, microseconds from the intent."""

    venue: str
    what: str
    count: int
    p50_us: float
    p99_us: float
    max_us: float


class Parity(msgspec.Struct, kw_only=True):
    """What came of deciding a session again.

    Parameters
    ----------
    from_start : bool
        Whether the recording holds the run from its first decision on.
    stopped : str
        Why it could not be decided again to its end; empty: it could.
    orders : list of ParityOrder
        All of the session, in order.
    extra : list of ParityOrder
        Those that only came out again.
    changes, equal_changes : int
        Changes of pairs in the journal, and those that came out the same, byte for byte.
    answers : int
        Executions that the venues told.
    waits : list of Wait
        The session's own latencies.
    detector_differences : int
        Records that the detector answered otherwise than in the trader; 0.
    """

    folder: str
    run: int
    trader: str
    mode: str
    from_start: bool
    stopped: str = ""
    turns: int = 0
    orders: list[ParityOrder] = []
    extra: list[ParityOrder] = []
    changes: int = 0
    equal_changes: int = 0
    answers: int = 0
    waits: list[Wait] = []
    detector_differences: int = 0

    @property
    def found(self) -> int:
        """Orders that came out again."""
        return sum(order.is_found for order in self.orders)

    @property
    def is_well(self) -> bool:
        """Whether all that the recording covers came out again, and nothing else did."""
        return (
            bool(self.judged)
            and not self.extra
            and all(order.is_explained for order in self.judged)
            and self.changes == self.equal_changes
            and self.detector_differences == 0
        )

    @property
    def judged(self) -> list[ParityOrder]:
        """Orders that the recording covers."""
        return [order for order in self.orders if not order.is_outside]


def parity(
    folder: str | Path, state_dir: str | Path | None = None, progress: Progress | None = None
) -> Parity:
    """Decide a recorded session again, and hold its orders against the journal.

    Parameters
    ----------
    folder : str or Path
        What ``arb record`` or ``arb demo --record`` wrote.
    state_dir : str or Path, optional
        The trader's state folder with the run's journal; default: ``state`` in `folder`.
    progress : callable, optional
        Told the fraction done.

    Raises
    ------
    ConfigError
        The folder holds no recording, or no journal of its run; the strategy ran on a thread of
        its own, whose turns are not recorded; or it was one of the user's.
    """
    recording = Recording(folder)
    run = int(recording.session["run"])
    state = Path(state_dir) if state_dir is not None else recording.folder / STATE
    parts = journal_parts(state).get(run) if state.is_dir() else None
    if not parts:
        raise ConfigError(
            f"{state} holds no journal of run {run}; name the trader's state folder (--state-dir)"
        )
    told = RunTold.read(state, run)
    _check(told)
    with RunJournal(parts) as journal:
        live = tuple(journal)
    found = Parity(
        folder=str(recording.folder),
        run=run,
        trader=recording.session["trader"],
        mode=recording.session["mode"],
        from_start=False,
    )
    judge = _Judge(live)
    with (
        TemporaryDirectory(prefix="arb-parity-") as own,
        Machine(recording, told, live, Path(own)) as machine,
    ):
        begun_ns = live[0].mono_ns if live else 0
        span_ns = (live[-1].mono_ns - begun_ns if live else 0) or 1
        for turn in machine.turns():
            found.turns += 1
            judge.take(turn)
            if progress is not None:
                progress(min(1.0, (turn.mono_ns - begun_ns) / span_ns))
        found.from_start = machine.from_start
        found.detector_differences = machine.detector_differences
        outside = _why_outside(machine)
        found.stopped = machine.stop.why if machine.stop is not None else ""
    judge.finish(found, outside)
    found.waits = _waits(live)
    return found


def _check(told: RunTold) -> None:
    if told.placement == "split":
        raise ConfigError(
            f"run {told.run} had its strategy on a thread of its own (ARB_STAGES=split), whose "
            "turns are not recorded; record one with ARB_STAGES=fused"
        )
    others = sorted(set(told.strategies) - BUILT_IN)
    if others:
        raise ConfigError(
            f"run {told.run} traded {', '.join(others)}: what a strategy of yours asked for is "
            "not recorded, so it cannot be decided again"
        )


WhyOutside = Callable[[JournalRecord], str]


def _why_outside(machine: Machine) -> WhyOutside:
    """Return what says of a record why nothing of it was decided again; empty: it was."""

    def why(record: JournalRecord) -> str:
        mono_ns, pair = record.mono_ns, _pair_of(record)
        if machine.stop is not None and mono_ns >= machine.stop.mono_ns:
            return f"outside: {machine.stop.why}"
        if not machine.from_start and (
            machine.began_mono_ns == 0 or mono_ns <= machine.began_mono_ns
        ):
            return "outside: before the recording knew everything"
        if pair is not None and pair < machine.first_pair:
            return "outside: its pair began before the recording knew everything"
        return ""

    return why


def _pair_of(record: JournalRecord) -> int | None:
    if record.type == "PAIR":
        return PairPhase.unpack(record.payload).pair
    if record.type == "INTENT":
        return int(split_client_id(Order.unpack(record.payload).client_id).pair)
    return None


class _Judge:
    """Hold orders against each other, turn by turn."""

    def __init__(self, live: Sequence[JournalRecord]) -> None:
        self._reader = RowReader()
        self._rows: dict[int, dict[str, Any]] = {}
        for record in live:
            row = self._reader.read(record)
            if record.type == "INTENT":
                self._rows[record.sequence] = row
        self._live = live
        self._judged: dict[int, ParityOrder] = {}
        self._extra: list[ParityOrder] = []
        self._equal_changes = 0

    def take(self, turn: Turn) -> None:
        """Judge the orders of one turn."""
        first_ns = 0
        again = [one for one in turn.again if one.type == "INTENT"]
        for record in turn.live:
            if record.type != "INTENT":
                continue
            first_ns = first_ns or record.mono_ns
            order, row = decode(record), self._order_row(record)
            assert isinstance(order, Order)
            same = _closest(order, again)
            self._judged[record.sequence] = row
            if same is not None:
                again.remove(same)
                _compare(row, order, record.mono_ns, first_ns, turn, same)
        for record in again:
            self._extra.append(self._order_row(record, self._reader.read(record)))
            self._extra[-1].reason = "the session did not send it"
        ours = Counter(one.payload for one in turn.again if one.type == "PAIR")
        theirs = Counter(one.payload for one in turn.live if one.type == "PAIR")
        self._equal_changes += (ours & theirs).total()

    def finish(self, found: Parity, why_outside: WhyOutside) -> None:
        """Give out what was judged, and say why the rest was not."""
        for sequence in self._rows:
            record = self._live[sequence - 1]
            order = self._judged.get(sequence) or self._order_row(record)
            if not order.is_found and not order.reason:
                why = why_outside(record)
                order.is_outside = why != ""
                order.reason = why or NOT_SENT + ("" if found.from_start else LATE)
            found.orders.append(order)
        found.extra = self._extra
        kinds = Counter(one.type for one in self._live if not why_outside(one))
        found.changes, found.answers = kinds["PAIR"], kinds["EXEC"]
        found.equal_changes = self._equal_changes

    def _order_row(self, record: JournalRecord, row: dict[str, Any] | None = None) -> ParityOrder:
        row = self._rows[record.sequence] if row is None else row
        return ParityOrder(
            sequence=record.sequence,
            time=row["time"],
            mono_ns=record.mono_ns,
            pair=row["pair"],
            leg=f"{row['leg']}#{row['attempt']}",
            venue=row["venue"],
            symbol=row["symbol"],
            side=row["side"],
            qty=row["qty"],
            px=row["px"],
            unit=row.get("unit", ""),
        )


def _closest(order: Order, again: Iterable[JournalRecord]) -> JournalRecord | None:
    """Return the same order among those of the turn: by its id, or else by row, side and kind."""
    there = [(one, Order.unpack(one.payload)) for one in again]
    for one, other in there:
        if other.client_id == order.client_id:
            return one
    for one, other in there:
        if (other.row, other.side, other.flags) == (order.row, order.side, order.flags):
            return one
    return None


def _compare(
    row: ParityOrder,
    order: Order,
    mono_ns: int,
    first_ns: int,
    turn: Turn,
    same: JournalRecord,
) -> None:
    other = Order.unpack(same.payload)
    row.is_found = True
    row.time_diff_ns = mono_ns - same.mono_ns
    row.qty_diff_lots = order.qty_lots - other.qty_lots
    row.px_diff_ticks = order.px_ticks - other.px_ticks
    # the turn's clock is the recorded one; each order reads the running clock once more
    row.unexplained_ns = row.time_diff_ns - (mono_ns - first_ns)
    reasons = []
    if row.time_diff_ns:
        reasons.append(
            f"the turn had worked {row.time_diff_ns} ns since its first order when this one left"
        )
    differing = [
        f"{name} {getattr(order, name)}, again {getattr(other, name)}"
        for name in (*_DECIDED, *_STAMPS)
        if getattr(order, name) != getattr(other, name)
    ]
    if differing:
        reasons.append("; ".join(differing))
        row.is_found = not any(
            getattr(order, name) != getattr(other, name)
            for name in ("row", "side", "action", "flags")
        )
        if row.is_found and not (row.qty_diff_lots or row.px_diff_ticks):
            row.unexplained_ns = row.unexplained_ns or 1
    row.reason = "; ".join(reasons)


# ---- the session's own latencies -----------------------------------------------------------------


def _waits(live: Iterable[JournalRecord]) -> list[Wait]:
    """Return how long the venues' answers took: to the first word, and to the end of the order."""
    sent: dict[int, int] = {}
    first: dict[int, tuple[int, int]] = {}
    last: dict[int, tuple[int, int]] = {}
    for record in live:
        if record.type == "INTENT":
            sent[Order.unpack(record.payload).client_id] = record.mono_ns
        elif record.type == "EXEC":
            told = Execution.unpack(record.payload)
            if told.client_id in sent and told.kind != ExecKind.SENT:
                place = told.venue, record.mono_ns - sent[told.client_id]
                first.setdefault(told.client_id, place)
                if told.kind in (ExecKind.DONE, ExecKind.FILL, ExecKind.REJECT):
                    last[told.client_id] = place
    found = []
    for what, places in (("first answer", first), ("last fill or end", last)):
        by_venue: dict[int, list[int]] = defaultdict(list)
        for venue, ns in places.values():
            by_venue[venue].append(ns)
        for venue, all_ns in sorted(by_venue.items()):
            all_ns.sort()
            found.append(
                Wait(
                    venue=name_of(Venue, venue),
                    what=what,
                    count=len(all_ns),
                    p50_us=all_ns[len(all_ns) // 2] / 1e3,
                    p99_us=all_ns[min(len(all_ns) - 1, len(all_ns) * 99 // 100)] / 1e3,
                    max_us=all_ns[-1] / 1e3,
                )
            )
    return found
