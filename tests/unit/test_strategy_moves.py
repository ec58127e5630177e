"""Every move of the table is made by the machine, and no other."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from strategy_rig import BUY, DONE, FILL, REJECT, SELL, TIMEOUT, Rig, enter, fill, stand

from arbitrage.core.strategy import MOVES, PHASES

ROOT = Path(__file__).parents[2]
TABLE = {(source, target) for source, target, _ in MOVES}


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    assert rig.strategy.counters["illegal_moves"] == 0
    rig.close()


def test_the_table_names_known_phases_and_says_why() -> None:
    assert PHASES == (
        "idle", "opening", "one_leg", "completing", "unwinding", "open", "closing", "closed",
        "broken",
    )  # fmt: skip
    assert len(TABLE) == len(MOVES), "a pair of phases stands in the table once"
    assert {name for move in TABLE for name in move} == set(PHASES)
    assert all(source != target and why for source, target, why in MOVES)


# ---- one scenario a move -------------------------------------------------------------------------


def missed(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy, 0)
    fill(rig, sell, 0)


def closed(rig: Rig) -> None:
    stand(rig)
    rig.strategy.flatten = True
    rig.poll()
    fill(rig, rig.take_order(0))
    fill(rig, rig.take_order(1))


def rejected(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.tell(sell, REJECT)
    fill(rig, rig.take_order(0))


def completing(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    fill(rig, sell, 6)


def completed(rig: Rig) -> None:
    completing(rig)
    fill(rig, rig.take_order(1))


def completed_short(rig: Rig) -> None:
    completing(rig)
    fill(rig, rig.take_order(1), 0)


def trimmed(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy, 20)
    rig.tell(sell, FILL, 10, 10, px=100.2)
    rig.strategy.risk.opening_off = True
    rig.tell(sell, DONE, 0, 10)
    fill(rig, rig.take_order(0))


def late(rig: Rig) -> None:
    buy, _ = rejected_both(rig)
    rig.tell(buy, FILL, 6, 6)


def rejected_both(rig: Rig) -> tuple:
    buy, sell = enter(rig)
    rig.tell(buy, REJECT)
    rig.tell(sell, REJECT)
    return buy, sell


def late_while_closed(rig: Rig) -> None:
    buy, sell = enter(rig)
    rig.tell(buy, DONE, 0, 27)
    rig.tell(sell, REJECT)
    rig.tell(rig.take_order(0), DONE, 0, 27)
    rig.tell(sell, FILL, 2, 2)


def lost_while_opening(rig: Rig) -> None:
    buy, _ = enter(rig)
    fill(rig, buy)
    rig.venue_fill(0, 0, SELL, 27, 90.0)


def lost_while_completing(rig: Rig) -> None:
    completing(rig)
    rig.venue_fill(0, 0, SELL, 20, 90.0)


def lost(rig: Rig) -> None:
    stand(rig)
    rig.venue_fill(1, 0, BUY, 18, 110.0)


def held_then_level(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.strategy.risk.kill = 1
    rig.tell(sell, DONE, 0, -1)
    assert rig.phase(0) == "one_leg"
    rig.tell(sell, FILL, 18, -1)


def held_too_long(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.strategy.risk.kill = 1
    rig.tell(sell, REJECT)
    rig.poll(200)
    assert rig.phase(0) == "one_leg"
    rig.poll(1)


def unwound_too_long(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.tell(sell, REJECT)
    rig.poll(201)
    fill(rig, rig.take_order(0))


def closed_too_long(rig: Rig) -> None:
    stand(rig)
    rig.strategy.flatten = True
    rig.poll()
    fill(rig, rig.take_order(0))
    rig.poll(201)


SCENARIOS: dict[Callable[[Rig], object], str] = {
    missed: "idle opening closed idle",
    closed: "idle opening open closing closed idle",
    rejected: "idle opening one_leg unwinding closed idle",
    completed: "idle opening one_leg completing open",
    completed_short: "idle opening one_leg completing one_leg completing",
    trimmed: "idle opening one_leg unwinding open",
    late: "idle opening closed idle unwinding",
    late_while_closed: "idle opening one_leg unwinding closed unwinding",
    lost_while_opening: "idle opening unwinding",
    lost_while_completing: "idle opening one_leg completing unwinding",
    lost: "idle opening open unwinding",
    held_then_level: "idle opening one_leg open",
    held_too_long: "idle opening one_leg broken",
    unwound_too_long: "idle opening one_leg unwinding broken closed idle",
    closed_too_long: "idle opening open closing broken",
}


def path(rig: Rig) -> str:
    return " ".join(["idle", *(target for _, target in rig.moves())])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_way_through_the_machine(rig: Rig, scenario: Callable[[Rig], object]) -> None:
    scenario(rig)
    assert path(rig) == SCENARIOS[scenario]


def test_every_move_of_the_table_is_made_and_no_other() -> None:
    made = set()
    for way in SCENARIOS.values():
        made |= set(pairwise(way.split()))
    recovered = {("idle", "open")}  # of a pair of an earlier run: tests of the recovery
    assert made | recovered == TABLE
    assert not made & recovered


# ---- bounds --------------------------------------------------------------------------------------


def test_an_unknown_completing_order_does_not_hold_up_the_way_out(rig: Rig) -> None:
    completing(rig)
    more = rig.take_order(1)
    rig.tell(more, TIMEOUT)
    rig.poll(100)
    assert rig.phase(0) == "completing"
    rig.poll(1)
    assert (rig.phase(0), rig.strategy.pair(0)["reason"]) == ("unwinding", "none")
    fill(rig, rig.take_order(0))  # down to what the other leg holds for certain
    assert rig.lots(0) == (9, 6)
    fill(rig, more)  # and then it had filled after all
    back = rig.take_order(1)
    assert (back.flags, back.side, back.qty_lots) == (1, BUY, 12)
    fill(rig, back)
    assert (rig.phase(0), rig.lots(0)) == ("open", (9, 6))


def test_tries_used_up_break_a_pair_that_is_level(rig: Rig) -> None:
    stand(rig)
    rig.strategy.flatten = True
    for _ in range(40):
        rig.poll(100)
        for venue in (0, 1):
            if order := rig.take_order(venue):
                rig.tell(order, REJECT)
    assert rig.phase(0) == "broken"
    counters = rig.strategy.counters
    assert (counters["pairs_broken"], counters["breaker_trips"]) == (1, 1)
    rig.poll(100)
    limits = [rig.take_order(venue).px_ticks * 0.1 for venue in (0, 1)]
    assert limits == pytest.approx([99.0, 101.2], abs=0.2), "100 bps, the widest slip"


def test_broken_ends_flat_and_its_symbol_stays_paused(rig: Rig) -> None:
    unwound_too_long(rig)
    assert rig.strategy.live_pairs == 0
    names = [event.event for event in rig.take_events()]
    assert names == [1, 5, 8, 6], "opening, unwinding, broken, unwound"
    rig.poll(1000)
    rig.opportunity(0, 0)
    rig.opportunity(1, 0)
    rig.poll()
    assert rig.strategy.counters["refused_paused"] == 1
    assert rig.strategy.live_pairs == 1, "the other symbol trades on"


def test_n_one_sided_failures_in_a_row_trip_the_breaker(rig: Rig) -> None:
    for count in range(3):
        assert rig.strategy.counters["breaker_trips"] == 0
        if count == 2:
            missed(rig)  # neither leg filled: nothing in a row is broken by it, nothing added
            rig.poll(100)
        rejected(rig)
        rig.poll(100)
    assert rig.strategy.counters["breaker_trips"] == 1
    rig.opportunity(0, 0)
    rig.poll()
    assert rig.strategy.counters["refused_paused"] == 1
    rig.strategy.risk.pause(0, False)
    rejected(rig)
    assert rig.strategy.counters["breaker_trips"] == 1, "the count began anew"


def test_a_pair_that_closed_ends_the_row_of_failures(rig: Rig) -> None:
    for way in (rejected, rejected, closed, rejected, rejected):
        way(rig)
        rig.strategy.flatten = False
        rig.poll(100)
    assert rig.strategy.counters["breaker_trips"] == 0


# ---- the page ------------------------------------------------------------------------------------


def render(root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "bin/render-pair-phases"), *flags],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_page_draws_the_table() -> None:
    done = render(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (ROOT / "docs/pairs.md").read_text().count(" --> ") == len(MOVES) + 1


def test_a_page_that_differs_is_found_and_drawn(tmp_path: Path) -> None:
    for name in ("bin", "docs"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "bin/render-pair-phases", tmp_path / "bin")
    page = tmp_path / "docs/pairs.md"
    true = (ROOT / "docs/pairs.md").read_text()
    page.write_text(true.replace("BROKEN --> CLOSED", "BROKEN --> IDLE"))
    wrong = render(tmp_path, "--check")
    assert (wrong.returncode, wrong.stdout.split()[0]) == (1, "docs/pairs.md"), wrong.stderr
    assert render(tmp_path).returncode == 0
    assert page.read_text() == true
