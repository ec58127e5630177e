"""The trader against simulated venues, as programs: placements, signals, bad surroundings."""

import json
import os
import re
import signal
import socket
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from patience import LIMIT_S
from trader_kit import KEYS, VENUES, Proxy, trader, venues

from arbitrage.cli.pnl import pnl
from arbitrage.trading.accounts import read_accounts
from arbitrage.trading.history import History
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import journal_parts
from arbitrage.wording import counted

# (ARB_STAGES, ARB_WAIT, ARB_FEED_MODE, ARB_LOOP_MODE, ARB_DEPTH, ARB_CONNECTIONS_PER_VENUE): each
# value of each setting at least once
PLACEMENTS = [
    ("split", "adaptive", "loop", "adaptive", "full", 1),
    ("fused", "yield", "threads", "block", "five", 2),
    ("inline", "adaptive", "loop", "spin", "off", 1),
    ("split", "spin", "processes", "block", "full", 2),
    ("fused", "adaptive", "processes", "adaptive", "five", 1),
    ("inline", "spin", "loop", "block", "off", 2),
]


def books_agree(report: dict, before: Decimal, after: Decimal) -> bool:
    """Whether the ledger explains the change of equity, to the last digit."""
    return after - before == sum(Decimal(text) for text in report["ledger"].values())


def account_agrees(folder: Path, change: Decimal) -> bool:
    """Whether the account on the disk explains it too, and says at the end that all is flat."""
    held = read_accounts(folder)
    cash = sum((one.px * one.qty_base * (1 if one.side else -1) for one in held.fills), Decimal(0))
    cost = sum((one.fee for one in held.fills), Decimal(0))
    cost += sum((one.amount for one in held.fundings), Decimal(0))
    flat = held.positions and all(one.qty_base == 0 for one in held.positions)
    modes = {one.mode for one in held.fills}
    return flat and modes == {"simulator"} and not held.notes and cash - cost == change


def history_is_told(folder: Path, report: dict) -> bool:
    """Whether the order journal replays without an error, to pairs that are over and flat."""
    (parts,) = journal_parts(folder).values()
    with RunJournal(parts) as journal:
        history = History.read(journal)
    assert history.problems == []
    assert history.unfinished == []
    assert len(history.orders) == report["orders"]
    opened = [pair for pair in history.pairs.values() if "open" in {e.phase for e in pair.phases}]
    return len(opened) == report["pairs"]["opened"]


@pytest.mark.parametrize(
    ("stages", "wait", "feed_mode", "loop_mode", "depth", "connections"), PLACEMENTS
)
def test_every_placement_trades_and_ends_flat(
    tmp_path: Path,
    stages: str,
    wait: str,
    feed_mode: str,
    loop_mode: str,
    depth: str,
    connections: int,
) -> None:
    with venues(tmp_path) as sims:
        before = sims.equity()
        settings = {
            "ARB_STAGES": stages,
            "ARB_WAIT": wait,
            "ARB_FEED_MODE": feed_mode,
            "ARB_LOOP_MODE": loop_mode,
            "ARB_DEPTH": depth,
            "ARB_CONNECTIONS_PER_VENUE": str(connections),
        }
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            running.wait_closed_pairs(segment, 2)
            levels = {venue: len(segment.store.depth(venue, 0).asks) for venue in VENUES}
            lines = {venue: len(segment.counters()["feed"][venue]["lines"]) for venue in VENUES}
            loaded = Path(f"/proc/{running.child.pid}/maps").read_text()
            assert running.stop() == 0
            report = running.report()
        accounts = sims.accounts()
        after = sims.equity()
    assert all(not facts.positions for facts in accounts.values())
    assert report["frames"]["bybit"] > 0
    assert report["frames"]["okx"] > 0
    assert report["malformed"] == 0
    assert report["pairs"]["closed"] >= 2
    assert report["fills"] >= 8
    assert report["drops"] == {"ticks": 0, "orders": 0}
    assert books_agree(report, before, after)
    assert account_agrees(tmp_path / "state", after - before)
    assert history_is_told(tmp_path / "state", report)
    okx_levels = {"full": 10, "five": 5, "off": 0}[depth]
    assert levels == {"bybit": 0 if depth == "off" else 10, "okx": okx_levels}
    assert (report["depth"]["updates"] > 0) == (depth != "off")
    assert report["depth"]["gaps"] == 0
    assert lines == dict.fromkeys(VENUES, connections)
    assert report["rss_mb"] < 75
    assert "numpy" not in loaded, "nothing in a trader needs it, and it takes 13 MB"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_with_pairs_open_flattens_and_exits_0(tmp_path: Path, number: int) -> None:
    with venues(tmp_path) as sims:
        before = sims.equity()
        # nothing closes by itself: only the signal does
        settings = {"ARB_MAX_HOLD_S": "3600", "ARB_TAKE_PROFIT_BPS": "500", "ARB_STOP_BPS": "900"}
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            running.wait_opened_pairs(segment, 1)
            running.child.signal(number)
            assert running.child.wait(LIMIT_S) == 0
            report = running.report()
            last = running.child.log_lines()[-1]
        assert " INFO " in last
        assert f"stopped flat: {counted(report['pairs']['closed'], 'pair')} closed, net " in last
        assert last.endswith(" USD")
        assert all(not facts.positions for facts in sims.accounts().values())
        after = sims.equity()
    assert report["pairs"]["opened"] >= 1
    assert report["pairs"]["opened"] == report["pairs"]["closed"]
    assert books_agree(report, before, after)


def test_paper_mode_trades_without_keys_or_orders(tmp_path: Path) -> None:
    with venues(tmp_path) as sims:
        before = sims.equity()
        hosts = {name: url for name, url in sims.environment().items() if name not in KEYS}
        with trader(tmp_path, hosts, ARB_MODE="paper") as running:
            running.wait_closed_pairs(running.attach(), 1)
            assert running.stop() == 0
            report = running.report()
        assert sims.equity() == before
    assert report["mode"] == "paper"
    assert report["fills"] >= 4
    assert Decimal(report["ledger"]["fees"]) < 0
    told = CliRunner().invoke(
        pnl, ["--by", "pair", "--json", "-", "--state-dir", str(tmp_path / "state")]
    )
    earned = json.loads(told.output)
    assert earned["mode"] == "paper"
    assert earned["standing"] == []
    parts = [Decimal(text) for text in report["ledger"].values()]
    assert Decimal(earned["totals"]["net"]) == sum(parts)
    assert sum(Decimal(row["net"]) for row in earned["rows"]) == sum(parts)
    closed = [row for row in earned["rows"] if row["sell_exit_px"] and row["buy_exit_px"]]
    assert len(closed) >= report["pairs"]["closed"] >= 1
    assert all(row["hold_s"] is not None and row["naked_ms"] is not None for row in closed)


def test_a_killed_trader_is_followed_by_the_next(tmp_path: Path) -> None:
    """A killed run's segment and state folder do not keep the next one from starting."""
    with venues(tmp_path) as sims:
        hosts = {name: url for name, url in sims.environment().items() if name not in KEYS}
        with trader(tmp_path, hosts, ARB_MODE="paper") as first:
            run = first.attach().run
            os.kill(first.child.pid, signal.SIGKILL)
            first.child.wait(LIMIT_S)
            name = first.name
        assert Path(f"/dev/shm/arbitrage.{name}").exists()
        with trader(tmp_path, hosts, ARB_MODE="paper", ARB_NAME=name) as second:
            second.name = name
            segment = second.attach()
            assert segment.alive
            assert segment.run > run
            assert second.stop() == 0
    assert not Path(f"/dev/shm/arbitrage.{name}").exists()


# ---- bad surroundings: one clear line, exit code not 0 -------------------------------------------


def last_words(tmp_path: Path, environment: dict[str, str], **settings: str) -> tuple[int, str]:
    """Run a trader that cannot start; return its exit code and its last line."""
    with trader(tmp_path, environment, **settings) as running:
        code = running.child.wait(LIMIT_S)
        assert code is not None
        return code, running.child.last_words()


def test_unknown_symbol(tmp_path: Path) -> None:
    with venues(tmp_path) as sims:
        code, words = last_words(tmp_path, sims.environment(), ARB_SYMBOLS="BTCUSDT,NOSUCHUSDT")
    assert code == 2
    assert "ARB_SYMBOLS names NOSUCHUSDT" in words


@pytest.mark.parametrize("variable", ["BYBIT_API_SECRET", "OKX_API_KEY", "OKX_API_PASSPHRASE"])
def test_wrong_key(tmp_path: Path, variable: str) -> None:
    with venues(tmp_path) as sims:
        environment = sims.environment() | {variable: "canary-wrong-value"}
        code, words = last_words(tmp_path, environment)
    assert code == 1
    assert variable.split("_")[0].lower() in words.lower()
    assert "canary" not in (tmp_path / "report.json").name + words


def test_a_venue_that_never_answers(tmp_path: Path) -> None:
    """It accepts the connection and then says nothing."""
    silent = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []
    threading.Thread(
        target=lambda: [held.append(silent.accept()[0]) for _ in range(64)], daemon=True
    ).start()
    with venues(tmp_path) as sims:
        port = silent.getsockname()[1]
        environment = sims.environment() | {"OKX_REST_URL": f"http://127.0.0.1:{port}"}
        code, words = last_words(tmp_path, environment)
    assert code == 1
    assert "okx" in words
    assert "not answer" in words or "timed out" in words or "no answer" in words


def test_no_venue_at_all(tmp_path: Path) -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    with venues(tmp_path) as sims:
        environment = sims.environment() | {"BYBIT_REST_URL": f"http://127.0.0.1:{port}"}
        code, words = last_words(tmp_path, environment)
    assert code == 1
    assert "bybit" in words


def test_two_traders_of_one_name(tmp_path: Path) -> None:
    with venues(tmp_path) as sims:
        hosts = {name: url for name, url in sims.environment().items() if name not in KEYS}
        with trader(tmp_path, hosts, ARB_MODE="paper") as first:
            first.attach()
            code, words = last_words(
                tmp_path,
                hosts,
                ARB_MODE="paper",
                ARB_NAME=first.name,
                ARB_STATE_DIR=str(tmp_path / "other"),
            )
            assert first.child.poll() is None
    assert code == 1
    assert "runs already" in words


def test_two_traders_of_one_state_folder(tmp_path: Path) -> None:
    with venues(tmp_path) as sims:
        hosts = {name: url for name, url in sims.environment().items() if name not in KEYS}
        with trader(tmp_path, hosts, ARB_MODE="paper") as first:
            first.attach()
            code, words = last_words(tmp_path, hosts, ARB_MODE="paper")
    assert code == 1
    assert "is in use by process" in words


# ---- what goes wrong later ----------------------------------------------------------------------


def test_a_feed_that_fails_for_good_still_lets_the_pairs_be_flattened(tmp_path: Path) -> None:
    """One venue's public stream never comes back; its gateway closes the position all the same."""
    with venues(tmp_path) as sims:
        before = sims.equity()
        proxy = Proxy(sims.ready["okx"]["public_ws_url"])
        environment = sims.environment() | {"OKX_PUBLIC_WS_URL": proxy.url}
        settings = {"ARB_MAX_HOLD_S": "3600", "ARB_TAKE_PROFIT_BPS": "500", "ARB_STOP_BPS": "900"}
        with trader(tmp_path, environment, **settings) as running:
            segment = running.attach()
            running.wait_opened_pairs(segment, 1)
            proxy.cut()
            time.sleep(1.0)
            states = segment.store.state[1, :3].tolist()
            assert running.stop() == 0
            report = running.report()
        assert set(states) == {1}  # SYNCING: nothing trades on what was known
        assert all(not facts.positions for facts in sims.accounts().values())
        after = sims.equity()
    assert report["pairs"]["opened"] == report["pairs"]["closed"] >= 1
    assert books_agree(report, before, after)


def test_a_dead_venue_leaves_a_named_position(tmp_path: Path) -> None:
    """What cannot be closed is said with venue, symbol, side and quantity; the exit code is 1."""
    with venues(tmp_path) as sims:
        settings = {"ARB_MAX_HOLD_S": "3600", "ARB_TAKE_PROFIT_BPS": "500", "ARB_STOP_BPS": "900"}
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            running.wait_opened_pairs(segment, 1)
            sims.kill("okx")
            assert running.stop() == 1
            words = running.child.last_words()
    assert "could not be closed within 5 s" in words
    # a contract of SOL is one coin, and then said as coins alone
    amount = r"([0-9.]+ contracts? \([0-9.]+ [A-Z]+\)|[0-9.]+ SOL)"
    leg = rf"(long|short) {amount} of [A-Z]+-USDT-SWAP at okx"
    assert re.search(leg, words)
    assert "at bybit" not in words


def test_feed_processes_end_quietly(tmp_path: Path) -> None:
    with (
        venues(tmp_path) as sims,
        trader(tmp_path, sims.environment(), ARB_FEED_MODE="processes") as running,
    ):
        running.wait_closed_pairs(running.attach(), 1)
        assert running.stop() == 0
        log = (tmp_path / f"trader-{running.name}.log").read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log
