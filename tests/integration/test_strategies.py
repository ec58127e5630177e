"""Strategies as programs: funding captured exactly; users' classes, and what ends them."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from patience import LIMIT_S, Patience
from trader_kit import trader, venues

from arbitrage.core.segment import Segment

EXAMPLES = Path(__file__).parents[2] / "examples"
LONG_ENOUGH = {"ARB_MAX_HOLD_S": "60", "ARB_MIN_GROSS_BPS": "-100", "ARB_MIN_NET_BPS": "-100"}

# Opens a pair of the first symbol at once, and does what the test wants with its second news.
USER = """
import time
from arbitrage import Strategy


class Mine(Strategy):
    timer_s = 0.05

    def on_start(self):
        self.fills = 0

    def on_timer(self):
        if not self.pairs:
            self.open(self.market.symbols[0], buy="okx", sell="bybit", max_usd=200,
                      min_net_bps=-100, min_gross_bps=-100)

    def on_pair(self, pair):
        if pair.event == "opened" and pair.is_mine:
            {then}
"""


def books_agree(report: dict[str, Any], before: Decimal, after: Decimal) -> bool:
    """Whether the ledger explains the change of equity, to the last digit."""
    return after - before == sum(Decimal(text) for text in report["ledger"].values())


def wait_for(segment: Segment, done: Callable[[dict[str, int]], bool]) -> None:
    """Wait until the strategy's counters say so."""
    patience = Patience()
    while not done(segment.counters()["strategy"]):
        assert not patience.is_over(), segment.counters()["strategy"]
        time.sleep(0.02)


def test_funding_is_captured_and_the_books_agree_with_both_venues(tmp_path: Path) -> None:
    # OKX tells its funding four times an interval here: a rate whose time has passed opens nothing
    settling = ("--funding-s", "4")
    with venues(tmp_path, symbols="BTCUSDT", rate=200, extra=settling) as hosts:
        before = hosts.equity()
        with trader(
            tmp_path, hosts.environment(), ARB_SYMBOLS="BTCUSDT", ARB_STRATEGY="funding",
            ARB_FUNDING_WINDOW_S="60", ARB_FUNDING_LEAD_S="0.5", ARB_FUNDING_HOLD_S="5",
            ARB_FUNDING_MIN_BPS="5", ARB_FUNDING_STOP_BPS="1000",
        ) as running:  # fmt: skip
            segment = running.attach()
            wait_for(segment, lambda counts: counts["pairs_closed"] >= 1)
            assert running.stop() == 0, running.child.last_words()
        report = running.report()
        assert books_agree(report, before, hosts.equity())
    assert report["pairs"]["by_funding"] >= 1
    assert Decimal(report["ledger"]["funding"]) > 0


def user_class(folder: Path, then: str) -> str:
    path = folder / "mine.py"
    path.write_text(USER.replace("{then}", then))
    return f"{path}:Mine"


@pytest.mark.parametrize(
    ("then", "how", "said"),
    [
        ("raise ValueError('enough')", "close", "ValueError: enough (mine.py:"),
        ("time.sleep(60)", "close", "did not come back for"),
        ("raise ValueError('enough')", "hold", "1 pair of it is kept"),
    ],
)
def test_a_strategy_that_fails_costs_the_trader_nothing_but_its_advice(
    tmp_path: Path, then: str, how: str, said: str
) -> None:
    with venues(tmp_path, symbols="BTCUSDT,ETHUSDT", rate=500) as hosts:
        before = hosts.equity()
        settings = LONG_ENOUGH | {
            "ARB_SYMBOLS": "BTCUSDT,ETHUSDT", "ARB_STRATEGY": user_class(tmp_path, then),
            "ARB_STRATEGY_ON_EXIT": how, "ARB_STRATEGY_HANG_S": "1", "ARB_STRATEGY_RESTARTS": "0",
            "ARB_TAKE_PROFIT_BPS": "1000", "ARB_STOP_BPS": "1000",
        }  # fmt: skip
        with trader(tmp_path, hosts.environment(), **settings) as running:
            segment = running.attach()
            wait_for(segment, lambda counts: counts["pairs_intent"] >= 1)
            if how == "close":
                wait_for(segment, lambda counts: counts["pairs_closed"] == 1)
            else:
                wait_for(segment, lambda _: said in running.log())
                time.sleep(0.5)
                assert segment.counters()["strategy"]["pairs_closed"] == 0
            turns = segment.counters()["detector"]["ticks"]
            wait_for(segment, lambda _: segment.counters()["detector"]["ticks"] > turns)
            assert running.stop() == 0, running.child.last_words()
            log = running.log()
        assert said in log
        report = running.report()
        assert books_agree(report, before, hosts.equity())
    assert report["strategies"][0]["failures"] == 1
    assert report["pairs"]["closed"] == 1


def test_a_failed_strategy_is_started_again_and_takes_up_its_pair(tmp_path: Path) -> None:
    then = "exit_ = __import__('os')._exit(9) if pair.pair == 1 else self.close(pair.symbol)"
    with venues(tmp_path, symbols="BTCUSDT", rate=500) as hosts:
        settings = LONG_ENOUGH | {
            "ARB_SYMBOLS": "BTCUSDT", "ARB_STRATEGY": user_class(tmp_path, then) + ",spread",
            "ARB_MIN_NET_BPS": "1000",
        }  # fmt: skip
        with trader(tmp_path, hosts.environment(), **settings) as running:
            segment = running.attach()
            wait_for(segment, lambda counts: counts["pairs_closed"] >= 2)
            assert running.stop() == 0, running.child.last_words()
        report = running.report()
    (figures,) = report["strategies"]
    assert (figures["failures"], figures["starts"]) == (1, 2)
    assert report["pairs"]["by_intent"] >= 2


def test_a_strategy_that_cannot_be_loaded_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import os\nassert not [name for name in os.environ if 'API_KEY' in name]\n1 / 0"
    )
    said = "ZeroDivisionError: division by zero (mine.py:3 in <module>)"
    with venues(tmp_path, symbols="BTCUSDT", rate=50) as hosts:
        name = f"{tmp_path}/mine.py:Mine"
        settings = {"ARB_SYMBOLS": "BTCUSDT", "ARB_STRATEGY": name}
        with trader(tmp_path, hosts.environment(), **settings) as running:
            assert running.child.wait(LIMIT_S) == 2
            assert said in running.child.last_words()


def test_the_examples_run_beside_each_other(tmp_path: Path) -> None:
    names = ["basis_reversion.py:BasisReversion", "funding_capture.py:FundingCapture"]
    chosen = ",".join(f"{EXAMPLES}/{name}" for name in names)
    with venues(tmp_path, symbols="BTCUSDT", rate=500) as hosts:
        settings = LONG_ENOUGH | {"ARB_SYMBOLS": "BTCUSDT", "ARB_STRATEGY": chosen}
        with trader(tmp_path, hosts.environment(), **settings) as running:
            running.attach()
            time.sleep(2.0)
            assert running.stop() == 0, running.child.last_words()
        told = running.report()["strategies"]
    assert [figures["tag"] for figures in told] == [1, 2]
    for figures in told:
        assert figures["failures"] == 0, figures
        assert figures["calls"] > 2
