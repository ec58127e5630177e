"""What a running trader shows of itself: its board, the deck, the metrics, all from outside."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from trader_kit import SYMBOLS, VENUES, Trader, trader, venues

import arbitrage
from arbitrage.board import Board
from arbitrage.cold.deck import Deck, DeckReader, read_board
from arbitrage.control import ControlClient
from arbitrage.core.segment import Segment
from arbitrage.core.strategy import PHASES

T = TypeVar("T")
WAIT_S = 60.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    folder = tmp_path_factory.mktemp("deck")
    with venues(folder) as sims, trader(folder, sims.environment()) as child:
        child.wait_closed_pairs(child.attach(60.0), 1, 60.0)
        yield child


@pytest.fixture(scope="module")
def segment(running: Trader) -> Segment:
    return running.attach()


def until(look: Callable[[], T], holds: Callable[[T], bool], child: Trader) -> T:
    """Look until it holds what is asked for."""
    end_s = time.monotonic() + WAIT_S
    while True:
        child.child.check()
        seen = look()
        if holds(seen):
            return seen
        assert time.monotonic() < end_s, seen
        time.sleep(0.02)


def board_of(segment: Segment) -> Board:
    found = read_board(segment)
    assert found is not None
    return found


def test_the_board_tells_pairs_money_limits_and_rates(running: Trader, segment: Segment) -> None:
    board = until(lambda: board_of(segment), lambda found: any(
        pair.phase == "open" and pair.unrealised_usd is not None for pair in found.pairs
    ), running)  # fmt: skip
    assert board.strategy == "spread"
    assert board.opening == ""
    assert board.killed is None
    for pair in board.pairs:
        assert pair.symbol in SYMBOLS.split(",")
        assert pair.phase in PHASES
        assert {pair.buy_venue, pair.sell_venue} == set(VENUES)
    (pair, *_) = [pair for pair in board.pairs if pair.phase == "open"]
    assert pair.buy_qty == pytest.approx(pair.sell_qty)
    assert pair.buy_qty > 0
    assert pair.entry_bps is not None
    assert abs(pair.opened_wall_ns - board.wall_ns) < 60e9
    money = {line.venue: line for line in board.money}
    assert set(money) == set(VENUES)
    for line in money.values():
        assert line.fees_usd < 0
        assert line.equity_usd is not None
        assert line.equity_usd > 0
        assert line.free_usd is not None
    whats = {(line.venue, line.what) for line in board.rates}
    assert {("bybit", "REST requests"), ("okx", "REST requests"), ("okx", "orders")} <= whats
    for rate in board.rates:
        assert 0 <= rate.used <= rate.allowed


def test_the_board_and_arb_status_agree(running: Trader, segment: Segment) -> None:
    client = ControlClient(Path(running.settings["ARB_STATE_DIR"]))
    try:
        status = client.call("status")
        board = board_of(segment)
        limits = {line.name: line for line in board.limits}
        assert {name: line.limit for name, line in limits.items()} == {
            name: value for name, value in status["limits"].items() if value
        }
        used = {name for name, line in limits.items() if line.used is not None}
        assert used == set(status["limits_used_pct"])
        assert limits["max_gross_usd"].unit == "USD"
        assert limits["max_orders_per_s"].unit == "orders/s"

        client.call("pause", symbols=["ETHUSDT"])
        until(
            lambda: board_of(segment), lambda found: found.paused == {"ETHUSDT": ["operator"]},
            running,
        )  # fmt: skip
        client.call("resume", symbols=["ETHUSDT"])
        until(lambda: board_of(segment), lambda found: found.paused == {}, running)

        client.call("kill", why="a test")
        board = until(lambda: board_of(segment), lambda found: found.killed is not None, running)
        assert board.killed is not None
        assert (board.killed.reason, board.killed.why) == ("operator", "a test")
        assert abs(board.killed.since_wall_ns - board.wall_ns) < 60e9
        assert board.opening.startswith("killed since")
        kinds = {(line.kind, line.text): line for line in board.incidents}
        assert ("control", "killed: no order leaves") in kinds
        client.call("clear_kill")
        client.call("resume", symbols=["all"])
        board = until(
            lambda: board_of(segment),
            lambda found: found.killed is None and found.opening == "",
            running,
        )
        told = {line.number: line for line in board.incidents}
        assert list(told) == sorted(told)
        assert next(iter(told)) >= 1
    finally:
        client.close()


def test_the_deck_shows_all_of_it(running: Trader, segment: Segment) -> None:
    reader = DeckReader(running.name, arbitrage.attach)

    def whole(deck: Deck) -> bool:
        return bool(deck.alive and deck.pairs and deck.opportunities and len(deck.pnl) > 2)

    deck = until(reader.look, whole, running)
    assert (deck.mode, deck.pid) == ("testnet", segment.pid)
    assert {line.venue for line in deck.venues} == set(VENUES)
    assert all(line.frames_per_s > 0 for line in deck.venues)
    assert all(line.rows_by_state.get("LIVE") for line in deck.venues)
    assert deck.board_age_s is not None
    assert {line.kind for line in deck.queues} == {"market", "order"}
    assert next(line for line in deck.latency if line.stage == "seen").p50_ns is not None
    for line in deck.opportunities:
        assert line.symbol in SYMBOLS.split(",")
        assert (line.state == "open") == (line.reason == "") == (line.lasted_ms is None)
