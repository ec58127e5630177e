"""The demo as a person runs it: the programs, the report, Ctrl-C, and what fails in one line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from monitor_kit import SPECIFIED, strictly_parsed, value_of
from patience import LIMIT_S, Patience
from stalls import Stalls

import arbitrage
from arbitrage.cold.metrics import exposition
from arbitrage.cold.watch import Watch
from arbitrage.core.shim import shim_path
from arbitrage.errors import ArbitrageError

PROGRAM = ("-m", "arbitrage.demo")
START = ["--symbols", "BTCUSDT,ETHUSDT", "--json", "-"]
NUMBERS = (int, float)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Any]:
    """Start demos that never outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str, program: tuple[str, str] = PROGRAM) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *program, *START, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def children_of(pid: int) -> dict[str, int]:
    """Return the demo's programs by what they are."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if "arbitrage.sim" in words:
                found[words[words.index("--venue") + 1]] = int(child)
            elif "arbitrage.trader" in words:
                found["trader"] = int(child)
    return found


def wait_for_programs(process: subprocess.Popen[str]) -> dict[str, int]:
    patience = Patience()
    while not patience.is_over():
        assert process.poll() is None, process.communicate()
        found = children_of(process.pid)
        if len(found) == 3:
            return found
        time.sleep(0.05)
    raise AssertionError(f"only {sorted(found)} run")


def wait_for_quotes(process: subprocess.Popen[str]) -> None:
    """Wait until its trader hears both venues."""
    patience = Patience()
    while not patience.is_over():
        assert process.poll() is None, process.communicate()
        with suppress(ArbitrageError):
            segment = arbitrage.attach(f"arbitrage-demo-{process.pid}")
            feed = segment.counters()["feed"]
            if all(feed.get(venue, {}).get("frames", 0) > 200 for venue in ("bybit", "okx")):
                return
        time.sleep(0.05)
    raise AssertionError("its trader does not hear both venues")


def finish(process: subprocess.Popen[str], timeout_s: float = LIMIT_S) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out, err


def check_clean(report: dict[str, Any]) -> None:
    assert report["mode"] == "demo"
    assert report["frames"]["bybit"] > 100
    assert report["frames"]["okx"] > 100
    assert report["malformed"] == 0
    assert report["identity_error_usd"] == 0
    assert report["open_legs_at_exit"] == 0
    assert report["drops"]["orders"] == 0
    pairs = report["pairs"]
    assert pairs["opened"] == pairs["closed"]
    pnl = report["pnl_usd"]
    assert pnl["net"] == pytest.approx(pnl["gross"] + pnl["fees"] + pnl["funding"])


def test_pairs_open_and_close_and_the_books_agree(demo: Any, tmp_path: Path) -> None:
    for seconds in ("8", "40"):  # more where the machine stood still for most of the first
        code, out, err = finish(demo("--seconds", seconds, "--seed", "7", "--max-hold-s", "2"), 110)
        assert code == 0, err
        assert out.count("\n") == 1
        name = err.partition("to watch it: arb-monitor --name ")[2].split()[0]
        assert re.search(rf"arb dashboard --name {name} --state-dir \S+/state$", err, re.MULTILINE)
        report = json.loads(out)
        check_clean(report)
        if report["pairs"]["opened"]:
            break
    assert report["pairs"]["opened"] > 0
    assert report["fills"] >= 4 * report["pairs"]["closed"] > 0
    assert report["pnl_usd"]["fees"] < 0
    for quantiles in report["latency_ns"].values():
        assert all(isinstance(value, NUMBERS) and value > 0 for value in quantiles.values())
    assert 10 < report["rss_mb"] < 100
    assert list(tmp_path.iterdir()) == [], "the demo left files behind"


def scrape_everything(name: str) -> None:
    """Scrape a running trader: every name of the specification, with the segment's own values."""
    watch, segment = Watch(name, arbitrage.attach), arbitrage.attach(name)
    render = exposition(watch.look)
    patience = Patience()
    while True:
        before = segment.queues(), segment.allocations
        found = strictly_parsed(render().decode())
        after = segment.queues(), segment.allocations
        # a first opportunity, and a share of time needs two looks
        if set(SPECIFIED) <= set(found) and value_of(found, "latency_measurements_total"):
            break
        assert not patience.is_over(), set(SPECIFIED) - set(found)
        time.sleep(0.2)
    for kind, verb in (("market", "push"), ("order", "submit")):
        pushed = [queues[kind]["pushed"] for queues, _ in (before, after)]
        assert pushed[0] <= value_of(found, f"queue_{kind}_{verb}_total") <= pushed[1]
        assert value_of(found, f"queue_capacity_{kind}") == before[0][kind]["capacity"]
    for path in ("hot", "warm", "cold"):
        counted = [allocations[path] for _, allocations in (before, after) if allocations]
        assert counted[0] <= value_of(found, f"allocations_{path}_path_total") <= counted[1]


def test_ctrl_c_flattens_and_reports(
    demo: Any, stalls: Stalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD", str(shim_path()))
    process = demo("--seconds", "600")
    stalls.watch(process.pid)
    programs = wait_for_programs(process)
    wait_for_quotes(process)
    scrape_everything(f"arbitrage-demo-{process.pid}")
    with stalls.within(15.0, "flat, and reported"):
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
    assert code == 0, err
    check_clean(json.loads(out))
    assert not any(Path(f"/proc/{pid}").exists() for pid in programs.values())


@pytest.mark.parametrize("victim", ["bybit", "trader"])
def test_a_program_that_dies_is_one_clear_line(demo: Any, stalls: Stalls, victim: str) -> None:
    process = demo("--seconds", "600")
    stalls.watch(process.pid)
    programs = wait_for_programs(process)
    time.sleep(2)
    with stalls.within(3.0, "it is said at once"):
        os.kill(programs[victim], signal.SIGKILL)
        code, out, err = finish(process)
    assert code == 1
    assert out == ""
    last = err.splitlines()[-1]
    title = "the trader" if victim == "trader" else f"the simulated {victim}"
    assert last == f"error: {title} ended early by SIGKILL"
    assert "Traceback" not in err
    assert not Path(f"/dev/shm/arbitrage.arbitrage-demo-{process.pid}").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in programs.values())


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that only waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def programs_of_folder(folder: Path) -> list[int]:
    """Return the processes that were told this folder as theirs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("delay_s", [0, 3])
def test_killed_demo_leaves_no_program(demo: Any, stalls: Stalls, delay_s: float) -> None:
    process = demo("--seconds", "600")
    programs = wait_for_programs(process)
    stalls.watch(*programs.values())
    time.sleep(delay_s)
    left, patience = dict(programs), Patience()
    with stalls.within(5.0, "they end with it"):
        process.kill()
        while left and not patience.is_over():
            left = {name: pid for name, pid in left.items() if is_running(pid)}
            time.sleep(0.1)
    assert left == {}
    assert not Path(f"/dev/shm/arbitrage.arbitrage-demo-{process.pid}").exists()


# What `arb-demo` runs, and a file as soon as it has said what Ctrl-C means: before, Python itself
# ends with a traceback.
BEGIN = """
from arbitrage import entry
quietly = entry.end_quietly
entry.end_quietly = lambda: (quietly(), open({path!r}, "w").close())
entry.arb_demo()
"""


@pytest.mark.parametrize("delay_s", [0.1, 0.3, 0.6, 0.9, 1.2, 1.5])
def test_ctrl_c_at_the_start_is_quiet_and_leaves_nothing(
    demo: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, delay_s: float
) -> None:
    begun = tmp_path_factory.mktemp("begun") / "file"
    process = demo("--seconds", "600", program=("-c", BEGIN.format(path=str(begun))))
    patience = Patience()
    while not begun.exists():
        assert not patience.is_over()
        time.sleep(0.005)
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code in (0, 130), err
    assert "error" not in err
    assert "Traceback" not in err
    assert (code == 0) == bool(out)
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/dev/shm/arbitrage.arbitrage-demo-{process.pid}").exists()
    assert not programs_of_folder(tmp_path)
