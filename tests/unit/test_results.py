"""Results of a backtest: sums, lives, what latency costs, text, files and equality."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from results_rig import CONTRACTS, SYMBOLS, make_backtest, opportunity_events

from arbitrage.core.records import OPPORTUNITY_DTYPE, CloseReason, OppEvent
from arbitrage.errors import ConfigError
from arbitrage.research import measures
from arbitrage.research.figures import bps, duration, rough_usd, share, usd
from arbitrage.research.result_types import PAIRS_DTYPE, RESULT_DTYPES
from arbitrage.research.results import ARRAYS, Backtest, by_latency_us


def event(
    number: int, kind: OppEvent, at_ns: int, open_ns: int, net: float, **fields: Any
) -> "np.ndarray[Any, np.dtype[np.void]]":
    row = np.zeros(1, OPPORTUNITY_DTYPE)
    row["id"], row["event"], row["recv_mono_ns"], row["open_mono_ns"] = number, kind, at_ns, open_ns
    row["net_bps"], row["gross_bps"], row["sell_row"] = net, net + 21, 64
    row["ask_px"], row["ask_qty"], row["bid_qty"] = 100.0, 5.0, 3.0
    for name, value in fields.items():
        row[name] = value
    return row


def two_lives() -> "np.ndarray[Any, np.dtype[np.void]]":
    """Life 1: 0 to 1000 us, 4 then 6 bps from 200 us on; life 2: from 100 us to the end, 2 bps."""
    reason = int(CloseReason.THIN)
    return np.concatenate(
        [
            event(1, OppEvent.OPEN, 1_000_000, 1_000_000, 4.0),
            event(2, OppEvent.OPEN, 1_100_000, 1_100_000, 2.0, buy_row=64, sell_row=0),
            event(1, OppEvent.UPDATE, 1_200_000, 1_000_000, 6.0, bid_qty=1.0, update_count=1),
            event(1, OppEvent.CLOSE, 2_000_000, 1_000_000, np.nan, reason=reason, update_count=1),
        ]
    )


def test_lives_join_the_events_of_an_opportunity() -> None:
    lives = measures.lives_of(two_lives(), [[1.0], [10.0]], end_ns=9_000_000)
    assert lives["id"].tolist() == [1, 2]
    assert lives["open_ns"].tolist() == [1_000_000, 1_100_000]
    assert lives["close_ns"].tolist() == [2_000_000, 9_000_000]
    assert lives["reason"].tolist() == [int(CloseReason.THIN), int(CloseReason.NONE)]
    assert lives["open_net_bps"].tolist() == [4.0, 2.0]
    assert lives["peak_net_bps"].tolist() == [6.0, 2.0]
    assert lives["gross_bps"].tolist() == [25.0, 23.0]
    assert lives["size_usd"].tolist() == [300.0, 3000.0]
    assert lives["update_count"].tolist() == [1, 0]
    assert lives["buy_venue"].tolist() == [0, 1]
    assert lives["sell_venue"].tolist() == [1, 0]
    unknown = measures.lives_of(two_lives())
    assert np.isnan(unknown["size_usd"]).all()
    assert unknown["close_ns"].tolist() == [2_000_000, 2_000_000]
    assert len(measures.lives_of(np.zeros(0, OPPORTUNITY_DTYPE))) == 0


def test_what_a_latency_still_catches() -> None:
    waits = [0, 199.9, 200, 999.9, 1000, 7900, 1e12]
    found = measures.caught(two_lives(), waits, [[1.0], [10.0]], end_ns=9_000_000)
    assert found["count"].tolist() == [2, 2, 2, 2, 1, 0, 0]
    assert found["share"].tolist() == [1, 1, 1, 1, 0.5, 0, 0]
    assert found["net_bps"].tolist()[:5] == [3, 3, 4, 4, 2]
    assert np.isnan(found["net_bps"][5:]).all()
    # 4 bps of 300 USD and 2 of 3000; from 200 us on 6 bps of 100 instead
    assert found["edge_usd"].tolist() == pytest.approx([0.72, 0.72, 0.66, 0.66, 0.6, 0, 0])
    assert np.isnan(measures.caught(two_lives(), [0])["edge_usd"]).all()
    nothing = measures.caught(np.zeros(0, OPPORTUNITY_DTYPE), [0, 1])
    assert nothing["count"].tolist() == [0, 0]
    with pytest.raises(ValueError, match="numbers from 0"):
        measures.caught(two_lives(), [-1])


def test_lives_and_catches_agree_with_a_slow_reckoning() -> None:
    events = opportunity_events(seed=5, count=80)
    end_ns = int(events["recv_mono_ns"].max()) + 1
    waits = [0.0, 50.0, 3_000.0, 40_000.0, 900_000.0]
    found = measures.caught(events, waits, end_ns=end_ns)
    for row, wait_us in zip(found, waits, strict=True):
        edges = []
        for number in np.unique(events["id"]):
            life = events[events["id"] == number]
            at = int(life["open_mono_ns"][0]) + round(wait_us * 1000)
            over = life["recv_mono_ns"][life["event"] == int(OppEvent.CLOSE)]
            if at < (int(over[0]) if len(over) else end_ns):
                edges.append(float(life["net_bps"][life["recv_mono_ns"] <= at][-1]))
        assert int(row["count"]) == len(edges)
        assert float(row["net_bps"]) == pytest.approx(np.mean(edges))


def test_measures_of_an_account() -> None:
    assert measures.drawdown([-1, 2, 1, 3, -2]).tolist() == [-1, 0, -1, 0, -5]
    assert measures.time_mean([0, 10, 30], [1.0, 4.0, 0.0], 40) == pytest.approx(90 / 40)
    assert np.isnan(measures.time_mean([], [], 5))
    assert measures.percentiles([np.nan, 3.0, 1.0], 0.0, 0.5) == [1.0, 2.0]
    assert measures.percentiles([np.nan], 0.5) == [None]


def test_sums_agree_in_every_grouping() -> None:
    found = make_backtest()
    total = found.costs()["total"]
    parts = ("gross_usd", "slippage_usd", "fees_usd", "funding_usd")
    assert total["net_usd"] == pytest.approx(sum(total[name] for name in parts))
    assert total["net_usd"] == pytest.approx(float(found.equity["equity_usd"][-1]))
    for by in ("symbol", "direction", "kind", "reason", "day", "pair"):
        groups = found.costs(by)
        for name in ("pairs", *parts, "net_usd"):
            assert sum(group[name] for group in groups.values()) == pytest.approx(total[name])
    assert set(found.costs("symbol")) == set(SYMBOLS)
    assert set(found.costs("direction")) == {"bybit > okx", "okx > bybit"}
    assert set(found.costs("day")) == {"2025-11-22"}
    with pytest.raises(ConfigError, match="accepted are total, symbol"):
        found.costs("colour")


def test_the_summary_is_plain_and_knows_what_it_has_not_measured() -> None:
    told = make_backtest().summary()
    assert json.loads(json.dumps(told)) == told
    assert told["pairs"] == 60
    assert told["orders_filled"] == told["orders"] == 240
    assert told["max_drawdown_usd"] < 0
    volume = float((make_backtest().orders["fee_usd"] != 0).sum())
    assert volume == 240
    empty = make_backtest(pairs=0, arrays={}).summary()
    assert empty["net_usd"] == 0
    assert {empty[name] for name in ("won_share", "hold_s_p50", "naked_ms_max")} == {None}
    assert empty["opportunity_life_ms_p50"] is None


def test_volume_counts_coins_in_either_quotation() -> None:
    found = make_backtest()
    pepe = found.fills[found.fills["symbol"] == 2]
    mult = np.where(pepe["venue"] == 0, 0.001, 1.0)
    assert (pepe["px"] * mult).max() < 0.0000046
    by_hand = sum(
        fill["base_qty"]
        * fill["px"]
        * CONTRACTS[("bybit", "okx")[fill["venue"]], SYMBOLS[fill["symbol"]]].px_mult
        for fill in found.fills
    )
    assert found.volume_usd == pytest.approx(float(by_hand))


def test_days_add_up_and_a_sharpe_needs_ten() -> None:
    day_ns = 86_400_000_000_000
    equity = np.zeros(24, RESULT_DTYPES["equity"])
    start = 20_000 * day_ns
    equity["ns"] = start + np.arange(24) * day_ns // 2
    equity["equity_usd"] = np.arange(24) ** 1.5
    found = make_backtest(arrays={"equity": equity}, start_ns=start, end_ns=start + 12 * day_ns - 1)
    daily = found.daily
    assert len(daily) == 12
    assert daily["net_usd"].sum() == pytest.approx(23**1.5)
    assert daily["net_usd"][0] == pytest.approx(1.0)
    by_hand = daily["net_usd"].mean() / daily["net_usd"].std(ddof=1) * 365**0.5
    assert found.summary()["sharpe_daily"] == pytest.approx(by_hand)
    hours = np.zeros(12 * 24)
    hours[::12] = np.diff(np.r_[0.0, np.arange(24) ** 1.5])
    by_hand = hours.mean() / hours.std(ddof=1) * (365 * 24) ** 0.5
    assert found.summary()["sharpe_hourly"] == pytest.approx(by_hand)
    assert "of daily results" in str(found)
    short = make_backtest().summary()
    assert short["sharpe_daily"] is short["sharpe_hourly"] is None


def test_what_changes_after_the_last_record_counts_to_the_last_day() -> None:
    day_ns = 86_400_000_000_000
    equity = np.zeros(2, RESULT_DTYPES["equity"])
    equity["ns"] = 20_000 * day_ns + np.array([5, day_ns + 3])
    equity["equity_usd"] = [1.0, 4.0]
    first = 20_000 * day_ns
    found = make_backtest(arrays={"equity": equity}, start_ns=first, end_ns=first + day_ns - 1)
    assert found.daily["net_usd"].tolist() == [4.0]


def test_text_and_page_say_the_same() -> None:
    found = make_backtest()
    net = usd(float(found.equity["equity_usd"][-1]), signed=True)
    assert net in repr(found)
    assert "\n" not in repr(found)
    text, page = str(found), found._repr_html_()
    assert max(map(len, text.splitlines())) <= 100
    for word in ("slippage", "funding", "naked", "opportunities", net):
        assert word in text
        assert word in page
    assert "http" not in page
    assert "<script" not in page
    assert "no leg stood alone" in str(make_backtest(arrays={}))
    nasty = make_backtest(strategy="<b>&")
    assert "<b>" not in nasty._repr_html_()


def test_figures_read_well() -> None:
    assert [usd(-0.001), usd(1234.5, signed=True), usd(None)] == ["0.00", "+1,234.50", "-"]
    assert [bps(1.234), bps(-21.04), bps(float("nan"))] == ["1.23", "-21.0", "-"]
    assert [share(0.5), share(0.0123), share(1), share(0.998)] == [
        "50 %",
        "1.2 %",
        "100 %",
        "99.8 %",
    ]
    times = [0.0, 3.2e-6, 0.012, 1, 59, 90, 7200, 86_400 * 3, 1e-9]
    told = ["0 s", "3.2 µs", "12 ms", "1 s", "59 s", "1.5 min", "2 h", "3 d", "0.001 µs"]
    assert [duration(time) for time in times] == told
    assert [rough_usd(x) for x in (12.34, 21_700.8, 1_139_194.0)] == ["12.3", "21.7k", "1.14m"]


def test_what_is_saved_is_loaded_to_the_byte(tmp_path: Path) -> None:
    found = make_backtest(source={"path": "there"})
    folder = found.save(tmp_path / "run")
    again = Backtest.load(folder)
    assert again == found
    assert again.sha256 == found.sha256
    assert hash(again) == hash(found)
    assert again.summary() == found.summary()
    assert again.source == {"path": "there"}
    assert again.contracts == found.contracts
    assert again.config == found.config
    for name in ARRAYS:
        ours, theirs = getattr(found, name), getattr(again, name)
        for field in ours.dtype.names:
            assert ours[field].tobytes() == theirs[field].tobytes()
    with pytest.raises(ConfigError, match="holds something already"):
        found.save(folder)
    found.save(folder, overwrite=True)


def test_what_is_damaged_is_not_loaded(tmp_path: Path) -> None:
    folder = make_backtest().save(tmp_path / "run")
    with pytest.raises(ConfigError, match="holds no whole backtest"):
        Backtest.load(tmp_path)
    told = json.loads((folder / "backtest.json").read_text())
    (folder / "backtest.json").write_text(json.dumps(told | {"seed": 2}))
    with pytest.raises(ConfigError, match="digest differs"):
        Backtest.load(folder)
    (folder / "backtest.json").write_text(json.dumps(told | {"version": 99}))
    with pytest.raises(ConfigError, match="version 99"):
        Backtest.load(folder)
    (folder / "backtest.json").write_text(json.dumps(told))
    (folder / "pairs.parquet").write_bytes((folder / "fills.parquet").read_bytes())
    with pytest.raises(ConfigError, match=r"pairs\.parquet has the columns exch_ns"):
        Backtest.load(folder)
    (folder / "pairs.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match="cannot be read"):
        Backtest.load(folder)
    (folder / "pairs.parquet").unlink()
    with pytest.raises(ConfigError, match=r"pairs\.parquet"):
        Backtest.load(folder)


def test_equality_is_to_the_byte_and_looks_at_results_only() -> None:
    found = make_backtest()
    assert found == make_backtest(wall_s=99.0, source={"path": "elsewhere"})
    assert found != make_backtest(seed=2)
    assert found != make_backtest(config={"min_net_bps": 1e-9})
    assert found != "a backtest"
    arrays = {name: getattr(found, name).copy() for name in ARRAYS}
    arrays["pairs"]["net_usd"][7] = np.nextafter(arrays["pairs"]["net_usd"][7], 1e9)
    assert found != make_backtest(arrays=arrays)


def test_arrays_are_checked_and_read_only() -> None:
    found = make_backtest()
    with pytest.raises(ValueError, match="read-only"):
        found.pairs["net_usd"][0] = 0
    with pytest.raises(ValueError, match="pairs was"):
        make_backtest(arrays={"pairs": np.zeros(3)})
    assert len(make_backtest(arrays={}).fills) == 0
    assert PAIRS_DTYPE.itemsize % 8 == 0


def test_tables_name_what_numbers_mean() -> None:
    found = make_backtest()
    pairs = found.to_arrow("pairs")
    assert set(pairs["symbol"].to_pylist()) <= set(SYMBOLS)
    assert set(pairs["buy_venue"].to_pylist()) == {"bybit", "okx"}
    assert set(pairs["reason"].to_pylist()) == {"take_profit", "max_hold"}
    assert str(pairs.schema.field("opened_time").type) == "timestamp[ns, tz=UTC]"
    assert set(found.to_arrow("orders")["side"].to_pylist()) == {"buy", "sell"}
    assert set(found.to_arrow("orders")["outcome"].to_pylist()) == {"filled"}
    assert set(found.to_arrow("lives")["reason"].to_pylist()) <= {"edge_gone", "none"}
    for name in (*ARRAYS, "lives"):
        assert found.to_arrow(name).num_rows == len(getattr(found, name))
    with pytest.raises(ConfigError, match="no array 'trades'"):
        found.to_arrow("trades")


def test_latencies_are_even_over_their_decades() -> None:
    waits = by_latency_us(1e3, per_decade=2)
    assert waits.tolist() == pytest.approx([0, 1, 10**0.5, 10, 10**1.5, 100, 10**2.5, 1000])


def test_contracts_may_be_of_any_kind() -> None:
    plain = {key: dataclasses.asdict(each) for key, each in CONTRACTS.items()}
    assert make_backtest(contracts=plain) == make_backtest()
    unknown = make_backtest(contracts={})
    assert unknown.px_mult is None
    assert unknown.summary()["opportunity_size_usd_p50"] is None
