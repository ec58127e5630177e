"""A venue takes a leg by itself: the other one is brought down in its bound, to the last cent."""

import json
import time
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest
from lone_legs import check_lone_legs
from patience import LIMIT_S, Patience
from stalls import Stalls
from trader_kit import VENUES, Venues, trader, venues

MAX_NAKED_MS = 1000
# An entry that misses is tried again after the cooldown; what is looked at here takes less.
HOLD = {
    "ARB_SYMBOLS": "BTCUSDT", "ARB_MAX_HOLD_S": "600", "ARB_TAKE_PROFIT_BPS": "1000",
    "ARB_STOP_BPS": "1000", "ARB_MAX_NAKED_MS": str(MAX_NAKED_MS), "ARB_COOLDOWN_MS": "20000",
}  # fmt: skip
LOT = {"bybit": Decimal("0.001"), "okx": Decimal("0.1")}


def take(sims: Venues, venue: str, **how: str) -> str:
    """Let a venue take a position; return how much it took."""
    request = urllib.request.Request(
        f"{sims.ready[venue]['rest_url']}/admin/take",
        json.dumps({"symbol": "BTCUSDT"} | how).encode(),
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=LIMIT_S) as reply:
        return str(json.load(reply)["taken"])


def coins(sims: Venues) -> tuple[Decimal, Decimal]:
    """Return what both venues say is held, in coins."""
    found = {venue: facts.positions for venue, facts in sims.accounts().items()}
    okx = found["okx"].get("BTC-USDT-SWAP", Decimal(0)) * Decimal("0.01")
    return found["bybit"].get("BTCUSDT", Decimal(0)), okx


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("how", "lots"), [("liquidation", 0), ("adl", 4)])
def test_a_leg_that_the_venue_takes_is_followed_by_the_other(
    tmp_path: Path, stalls: Stalls, venue: str, how: str, lots: int
) -> None:
    with venues(tmp_path, symbols="BTCUSDT", extra=["--admin"]) as sims:
        before = sims.equity()
        with trader(tmp_path, sims.environment(), **HOLD) as running:
            stalls.watch(running.child.pid, *sims.pids)
            segment = running.attach()
            running.wait_opened_pairs(segment, 1)
            held = coins(sims)
            assert held[0] == -held[1] != 0
            qty = f"{lots * LOT[venue]}" if lots else ""
            taken_ns = time.monotonic_ns()
            taken = Decimal(take(sims, venue, how=how, qty=qty))
            assert taken > 0
            patience = Patience()
            while (counters := segment.counters()["strategy"])["pairs_closed"] < 1:
                assert not patience.is_over(), f"one leg stands alone: {coins(sims)}"
                time.sleep(0.01)
            assert coins(sims) == (0, 0), "what is left of a pair that was taken from leaves, too"
            assert counters["pairs_broken"] == 0
            assert running.stop() == 0
            report = running.report()
            log = running.log()
        assert coins(sims) == (0, 0)
        after = sims.equity()
    # by the trader's own stamps: what stood alone, and all of it from the venue's deed on
    journal = sorted((tmp_path / "state").glob("orders-*.journal"))
    last = check_lone_legs(journal, stalls, MAX_NAKED_MS)[-1]
    took_ns = last.to_mono_ns - taken_ns
    assert took_ns > 0, "it is the leg that was taken"
    assert took_ns - stalls.lost_ns(taken_ns, last.to_mono_ns) < 3e6 * MAX_NAKED_MS
    assert counters["illegal_moves"] == 0
    assert counters["unknown_executions"] == 0
    assert after - before == sum(Decimal(text) for text in report["ledger"].values())
    assert f"{venue}: BTC" in log
    assert "by the venue itself" in log
