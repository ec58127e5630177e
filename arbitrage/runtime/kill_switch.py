"""The kill switch of a running trader: five ways to trip it, one word that all of them set.

The word in the segment is the trip: from the moment it is set no gateway lets an order out. What
follows is bookkeeping, done by whoever comes first, the main thread's beat at the latest: the trip
is written to the state folder, told, and both venues are asked to cancel what rests.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import NamedTuple, Protocol

from arbitrage.core.risk import KILLS
from arbitrage.errors import JournalError
from arbitrage.secret import mask_known
from arbitrage.trading.kill_record import (
    WISH_NAME,
    KillRecord,
    clear_kill,
    read_kill,
    read_wish,
    told_of_wish,
    utc_text,
    wants_flatten,
    write_kill,
)

__all__ = ["KillSignals", "KillSwitch"]

# Words for a trip that nobody asked for: the strategy thread made it.
OWN_WORDS = {
    "loss": ("the day's loss reached ARB_MAX_DAY_LOSS_USD", "the risk gate"),
    "reconciliation": ("positions differ and nothing explains it", "the reconciliation"),
}
_log = logging.getLogger(__name__)


class Control(Protocol):
    """What is needed of a segment."""

    @property
    def kill_reason(self) -> int: ...
    def trip_kill(self, reason: int) -> bool: ...
    def clear_kill(self) -> None: ...
    def steer(self, *, flatten: bool | None = None) -> None: ...


class _Asked(NamedTuple):
    reason: int
    why: str
    by: str
    flatten: bool
    wall_ns: int


class KillSwitch:
    """Trip, write down, tell, and clear.

    Threads: :meth:`trip` on any, also in a signal handler; the rest on the main thread and the
    control loop.

    Parameters
    ----------
    segment : Segment
    folder : Path
        The state folder, held by this trader.
    on_trip : callable
        Called on the tripping thread: wakes whoever sleeps. Must not block or take locks.
    on_told : callable
        Called once for a trip, before it is written down: have both venues cancel what rests.
    """

    def __init__(
        self,
        segment: Control,
        folder: Path,
        *,
        on_trip: Callable[[], None],
        on_told: Callable[[], None],
    ) -> None:
        self.is_flatten_told = False  # by a command: it outlasts the kill, until it is taken back
        self._segment = segment
        self._folder = folder
        self._on_trip = on_trip
        self._on_told = on_told
        self._lock = threading.Lock()
        self._asked: list[_Asked] = []
        self._unwritten = False
        self.record: KillRecord | None = None

    def restore(self) -> bool:
        """Take over a trip that an earlier run left, or a wish; before any thread starts.

        Whether the switch is tripped.
        """
        self.record = read_kill(self._folder)
        if self.record is not None:
            known = self.record.reason in KILLS[1:]
            self._segment.trip_kill(KILLS.index(self.record.reason) if known else 1)
            self._segment.steer(flatten=self.record.flatten)
            sends = "only what reduces" if self.record.flatten else "nothing"
            _log.error(
                "started while the kill switch is on: this run recovers, watches and sends %s; it "
                "is %s; arb kill --clear lets it trade", sends, self.record.line,
            )
            self._on_told()
        self.look_for_wish()
        self.attend()
        return self.record is not None

    def trip(self, reason: str, why: str, by: str, *, flatten: bool = False) -> bool:
        """Let no order out any more; False when it had tripped already.

        Takes effect at once; the files and the venues follow with :meth:`attend`.
        """
        number = KILLS.index(reason)
        # said before it is done: whoever sees the word finds why
        self._asked.append(_Asked(number, mask_known(why), by, flatten, time.time_ns()))
        is_first = self._segment.kill_reason == 0
        if is_first and not flatten:
            # a stop or a command may have raised it: killed means that nothing leaves
            self._segment.steer(flatten=False)
        is_first = self._segment.trip_kill(number)
        if flatten:
            self._segment.steer(flatten=True)
        self._on_trip()
        return is_first

    def look_for_wish(self) -> None:
        """Trip when somebody has left a wish file in the state folder."""
        record = self.record
        if record is not None and record.flatten:
            return
        wish = read_wish(self._folder)
        if wish is None:
            return
        flatten = wants_flatten(wish)
        if self._segment.kill_reason == 0 or (flatten and record is not None):
            by, why = told_of_wish(wish)
            if not why:
                said = " ".join(wish.split())
                why = f"{self._folder / WISH_NAME} appeared" + (f": {said}" if said else "")
            self.trip("file", why, by or "whoever wrote that file", flatten=flatten)

    def attend(self) -> None:
        """Write a trip down and tell of it, once; go on trying while the disk refuses."""
        if self._segment.kill_reason == 0:
            return
        with self._lock:
            # again: a trip that was cleared meanwhile would leave a record of what is over
            reason = self._segment.kill_reason
            if reason and (self.record is None or self._asked or self._unwritten):
                self._attend(reason)

    def _attend(self, reason: int) -> None:
        asked = self._asked[:]
        del self._asked[: len(asked)]
        is_new = self.record is None
        record = self.record or self._record_of(reason, asked)
        if any(one.flatten for one in asked) and not record.flatten:
            record = KillRecord(
                when=record.when, reason=record.reason, why=record.why, by=record.by, flatten=True
            )
        if is_new or asked:
            self._on_told()
        if record != self.record or self._unwritten:
            self._write(record)
        # last: who finds it finds the trip written down and the cancelling begun
        self.record = record
        if is_new:
            leaves = "only reducing orders leave" if record.flatten else "no order leaves"
            _log.error(
                "the kill switch has tripped, %s: %s; arb kill --clear lets it trade again",
                leaves, record.line,
            )  # fmt: skip

    @staticmethod
    def _record_of(reason: int, asked: Iterable[_Asked]) -> KillRecord:
        name = KILLS[reason] if reason < len(KILLS) else "operator"
        first = next((one for one in asked if one.reason == reason), None)
        if first is None:
            why, by = OWN_WORDS.get(name, ("not said", "not said"))
            return KillRecord(when=utc_text(), reason=name, why=why, by=by)
        return KillRecord(
            when=utc_text(first.wall_ns), reason=name, why=first.why, by=first.by,
            flatten=first.flatten,
        )  # fmt: skip

    def _write(self, record: KillRecord) -> None:
        try:
            write_kill(self._folder, record)
        except JournalError as error:
            if not self._unwritten:
                _log.error("the trip holds in this run, but the next one may trade: %s", error)
            self._unwritten = True
        else:
            if self._unwritten:
                _log.warning("the trip is written down now")
            self._unwritten = False

    def flatten(self, by: str) -> None:
        """Have what is open closed although killed, and after a restart too."""
        self._asked.append(_Asked(0, "", by, True, time.time_ns()))
        self._segment.steer(flatten=True)
        self.attend()

    def clear(self, by: str) -> KillRecord | None:
        """Let orders out again; return the trip that is over, None when there was none.

        Raises
        ------
        JournalError
            A file cannot be removed: the switch stays tripped.
        """
        with self._lock:
            record, asked = self.record, len(self._asked)
            clear_kill(self._folder)
            del self._asked[:asked]
            self._unwritten = False
            self._segment.steer(flatten=self.is_flatten_told)
            self.record = None
            self._segment.clear_kill()
            if self._asked:  # somebody tripped it meanwhile, and meant it
                self._segment.trip_kill(self._asked[0].reason)
        if record is not None:
            _log.warning("the kill switch was cleared by %s; it was %s", by, record.told)
        return record


class KillSignals:
    """SIGUSR1 kills, SIGUSR2 kills and flattens; from before there is a trader to be killed."""

    def __init__(self) -> None:
        self._switch: KillSwitch | None = None
        self._early: int | None = None

    def install(self) -> None:
        """Take both signals from now on. Main thread."""
        signal.signal(signal.SIGUSR1, self._take)
        signal.signal(signal.SIGUSR2, self._take)

    def hand_to(self, switch: KillSwitch) -> None:
        """Have this switch tripped, also for a signal that came before it was there."""
        self._switch = switch
        if self._early is not None:
            self._trip(switch, self._early)

    def leave_word(self, folder: Path) -> None:
        """Write down a signal that no switch was there to take: the next start is killed."""
        if self._switch is None and self._early is not None:
            name = signal.Signals(self._early).name
            record = KillRecord(
                when=utc_text(), reason="signal", why=f"{name} came during the start",
                by="whoever sent it", flatten=self._early == signal.SIGUSR2,
            )  # fmt: skip
            write_kill(folder, record)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self._switch is None:
            self._early = number
        else:
            self._trip(self._switch, number)

    @staticmethod
    def _trip(switch: KillSwitch, number: int) -> None:
        name = signal.Signals(number).name
        switch.trip(
            "signal", f"{name} came", "whoever sent it", flatten=number == signal.SIGUSR2
        )
