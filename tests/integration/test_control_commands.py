"""`arb status`, `kill`, `pause`, `resume`, `flatten` and `limit` against a trader that trades."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kill_kit import FAST_SIM, Desk, desk, run_trader
from trader_kit import venues

from arbitrage.control import socket_path
from arbitrage.trading.kill_record import KILLED_NAME, WISH_NAME, read_kill
from arbitrage.trading.runs import StateFolder

SYMBOLS = "BTCUSDT,ETHUSDT"


def arb(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run `arb`; return code, stdout, stderr."""
    environment = os.environ | {"ARB_STATE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", *arguments],
        env=environment, capture_output=True, text=True, timeout=90, check=False, cwd=folder.parent,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def wait_flat(made: Desk) -> None:
    made.wait(lambda: not made.operator.call("status")["open_pairs"], "it did not get flat")


def test_a_trader_obeys_a_person(tmp_path: Path) -> None:
    with desk(tmp_path, SYMBOLS) as made:
        made.wait_orders(4)
        code, out, _ = arb(made.folder, "status")
        assert (code, out.splitlines()[1].split()) == (0, ["state", "trading"])
        check_limits(made)
        check_pausing(made)
        check_flattening(made)
        check_kill_and_flatten(made)
        check_a_folder_that_is_not_the_trader_s(made, tmp_path / "typo")
        code, _, err = arb(made.folder, "kill", "--name", "somebody-else")
        assert (code, made.segment.kill_reason) == (1, 0)
        assert "nothing done" in err
        check_flatten_outlasts_a_kill(made)
        check_kill_of_a_hung_trader(made)
        check_stop_while_killed(made)


def check_a_folder_that_is_not_the_trader_s(made: Desk, typo: Path) -> None:
    """Nothing is made there, nothing looks killed, and the trader that runs is named."""
    for arguments in (["kill"], ["kill", "--flatten"], ["kill", "--clear"]):
        code, out, err = arb(made.folder, *arguments, "--state-dir", str(typo))
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"error: no trader ever ran in {typo}: nothing ")
        trader = f"{made.trader.name} (process {made.trader.child.pid}, mode testnet, state folder "
        assert f"{trader}{made.folder})" in err
    assert not typo.exists()
    assert made.segment.kill_reason == 0


def check_limits(made: Desk) -> None:
    """A limit below the loss of the day kills at once, with no pair left to end."""
    for arguments, says in (
        (["nope"], "there are max_order_usd, "),
        (["max_order_usd", "-1"], "'-1'; accepted is a number above 0 to 1000000000"),
        (["max_order_usd", "much"], "max_order_usd was 'much'"),
    ):
        code, _, err = arb(made.folder, "limit", *arguments)
        assert (code, says in err, "]" in err) == (2, True, False)
    code, out, _ = arb(made.folder, "limit", "max_day_loss_usd")
    assert (code, out.split()) == (0, ["max_day_loss_usd", "1e+06"])
    made.wait(lambda: made.operator.call("status")["day_result_usd"] < -0.002, "nothing was lost")
    arb(made.folder, "flatten")
    wait_flat(made)
    code, out, _ = arb(made.folder, "limit", "max_day_loss_usd", "0.001")
    assert (code, "killed: the day has lost that already" in out) == (0, True)
    record = read_kill(made.folder)
    assert record is not None
    assert (record.reason, "max_day_loss_usd was set to 0.001" in record.why) == ("loss", True)
    code, out, _ = arb(made.folder, "kill", "--why", "once more")
    assert (code, out.startswith(f"it was {record.line}\nstill: no order leaves")) == (0, True)
    code, out, _ = arb(made.folder, "kill", "--clear")
    assert (code, "the day's loss still stands" in out) == (0, True)
    arb(made.folder, "resume", "all")
    state = arb(made.folder, "status")[1].splitlines()[1]
    assert re.fullmatch(r"  state    no new pairs: day's loss [0-9.]+ of 0.00 USD, until .*", state)
    made.wait(lambda: "day_loss" in made.operator.call("status")["refused"], "nothing was refused")
    assert "day_loss: the day has lost what it may" in arb(made.folder, "status")[1]
    code, out, _ = arb(made.folder, "limit", "max_day_loss_usd", "0")
    assert (code, "max_day_loss_usd is off: no loss of a day, however large" in out) == (0, True)
    code, out, _ = arb(made.folder, "limit", "max_day_loss_usd", "1e6")
    assert " is off" not in out
    assert (code, made.segment.kill_reason) == (0, 0)
    made.wait_orders(4)


def check_pausing(made: Desk) -> None:
    code, out, _ = arb(made.folder, "pause", "btcusdt")
    assert (code, out) == (0, "BTCUSDT is paused: operator\n")
    opened = made.operator.call("status")["pairs"]["opened"]
    made.wait(lambda: made.operator.call("status")["pairs"]["opened"] > opened + 5, "no pair")
    assert {pair["symbol"] for pair in made.operator.call("status")["open_pairs"]} <= {"ETHUSDT"}
    arb(made.folder, "pause", "all")
    wait_flat(made)
    assert "no new pairs: every symbol is paused (operator)" in arb(made.folder, "status")[1]
    before = made.order_count
    time.sleep(0.2)
    assert made.order_count == before
    code, out, _ = arb(made.folder, "resume", "all")
    assert (code, out) == (0, "resumed BTCUSDT, ETHUSDT\n")
    assert arb(made.folder, "resume", "all")[1] == "no symbol is paused\n"
    made.wait_orders(2)
    code, _, err = arb(made.folder, "pause", "XYZ")
    assert code == 1
    assert "this trader has BTCUSDT, ETHUSDT, or all" in err


def check_flattening(made: Desk) -> None:
    made.wait(lambda: len(made.operator.call("status")["open_pairs"]) > 0, "no pair")
    code, out, _ = arb(made.folder, "flatten")
    assert (code, out.splitlines()[-1]) == (0, "none is opened until arb resume all")
    wait_flat(made)
    assert arb(made.folder, "flatten")[1].splitlines()[0] == "no pair is open"
    before = made.order_count
    time.sleep(0.2)
    assert made.order_count == before
    assert "no new pairs: flattening" in arb(made.folder, "status")[1]
    assert "the flatten ended" not in arb(made.folder, "resume", "BTCUSDT")[1]
    code, out, _ = arb(made.folder, "resume", "all")
    said = "no symbol is paused\nthe flatten ended: new pairs may open now\n"
    assert (code, out) == (0, said)
    made.wait_orders(2)


def check_kill_and_flatten(made: Desk) -> None:
    os.kill(made.trader.child.pid, signal.SIGUSR2)
    made.wait(lambda: made.segment.kill_reason != 0, "the signal did not trip")
    wait_flat(made)
    made.wait(lambda: read_kill(made.folder) is not None, "the trip was not written down")
    record = read_kill(made.folder)
    assert record is not None
    assert record.flatten
    code, out, _ = arb(made.folder, "kill", "--clear")
    assert (code, out.split(":")[0]) == (0, "cleared")
    assert not made.segment.controls["flatten"]
    code, _, err = arb(made.folder, "kill", "--clear")
    assert (code, "has not tripped" in err) == (1, True)
    arb(made.folder, "resume", "all")
    made.wait_orders(2)


def check_flatten_outlasts_a_kill(made: Desk) -> None:
    assert arb(made.folder, "kill")[0] == 0
    said = "still: what is open is being closed; only reducing orders leave, every gateway"
    code, out, _ = arb(made.folder, "kill", "--flatten")
    assert (code, said in out, "no order leaves any more" in out) == (0, True, False)
    assert arb(made.folder, "kill", "--clear")[0] == 0
    assert arb(made.folder, "kill")[0] == 0
    assert arb(made.folder, "flatten")[0] == 0
    wait_flat(made)
    code, out, _ = arb(made.folder, "kill", "--clear")
    assert (code, "arb resume all ends that" in out) == (0, True)
    before = made.order_count
    code, out, _ = arb(made.folder, "resume", "BTCUSDT")
    assert (code, "arb resume all ends that" in out) == (0, True)
    time.sleep(0.2)
    assert made.order_count == before
    arb(made.folder, "resume", "all")
    made.wait_orders(2)


def check_kill_of_a_hung_trader(made: Desk) -> None:
    """It cannot answer; the wish is left for it, and for the next one should it never wake."""
    os.kill(made.trader.child.pid, signal.SIGSTOP)
    code, _, err = arb(made.folder, "kill", "--why", "it hangs")
    assert code == 1
    assert f"{WISH_NAME} was written as well" in err
    assert (made.folder / WISH_NAME).exists()
    os.kill(made.trader.child.pid, signal.SIGCONT)
    made.wait(lambda: read_kill(made.folder) is not None, "it woke and was not killed")
    record = read_kill(made.folder)
    assert record is not None
    assert (record.why, record.by[:3]) == ("it hangs", "arb")
    assert arb(made.folder, "kill", "--clear")[0] == 0
    assert not (made.folder / WISH_NAME).exists()
    # a leg that stood alone while it hung has paused its symbol
    made.operator.call("resume", symbols=["all"])
    made.wait_orders(2)


def settled_legs(made: Desk) -> list[str]:
    """The legs that stand once the fills of what left before a kill have come."""
    before: list[str] | None = None
    while True:
        pairs = made.operator.call("status")["open_pairs"]
        legs = [leg for pair in pairs for leg in pair["legs"]]
        if legs == before:
            return legs
        before = legs
        time.sleep(0.5)


def check_stop_while_killed(made: Desk) -> None:
    """Nothing is sent, not even to stop flat, and what stands is named."""
    made.wait(lambda: len(made.operator.call("status")["open_pairs"]) > 0, "no pair")
    made.operator.call("kill", why="a test")
    standing = settled_legs(made)
    before = made.segment.counters()["gateway"]
    code = made.trader.stop()
    after = made.segment.counters()["gateway"]
    for venue in ("bybit", "okx"):
        assert after[venue]["frames_sent"] == before[venue]["frames_sent"]
    if standing:
        assert code == 1
        words = made.trader.child.last_words()
        assert words.startswith("stopped while killed, so nothing was closed")
        assert any(leg in words for leg in standing)


def test_without_a_trader_the_next_start_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with StateFolder(folder) as held:
        held.next_run()
    code, out, _ = arb(folder, "kill", "--why", "storm ahead", "--flatten")
    assert code == 0
    assert out.startswith(f"no trader runs in {folder}, so nothing was sent or cancelled; ")
    record = read_kill(folder)
    assert record is not None
    assert (record.why, record.reason, record.flatten) == ("storm ahead", "operator", True)
    code, out, _ = arb(folder, "kill")
    assert (code, "its next start was killed since" in out) == (0, True)
    code, _, err = arb(folder, "status")
    assert code == 1
    assert "no trader listens" in err
    assert "storm ahead" in err
    assert arb(folder, "kill", "--clear")[1].startswith("cleared: the next start trades")
    assert not (folder / KILLED_NAME).exists()
    code, _, err = arb(folder, "kill", "--clear")
    assert (code, err) == (1, f"error: nothing is killed in {folder}\n")
    for verb in (["pause", "all"], ["resume", "all"], ["flatten"], ["limit"]):
        code, _, err = arb(folder, *verb)
        assert (code, err) == (1, f"error: no trader listens at {socket_path(folder)}\n")


def test_a_wish_file_is_told_before_the_start_and_when_it_is_taken_back(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    wish = folder / WISH_NAME
    wish.write_text("flatten\n")
    code, _, err = arb(folder, "status")
    said = f"; the file {wish} asks for a kill: the next start is killed and closes what is open\n"
    assert (code, err.endswith(said)) == (1, True)
    code, out, _ = arb(folder, "kill", "--clear")
    said = f"cleared: the next start trades; the file {wish}, which asked for a kill, is gone\n"
    assert (code, out) == (0, said)
    assert not wish.exists()


def test_one_that_holds_the_folder_but_does_not_listen_is_left_a_wish(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with StateFolder(folder):
        code, out, _ = arb(folder, "kill", "--flatten")
    assert code == 0
    assert "as soon as it looks" in out
    text = (folder / WISH_NAME).read_text()
    assert text.startswith("flatten\nby: arb")
    assert "\nwhy: told by arb" in text


def test_a_wish_left_before_the_start_kills_it(tmp_path: Path) -> None:
    with venues(tmp_path, symbols=SYMBOLS, program=FAST_SIM) as place:
        folder = tmp_path / "state"
        folder.mkdir(mode=0o700)
        (folder / WISH_NAME).touch()
        with run_trader(tmp_path, place, SYMBOLS) as made:
            found = json.loads(arb(folder, "status", "--json")[1])
            assert found["kill"]["reason"] == "file"
            assert found["orders"] == 0
            assert made.trader.stop() == 0


def test_two_traders_on_one_account_are_told_of(tmp_path: Path) -> None:
    """The first is killed, so that nothing it holds hinders the second; it hears of its orders."""
    first, second = tmp_path / "first", tmp_path / "second"
    with venues(
        tmp_path, rate=1500, symbols=SYMBOLS, extra=("--admin",), program=FAST_SIM
    ) as place:
        for folder in (first, second):
            folder.mkdir()
        state = first / "state"
        state.mkdir(mode=0o700)
        (state / WISH_NAME).touch()
        (state / "run").write_text("100000000\n")  # numbers come from the clock, four seconds each
        with run_trader(first, place, SYMBOLS) as made, run_trader(second, place, SYMBOLS) as other:
            assert made.folder != other.folder
            other.wait_orders(4)
            made.wait(lambda: made.operator.call("status")["strangers"], "nothing was noticed")
            assert "another program trades it with this account" in arb(state, "status")[1]
            said = [line for line in made.trader.child.log_lines() if "another program" in line]
            places = [line.partition(" with this account")[0] for line in said]
            assert len(places) == len({place.rpartition("trades ")[2] for place in places}) > 0
            assert not other.operator.call("status")["strangers"]


@pytest.mark.parametrize(
    "arguments",
    [["kill", "--clear", "--flatten"], ["limit", "--nope"], ["pause"], ["limit", "x", "y"]],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    code, _, err = arb(tmp_path / "state", *arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
