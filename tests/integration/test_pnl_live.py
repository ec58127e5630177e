"""`arb pnl` beside a trader that holds pairs: read while it writes, valued at its own quotes."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from trader_kit import KEYS, trader, venues

from arbitrage.cli.pnl import pnl

HOLD = {"ARB_MAX_HOLD_S": "600", "ARB_TAKE_PROFIT_BPS": "1000", "ARB_STOP_BPS": "1000"}


def earned(folder: Path, *args: str) -> dict[str, Any]:
    result = CliRunner().invoke(
        pnl, [*args, "--json", "-", "--state-dir", str(folder)], catch_exceptions=False
    )
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_what_stands_is_valued_at_the_running_trader_s_quotes(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with venues(tmp_path) as sims:
        hosts = {name: url for name, url in sims.environment().items() if name not in KEYS}
        with trader(tmp_path, hosts, ARB_MODE="paper", **HOLD) as running:
            segment = running.attach()
            running.wait_opened_pairs(segment, 1)
            blind = earned(state, "--by", "pair")
            seen = earned(state, "--by", "pair", "--marks", running.name)
            assert running.stop() == 0
            report = running.report()
        after = earned(state, "--by", "pair")
    assert len(blind["standing"]) >= 2
    assert {row["mark_px"] for row in blind["standing"]} == {None}
    assert blind["totals"]["unrealised"] is None
    for row in seen["standing"]:
        entry, mark = Decimal(row["entry_px"]), Decimal(row["mark_px"])
        assert abs(mark / entry - 1) < Decimal("0.05"), "a mark is a price of the same coin"
        exact = Decimal(row["qty"]) * (mark - entry)
        assert abs(Decimal(row["unrealised"]) - exact) < Decimal("0.000001")
    worth = sum(Decimal(row["unrealised"]) for row in seen["standing"])
    assert Decimal(seen["totals"]["unrealised"]) == worth
    assert "open" in {row["state"] for row in seen["rows"]}
    assert (after["standing"], after["not_whole"]) == ([], [])
    in_ledger = sum(Decimal(text) for text in report["ledger"].values())
    assert Decimal(after["totals"]["net"]) == in_ledger
