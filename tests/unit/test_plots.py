"""Plots: what they show, in both themes, without a window system; and the spreads beneath them."""

import subprocess
import sys
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from results_rig import START_NS, make_backtest, opportunity_events

from arbitrage.core.market_records import ALL_SYMBOLS, MARKET_DTYPE, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.research import plots
from arbitrage.research.market import MarketData
from arbitrage.research.plot_style import THEMES, themed
from arbitrage.research.simulated import simulated_data
from arbitrage.research.spreads import spreads_of

pytest.importorskip("matplotlib")


def words(figure: Any) -> str:
    """Return all text of a drawn figure."""
    figure.savefig(BytesIO(), format="png")
    texts = figure.findobj(lambda each: hasattr(each, "get_text"))
    return "\n".join(each.get_text() for each in texts if each.get_visible())


def quote(at_ns: int, venue: int, bid: float, ask: float, kind: int = 1, symbol: int = 0) -> Any:
    row = np.zeros(1, MARKET_DTYPE)
    row["recv_ns"], row["venue"], row["bid_px"], row["ask_px"] = at_ns, venue, bid, ask
    row["kind"], row["symbol"] = kind, symbol
    return row


def market(*rows: Any) -> MarketData:
    return MarketData.from_records(np.concatenate(rows), ("BTCUSDT", "ETHUSDT"))


def test_spreads_hold_every_extreme_and_what_stood_before() -> None:
    data = market(
        quote(0, 0, 99, 100),
        quote(5, 1, 100, 101),  # buy at Bybit: 0 bps
        quote(12, 1, 102, 103),  # 200 bps, for a moment
        quote(13, 1, 101, 102),  # 100 bps
        quote(14, 0, 1, 2, symbol=1),
        quote(45, 1, np.nan, np.nan, kind=int(MarketKind.GAP), symbol=ALL_SYMBOLS),
        quote(99, 1, 104, 105),
    )
    found = spreads_of(data, bins=10)
    assert found.step_ns == 10
    assert found.ns.tolist() == list(range(0, 100, 10))
    high = [0, 200, 100, 100, 100, np.nan, np.nan, np.nan, np.nan, 400]
    low = [0, 0, 100, 100, 100, np.nan, np.nan, np.nan, np.nan, 400]
    last = [0, 100, 100, 100, np.nan, np.nan, np.nan, np.nan, np.nan, 400]
    np.testing.assert_allclose(found.high[0], high)
    np.testing.assert_allclose(found.low[0], low)
    np.testing.assert_allclose(found.last[0], last)
    np.testing.assert_allclose(found.last[1][:2], [(99 - 101) / 101e-4, (99 - 102) / 102e-4])
    with pytest.raises(ConfigError, match="no quotes of ETHUSDT at both"):
        spreads_of(data, "ETHUSDT")
    with pytest.raises(ConfigError, match="holds BTCUSDT, ETHUSDT"):
        spreads_of(data, "XRPUSDT")


def test_spreads_of_a_replay_are_those_of_its_quotes() -> None:
    from types import SimpleNamespace

    from arbitrage.core.replay import QUOTE_FIELDS

    quotes = np.zeros(3, QUOTE_FIELDS)
    quotes["recv_ns"] = [START_NS, START_NS + 5, START_NS + 19]
    quotes["venue"] = [0, 1, 1]
    quotes["bid_px"], quotes["ask_px"] = [9.9, 0.0101, 0.0102], [10.0, 0.0102, 0.0103]
    found = spreads_of(SimpleNamespace(quotes=quotes, symbols=("PEPEUSDT",)), bins=2)
    assert found.ns.tolist() == [START_NS, START_NS + 10]
    np.testing.assert_allclose(found.last[0], [100.0, 200.0])  # Bybit quotes a thousand coins


def test_spreads_do_not_depend_on_blocks() -> None:
    data = simulated_data(seconds=5, rate=400)
    blocks = data.blocks
    whole = spreads_of(data, "ETHUSDT", bins=77)
    data.blocks = lambda rows=0: blocks(61)  # type: ignore[method-assign]
    parts = spreads_of(data, "ETHUSDT", bins=77)
    for name in ("ns", "low", "high", "last"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_the_simulated_market_is_the_same_again_and_in_order() -> None:
    one, two = simulated_data(seconds=3), simulated_data(seconds=3)
    assert one.records().tobytes() == two.records().tobytes()
    assert one.records().tobytes() != simulated_data(seconds=3, seed=8).records().tobytes()
    records = one.records()
    quotes = records[records["kind"] == MarketKind.QUOTE]
    assert len(quotes) == pytest.approx(2 * 3 * 500, abs=40)
    assert (np.diff(records["recv_ns"]) >= 0).all()
    assert (quotes["recv_ns"] >= quotes["exch_ns"]).all()
    assert (quotes["bid_px"] < quotes["ask_px"]).all()
    for venue in (0, 1):
        assert (np.diff(quotes["number"][quotes["venue"] == venue]) > 0).all()
    assert int(records["recv_ns"][0]) == one.start_ns == 1_772_323_200_000_000_000
    assert set(one.contracts) == {(v, s) for v in ("bybit", "okx") for s in one.symbols}
    with pytest.raises(ConfigError, match="seconds were 0"):
        simulated_data(seconds=0)
    with pytest.raises(ConfigError, match="NOPEUSDT"):
        simulated_data(("NOPEUSDT",))


@pytest.mark.parametrize("theme", ["light", "dark", "page"])
def test_every_plot_draws_with_axes_that_say_their_unit(theme: str) -> None:
    found = make_backtest()
    data = simulated_data(seconds=4)
    with themed(theme):
        drawn = {
            "USD since the start": plots.equity(found),
            "60 pairs": plots.costs(found),
            "in brackets: pairs": plots.costs(found, "symbol"),
            "realised, bps of its value": plots.expectation(found),
            "size at the touch, USD": plots.opportunities(found),
            "latency, receipt": plots.latency(found),
            "gross edge, bps": plots.spread(data, "ETHUSDT", threshold_bps=21),
        }
        for word, figure in drawn.items():
            text = words(figure)
            assert word in text
            for ax in figure.axes:
                assert ax.get_ylabel() or ax.get_yticklabels()
            ground = figure.get_facecolor()
            assert (ground[3] == 0) == (THEMES[theme]["ground"] == "none")


def test_plots_say_when_there_is_nothing() -> None:
    empty = make_backtest(arrays={})
    assert "nothing was traded" in words(plots.equity(empty))
    assert "no pair" in words(plots.costs(empty))
    assert "no pair" in words(plots.costs(empty, "symbol"))
    assert "no pair" in words(plots.expectation(empty))
    assert "no opportunity" in words(plots.opportunities(empty))
    assert "no opportunity" in words(plots.latency(empty))
    with pytest.raises(ConfigError, match="lay in memory only"):
        plots.spread(empty)


def test_a_backtests_spread_marks_its_trades_and_where_it_opens() -> None:
    data = simulated_data(("BTCUSDT", "ETHUSDT", "PEPEUSDT"), seconds=4, start=START_NS)
    text = words(plots.spread(make_backtest(data=data), "ETHUSDT"))
    for word in ("entry", "exit", "opens from 21.0 bps", "Spread of ETHUSDT"):
        assert word in text


def test_events_alone_and_a_few_lives_can_be_drawn() -> None:
    events = opportunity_events(count=1)
    assert "How long they lived (1)" in words(plots.opportunities(events))
    assert "of the opportunities" in words(plots.latency(events, [10.0, 1000.0]))
    with pytest.raises(ConfigError, match="takes a backtest"):
        plots.opportunities(np.zeros(3))


def test_a_long_account_is_drawn_with_few_points_and_all_extremes() -> None:
    from arbitrage.research.account_plots import POINTS_MAX, _thinned

    values = np.random.default_rng(1).normal(size=200_001).cumsum()
    at, kept = _thinned(np.arange(len(values)), values)
    assert len(kept) <= POINTS_MAX + 4
    assert (kept.min(), kept.max()) == (values.min(), values.max())
    assert (kept[0], kept[-1]) == (values[0], values[-1])
    assert (np.diff(at.astype(np.int64)) > 0).all()


def test_a_figure_shows_itself_in_a_notebook_without_pyplot() -> None:
    probe = (
        "import sys; sys.path.insert(0, 'tests');"
        "from results_rig import make_backtest; from arbitrage.research import plots;"
        "assert 'matplotlib' not in sys.modules;"
        "png = plots.costs(make_backtest())._repr_png_();"
        "assert png[:4] == b'\\x89PNG', png[:4];"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


def test_themes_are_two() -> None:
    with pytest.raises(ConfigError, match="accepted are light and dark"):
        plots.set_theme("blue")
    plots.set_theme("dark")
    assert plots.costs(make_backtest()).get_facecolor()[0] < 0.2
    plots.set_theme("light")


def test_colours_stand_out_on_both_grounds() -> None:
    from arbitrage.research.plot_style import SYMBOLS

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for theme in ("light", "dark"):
        ground = light(THEMES[theme]["ground"])
        for colour in SYMBOLS:
            high, low = sorted((light(colour), ground), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3.0, (theme, colour)
