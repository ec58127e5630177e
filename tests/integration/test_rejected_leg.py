"""One leg refused by its venue: how long the other one stands alone, in the running system."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from lone_legs import check_lone_legs
from patience import LIMIT_S, Patience
from stalls import Stalls
from trader_kit import trader, venues

from arbitrage.config import load_settings
from arbitrage.core.messages import Execution, Order
from arbitrage.core.records import ExecKind
from arbitrage.trading.run_journal import RunJournal

PLAN = """
seed = 3
[[rule]]
what = "answer"
venue = "okx"
role = "private"
call = "order"
code = 51008
text = "Order failed. Insufficient USDT margin in account"
probability = 0.4
"""
# At a pace at which Bybit's ten orders a second never run out: what is measured is the refusal.
SETTINGS = {
    "ARB_MODE": "demo",
    "ARB_SYMBOLS": "BTCUSDT,ETHUSDT",
    "ARB_FEES": "bybit=0,okx=0",
    "ARB_MIN_NET_BPS": "3",
    "ARB_MIN_GROSS_BPS": "3",
    "ARB_MAX_HOLD_S": "1",
    "ARB_COOLDOWN_MS": "500",
    "ARB_BREAKER_FAILURES": "1000",
    "REDIS_URL": "",
}
CORES_NEEDED = 4
MORE_MS = 5.0  # what we may need beside the venue's own time


def run(folder: Path, seconds: float, stalls: Stalls) -> dict[str, Any]:
    """Trade with a venue that refuses, so long and until a leg was refused; return the report.

    Every time a leg stood alone is held to the bound.
    """
    plan = folder / "refuse.toml"
    plan.write_text(PLAN)
    more = ("--faults", str(plan), "--fees-bps", "0")
    with (
        venues(folder, rate=2000, extra=more) as sims,
        trader(folder, sims.environment(), **SETTINGS) as running,
    ):
        stalls.watch(running.child.pid, *sims.pids)
        segment = running.attach()
        enough_s, patience = time.monotonic() + seconds, Patience(seconds + LIMIT_S)
        while time.monotonic() < enough_s or not segment.counters()["strategy"]["pairs_unwound"]:
            assert segment.alive
            assert not patience.is_over(), "no leg was refused"
            time.sleep(0.1)
        segment.close()
        assert running.stop() == 0
        report = running.report()
    journal = sorted((folder / "state").glob("orders-*.journal"))
    report["round_trip_ms"] = round_trip_ms(journal)
    legs = check_lone_legs(journal, stalls, load_settings().risk.max_naked_ms)
    assert report["naked_leg_ms"]["count"] == len(legs)
    longest_ms = max(leg.took_ms for leg in legs)
    assert report["naked_leg_ms"]["max"] == pytest.approx(longest_ms, rel=0.01, abs=1.0)
    return report


def round_trip_ms(parts: list[Path]) -> float:
    """Return the p99 of the time from an order's intent to the first word of what became of it."""
    with RunJournal(parts) as journal:
        sent_ns: dict[int, int] = {}
        times_ns = []
        for record in journal:
            if record.type == "INTENT":
                sent_ns[Order.unpack(record.payload).client_id] = record.mono_ns
            elif record.type == "EXEC":
                told = Execution.unpack(record.payload)
                if told.kind in (ExecKind.FILL, ExecKind.REJECT, ExecKind.DONE):
                    begun_ns = sent_ns.pop(told.client_id, None)
                    if begun_ns is not None:
                        times_ns.append(record.mono_ns - begun_ns)
    times_ns.sort()
    return times_ns[len(times_ns) * 99 // 100] / 1e6


def check(report: dict[str, Any]) -> dict[str, Any]:
    """No pair was given up; return the times a leg stood alone after a refusal."""
    assert report["pairs"]["broken"] == 0
    refused: dict[str, Any] = report["naked_leg_ms"]["by_cause"]["leg failed"]
    assert refused["count"] > 0
    return refused


def test_a_refused_leg_never_leaves_the_other_alone_for_long(
    tmp_path: Path, stalls: Stalls
) -> None:
    check(run(tmp_path, 4, stalls))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < CORES_NEEDED, reason=f"needs {CORES_NEEDED} cores"
)
def test_a_refused_leg_is_answered_within_milliseconds(tmp_path: Path, stalls: Stalls) -> None:
    """No stall is allowed for: the machine is left to it."""
    report = run(tmp_path, 300, stalls)
    refused = check(report)
    assert refused["count"] >= 50
    assert refused["p99"] <= MORE_MS + report["round_trip_ms"], report["naked_leg_ms"]
    print(f"{refused} ms, round trip {report['round_trip_ms']:.3f} ms")
