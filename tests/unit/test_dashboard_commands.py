"""What the dashboard does when the trader is another one, refuses, is silent or is not there."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from arbitrage.cli.dashboard import kill_unheard
from arbitrage.cold.screens.commands import Commands
from arbitrage.control import address_of, socket_path
from arbitrage.errors import ControlError, NoTraderError, TraderSilentError
from arbitrage.trading.kill_record import WISH_NAME, read_kill
from arbitrage.trading.runs import StateFolder

LEFT = "a wish was left"


class Left:
    """Notes what is left for a trader that does not answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[Path, bool, str, int]] = []

    def __call__(self, folder: Path, flat: bool, why: str, shown_pid: int) -> str:
        self.asked.append((folder, flat, why, shown_pid))
        return LEFT


@contextmanager
def trader_of(folder: Path, answers: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Listen as a trader does; a verb without an answer is not answered."""
    heard: list[dict[str, Any]] = []
    server = socket.socket(socket.AF_UNIX)
    with address_of(socket_path(folder)) as address:
        server.bind(address)
    server.listen()

    def serve() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            with line, line.makefile("rwb") as stream:
                for text in stream:
                    request = json.loads(text)
                    heard.append(request)
                    answer = answers.get(request["verb"])
                    if answer is None:
                        continue
                    stream.write(json.dumps({"id": request["id"], **answer}).encode() + b"\n")
                    stream.flush()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def ok(**result: Any) -> dict[str, Any]:
    return {"ok": True, "result": result}


STATUS = ok(name="mine", kill=None)
KILLED = ok(was_killed=False, acknowledged_ms=0.4, acknowledged_wall_ns=1, kill=None)


def test_a_trader_of_another_name_is_told_nothing(tmp_path: Path) -> None:
    left = Left()
    with trader_of(tmp_path, {"status": STATUS, "kill": KILLED, "pause": ok()}) as heard:
        commands = Commands(tmp_path, "yours", left)
        for work in (commands.kill_surely, commands.confirm, lambda: commands.pause("BTCUSDT")):
            with pytest.raises(ControlError, match="is 'mine', this shows 'yours'; nothing was"):
                work()
    assert {request["verb"] for request in heard} == {"status"}
    assert left.asked == []


def test_a_silent_trader_finds_the_word_when_it_looks(tmp_path: Path) -> None:
    for answers in ({}, {"status": STATUS}):
        folder = tmp_path / str(len(answers))
        folder.mkdir()
        left = Left()
        with trader_of(folder, answers):
            commands = Commands(folder, "mine", left, timeout_s=0.2)
            said, is_killed = commands.kill_surely(flatten=True)
            assert not is_killed
            assert "did not answer" in said
            assert said.endswith(LEFT)
            assert [(asked[0], asked[1]) for asked in left.asked] == [(folder, True)]
            with pytest.raises(TraderSilentError):
                commands.pause("BTCUSDT")


def test_where_no_trader_runs_the_next_one_is_killed(tmp_path: Path) -> None:
    left = Left()
    commands = Commands(tmp_path, "mine", left)
    assert commands.kill_surely(shown_pid=77) == (LEFT, False)
    assert left.asked[0][2].startswith("typed into the dashboard by ")
    assert left.asked[0][3] == 77
    with pytest.raises(NoTraderError, match="no trader listens"):
        commands.resume("BTCUSDT")


def test_no_other_trader_is_killed_for_the_one_that_is_shown(tmp_path: Path) -> None:
    said = r"NOT KILLED: process 77, .*; tell it: kill -USR{} 77, or start the dashboard with its"
    for flat, number in ((False, 1), (True, 2)):
        with pytest.raises(ControlError, match=said.format(number)):
            kill_unheard(tmp_path, flat, "why", 77)
    assert read_kill(tmp_path) is None
    with StateFolder(tmp_path) as held:
        held.next_run()
        assert "which kills it as soon as it looks" in kill_unheard(tmp_path, True, "why", 77)
    assert (tmp_path / WISH_NAME).read_text() == "flatten\nby: dashboard\nwhy: why\n"
    (tmp_path / WISH_NAME).unlink()
    assert "the next start there is killed" in kill_unheard(tmp_path, False, "why", 0)
    with pytest.raises(NoTraderError, match=r"no trader ever ran in .*typo: nothing was killed"):
        kill_unheard(tmp_path / "typo", False, "why", 0)
    assert not (tmp_path / "typo").exists()
    record = read_kill(tmp_path)
    assert record is not None
    assert (record.reason, record.by, record.why) == ("dashboard", "dashboard", "why")


def test_a_refusal_leaves_nothing_behind(tmp_path: Path) -> None:
    left = Left()
    refusal = {"ok": False, "error": "a gateway has not looked at it"}
    with (
        trader_of(tmp_path, {"status": STATUS, "kill": refusal}) as heard,
        pytest.raises(ControlError, match="a gateway has not looked"),
    ):
        Commands(tmp_path, "mine", left).kill_surely()
    assert left.asked == []
    assert [request["by"] for request in heard] == ["dashboard"] * 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"paused": {}, "killed": False, "flatten": False}, "BTCUSDT resumed"),
        (
            {"paused": {"BTCUSDT": ["contract"]}, "killed": False, "flatten": False},
            "BTCUSDT stays paused: contract",
        ),
        ({"paused": {}, "killed": True, "flatten": True}, "the kill switch stands"),
        ({"paused": {}, "killed": False, "flatten": True}, "every pair is being closed"),
    ],
)
def test_resuming_says_what_still_holds_it_back(
    tmp_path: Path, answer: dict[str, Any], said: str
) -> None:
    with trader_of(tmp_path, {"status": STATUS, "resume": ok(**answer)}):
        assert said in Commands(tmp_path, "mine", Left()).resume("BTCUSDT")


def test_what_was_killed_before_is_said(tmp_path: Path) -> None:
    again = ok(was_killed=True, acknowledged_ms=0.1, acknowledged_wall_ns=1, kill=None)
    confirmed = {"confirmed": True, "state": "nothing open"}
    with trader_of(tmp_path, {"status": STATUS, "kill": again}):
        said, is_killed = Commands(tmp_path, "mine", Left()).kill_surely()
        assert is_killed
        assert said.startswith("it was killed already: no order leaves")
        assert Commands(tmp_path, "mine", Left()).confirm() == "somebody has cleared it since"
    folder = tmp_path / "killed"
    folder.mkdir()
    killed = ok(name="mine", kill={"cancels": {"bybit": confirmed, "okx": confirmed}})
    with trader_of(folder, {"status": killed}):
        commands = Commands(folder, "mine", Left())
        assert commands.confirm() == "no order is open at bybit and okx"
