"""A venue changes a contract while the trader runs: that symbol stops, the others trade on."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from patience import Patience
from trader_kit import Trader, trader, venues

from arbitrage.core.journal import Journal
from arbitrage.core.messages import Order
from arbitrage.core.records import Leg, split_client_id

REFRESH_S = 1.0
BTC, ETH, SOL = range(3)
ENTRIES = (Leg.ENTRY_BUY, Leg.ENTRY_SELL)
SETTINGS = {"ARB_INSTRUMENT_REFRESH_S": f"{REFRESH_S:g}"}


def wait_for(test: Callable[[], bool]) -> None:
    """Wait until something holds."""
    patience = Patience()
    while not test():
        assert not patience.is_over()
        time.sleep(0.01)


def opened_after(folder: Path, mono_ns: int) -> set[int]:
    """Return the symbols of which a pair was opened later, as journaled before the orders left."""
    path = min((folder / "state").glob("orders-*.journal"))
    late = [
        Order.unpack(record.payload)
        for record in Journal.open_readonly(path)
        if record.type == "INTENT" and record.mono_ns > mono_ns
    ]
    assert late, "exits at least are expected"
    return {order.symbol_index for order in late if split_client_id(order.client_id).leg in ENTRIES}


def log_of(folder: Path, running: Trader) -> list[str]:
    """Return the lines a trader has logged about stopped symbols."""
    text = (folder / f"trader-{running.name}.log").read_text()
    return [line for line in text.splitlines() if " is stopped: " in line]


@pytest.mark.parametrize(
    ("venue", "stages"), [("bybit", "inline"), ("okx", "split"), ("okx", "fused")]
)
def test_a_changed_tick_stops_that_symbol_alone(tmp_path: Path, venue: str, stages: str) -> None:
    with venues(tmp_path, extra=["--admin"]) as sims:
        before = sims.equity()
        settings = SETTINGS | {"ARB_STAGES": stages}
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            running.wait_closed_pairs(segment, 1)
            assert not any(segment.is_paused(index) for index in (BTC, ETH, SOL))
            assert sims.change(venue, symbol="BTCUSDT", tick="0.05") == 200
            wait_for(lambda: segment.is_paused(BTC))
            paused_ns = time.monotonic_ns()
            closed = segment.counters()["strategy"]["pairs_closed"]
            # in the time of these, the paused symbol has had its own gaps
            running.wait_closed_pairs(segment, closed + 4)
            assert not segment.is_paused(ETH)
            assert not segment.is_paused(SOL)
            assert running.stop() == 0
            report = running.report()
        assert all(not facts.positions for facts in sims.accounts().values())
        after = sims.equity()
    assert opened_after(tmp_path, paused_ns) == {ETH, SOL}
    (line,) = log_of(tmp_path, running)
    assert f"BTCUSDT is stopped: {venue} changed " in line
    assert "tick went from 0.1" in line
    assert line.endswith("to 0.05; it opens no pair until a restart loads it anew")
    assert after - before == sum(Decimal(text) for text in report["ledger"].values())


def test_suspension_delisting_and_a_new_lot_or_contract_value_stop(tmp_path: Path) -> None:
    changes: list[tuple[str, dict[str, Any], str]] = [
        ("okx", {"symbol": "BTCUSDT", "state": "suspended"}, "its state is 'suspend'"),
        ("bybit", {"symbol": "ETHUSDT", "state": "delisted"}, "it is not listed any more"),
        ("bybit", {"symbol": "SOLUSDT", "lot": "0.2"}, "lot went from 0.1 to 0.2"),
        ("okx", {"symbol": "SOLUSDT", "contract_value": "10"}, "contract value went from 1 to 10"),
    ]
    with venues(tmp_path, extra=["--admin"]) as sims:
        # no gap is that wide: nothing is held when a contract changes
        settings = SETTINGS | {"ARB_MIN_GROSS_BPS": "9999"}
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            for venue, fields, _ in changes:
                assert sims.change(venue, **fields) == 200
            wait_for(lambda: all(segment.is_paused(index) for index in (BTC, ETH, SOL)))
            wait_for(lambda: len(log_of(tmp_path, running)) == 4)
            time.sleep(REFRESH_S)
            assert running.stop() == 0
    lines = log_of(tmp_path, running)
    assert len(lines) == 4, "each change is told once"
    for venue, fields, words in changes:
        (line,) = (line for line in lines if words in line)
        assert f"{fields['symbol']} is stopped: {venue} changed " in line


def test_a_restart_loads_what_changed(tmp_path: Path) -> None:
    with venues(tmp_path, extra=["--admin"]) as sims:
        assert sims.change("bybit", symbol="BTCUSDT", tick="0.50", lot="0.002") == 200
        assert sims.change("okx", symbol="BTCUSDT", tick="0.5", contract_value="0.1") == 200
        settings = SETTINGS | {"ARB_SYMBOLS": "BTCUSDT"}
        before = sims.equity()
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            running.wait_closed_pairs(segment, 2)
            assert not segment.is_paused(BTC)
            assert running.stop() == 0
            report = running.report()
        after = sims.equity()
    assert report["pairs"]["missed"] == report["pairs"]["unwound"] == 0
    assert after - before == sum(Decimal(text) for text in report["ledger"].values())


def rejects_of(segment: Any, venue: str) -> int:
    """Return how many orders a venue has refused."""
    found: int = segment.counters()["gateway"][venue]["rejects"]
    return found


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_what_is_open_leaves_on_the_grid_of_now(tmp_path: Path, venue: str) -> None:
    """The new tick is five of the old: most prices of the old grid would be refused."""
    settings = SETTINGS | {"ARB_SYMBOLS": "BTCUSDT", "ARB_MAX_HOLD_S": "600"}
    settings |= {"ARB_TAKE_PROFIT_BPS": "10000", "ARB_STOP_BPS": "10000"}
    with venues(tmp_path, extra=["--admin"], symbols="BTCUSDT") as sims:
        before = sims.equity()
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            strategy = segment.counters
            wait_for(lambda: strategy()["strategy"]["pairs_opened"] == 1)
            assert sims.change(venue, symbol="BTCUSDT", tick="0.5") == 200
            wait_for(lambda: segment.is_paused(BTC))
            log = tmp_path / f"trader-{running.name}.log"
            wait_for(lambda: "leaves on the grid of now" in log.read_text())
            refused = rejects_of(segment, venue)
            assert sims.accounts()[venue].positions
            assert running.stop() == 0
            report = running.report()
        assert all(not facts.positions for facts in sims.accounts().values())
        after = sims.equity()
    assert report["pairs"]["closed"] == 1
    assert refused == 0
    assert "answered with code" not in log.read_text(), "no exit was refused"
    assert after - before == sum(Decimal(text) for text in report["ledger"].values())
