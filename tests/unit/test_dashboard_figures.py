"""Numbers, curves and lines of the terminal dashboard, without a terminal."""

import math

import msgspec
import pytest
from deck_rig import START_NS, fake_deck, gone_deck, killed_deck

from arbitrage.cold.screens import figures
from arbitrage.cold.screens.headline import banners, headline
from arbitrage.cold.screens.panels import PANELS, rows_of

THEME = dict.fromkeys(
    ("plain", "strong", "good", "bad", "warn", "dim", "good_chip", "bad_chip", "warn_chip"), ""
)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (figures.bps, 12.34, "12.3"),
        (figures.bps, -0.04, "0.0"),
        (figures.bps, None, "-"),
        (figures.bps, math.nan, "-"),
        (figures.usd, 1234.5, "1,234.50"),
        (figures.usd, -0.004, "0.00"),
        (figures.usd, 250_000.4, "250,000"),
        (figures.count, 99_999, "99999"),
        (figures.count, 13_146_567, "13.1M"),
        (figures.count, 250_000, "250k"),
        (figures.quantity, 0.0110000001, "0.011"),
        (figures.span, 0.4, "400µs"),
        (figures.span, 999.4, "999ms"),
        (figures.span, 59_940, "59.9s"),
        (figures.span, 125_000, "2m05s"),
        (figures.span, 15_120_000, "4h12m"),
        (figures.span, 273_600_000, "3d04h"),
        (figures.duration, 3_723.9, "1:02:03"),
        (figures.duration, 90_000, "1d 1:00:00"),
        (figures.latency, 420, "420ns"),
        (figures.latency, 1_700, "1.7µs"),
        (figures.latency, 9_970, "10µs"),
        (figures.latency, 999_600, "1.0ms"),
        (figures.latency, 2_000_000_000, "2.0s"),
        (figures.clock_time, START_NS + 3_723_000_000_000, "01:02:03"),
        (figures.printable, "a\x1b[2Jb\nc", "a [2Jb c"),
    ],
)
def test_numbers_are_short_and_say_when_they_are_not_known(form, value, text) -> None:
    assert form(value) == text


def test_a_sparkline_stands_on_zero_and_leaves_gaps() -> None:
    assert figures.spark([1.0, 4.0, 8.0, None], 6) == "  ▁▄█ "
    assert figures.spark([0.0, 0.0], 2) == "▁▁"
    assert figures.spark([], 3) == "   "
    assert figures.spark([1.0] * 10, 0) == ""
    assert len(figures.spark([1.0] * 10, 4)) == 4


def test_a_curve_keeps_its_ends_and_its_peak() -> None:
    values = [0.0] * 100 + [50.0] + [0.0] * 99 + [10.0]
    shown = figures.resampled(values, 20)
    assert len(shown) == 20
    assert max(shown) == 50.0
    assert shown[-1] == 10.0
    lines = figures.chart(values, 20, 4)
    assert len(lines) == 4
    assert {len(line) for line in lines} == {20}
    assert lines[0].strip() == "█"
    assert " " not in lines[-1]
    assert figures.chart([], 20, 4) == []
    assert figures.chart([3.0, 3.0], 20, 1) == ["▁▁"]


def test_a_gauge_is_full_at_one_and_never_longer() -> None:
    assert figures.gauge(0.0, 4) == "····"
    assert figures.gauge(0.5, 4) == "██··"
    assert figures.gauge(1.7, 4) == "████"
    assert figures.gauge(None, 4) == "-   "


def test_every_line_has_a_cell_for_every_column_and_says_all_it_knows() -> None:
    deck = fake_deck()
    for panel in PANELS:
        rows = rows_of(panel, deck, {}, is_old=False)
        assert rows, panel.name
        assert len({row.key for row in rows}) == len(rows)
        for row in rows:
            assert len(row.cells) == len(panel.columns), (panel.name, row)
            assert row.facts
        assert all(row.is_dim for row in rows_of(panel, deck, {}, is_old=True))
        gone = msgspec.structs.replace(deck, alive=False)  # whatever else is in it
        assert rows_of(panel, gone, {}, is_old=False) == []


def test_what_is_not_known_is_a_dash_and_no_number() -> None:
    lines = fake_deck().opportunities[:1]
    lines[0].gross_bps = lines[0].net_bps = lines[0].size_usd = None
    money = fake_deck().money[:1]
    money[0].equity_usd = money[0].unrealised_usd = None
    deck = fake_deck(opportunities=lines, money=money)
    shown = {panel.name: rows_of(panel, deck, {}, is_old=False) for panel in PANELS}
    titles = [column.title for column in PANELS[0].columns]
    cells = dict(zip(titles, shown["opportunities"][0].cells, strict=True))
    assert {cells[name].text for name in ("gross", "net", "size $")} == {"-"}
    assert shown["money"][0].cells[1].text == "-"


def test_parallel_connections_tell_who_is_ahead() -> None:
    rows = rows_of(PANELS[2], fake_deck(), {}, is_old=False)
    facts = dict(rows[1].facts)
    assert facts["line 0"] == (
        "first with 4,100,222, late with 922,889, ahead by 300µs on average; 1 connection made"
    )
    assert facts["line 1"].startswith("first with 922,889, late with 4,100,222; 4 connections made")
    assert "line 0" not in dict(rows[0].facts)


def words_of(deck, watched: str = "", trouble: str = "") -> list[str]:
    return [line for line, _ in banners(deck, watched, trouble)]


def test_the_banner_says_what_must_not_be_overlooked() -> None:
    assert words_of(fake_deck(paused={})) == []
    assert words_of(fake_deck()) == ["paused: SOLUSDT (operator)"]
    assert words_of(killed_deck())[0] == (
        "KILLED (loss) by the day's loss at 01:01:40 UTC: 200.31 USD lost"
    )
    assert words_of(fake_deck(opening="flattening", paused={})) == ["no new pairs: flattening"]
    assert words_of(gone_deck()) == [
        "NO TRADER: the trader (pid 4242) has ended; nothing is known until one runs"
    ]
    late = words_of(fake_deck(heartbeat_age_s=3.2, paused={}))
    assert late[0].startswith("NO HEARTBEAT for 3 s")
    assert words_of(fake_deck(board_age_s=9.0, paused={}))[0].startswith("NO HEARTBEAT for 9 s")
    assert words_of(fake_deck(paused={}), trouble="CANNOT READ") == ["CANNOT READ"]


@pytest.mark.parametrize(
    ("deck", "state", "freshness"),
    [
        (fake_deck(), "TRADING", "data 0.3 s old"),
        (fake_deck(opening="flattening"), "NO NEW PAIRS", "data 0.3 s old"),
        (fake_deck(board_age_s=4.0), "NO HEARTBEAT", "data 4.0 s old"),
        (killed_deck(), "KILLED", "data 0.3 s old"),
        (gone_deck(), "GONE", "no data"),
    ],
)
def test_the_headline_fits_and_ends_with_state_and_age(deck, state: str, freshness: str) -> None:
    for width in (20, 40, 80, 200):
        line = headline(deck, width, THEME, "")
        assert line.plain.rstrip().endswith(freshness)
        assert state in line.plain
        assert line.cell_len == max(width, len(state) + len(freshness) + 5)
    assert "PAPER" not in headline(gone_deck(), 80, THEME, "").plain
