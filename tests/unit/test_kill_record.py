"""The kill switch's bookkeeping: written down once, kept over restarts, taken back when asked."""

import logging
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from arbitrage.core.risk import KILLS
from arbitrage.core.segment import Segment
from arbitrage.runtime.kill_switch import KillSignals, KillSwitch
from arbitrage.trading.kill_record import (
    KILLED_NAME,
    WISH_NAME,
    KillRecord,
    clear_kill,
    read_kill,
    wish_text,
    write_kill,
)


class Desk:
    def __init__(self, folder: Path, segment: Segment) -> None:
        self.folder, self.segment = folder, segment
        self.woken = self.told = 0
        self.switch = KillSwitch(segment, folder, on_trip=self._wake, on_told=self._tell)

    def _wake(self) -> None:
        self.woken += 1

    def _tell(self) -> None:
        self.told += 1

    def kept(self) -> KillRecord:
        found = read_kill(self.folder)
        assert found is not None
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    segment = Segment.create(f"switch-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    yield Desk(tmp_path, segment)
    segment.close()


def test_a_trip_is_the_word_first_and_the_file_second(desk: Desk) -> None:
    assert desk.switch.trip("operator", "too hot", "me")
    assert KILLS[desk.segment.kill_reason] == "operator"
    assert (desk.woken, desk.told) == (1, 0)
    assert read_kill(desk.folder) is None
    desk.switch.attend()
    desk.switch.attend()
    kept = desk.kept()
    assert (kept.reason, kept.why, kept.by, kept.flatten) == ("operator", "too hot", "me", False)
    assert desk.told == 1


def test_the_first_trip_s_words_stay_and_flatten_is_added(desk: Desk) -> None:
    desk.switch.trip("signal", "first", "a")
    assert not desk.switch.trip("operator", "second", "b", flatten=True)
    desk.switch.attend()
    kept = desk.kept()
    assert (kept.reason, kept.why, kept.flatten) == ("signal", "first", True)
    assert desk.segment.controls["flatten"]


def test_killing_ends_a_flattening_that_went_on(desk: Desk) -> None:
    desk.segment.steer(flatten=True)
    desk.switch.trip("operator", "stop it all", "me")
    assert not desk.segment.controls["flatten"]


def test_a_trip_of_the_strategy_thread_is_found_and_told(desk: Desk) -> None:
    desk.segment.trip_kill(KILLS.index("loss"))
    desk.switch.attend()
    assert desk.kept().reason == "loss"
    assert "ARB_MAX_DAY_LOSS_USD" in desk.kept().why


def test_a_trip_outlives_its_run_until_it_is_cleared(desk: Desk) -> None:
    desk.switch.trip("dashboard", "why", "dashboard", flatten=True)
    desk.switch.attend()
    desk.segment.clear_kill()
    desk.segment.steer(flatten=False)
    again = Desk(desk.folder, desk.segment)
    assert again.switch.restore()
    assert KILLS[desk.segment.kill_reason] == "dashboard"
    assert desk.segment.controls["flatten"]
    cleared = again.switch.clear("me")
    assert cleared is not None
    assert cleared.why == "why"
    assert cleared.line.endswith("what is open is being closed, only reducing orders leave")
    assert "only reducing" not in cleared.told
    assert desk.segment.controls == dict.fromkeys(desk.segment.controls, False)
    assert not Desk(desk.folder, desk.segment).switch.restore()


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"when": 3}'])
def test_a_file_that_cannot_be_read_is_a_trip(desk: Desk, text: bytes) -> None:
    (desk.folder / KILLED_NAME).write_bytes(text)
    assert desk.switch.restore()
    assert desk.segment.kill_reason != 0
    desk.switch.clear("me")
    assert read_kill(desk.folder) is None


@pytest.mark.parametrize(("text", "flatten"), [("", False), ("flatten\n", True), ("x", False)])
def test_a_wish_file_trips_once_and_stays_until_cleared(
    desk: Desk, text: str, flatten: bool
) -> None:
    desk.switch.look_for_wish()
    assert desk.segment.kill_reason == 0
    (desk.folder / WISH_NAME).write_text(text)
    for _ in range(3):
        desk.switch.look_for_wish()
        desk.switch.attend()
    assert (desk.woken, desk.told) == (1, 1)
    assert (desk.kept().reason, desk.kept().flatten) == ("file", flatten)
    desk.switch.clear("me")
    assert not (desk.folder / WISH_NAME).exists()
    desk.switch.look_for_wish()
    assert desk.segment.kill_reason == 0


@pytest.mark.parametrize("flat", [False, True])
def test_a_wish_says_who_left_it_and_why(desk: Desk, flat: bool) -> None:
    (desk.folder / WISH_NAME).write_text(wish_text(flat, "it  hangs:\nbadly", "arb, run by me"))
    desk.switch.look_for_wish()
    desk.switch.attend()
    kept = desk.kept()
    told = ("file", "it hangs: badly", "arb, run by me", flat)
    assert (kept.reason, kept.why, kept.by, kept.flatten) == told


def test_a_wish_that_learns_to_flatten_is_heeded(desk: Desk) -> None:
    (desk.folder / WISH_NAME).touch()
    desk.switch.look_for_wish()
    desk.switch.attend()
    (desk.folder / WISH_NAME).write_text("flatten")
    desk.switch.look_for_wish()
    desk.switch.attend()
    assert desk.kept().flatten
    assert desk.segment.controls["flatten"]


def test_a_disk_that_refuses_is_told_and_tried_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    (desk.folder / f"{KILLED_NAME}.new").mkdir()
    desk.switch.trip("operator", "why", "me")
    with caplog.at_level(logging.WARNING):
        desk.switch.attend()
        desk.switch.attend()
        assert desk.segment.kill_reason != 0
        (desk.folder / f"{KILLED_NAME}.new").rmdir()
        desk.switch.attend()
    said = [record.message for record in caplog.records]
    assert sum("the next one may trade" in text for text in said) == 1
    assert said[-1] == "the trip is written down now"
    assert desk.kept().why == "why"


def test_a_trip_during_a_clearing_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.switch.trip("operator", "old", "me")
    desk.switch.attend()

    def clear_slowly(folder: Path) -> None:
        clear_kill(folder)
        desk.switch.trip("dashboard", "new", "dashboard")

    monkeypatch.setattr("arbitrage.runtime.kill_switch.clear_kill", clear_slowly)
    desk.switch.clear("me")
    desk.switch.attend()
    assert (desk.kept().reason, desk.kept().why) == ("dashboard", "new")


class Clearing:
    """A segment whose kill is cleared between two looks at it."""

    def __init__(self) -> None:
        self.reasons = [KILLS.index("signal"), 0]

    @property
    def kill_reason(self) -> int:
        return self.reasons.pop(0) if len(self.reasons) > 1 else self.reasons[0]


def test_a_trip_that_is_cleared_while_it_is_looked_at_leaves_no_record(tmp_path: Path) -> None:
    switch = KillSwitch(cast(Any, Clearing()), tmp_path, on_trip=int, on_told=int)
    switch.attend()
    assert switch.record is None
    assert read_kill(tmp_path) is None


def test_signals_before_there_is_a_trader_are_kept_for_it(desk: Desk) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    try:
        early = KillSignals()
        early.install()
        os.kill(os.getpid(), signal.SIGUSR2)
        early.leave_word(desk.folder)
        assert (desk.kept().reason, desk.kept().flatten) == ("signal", True)
        clear_kill(desk.folder)
        early.hand_to(desk.switch)
        assert desk.segment.controls["flatten"]
        assert KILLS[desk.segment.kill_reason] == "signal"
        desk.switch.clear("me")
        os.kill(os.getpid(), signal.SIGUSR1)
        desk.switch.attend()
        assert (desk.kept().why, desk.kept().flatten) == ("SIGUSR1 came", False)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_record_is_one_line_for_a_person(tmp_path: Path) -> None:
    record = KillRecord(when="2026-11-22T10:00:00.000+00:00", reason="file", why="x", by="y")
    write_kill(tmp_path, record)
    assert read_kill(tmp_path) == record
    assert record.line == "killed since 2026-11-22T10:00:00.000+00:00 by y (file): x"
