"""The state folder: run numbers only rise, and two traders never share."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from arbitrage.errors import JournalError
from arbitrage.trading.runs import LEAD_BITS, RUN_EPOCH_S, StateFolder, journal_parts


def test_run_numbers_rise_and_follow_the_clock(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as folder:
        first = folder.next_run(RUN_EPOCH_S + 400)
        assert 0 <= first - 100 < 1 << LEAD_BITS
        assert folder.next_run(RUN_EPOCH_S + 400) == first + 1
        assert folder.next_run(RUN_EPOCH_S) == first + 2, "a clock set back gives no number twice"
        assert folder.next_run(RUN_EPOCH_S + 4000) == first + 900
    with StateFolder(tmp_path / "state") as folder:
        assert folder.last_run() == first + 900
    assert stat.S_IMODE(os.stat(tmp_path / "state" / "run").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "state").st_mode) == 0o700


def test_a_lost_folder_brings_no_number_back(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as folder:
        first = folder.next_run(RUN_EPOCH_S + 8000)
    shutil.rmtree(tmp_path / "state")
    with StateFolder(tmp_path / "state") as folder:
        assert folder.next_run(RUN_EPOCH_S + 8004) == first + 1


def test_folders_that_begin_together_have_numbers_of_their_own(tmp_path: Path) -> None:
    """Numbers that were the same would make client ids that are the same, on one account."""
    runs = []
    for number in range(20):
        with StateFolder(tmp_path / f"state-{number}") as folder:
            runs.append(folder.next_run(RUN_EPOCH_S + 8000))
    assert len(set(runs)) >= 19, "two of 20 in 65,536 may meet"
    assert max(runs) - min(runs) > 1 << (LEAD_BITS - 2), "they lie all over the range"


def test_machines_that_begin_together_have_numbers_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for number in range(4):
        monkeypatch.setattr(socket, "gethostname", f"desk-{number}".lower)
        with StateFolder(tmp_path / "state") as folder:
            runs.append(folder.next_run(RUN_EPOCH_S + 8000))
        shutil.rmtree(tmp_path / "state")
    assert len(set(runs)) >= 3


def test_a_folder_that_moves_goes_on_above_its_last_number(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "a") as folder:
        last = folder.next_run(RUN_EPOCH_S + 8000) + (1 << LEAD_BITS)
        (tmp_path / "a" / "run").write_text(f"{last}\n")
    (tmp_path / "a").rename(tmp_path / "b")
    with StateFolder(tmp_path / "b") as folder:
        assert folder.next_run(RUN_EPOCH_S + 8004) == last + 1


@pytest.mark.parametrize("text", ["", "seven", "-3", str(1 << 28), "\xff"])
def test_a_damaged_run_number_is_one_clear_line(tmp_path: Path, text: str) -> None:
    with StateFolder(tmp_path) as folder:
        (tmp_path / "run").write_text(text, encoding="latin-1")
        with pytest.raises(JournalError, match="run"):
            folder.next_run()


def test_two_traders_cannot_share_a_folder(tmp_path: Path) -> None:
    code = f"from arbitrage.trading.runs import StateFolder; StateFolder({str(tmp_path)!r})"
    with StateFolder(tmp_path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode != 0
        assert f"in use by process {os.getpid()}" in done.stderr
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_newest_earlier_journal_is_what_recovery_reads(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        for run in (3, 12, 2_000_000):
            folder.journal_path(run).touch()
        folder.journal_path(12, part=1).touch()
        assert list(journal_parts(tmp_path)) == [3, 12, 2_000_000]
