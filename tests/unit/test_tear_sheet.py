"""The tear sheet: whole in one file, the same again, nothing for a browser to fetch."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from results_rig import START_NS, make_backtest

from arbitrage.errors import ConfigError
from arbitrage.research.figures import usd
from arbitrage.research.plot_style import THEMES
from arbitrage.research.simulated import simulated_data
from arbitrage.research.tear_sheet import tear_sheet

pytest.importorskip("matplotlib")
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Reader(HTMLParser):
    """What a page is made of; tags that do not close are named."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.tags: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id":
                self.ids[str(value)] += 1
            if name in {"src", "href", "xlink:href", "action"}:
                self.addresses.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="module")
def page() -> str:
    data = simulated_data(("BTCUSDT", "ETHUSDT", "PEPEUSDT"), seconds=4, start=START_NS)
    return tear_sheet(make_backtest(data=data))


def test_the_page_is_well_formed_and_needs_nothing_else(page: str) -> None:
    read = Reader(page)
    assert read.wrong == []
    assert read.open == []
    assert [name for name, count in read.ids.items() if count > 1] == []
    # within the page, or data that lies in it
    assert [each for each in read.addresses if not each.startswith(("#", "data:"))] == []
    assert set(read.addresses) <= {f"#{name}" for name in read.ids} | {
        each for each in read.addresses if each.startswith("data:image/png")
    }
    for tag in ("script", "link", "iframe", "img"):
        assert read.tags[tag] == 0
    assert "@import" not in page
    assert "url(http" not in page
    assert read.tags["svg"] == 9


def test_plots_wear_the_colours_of_the_page(page: str) -> None:
    for word in ("text", "quiet", "line"):
        assert THEMES["page"][word] not in page
        assert f"var(--{word})" in page
    assert "DejaVu Sans'" not in page


def test_the_page_says_what_the_summary_says(page: str) -> None:
    found = make_backtest()
    assert usd(found.summary()["net_usd"], signed=True) in page
    assert found.sha256 in page
    for word in ("Spread of PEPEUSDT", "Best and worst pairs", "max hold", "min_net_bps"):
        assert word in page
    best = float(found.pairs["net_usd"].max())
    assert usd(best, signed=True) in page


def test_equal_backtests_make_equal_pages(page: str) -> None:
    data = simulated_data(("BTCUSDT", "ETHUSDT", "PEPEUSDT"), seconds=4, start=START_NS)
    assert tear_sheet(make_backtest(data=data, wall_s=5.0)) == page


def test_a_page_without_data_or_trades_says_so(tmp_path: Path) -> None:
    found = make_backtest()
    text = found.report(tmp_path / "report.html").read_text()
    assert "No spread is shown: the data lay in memory only" in text
    empty = tear_sheet(make_backtest(arrays={}))
    assert "nothing was traded" in empty
    assert "Best and worst" not in empty
    assert Reader(empty).wrong == []
    with pytest.raises(ConfigError, match=r"report .*nowhere.* could not be written"):
        found.report(tmp_path / "nowhere" / "report.html")


def test_nothing_of_the_user_is_markup() -> None:
    text = tear_sheet(make_backtest(arrays={}, config={"<i>": "<script>x</script>"}), "<b>R&D</b>")
    assert "<h1>&lt;b&gt;R&amp;D&lt;/b&gt;</h1>" in text
    assert "<script>" not in text
    assert "<i>" not in text


def test_one_pair_is_best_but_not_worst_too() -> None:
    text = tear_sheet(make_backtest(pairs=1))
    rows = re.findall(r"<tr><th scope=\"row\">2025-11-22 08:", text)
    assert len(rows) == 1
    pairs = make_backtest(pairs=40).pairs
    assert len(np.unique(pairs["pair"])) == 40
    text = tear_sheet(make_backtest(pairs=40))
    assert len(re.findall(r"<tr><th scope=\"row\">2025-11-22 08:", text)) == 16
