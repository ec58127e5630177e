"""A user's strategy in a backtest: told in virtual time, asks by the same door, same gate."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arbitrage import Strategy
from arbitrage.cli.backtest import backtest as command
from arbitrage.cli.backtest import read_latency, read_settings
from arbitrage.core.backtest import draw_latencies
from arbitrage.core.histogram import Histogram
from arbitrage.core.messages import PAIR_KINDS
from arbitrage.core.strategy import EVENTS
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.research.backtest import Venue, backtest, read_config
from arbitrage.research.latency import Empirical, Latency
from arbitrage.research.result_types import OrderOutcome
from tests.backtest_rig import BYBIT, MS, OKX, START, S, funding, market, quote, run

EDGE = [quote(0, BYBIT, 99.9, 100.0), quote(0, OKX, 101.0, 101.1)]
ROWS = [*EDGE, quote(500 * MS, BYBIT, 100.5, 100.6), quote(500 * MS, OKX, 100.5, 100.6)]


class Asks(Strategy):
    """Opens what the detector opens, leaves after a tenth of a second, notes all it is told."""

    timer_s = 0.05

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, str]] = []

    def _note(self, what: str) -> None:
        self.told.append((self.now_mono_ns - START, what))

    def on_start(self) -> None:
        self._note("start")

    def on_opportunity(self, opportunity: Any) -> None:
        if opportunity.event == "open":
            self._note("opportunity")
            self.open(opportunity.symbol, buy=opportunity.buy, sell=opportunity.sell)

    def on_answer(self, answer: Any) -> None:
        self._note(f"answer {answer.reason}")

    def on_fill(self, fill: Any) -> None:
        self._note(f"fill {fill.venue} {fill.side}")

    def on_funding(self, settled: Any) -> None:
        self._note(f"funding {settled.venue}")

    def on_pair(self, pair: Any) -> None:
        self._note(f"pair {pair.event}")

    def on_timer(self) -> None:
        if self.now_mono_ns >= START + 100 * MS and self.pairs:
            self._note("timer")
            self.close("TESTUSDT")

    def on_stop(self) -> None:
        self._note("stop")


class Breaks(Strategy):
    def on_opportunity(self, opportunity: Any) -> None:
        raise KeyError("no such idea")


def test_a_strategy_is_told_at_the_moment_and_asks_at_it() -> None:
    strategy = Asks()
    found = run(ROWS, strategy)
    assert strategy.told == [
        (0, "start"),
        (0, "opportunity"),
        (0, "answer accepted"),
        (0, "pair opening"),
        (2 * MS, "fill bybit buy"),
        (2 * MS, "fill okx sell"),
        (2 * MS, "pair opened"),
        (100 * MS, "timer"),
        (100 * MS, "answer accepted"),
        (100 * MS, "pair closing"),
        (102 * MS, "fill bybit sell"),
        (102 * MS, "fill okx buy"),
        (102 * MS, "pair closed"),
        (500 * MS, "stop"),
    ]
    assert PAIR_KINDS[found.pairs["kind"][0]] == "intent"
    assert EVENTS[found.pairs["end"][0]] == "closed"
    assert found.strategy == "Asks"


def test_what_a_strategy_raises_is_one_line_with_its_place() -> None:
    with pytest.raises(ArbitrageError, match=r"KeyError: 'no such idea'.*test_backtest_strategy"):
        run(ROWS, Breaks)


def test_settlements_reach_pairs_and_money() -> None:
    rows = [
        *EDGE,
        funding(0, BYBIT, 0.001, S, 8.0),
        funding(0, OKX, 0.002, S, 8.0),
        funding(S + MS, BYBIT, 0.0, 9 * S, 8.0),
        funding(S + MS, OKX, 0.0, 9 * S, 8.0),
        quote(3 * S, BYBIT, 99.9, 100.0),
        quote(3 * S, OKX, 101.0, 101.1),
    ]
    found = run(rows, max_hold_s=2.0)
    held = 0.54
    paid = {int(each["venue"]): each["paid_usd"] for each in found.funding}
    assert paid[BYBIT] == pytest.approx(-0.001 * 99.95 * held, abs=1e-9)
    assert paid[OKX] == pytest.approx(0.002 * 101.05 * held, abs=1e-9)
    assert found.pairs["funding_usd"][0] == pytest.approx(sum(paid.values()), abs=1e-9)
    assert list(found.funding["ns"]) == [START + S] * 2


@pytest.mark.parametrize(
    ("venue", "count"),
    [
        (Venue(reject_rate=1.0), "refused_chance"),
        (Venue(band_bps=1.0), "refused_band"),
        (Venue(balance_usd=1.0, leverage=2.0), "refused_balance"),
    ],
)
def test_venues_refuse(venue: Venue, count: str) -> None:
    found = run(ROWS, venues={"bybit": venue}, close_at_end=False, slip_bps=10.0)
    assert OrderOutcome(found.orders["outcome"][0]) is OrderOutcome.REJECTED
    assert found.counts[count] >= 1
    assert found.counts["strategy_rejects"] >= 1


def test_an_answer_that_takes_too_long_is_said_to_be_unknown() -> None:
    slow = Latency.constant(order_us=200000, reply_us=200000)
    found = run(ROWS, latency=slow, order_timeout_ms=300)
    assert found.counts["timeouts"] > 0
    assert found.counts["strategy_timeouts"] == found.counts["timeouts"]


# ---- latency -------------------------------------------------------------------------------------


def test_an_empirical_latency_draws_what_was_measured() -> None:
    measured = np.random.default_rng(1).lognormal(14, 0.5, 50_000).astype(int)
    model = Empirical.of_samples(measured)
    drawn = np.array(draw_latencies(list(model.buckets), 50_000, seed=2))
    for share in (5, 50, 95, 99):
        assert np.percentile(drawn, share) == pytest.approx(
            np.percentile(measured, share), rel=0.03
        )
    assert draw_latencies(list(model.buckets), 9, seed=2) == drawn[:9].tolist()


def test_a_histogram_of_the_live_system_is_a_latency() -> None:
    histogram = Histogram()
    for value in (100, 255, 256, 1000, 5_000_000):
        histogram.record(value)
    model = Empirical.of_histogram(histogram)
    drawn = set(draw_latencies(list(model.buckets), 2000))
    assert {100, 255} <= drawn
    assert all(
        any(low <= value < low + width for low, width, _ in model.buckets) for value in drawn
    )
    half = model.part(0.5)
    assert half.mean_ns() == pytest.approx(model.mean_ns() / 2, rel=0.01)
    with pytest.raises(ConfigError, match="at least one sample"):
        Empirical.of_histogram(Histogram())


def test_a_function_is_asked_for_each_order_with_chance_of_its_own() -> None:
    asked: list[int] = []

    def slow(rng: Any, now_ns: int) -> float:
        asked.append(now_ns)
        return MS + rng.random() * MS

    found = run(ROWS, latency=Latency(order=slow, reply=MS))
    travelled = found.orders["arrived_ns"] - found.orders["sent_ns"]
    assert len(asked) == len(found.orders)
    assert ((travelled >= MS) & (travelled <= 2 * MS)).all()
    fresh = run(ROWS, latency=Latency(order=slow, reply=MS, feed=lambda rng, now: 0))
    assert list(fresh.orders["arrived_ns"]) == list(found.orders["arrived_ns"])

    def breaks(rng: Any, now_ns: int) -> float:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError):
        run(ROWS, latency=Latency(order=breaks))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"order": -1}, "order latency of bybit was -1"),
        ({"reply": {"bybit": 1}}, "reply latency named bybit"),
        ({"feed": "fast"}, "feed latency of bybit was 'fast'"),
        ({"lookahead_ms": -1}, "lookahead_ms was -1"),
    ],
)
def test_a_latency_that_cannot_be_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Latency(**wrong)


# ---- settings and the command --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"min_net_bbs": 1}, "did you mean min_net_bps"),
        ({"min_net_bps": 1e9}, "min_net_bps was"),
    ],
)
def test_settings_are_checked_as_the_traders_are(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        backtest(market(ROWS), config=config)
    with pytest.raises(ConfigError, match="strategy named 'spreads'"):
        backtest(market(ROWS), "spreads")


def test_the_command_reads_latencies() -> None:
    found = read_latency(("order=3ms,reply=4000us", "okx.order=0.02s"))
    assert found.order == {"bybit": 3 * MS, "okx": 20 * MS}
    assert found.reply == {"bybit": 4 * MS, "okx": 4 * MS}
    assert found.feed_by_model is False
    with pytest.raises(ConfigError, match=r"--latency was 'okx=3'.*250us"):
        read_latency(("okx=3",))


def test_the_command_backtests_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bybit, okx = tmp_path / "bybit.frames", tmp_path / "okx.frames"
    l1 = (
        '%d\t{{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1772000000000,"data":'
        '{{"s":"BTCUSDT","b":[["{0}","5"]],"a":[["{1}","5"]],"u":%d,"seq":%d}},'
        '"cts":1772000000000}}\n'
    )
    bbo = (
        '%d\t{{"arg":{{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"}},"data":[{{"asks":'
        '[["{1}","500","0","3"]],"bids":[["{0}","500","0","3"]],"ts":"1772000000000",'
        '"seqId":%d}}]}}\n'
    )
    bybit.write_text("".join(
        l1.format("60000.0", "60000.1") % (START + n * 10 * MS, n + 2, n + 2) for n in range(9)
    ))  # fmt: skip
    okx.write_text("".join(
        bbo.format("60500.0", "60500.1") % (START + n * 10 * MS, n + 2) for n in range(9)
    ))  # fmt: skip
    words = ["--okx", str(okx), "--set", "stop_bps=500", "--latency", "order=1ms,reply=1ms"]
    words += ["--report", "page.html"]
    command.main([str(bybit), *words, "--json", "found.json"], standalone_mode=False)
    assert "orders" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["orders"] >= 4
    assert len(found["sha256"]) == 64
    page = (tmp_path / "page.html").read_text()
    assert found["sha256"] in page
    assert "Spread of BTCUSDT" in page  # the data was there to draw it


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("min_net_bps", "x", "min_net_bps was 'x'; accepted is a number"),
        ("ARB_MIN_NET_BPS", "x", "ARB_MIN_NET_BPS was 'x'; accepted is a number"),
        ("min_net_bp", "1", "min_net_bp is no setting of the trader; did you mean min_net_bps?"),
    ],
)
def test_a_setting_is_named_as_it_was_given(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError) as told:
        read_config({name: value}, ["BTCUSDT"])
    assert str(told.value).startswith(says)
    with pytest.raises(ConfigError) as told:
        read_settings((f"{name}={value}",))
    assert str(told.value).startswith(f"--set {says}")
