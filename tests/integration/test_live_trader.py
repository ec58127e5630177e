"""A trader in a notebook: live tables, a plot that updates, and a sandbox that leaves nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from patience import Patience

import arbitrage
from arbitrage.core.records import OPPORTUNITY_DTYPE
from arbitrage.demo.sandbox import Sandbox
from arbitrage.errors import ConfigError, SegmentGoneError
from arbitrage.research import plots
from arbitrage.runtime.live import LiveTrader

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox("BTCUSDT,ETHUSDT", ARB_MAX_HOLD_S="1") as running:
        yield running


@pytest.fixture
def trader(box: Sandbox) -> LiveTrader:
    found = box.trader()
    patience = Patience()
    while not patience.is_over():
        if found.counters()["strategy"]["pairs_closed"] and np.isfinite(found.edges()).all():
            return found
    raise TimeoutError("no pair was closed")


def test_tables_say_what_the_segment_says(trader: LiveTrader) -> None:
    quotes = trader.quotes()
    assert quotes.column("symbol") == ["BTCUSDT", "ETHUSDT"]
    for row in quotes:
        # the simulated prices stay within a few percent of where they start
        assert row["bybit_bid_px"] == pytest.approx(row["okx_ask_px"], rel=0.02)
        assert abs(row["buy_bybit_bps"]) < 200
    assert quotes.to_arrow().num_rows == 2
    assert len(trader.opportunity_table()) > 0
    assert trader.money().column("venue") == ["bybit", "okx"]
    assert {"parsed", "detected", "decided"} <= set(trader.latencies().column("stage"))
    for line in trader.pairs():
        assert line["symbol"] in {"BTCUSDT", "ETHUSDT"}
    first, again = trader.new_events(), trader.new_events()
    assert first.dtype == again.dtype == OPPORTUNITY_DTYPE
    assert len(first) > 0
    assert not set(first["id"][first["event"] == 1]) & set(again["id"][again["event"] == 1])
    kept = trader.events
    assert kept[: len(first) + len(again)].tobytes() == first.tobytes() + again.tobytes()
    figure = plots.opportunities(trader)
    assert figure.axes[1].get_xlabel() == "size at the touch, USD"


def test_it_is_the_segment_too(trader: LiveTrader) -> None:
    assert trader.alive
    assert trader.mode == "paper"
    assert trader.store.bid_px.shape[0] == len(arbitrage.VENUES)
    with pytest.raises(ValueError, match="read-only"):
        trader.store.bid_px[0, 0] = 1.0
    assert {"store", "quotes", "watch"} <= set(dir(trader))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = trader.nonsense


def test_its_page_shows_the_tables(trader: LiveTrader) -> None:
    page = trader._repr_html_()
    for word in ("Quotes (2)", "Opportunities", "Money", "Latency", "BTCUSDT", "paper"):
        assert word in page
    assert repr(trader).startswith("LiveTrader(Segment(")


def test_the_plot_is_drawn_anew(trader: LiveTrader) -> None:
    drawn: list[Any] = []

    def show(figure: Any) -> None:
        drawn.append(figure)
        if len(drawn) == 3:
            raise KeyboardInterrupt  # the notebook's stop button

    figure = trader.watch("ETHUSDT", seconds=60, every_s=0.4, show=show)
    assert len(drawn) == 3
    assert drawn[-1] is figure
    above, below = figure.axes
    assert above.get_title(loc="left").startswith("ETHUSDT: trader")
    lines = above.get_lines()
    assert len(lines[0].get_xdata()) > len(drawn[0].axes[0].get_lines()[0].get_xdata())
    assert below.get_xlabel() == "seconds ago"
    with pytest.raises(ConfigError, match="this trader has BTCUSDT, ETHUSDT"):
        trader.watch("XRPUSDT")


def test_the_plot_ends_with_its_time(trader: LiveTrader) -> None:
    drawn: list[Any] = []
    assert trader.watch(seconds=0.2, every_s=0.1, show=drawn.append) is drawn[-1]


def test_a_sandbox_leaves_nothing_and_its_trader_is_gone() -> None:
    with Sandbox("BTCUSDT") as box:
        trader = box.trader()
        folder, name = box.folder, box.name
        assert folder.is_dir()
    assert not folder.exists()
    assert not Path(f"/dev/shm/arbitrage.{name}").exists()
    assert not trader.alive
    assert "has ended" in trader._repr_html_()
    with pytest.raises(SegmentGoneError, match="has ended"):
        trader.pairs()
    with pytest.raises(SegmentGoneError):
        arbitrage.attach(name)


def test_a_sandbox_refuses_what_a_trader_would() -> None:
    with pytest.raises(ConfigError, match="ARB_MAX_HOLD_S"):
        Sandbox(ARB_MAX_HOLD_S="never")
