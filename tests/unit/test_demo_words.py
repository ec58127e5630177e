"""What the demo passes on of users' strategies, and funding that settles while one looks."""

from pathlib import Path

import pytest

from arbitrage.demo.processes import Child
from arbitrage.demo.run import DemoOptions
from arbitrage.sim.config import SimConfig, SimError
from arbitrage.sim.funding_rates import HOUR_NS, draw_rate, funding_after
from arbitrage.sim.instruments import listed

SAID = """\
2026-11-23T00:00:00.000Z INFO strategy.Mine: BTCUSDT: 3.1 bps
2026-11-23T00:00:00.100Z WARNING strategy.Mine: hm
2026-11-23T00:00:00.200Z INFO arbitrage.runtime.run: trading
2026-11-23T00:00:00.300Z ERROR arbitrage.runtime.strategy_process: strategy m.py:M ended
no line of a log
"""


def test_what_a_strategy_logs_is_told_once_with_its_name(tmp_path: Path) -> None:
    child = Child("a trader", ["-c", f"print({SAID!r}, end='')"], {}, tmp_path)
    assert child.wait(20.0) == 0
    assert child.strategy_lines() == [
        "Mine: BTCUSDT: 3.1 bps", "WARNING Mine: hm", "ERROR strategy m.py:M ended",
    ]  # fmt: skip
    assert child.strategy_lines() == []


@pytest.mark.parametrize(
    ("strategy", "shows"), [("funding", True), ("spread, funding", True), ("spread", False)]
)
def test_funding_is_shown_when_it_is_traded(
    strategy: str, shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DemoOptions(strategy=strategy).shows_funding is shows
    assert not DemoOptions(strategy=strategy, frames=Path()).shows_funding
    monkeypatch.setenv("ARB_STRATEGY", strategy)
    assert DemoOptions().shows_funding is shows


def test_one_venue_pays_and_the_other_does_not() -> None:
    now_ns = 1_700_000_000 * 10**9 + 1
    for bybit, okx in zip(listed("bybit", ("BTCUSDT",)), listed("okx", ("BTCUSDT",)), strict=True):
        rates = [
            draw_rate(SimConfig(venue=venue, funding_s=6), item, 0)
            for venue, item in (("bybit", bybit), ("okx", okx))
        ]
        assert sorted(f"{rate:f}" for rate in rates) == ["0.0000000", "0.0060000"]
        after_ns = funding_after(SimConfig(venue="okx", funding_s=6), okx, now_ns)
        assert (after_ns % (6 * 10**9), after_ns > now_ns) == (0, True)
        after_ns = funding_after(SimConfig(venue="okx"), okx, now_ns)
        assert after_ns % (okx.funding_hours * HOUR_NS) == 0
    with pytest.raises(SimError, match=r"funding_s was 0\.5"):
        SimConfig(venue="okx", funding_s=0.5)
