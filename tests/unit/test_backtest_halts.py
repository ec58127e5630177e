"""What stops a backtest until midnight, and what it does where the data says nothing."""

import json
import logging
from typing import Any

import pytest

from arbitrage.errors import ConfigError
from arbitrage.research.backtest import Venue, backtest
from arbitrage.research.contracts import SIMULATORS_LIST
from arbitrage.research.market import MarketData
from arbitrage.research.result_types import HaltReason, OrderOutcome
from arbitrage.research.simulated import simulated_data
from tests.backtest_rig import BYBIT, CONTRACTS, MS, OKX, START, S, gap, market, quote, records, run

DAY = 86_400 * S
MIDNIGHT = DAY - START % DAY  # after START
EDGE = [quote(0, BYBIT, 99.9, 100.0), quote(0, OKX, 101.0, 101.1)]


def losing(at_ns: int) -> list[tuple[Any, ...]]:
    """Return an edge, and a market that has gone away from it when the pair must leave."""
    return [
        quote(at_ns, BYBIT, 99.9, 100.0), quote(at_ns, OKX, 101.0, 101.1),
        quote(at_ns + 100 * MS, BYBIT, 99.0, 99.1), quote(at_ns + 100 * MS, OKX, 101.0, 101.1),
        quote(at_ns + S, BYBIT, 100.0, 100.1), quote(at_ns + S, OKX, 100.0, 100.1),
    ]  # fmt: skip


def test_the_days_loss_stops_until_midnight_and_is_said() -> None:
    rows = [*losing(0), *losing(10 * S), *losing(MIDNIGHT + 10 * S), *losing(MIDNIGHT + 20 * S)]
    free = run(rows, max_hold_s=0.2)
    assert len(free.pairs) >= 4
    assert len(free.halts) == 0
    found = run(rows, max_hold_s=0.2, max_day_loss_usd=0.5)
    assert [int(at) for at in (found.pairs["opening_ns"] - START) // S] == [0, MIDNIGHT // S + 10]
    assert found.halts["reason"].tolist() == [HaltReason.DAY_LOSS] * 2
    assert found.halts["until_ns"].tolist() == [START + MIDNIGHT, 0]
    assert found.halts["ns"][0] == found.pairs["closed_ns"][0]
    told = found.summary()
    assert told["halts"] == 2
    assert told["halted_s"] == pytest.approx(MIDNIGHT / S + 10, abs=1)
    assert json.loads(json.dumps(told)) == told
    for text in (str(found), found._repr_html_()):
        assert "stopped 2 times" in text
        assert "kill switch at 2026-02-25T06:13:20Z" in text
    table = found.to_arrow("halts").to_pylist()
    assert (table[0]["symbol"], table[0]["reason"]) == ("all", "day_loss")


def test_the_breaker_pauses_a_symbol_until_midnight() -> None:
    venues = {"okx": Venue(reject_rate=1.0)}
    rows = [*losing(0), *losing(10 * S), *losing(MIDNIGHT + 10 * S)]
    found = run(rows, venues=venues, breaker_failures=1, complete_tries=0)
    assert [int(at) for at in (found.pairs["opening_ns"] - START) // S] == [0, MIDNIGHT // S + 10]
    assert found.halts["reason"].tolist() == [HaltReason.BREAKER] * 2
    assert found.halts["symbol"].tolist() == [0, 0]
    assert "the breaker paused TESTUSDT" in str(found)


@pytest.mark.parametrize("is_told", [True, False], ids=["gap", "silence"])
def test_exits_wait_where_there_is_no_market(is_told: bool) -> None:
    back = DAY + 5 * S
    rows = [
        *EDGE,
        *([gap(300 * MS, BYBIT), gap(300 * MS, OKX)] if is_told else []),
        quote(back, BYBIT, 100.4, 100.5), quote(back, OKX, 100.5, 100.6),
        quote(back + 10 * S, BYBIT, 100.4, 100.5), quote(back + 10 * S, OKX, 100.5, 100.6),
    ]  # fmt: skip
    found = run(rows, max_hold_s=600.0)
    outcomes = [OrderOutcome(each) for each in found.orders["outcome"]]
    filled, refused = OrderOutcome.FILLED, OrderOutcome.REJECTED
    assert outcomes == [filled, filled, refused, refused, filled, filled]
    assert found.counts["waited"] == found.counts["refused_no_market"] == 2
    assert found.counts["strategy_pairs_broken"] == 0
    (pair,) = found.pairs
    assert START + back < pair["closed_ns"] < START + back + S
    assert (found.fills["px"][2:] == [100.4, 100.6]).all()
    assert "2 exits waited for a market" in str(found)


def test_a_silence_may_count_as_a_market() -> None:
    rows = [*EDGE, quote(DAY, BYBIT, 100.4, 100.5), quote(DAY, OKX, 100.5, 100.6)]
    found = run(rows, max_hold_s=600.0, venues=Venue(silence_s=0))
    assert found.counts["waited"] == 0
    assert found.pairs["closed_ns"][0] < START + 601 * S
    with pytest.raises(ConfigError, match="silence_s was -1"):
        Venue(silence_s=-1)


# ---- data that cannot be traded ------------------------------------------------------------------


def test_a_venue_alone_or_nothing_at_all_is_no_backtest() -> None:
    with pytest.raises(ConfigError, match=r"no quote of okx for TESTUSDT .* needs both venues"):
        backtest(market([quote(0, BYBIT, 99.9, 100.0)]))
    alone = {key: item for key, item in CONTRACTS.items() if key[0] == "okx"}
    one = MarketData.from_records(records(EDGE), ["TESTUSDT"], alone)
    with pytest.raises(ConfigError, match="the data holds okx alone; a backtest needs both"):
        backtest(one.select(venues=["okx"]))
    whole = market(EDGE)
    with pytest.raises(ConfigError, match="no record of TESTUSDT in that time"):
        backtest(whole.select(start=START + DAY))
    with pytest.raises(ConfigError, match=r"no quote of bybit and okx|no record of TESTUSDT"):
        backtest(MarketData.from_records(records(EDGE)[:0], ["TESTUSDT"], CONTRACTS))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"data": 7}, "data was int; accepted are a path"),
        ({"config": "min_net_bps=2"}, "config was 'min_net_bps=2'; accepted is a mapping"),
        ({"latency": 5}, "latency was 5; accepted is a Latency"),
        ({"seed": "x"}, "seed was 'x'; accepted is a whole number"),
        ({"sample_s": "1"}, "sample_s was '1'; accepted is a number"),
        ({"venues": 3}, "venues were 3; accepted is a Venue"),
        ({"strategy": 3}, "strategy was 3"),
        ({"strategy": [int]}, "strategy was int, which is no arbitrage.Strategy"),
    ],
)
def test_what_has_the_wrong_type_is_one_line(words: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as told:
        backtest(**{"data": market(EDGE), **words})
    assert str(told.value).startswith(says)
    assert "\n" not in str(told.value)


def test_whose_contracts_they_are_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    data = market(EDGE)
    data.contracts_from = SIMULATORS_LIST
    with caplog.at_level(logging.WARNING, logger="arbitrage.backtest"):
        found = backtest(data, config={"min_net_bps": 3, "fees": {"bybit": 1, "okx": 2}})
    assert len([line for line in caplog.messages if "built-in simulator's" in line]) == 1
    text = str(found)
    assert "note           the contracts are the built-in simulator's" in text
    assert "min_net_bps=3 (default" in text
    assert "bybit 1, okx 2 bps" in text
    assert "latency        order 5 ms, reply 5 ms" in text
    assert found.summary()["contracts_from"] == SIMULATORS_LIST
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="arbitrage.backtest"):
        made = backtest(simulated_data(seconds=2))
    assert not caplog.messages
    assert "contracts      the simulator that made the data" in str(made)
    assert "as they are by default" in str(made)


def test_fees_are_told_as_they_were_paid() -> None:
    found = run(EDGE)
    assert found.config["fees"] == {"bybit": 5.5, "okx": 5.0}
    assert "public base" in str(found)
    assert run(EDGE, fees={"bybit": 0, "okx": 1}).config["fees"] == {"bybit": 0.0, "okx": 1.0}
