"""The demo's parts: its arithmetic, its frames files and the programs it starts."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from arbitrage.core.histogram import Histogram
from arbitrage.demo.facts import AccountFacts
from arbitrage.demo.processes import Child
from arbitrage.demo.report import TraderReport, make_report, render, to_json
from arbitrage.demo.run import DemoOptions, run_demo, symbols_of_frames
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.runtime.incidents import Incidents
from arbitrage.runtime.report import naked_figures

D = Decimal
QUANTILES = {"p50": 1500, "p99": 2500, "p999": 9000, "max": 12000}
TRADER = {
    "mode": "demo",
    "seconds": 20.1,
    "frames": {"bybit": 10, "okx": 11},
    "malformed": 0,
    "quotes": 21,
    "opportunities": {"opened": 3, "closed": 2},
    "pairs": {"opened": 2, "closed": 1, "unwound": 1},
    "orders": 8,
    "fills": 8,
    "ledger": {
        "realised": "3.000000000000000001",
        "unrealised": "0",
        "fees": "-1.25",
        "funding": "0.000",
    },
    "latency_ns": {"frame_to_opportunity": QUANTILES, "frame_to_order_sent": QUANTILES},
    "drops": {"ticks": 0, "orders": 0},
    "rss_mb": 71.5,
}
KEYS = [
    "mode",
    "seconds",
    "frames",
    "malformed",
    "quotes",
    "opportunities",
    "pairs",
    "orders",
    "fills",
    "pnl_usd",
    "identity_error_usd",
    "latency_ns",
    "drops",
    "naked_leg_ms",
    "incidents",
    "incidents_forgotten",
    "strategies",
    "rss_mb",
    "open_legs_at_exit",
]


def trader() -> TraderReport:
    return msgspec.convert(TRADER, TraderReport, strict=False)


def test_report_is_one_object_with_exactly_these_keys() -> None:
    before = {"bybit": AccountFacts(D("1000"), {}), "okx": AccountFacts(D("1000.5"), {})}
    after = before | {"bybit": AccountFacts(D("1001.750000000000000001"), {})}
    report = make_report(trader(), before, after)
    text = to_json(report)
    body = json.loads(text)
    assert text.endswith("}\n")
    assert list(body) == KEYS
    assert body["identity_error_usd"] == 0
    assert '"net":1.750000000000000001' in text
    assert body["pnl_usd"] == {"gross": 3.0, "fees": -1.25, "funding": 0, "net": 1.75}
    assert body["latency_ns"]["opportunity_to_order"] == {
        "p50": None,
        "p99": None,
        "p999": None,
        "max": None,
    }
    assert body["open_legs_at_exit"] == 0


def test_a_cent_between_ledger_and_wallets_shows(capsys: pytest.CaptureFixture[str]) -> None:
    before = {"bybit": AccountFacts(D(1), {}), "okx": AccountFacts(D(1), {})}
    after = {
        "bybit": AccountFacts(D(1), {"BTCUSDT": D("-0.1")}),
        "okx": AccountFacts(D("2.74"), {}),
    }
    report = make_report(trader(), before, after)
    assert report.identity_error_usd == D("0.010000000000000001")
    assert report.open_legs_at_exit == 1
    render(report)
    text = capsys.readouterr().out
    assert "DISAGREES" in text
    assert "1 at the venues" in text


def test_legs_alone_and_incidents_are_told_to_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    naked, cause = Histogram(), Histogram()
    for microseconds in (50, 60, 2500):
        naked.record(microseconds * 1000)
    cause.record(2_500_000)
    incidents = Incidents(clock=lambda: 1_790_000_000_000_000_000)
    incidents.note("venue", "order [7] refused", venue="okx")
    figures = {
        "naked_leg_ms": naked_figures(naked, {"leg failed": cause}),
        "incidents": incidents.to_list(),
    }
    told = msgspec.convert(TRADER | figures, TraderReport, strict=False)
    before = dict.fromkeys(("bybit", "okx"), AccountFacts(D(1), {}))
    report = make_report(told, before, before)
    assert report.naked_leg_ms.count == 3
    assert report.naked_leg_ms.max == 2.5
    render(report)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"to 0.1 {'#' * 40} 2" in lines
    assert f"to 3 {'#' * 20} 1" in lines
    assert "leg failed: 1, at most 2.500" in lines
    assert lines[-2:] == ["incidents, 1:", "2026-09-21T14:13:20.000Z okx: order [7] refused"]


# ---- frames files --------------------------------------------------------------------------------


def write_frames(folder: Path, venue: str, symbols: list[str]) -> None:
    form = {
        "bybit": '1\t{{"topic":"orderbook.1.{}","type":"snapshot"}}',
        "okx": '1\t{{"arg":{{"channel":"bbo-tbt","instId":"{}"}},"data":[]}}',
    }[venue]
    text = "\n".join(form.format(symbol) for symbol in symbols) + "\n"
    (folder / f"{venue}.frames.gz").write_bytes(gzip.compress(text.encode()))


def test_symbols_are_those_in_both_files(tmp_path: Path) -> None:
    write_frames(tmp_path, "bybit", ["ETHUSDT", "1000PEPEUSDT", "BTCUSDT"])
    write_frames(tmp_path, "okx", ["BTC-USDT-SWAP", "PEPE-USDT-SWAP", "SOL-USDT-SWAP"])
    assert symbols_of_frames(tmp_path) == ("PEPEUSDT", "BTCUSDT")


def test_parts_of_an_interrupted_recording_are_played_too(tmp_path: Path) -> None:
    for venue, symbol in (("bybit", "BTCUSDT"), ("okx", "BTC-USDT-SWAP")):
        write_frames(tmp_path, venue, [symbol])
        whole = tmp_path / f"{venue}.frames.gz"
        whole.rename(whole.with_name(f"{whole.name}.part"))
    assert symbols_of_frames(tmp_path) == ("BTCUSDT",)


def test_folders_without_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no bybit\.frames\.gz"):
        symbols_of_frames(tmp_path)
    write_frames(tmp_path, "bybit", ["BTCUSDT"])
    write_frames(tmp_path, "okx", ["ETH-USDT-SWAP"])
    with pytest.raises(ConfigError, match="no symbol is in both"):
        symbols_of_frames(tmp_path)
    (tmp_path / "okx.frames.gz").write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match="cannot be read"):
        symbols_of_frames(tmp_path)


# ---- programs ------------------------------------------------------------------------------------


def start(folder: Path, body: str) -> Child:
    return Child("the helper", ["-c", body], dict(os.environ), folder)


def test_a_program_that_ends_early_says_why(tmp_path: Path) -> None:
    child = start(tmp_path, "import sys; sys.exit('noise\\nerror: port 1 is in use')")
    child.wait(10)
    with pytest.raises(ArbitrageError) as caught:
        child.check()
    assert str(caught.value) == "the helper ended early with code 1: port 1 is in use"


def test_words_that_are_no_error_are_not_its_last_words(tmp_path: Path) -> None:
    child = start(tmp_path, "import os; print('started', flush=True); os.kill(os.getpid(), 9)")
    child.wait(10)
    with pytest.raises(ArbitrageError) as caught:
        child.check()
    assert str(caught.value) == "the helper ended early by SIGKILL"


def test_a_program_that_never_gets_ready_is_named(tmp_path: Path) -> None:
    child = start(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(ArbitrageError, match=r"not ready within 0\.2 s"):
        child.wait_ready(tmp_path / "ready", 0.2)
    child.stop()
    assert child.poll() == -signal.SIGTERM


def test_a_stubborn_program_is_killed(tmp_path: Path) -> None:
    body = (
        "import signal, sys, time; signal.signal(15, signal.SIG_IGN)\n"
        f"open({str(tmp_path / 'ready')!r}, 'w').write('{{}}'); time.sleep(60)"
    )
    child = start(tmp_path, body)
    assert child.wait_ready(tmp_path / "ready", 10) == {}
    child.stop(timeout_s=0.1)
    assert child.poll() == -signal.SIGKILL


def test_programs_die_with_their_parent(tmp_path: Path) -> None:
    parent = (
        "import os, time\nfrom pathlib import Path\nfrom arbitrage.demo.processes import Child\n"
        "child = Child('x', ['-c', 'import time; time.sleep(60)'], dict(os.environ), "
        f"Path({str(tmp_path)!r}))\nprint(child.pid, flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def no_venues(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an empty folder, let no venue be started."""
    monkeypatch.chdir(tmp_path)

    def never(*_args: object) -> None:
        raise AssertionError("a venue was started")

    monkeypatch.setattr("arbitrage.demo.run._start_venues", never)


@pytest.mark.usefixtures("no_venues")
def test_a_strategy_that_cannot_be_loaded_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"strategy file nope\.py does not exist"):
        run_demo(DemoOptions(strategy="nope.py:X"))
    with pytest.raises(ConfigError, match="--strategy named 'nope'"):
        run_demo(DemoOptions(strategy="nope"))
    (tmp_path / "mine.py").write_text("import nothing_of_this_name\n")
    monkeypatch.setenv("ARB_STRATEGY", "mine.py:Mine")
    with pytest.raises(ConfigError, match="No module named 'nothing_of_this_name'"):
        run_demo(DemoOptions())


@pytest.mark.usefixtures("no_venues")
def test_symbols_and_settings_are_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match=r"symbol was 'FOOUSDT', .* known: BTCUSDT"):
        run_demo(DemoOptions(symbols=("BTCUSDT", "FOOUSDT")))
    monkeypatch.setenv("BYBIT_REST_URL", "https://api.bybit.com")  # the demo brings its own
    monkeypatch.setenv("ARB_MAX_ORDER_USD", "abc")
    with pytest.raises(ConfigError, match="ARB_MAX_ORDER_USD was 'abc'"):
        run_demo(DemoOptions())
    monkeypatch.delenv("ARB_MAX_ORDER_USD")
    with pytest.raises(AssertionError, match="a venue was started"):
        run_demo(DemoOptions())
