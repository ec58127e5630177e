"""Ctrl-C and SIGTERM while a trader starts: it ends with 0 or 1, and says what stands."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import LIMIT_S
from trader_kit import KEYS, trader, venues

from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Contract, Execution, Order, RunTaken
from arbitrage.core.records import ExecKind, Leg, make_client_id
from arbitrage.trading.accounts import MODES
from arbitrage.trading.runs import StateFolder, journal_parts


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A venue that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT_S)
        yield server


def leave_a_leg(state: Path) -> None:
    """Write a run that bought one leg and was killed."""
    with StateFolder(state) as folder:
        run = folder.next_run()
        journal = Journal.create(folder.journal_path(run), 16, run)
        client_id = make_client_id(run, 1, Leg.ENTRY_BUY)
        order = Order(**dict.fromkeys(Order._fields, 0) | {"client_id": client_id, "qty_lots": 3})
        done = {"client_id": client_id, "kind": ExecKind.DONE, "cum_qty_lots": 3}
        for kind, record in (
            ("CONTRACT", Contract(0, 0, 0, "BTCUSDT", "BTCUSDT", "0.1", "0.001")),
            ("TAKEN", RunTaken(0, 0, MODES.index("simulator"))),
            ("INTENT", order),
            ("EXEC", Execution(**dict.fromkeys(Execution._fields, 0) | done)),
        ):
            assert journal.append(TYPE_NAMES.index(kind), record.pack())
        journal.close()


@pytest.mark.parametrize("has_leg", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_is_one_line(
    tmp_path: Path, silent: socket.socket, number: int, has_leg: bool
) -> None:
    state = tmp_path / "state"
    if has_leg:
        leave_a_leg(state)
    known = journal_parts(state)
    port = silent.getsockname()[1]
    hosts = {
        f"{venue}_{line}": f"{scheme}://127.0.0.1:{port}"
        for venue in ("BYBIT", "OKX")
        for line, scheme in (
            ("REST_URL", "http"), ("PUBLIC_WS_URL", "ws"), ("PRIVATE_WS_URL", "ws"),
            ("TRADE_WS_URL", "ws"),
        )
        if (venue, line) != ("OKX", "TRADE_WS_URL")
    }  # fmt: skip
    with trader(tmp_path, KEYS | hosts) as running:
        asked, _ = silent.accept()
        with asked:
            running.child.signal(number)
            assert running.child.wait(LIMIT_S) == int(has_leg)
        lines = running.child.log_lines()
    said = "stopped before trading; nothing was sent"
    if has_leg:
        assert lines[-1] == (
            f"error: {said}; these legs of the last run still stand: long 0.003 of BTCUSDT at "
            "bybit; start again to take that over"
        )
    else:
        assert lines[-1].endswith(said)
    assert not any("Traceback" in line for line in lines)
    assert journal_parts(state) == known, "a run that did not begin leaves no journal"


def test_a_signal_while_the_order_lines_are_awaited_sends_nothing(
    tmp_path: Path, silent: socket.socket
) -> None:
    with venues(tmp_path, extra=("--admin",)) as sims:
        private = {"OKX_PRIVATE_WS_URL": f"ws://127.0.0.1:{silent.getsockname()[1]}"}
        with trader(tmp_path, sims.environment() | private) as running:
            asked, _ = silent.accept()
            with asked:
                running.child.signal(signal.SIGTERM)
                assert running.child.wait(LIMIT_S) == 0
            assert running.child.log_lines()[-1].endswith(
                "stopped before trading; nothing was sent"
            )
            assert running.report()["orders"] == 0
