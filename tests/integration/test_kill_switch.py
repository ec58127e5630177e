"""Killed in the midst of a burst, by each of five ways: nothing leaves, nothing rests, it lasts."""

import os
import signal
import time
from pathlib import Path

import pytest
from kill_kit import FAST_SIM, WAYS, Desk, desk, run_trader
from patience import LIMIT_S
from stalls import Stalls
from trader_kit import venues

from arbitrage.core.risk import KILLS
from arbitrage.trading.kill_record import WISH_NAME, read_kill

TRIPS = 24
LONG_TRIPS, LONG_BLOCKS = 500, 2
SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT"
MANY = "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,DOGEUSDT,ADAUSDT"


def end_flat(made: Desk) -> None:
    """Stop; the books of both sides agree that nothing is left."""
    assert made.trader.stop() == 0, made.trader.child.log_lines()[-5:]
    for facts in made.venues.accounts().values():
        assert not facts.positions


def test_every_way_stops_orders_cancels_and_can_be_taken_back(
    tmp_path: Path, stalls: Stalls
) -> None:
    with desk(tmp_path, SYMBOLS) as made:
        stalls.watch(*made.pids)
        made.wait_orders(4)
        for number in range(TRIPS):
            for way in WAYS:
                made.kill_and_go_on(way, with_resting=number % 8 == 0)
        made.take_arrivals()
        made.told.check(stalls)
        print(made.told.line)
        assert len(made.told.trips) == TRIPS * len(WAYS)
        assert sum(trip.orders_before > 0 for trip in made.told.trips) > len(made.told.trips) / 4
        assert made.segment.counters()["strategy"]["illegal_moves"] == 0
        end_flat(made)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("block", range(LONG_BLOCKS))
def test_a_thousand_trips_of_each_way(
    tmp_path: Path, stalls: Stalls, way: str, block: int
) -> None:
    with desk(tmp_path, MANY) as made:
        stalls.watch(*made.pids)
        made.wait_orders(4)
        for number in range(LONG_TRIPS):
            made.kill_and_go_on(way, with_resting=number % 10 == block)
        made.take_arrivals()
        made.told.check(stalls)
        print(f"{way}: {made.told.line}")
        assert len(made.told.trips) == LONG_TRIPS
        assert made.segment.counters()["strategy"]["illegal_moves"] == 0
        end_flat(made)


def test_every_way_outlives_the_process(tmp_path: Path) -> None:
    """Killed, then killed for good; the next run starts killed, until somebody clears it."""
    with venues(
        tmp_path, rate=1500, symbols=SYMBOLS, extra=("--admin",), program=FAST_SIM
    ) as place:
        for before, way in zip((None, *WAYS), (*WAYS, None), strict=True):
            with run_trader(tmp_path, place, SYMBOLS) as made:
                if before is not None:
                    check_still_killed(made, before)
                    made.operator.call("clear_kill")
                    assert read_kill(made.folder) is None
                    assert not (made.folder / WISH_NAME).exists()
                made.wait_orders(2)
                if way is None:
                    end_flat(made)
                    return
                kill_flat(made, way)
                os.kill(made.trader.child.pid, signal.SIGKILL)
                made.trader.child.wait(LIMIT_S)


def kill_flat(made: Desk, way: str) -> None:
    """Trip with nothing standing, so that the next start has nothing else to do."""
    made.operator.call("flatten")
    made.wait(lambda: not made.operator.call("status")["open_pairs"], "not flat")
    made.kill(way)


def check_still_killed(made: Desk, way: str) -> None:
    assert KILLS[made.segment.kill_reason] == way
    time.sleep(0.2)
    assert made.order_count == 0
    assert made.operator.call("status")["kill"]["reason"] == way
    said = [line for line in made.trader.log().splitlines() if "started while the kill" in line]
    assert len(said) == 1
