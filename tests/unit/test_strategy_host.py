"""What a user's class is told, in order and in names, and what it may ask for."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from arbitrage import Strategy
from arbitrage.cli.strategy import check
from arbitrage.errors import ConfigError
from arbitrage.trading.strategy import Answer, MarketView, OpportunitySeen, PairSeen
from arbitrage.trading.strategy_host import (
    StrategyHost,
    check_names,
    describe,
    load_strategy,
)
from tests.strategy_rig import Rig, fill

NAMES = ("AAAUSDT", "BBBUSDT")


class Listener(Strategy):
    """Keeps everything it is told."""

    timer_s = 0.5

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_start(self) -> None:
        self.heard.append("start")

    def on_stop(self) -> None:
        self.heard.append("stop")

    def on_timer(self) -> None:
        self.heard.append("timer")

    def on_opportunity(self, opportunity: OpportunitySeen) -> None:
        self.heard.append(opportunity)

    def on_pair(self, pair: PairSeen) -> None:
        self.heard.append(pair)

    def on_fill(self, fill: object) -> None:
        self.heard.append(fill)

    def on_funding(self, funding: object) -> None:
        self.heard.append(funding)

    def on_answer(self, answer: Answer) -> None:
        self.heard.append(answer)


class World:
    """A host beside the real strategy, on the rig's clock."""

    def __init__(self, strategy: Strategy) -> None:
        self.rig = Rig(min_gross_bps=1000.0)
        self.strategy = strategy
        self.door = self.rig.open_door()
        self.host = StrategyHost(
            strategy, MarketView(self.rig.store, NAMES), self.door, self.rig.opportunities,
            self.rig.pair_events, self.rig.notices, clock=lambda: self.rig.now,
            wall_offset_ns=lambda: self.rig.journal.wall_offset_ns,
        )  # fmt: skip
        self.host.start()

    def run(self, milliseconds: float = 0.0) -> None:
        """Let both sides do what they have to."""
        self.rig.poll(milliseconds)
        while self.host.poll():
            self.rig.poll()


@pytest.fixture
def world() -> Iterator[World]:
    made = World(Listener())
    yield made
    made.rig.close()


def heard(world: World, kind: type) -> list:
    strategy = world.strategy
    assert isinstance(strategy, Listener)
    return [item for item in strategy.heard if isinstance(item, kind)]


def test_a_life_is_told_from_the_wish_to_the_end(world: World) -> None:
    rig, strategy = world.rig, world.strategy
    wish = strategy.open("AAAUSDT", buy="bybit", sell="okx", min_net_bps=-50, min_gross_bps=-50)
    world.run()
    answer = heard(world, Answer)[0]
    assert answer[:4] == (wish, True, "accepted", "ok")
    for venue in (0, 1):
        order = rig.take_order(venue)
        assert order is not None
        fill(rig, order)
    world.run()
    assert strategy.pairs["AAAUSDT"].event == "opened"
    assert strategy.pairs["AAAUSDT"].is_mine
    strategy.close("AAAUSDT")
    world.run()
    for venue in (0, 1):
        order = rig.take_order(venue)
        assert order is not None
        fill(rig, order)
    world.run(50.0)
    assert strategy.pairs == {}
    told = [(pair.event, pair.reason, pair.kind) for pair in heard(world, PairSeen)]
    assert told == [
        ("opening", "none", "intent"), ("opened", "none", "intent"),
        ("closing", "asked", "intent"), ("closed", "asked", "intent"),
    ]  # fmt: skip
    fills = [item for item in heard(world, tuple) if type(item).__name__ == "FillSeen"]
    assert [(item.venue, item.side, item.is_mine) for item in fills] == [
        ("bybit", "buy", True), ("okx", "sell", True), ("bybit", "sell", True),
        ("okx", "buy", True),
    ]  # fmt: skip


def test_opportunities_come_with_names(world: World) -> None:
    world.rig.opportunity(1, 1, 30.0)
    world.run()
    (seen,) = heard(world, OpportunitySeen)
    assert (seen.event, seen.symbol, seen.buy, seen.sell) == ("open", "BBBUSDT", "okx", "bybit")


def test_a_slow_reader_is_told_how_many_it_lost(world: World) -> None:
    for _ in range(200):  # the ring holds 64
        world.rig.opportunity(0, 0, 30.0)
    world.run()
    assert len(heard(world, OpportunitySeen)) + world.strategy.opportunities_lost == 200
    assert world.strategy.opportunities_lost > 0


def test_the_timer_keeps_its_period_and_makes_up_for_nothing(world: World) -> None:
    for _ in range(40):
        world.run(100.0)
    assert 6 <= heard(world, str).count("timer") <= 8
    world.run(10_000.0)
    assert heard(world, str).count("timer") <= 10


def test_quotes_are_in_coins_and_common_prices(world: World) -> None:
    market = world.strategy.market
    world.rig.quote(0, 1, 0.0)
    quote = market.quote("BBBUSDT", "bybit")
    assert quote.is_live
    assert quote.bid_px == pytest.approx(0.05, rel=1e-3)
    assert quote.bid_qty == pytest.approx(1e9)
    assert market.gross_bps("AAAUSDT", "bybit", "okx") == pytest.approx(-1.0, abs=0.01)
    assert abs(market.basis_bps("AAAUSDT")) < 0.01
    assert math.isnan(market.funding("AAAUSDT", "okx").per_8h)
    with pytest.raises(KeyError, match="trades AAAUSDT, BBBUSDT"):
        market.quote("CCCUSDT", "okx")


def test_wishes_that_cannot_be_meant_are_errors_at_once(world: World) -> None:
    strategy = world.strategy
    with pytest.raises(ValueError, match="one each"):
        strategy.open("AAAUSDT", buy="okx", sell="okx")
    with pytest.raises(ValueError, match="finite"):
        strategy.open("AAAUSDT", buy="okx", sell="bybit", max_usd=math.inf)
    with pytest.raises(RuntimeError, match="use on_start"):
        Listener().market  # noqa: B018


def test_a_new_process_takes_up_its_pairs_and_not_old_answers(world: World) -> None:
    world.strategy.open("AAAUSDT", buy="bybit", sell="okx", min_net_bps=-50, min_gross_bps=-50)
    world.rig.poll()
    world.door.claim()  # as after a kill -9
    again = Listener()
    world.host = StrategyHost(
        again, world.host.market, world.door, world.rig.opportunities, world.rig.pair_events,
        world.rig.notices, clock=lambda: world.rig.now,
    )  # fmt: skip
    world.strategy = again
    world.host.start()
    assert again.pairs["AAAUSDT"].event == "opening"
    world.run()
    assert heard(world, Answer) == []


# ---- loading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("spraed",), "named 'spraed'"),
        (("a.py:",), "accepted are spread, funding"),
        (("spread", "spread"), "at most once"),
        (tuple(f"a:B{number}" for number in range(5)), "at most 4"),
    ],
)
def test_names_that_cannot_be_meant(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_names(names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Mine: pass", "is no arbitrage.Strategy"),
        ("other = 1", "holds no such class"),
        ("import nothing_of_that_name", r"ModuleNotFoundError.*mine.py:1"),
        ("class Mine(:", "SyntaxError"),
        ("from arbitrage import Strategy\nclass Mine(Strategy):\n"
         "    def __init__(self): 1 / 0", r"ZeroDivisionError.*mine.py:3 in __init__"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_loaded_say_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_strategy(f"{path}:Mine")
    with pytest.raises(ConfigError, match="does not exist"):
        load_strategy(f"{tmp_path}/none.py:Mine")


def test_arb_strategy_check(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from arbitrage import Strategy\nclass Mine(Strategy):\n    pass\n")
    run = CliRunner()
    assert "does nothing" in str(run.invoke(check, [f"{path}:Mine"]).exception)
    path.write_text(
        "from arbitrage import Strategy\nclass Mine(Strategy):\n    def on_timer(self): pass\n"
    )
    said = run.invoke(check, [f"{path}:Mine"]).output
    assert "it has on_timer. None of them was called" in said
    assert "built in" in run.invoke(check, ["funding"]).output


def test_an_error_is_one_line() -> None:
    assert "\n" not in describe(ValueError("a\nb"))
