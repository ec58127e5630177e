"""Parity: whether a recorded session's orders come out again, one by one, and what differs.

The session is decided again from its recording and its journal (`parity_machine`): the market as
the strategy saw it in each of its turns, and every answer of the venues in the turn that took it,
so each order waits for its own answers as long as it did then. What the strategy orders is held
against what it had ordered (`parity_judge`).
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import Order, PairPhase
from arbitrage.core.records import split_client_id
from arbitrage.errors import ConfigError
from arbitrage.research.recording import Recording
from arbitrage.runtime.parity_judge import NOT_SENT, Judge, WhyOutside, waits_of
from arbitrage.runtime.parity_machine import Machine
from arbitrage.runtime.parity_result import Parity, ParityOrder, Wait
from arbitrage.runtime.told import RunTold
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import journal_parts

__all__ = [
    "NOT_SENT",
    "STATE",
    "Parity",
    "ParityOrder",
    "Progress",
    "Wait",
    "check_told",
    "opened_session",
    "parity",
]

STATE = "state"  # the journals' folder beside a recording
BUILT_IN = {"spread", "funding"}

Progress = Callable[[float], None]


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
    recording, told, live = opened_session(folder, state_dir)
    check_told(told)
    found = Parity(
        folder=str(recording.folder),
        run=told.run,
        trader=recording.session["trader"],
        mode=recording.session["mode"],
        from_start=False,
    )
    judge = Judge(live)
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
    found.waits = waits_of(live)
    return found


def opened_session(
    folder: str | Path, state_dir: str | Path | None
) -> tuple[Recording, RunTold, tuple[JournalRecord, ...]]:
    """Open a recording and what its trader wrote down: settings and the run's journal."""
    recording = Recording(folder)
    run = int(recording.session["run"])
    state = Path(state_dir) if state_dir is not None else recording.folder / STATE
    parts = journal_parts(state).get(run) if state.is_dir() else None
    if not parts:
        raise ConfigError(
            f"{state} holds no journal of run {run}; name the trader's state folder (--state-dir)"
        )
    with RunJournal(parts) as journal:
        return recording, RunTold.read(state, run), tuple(journal)


def check_told(told: RunTold) -> None:
    """Refuse a run that cannot be decided again."""
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
