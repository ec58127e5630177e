"""What a running trader shows of itself: its board, the deck, the metrics; all from outside."""

import os
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from monitor_kit import (
    SPECIFIED,
    Monitor,
    check_board,
    check_death_is_told,
    check_stage,
    everything,
    labels_of,
    monitor,
    state_of,
    strictly_parsed,
    switches,
    value_of,
)
from patience import Patience
from prometheus_client import Metric
from promql_kit import asked, mentioned
from stalls import Stalls
from trader_kit import SYMBOLS, VENUES, Trader, trader, venues

import arbitrage
from arbitrage.board import Board
from arbitrage.cold.deck import Deck, DeckReader
from arbitrage.cold.grafana import PANELS, RULES
from arbitrage.cold.metrics.latency import BOUNDS_NS, cumulated
from arbitrage.cold.metrics.process import SAMPLE_S
from arbitrage.cold.metrics.snapshot import read_board
from arbitrage.control import ControlClient
from arbitrage.core.histogram import Histogram
from arbitrage.core.records import CloseReason
from arbitrage.core.risk import REASONS
from arbitrage.core.segment import Segment
from arbitrage.core.shim import shim_path
from arbitrage.core.strategy import PHASES

T = TypeVar("T")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    folder = tmp_path_factory.mktemp("deck")
    settings = {
        "LD_PRELOAD": str(shim_path()),
        "ARB_CONNECTIONS_PER_VENUE": "2",
        "ARB_STAGES": "fused",
    }
    with venues(folder) as sims, trader(folder, sims.environment(), **settings) as child:
        child.wait_closed_pairs(child.attach(60.0), 1, 60.0)
        yield child


@pytest.fixture(scope="module")
def segment(running: Trader) -> Segment:
    return running.attach()


@pytest.fixture(scope="module")
def watched(running: Trader) -> Iterator[Monitor]:
    with monitor(running.name) as found:
        yield found


def until(look: Callable[[], T], holds: Callable[[T], bool], child: Trader) -> T:
    """Look until it holds what is asked for."""
    patience = Patience()
    while True:
        child.child.check()
        seen = look()
        if holds(seen):
            return seen
        assert not patience.is_over(), seen
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
        flows = all(line.frames_per_s > 0 for line in deck.venues)
        is_live = all(line.rows_by_state.get("LIVE") for line in deck.venues)
        filled = deck.pairs and deck.opportunities and len(deck.pnl) > 2
        return bool(deck.alive and filled and flows and is_live)

    deck = until(reader.look, whole, running)
    assert (deck.mode, deck.pid) == ("testnet", segment.pid)
    assert {line.venue for line in deck.venues} == set(VENUES)
    assert deck.board_age_s is not None
    assert {line.kind for line in deck.queues} == {"market", "order"}
    assert next(line for line in deck.latency if line.stage == "seen").p50_ns is not None
    for line in deck.opportunities:
        assert line.symbol in SYMBOLS.split(",")
        assert (line.state == "open") == (line.reason == "") == (line.lasted_ms is None)


# ---- metrics ---------------------------------------------------------------------------------


@pytest.fixture
def frozen(running: Trader, segment: Segment, watched: Monitor) -> Iterator[dict[str, Metric]]:
    """A scrape of the trader while it stands still, so that the segment says the same."""
    until(
        watched.scrape,
        lambda found: {"cpu_system_percent", "allocations_per_second"} <= set(found),
        running,
    )  # fmt: skip
    os.kill(segment.pid, signal.SIGSTOP)
    try:
        patience = Patience()
        while state_of(segment.pid) != "T":
            assert not patience.is_over()
            time.sleep(0.01)
        time.sleep(2 * SAMPLE_S)  # the monitor samples no faster
        yield watched.scrape()
    finally:
        os.kill(segment.pid, signal.SIGCONT)


def test_every_name_of_the_specification_is_served(frozen: dict[str, Metric]) -> None:
    assert set(SPECIFIED) - set(frozen) == set()
    for name in SPECIFIED:
        assert frozen[name].samples, name


def test_values_are_the_segments_own(
    frozen: dict[str, Metric], segment: Segment, running: Trader
) -> None:
    def value(name: str, **labels: str) -> float:
        return value_of(frozen, name, **labels)

    counters = segment.counters()
    for kind, verb in (("market", "push"), ("order", "submit")):
        queue = segment.queues()[kind]
        fill = 100 * queue["depth"] / queue["capacity"]
        lost = 100 * queue["dropped"] / max(1, queue["dropped"] + queue["pushed"])
        assert value(f"queue_depth_{kind}") == queue["depth"]
        assert value(f"queue_capacity_{kind}") == queue["capacity"]
        assert value(f"queue_utilization_{kind}_percent") == fill
        assert value(f"queue_{kind}_{verb}_total") == queue["pushed"] > 0
        assert value(f"queue_{kind}_drop_total") == queue["dropped"]
        assert value(f"queue_{kind}_drop_rate_percent") == pytest.approx(lost)
    seen = segment.latency.histogram("seen")
    p50, p95, p99, p999 = seen.percentiles(0.5, 0.95, 0.99, 0.999)
    for label, ns in (("p50", p50), ("p95", p95), ("p99", p99), ("max", seen.max)):
        assert value(f"latency_{label}_microseconds") == ns / 1000
    assert value("latency_measurements_total") == seen.count > 0
    labels = {"stage": "seen", "percentile": "99.9"}
    assert value("stage_latency_percentile_seconds", **labels) == p999 / 1000 / 1e6
    for stage in segment.latency.stages:
        check_stage(frozen, segment, stage)

    allocations = segment.allocations
    assert allocations is not None
    for path, count in allocations.items():
        assert value(f"allocations_{path}_path_total") == count
    assert allocations["cold"] > allocations["warm"] > 0
    assert 0 <= value("cpu_strategy_thread_percent") <= 110
    assert value("cpu_websocket_threads_percent") > 0
    assert 0 < value("cpu_system_percent") <= 100
    assert value("cpu_context_switches_total") == sum(
        switches(row["tid"]) for row in segment.threads()
    )

    for venue in VENUES:
        feed = counters["feed"][venue]
        assert value("feed_frames_total", venue=venue) == feed["frames"] > 0
        assert value("feed_gaps_total", venue=venue) == feed["depth_gaps"]
        for index, symbol in enumerate(segment.symbols):
            row = segment.store.read_row(venue, index)
            assert value("feed_row_state", venue=venue, symbol=symbol) == row.state
            for kind in ("gaps", "cuts"):
                count = feed["rows"][kind][index]
                assert value(f"feed_row_{kind}_total", venue=venue, symbol=symbol) == count
        again = sum(max(0, line["connects"] - 1) for line in feed["lines"])
        assert value("feed_reconnects_total", venue=venue) == again
        assert {line["line"] for line in feed["lines"]} == {0, 1}
        for line in feed["lines"]:
            labels = {"venue": venue, "connection": str(line["line"])}
            lead_s = line["led_ns"] / 1e9
            assert value("feed_connection_lead_seconds_total", **labels) == lead_s
        gateway = counters["gateway"][venue]
        assert value("order_states_total", venue=venue, state="filled") == gateway["fills"] > 0
        assert value("order_states_total", venue=venue, state="rejected") == gateway["rejects"]
    for reason in CloseReason:
        if reason is not CloseReason.NONE:
            count = counters["detector"]["close_reasons"][reason]
            assert value("opportunity_outcomes_total", reason=reason.name.lower()) == count
    for place, name in enumerate(REASONS[1:], 1):
        refused = counters["strategy"]["risk_reasons"][place]
        assert value("refusals_total", reason=name) == refused
    assert value("kill_switch") == 0
    check_board(frozen, board_of(segment))


def test_bounds_of_the_histograms_never_split_a_bucket() -> None:
    for bound_ns in BOUNDS_NS:
        histogram = Histogram()
        for value in (bound_ns - 1, bound_ns, bound_ns + 1, bound_ns + 2):
            histogram.record(value)
        counts = dict(cumulated(histogram.buckets()))
        assert counts[f"{bound_ns / 1e9:.9g}"] == 2


@pytest.fixture(scope="module")
def series(running: Trader, watched: Monitor) -> dict[str, set[str]]:
    """Every series name that is served, and its labels."""
    found = until(watched.scrape, lambda each: set(SPECIFIED) <= set(each), running)
    labels = labels_of(found)
    for name, more in labels_of(strictly_parsed(everything())).items():
        if name in labels:  # served, and here with what had not happened yet
            labels[name] |= more
    return labels


FROM_PROMETHEUS = {"up"}
ADDED = {"instance", "job", "trader", "le"}


def test_every_expression_finds_its_series(series: dict[str, set[str]]) -> None:
    shown = [(rule.name, rule.expr, rule.summary + rule.action) for rule in RULES]
    shown += [
        (panel.title, target.expr, target.legend) for panel in PANELS for target in panel.targets
    ]
    for title, expression, words in shown:
        selectors, grouped = asked(expression)
        assert selectors, title
        known = set(ADDED)
        for selector in selectors:
            if selector.name not in FROM_PROMETHEUS:
                assert selector.name in series, f"{title}: {selector.name} is not served"
                known |= series[selector.name]
        for selector in selectors:
            assert selector.labels <= known, f"{title}: {selector}"
        assert grouped <= known, f"{title}: {grouped - known}"
        assert mentioned(words) <= known, f"{title}: {mentioned(words) - known}"


def test_the_documentation_tells_every_metric_as_it_is(
    series: dict[str, set[str]], watched: Monitor
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", page, re.M)
    told = {
        name: (set(re.findall(r"`(\w+)`", labels)), about.strip())
        for name, labels, about, _target in rows
    }
    assert len(told) == len(rows)
    families = watched.scrape()
    assert set(told) == set(families)
    for name, family in families.items():
        labels, about = told[name]
        has = series.get(f"{name}_bucket", series[name]) - {"le"}
        assert labels == has, name
        assert about == family.documentation, name
    assert all(target.strip() for *_, target in rows)


# ---- many who look ---------------------------------------------------------------------------


def test_a_second_monitor_and_three_readers_look_at_once(
    running: Trader, watched: Monitor
) -> None:
    nobody = f"nobody-{uuid.uuid4().hex[:8]}"
    readers = [DeckReader(running.name, arbitrage.attach) for _ in range(3)]
    with monitor(running.name, nobody) as second:
        for _ in range(3):
            decks = [reader.look() for reader in readers]
            assert all(deck.alive for deck in decks)
            assert value_of(watched.scrape(), "up_trader") == 1
            both = second.scrape()
            assert value_of(both, "up_trader", trader=running.name) == 1
            assert value_of(both, "up_trader", trader=nobody) == 0
            for venue in VENUES:
                labels = {"trader": running.name, "venue": venue}
                assert value_of(both, "feed_frames_total", **labels) > 0
        status, body = second.health(f"?name={running.name}")
        assert (status, body["status"]) == (200, "healthy"), body
        status, body = second.health()
        assert (status, body["status"]) == (503, "down")
        assert body["reasons"] == [f"{nobody}: {body['traders'][nobody]['reasons'][0]}"]
        assert body["traders"][running.name]["status"] == "healthy"
        assert second.get("/health?name=another")[0] == 404


def test_a_killed_trader_is_unhealthy_within_two_seconds(
    running: Trader, segment: Segment, watched: Monitor, stalls: Stalls
) -> None:
    """The last test of this trader: kill -9."""
    check_death_is_told(watched, segment.pid, stalls)
    assert value_of(watched.scrape(), "up_trader") == 0
    gone = DeckReader(running.name, arbitrage.attach).look()
    assert not gone.alive
    assert gone.pairs == []


@pytest.mark.long
def test_every_killed_trader_is_unhealthy_within_two_seconds(
    tmp_path: Path, stalls: Stalls
) -> None:
    """No stall is allowed for: the machine is left to it."""
    with venues(tmp_path) as sims:
        for _ in range(20):
            with (
                trader(tmp_path, sims.environment(), ARB_MODE="paper") as child,
                monitor(child.name) as watching,
            ):
                pid = child.attach().pid
                until(watching.health, lambda told: told[0] == 200, child)
                check_death_is_told(watching, pid, stalls)
