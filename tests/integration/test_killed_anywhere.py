"""SIGKILL at any point of the order path and of recovery itself: nothing lost, nothing twice.

Each point is a trader killed right after a chosen record of its journal stands, plus a random
moment, or somewhere in its start-up; the next one recovers, and is killed in turn. The last one is
stopped by a person, and everything is held against the venues' own accounts.
"""

import asyncio
from pathlib import Path

import pytest
from crash_kit import VENUES, Lane, check_money, check_orders, check_takings, read_story

POINTS = 52  # of each of two lanes
BLOCKS_LONG = 20
LIMIT_S = 600  # of a lane on a busy machine


def run_lane(folder: Path, seed: int, points: int) -> None:
    lane = Lane(folder, seed)
    try:
        lane.open()
        for _ in range(points):
            lane.kill_at_a_random_place()
        report = lane.finish()
        assert lane.positions() == {"bybit": {}, "okx": {}}
        story = read_story(lane.state)
        counts = check_orders(lane, story)
        trades = {venue: asyncio.run(lane.executions(venue)) for venue in VENUES}
        taken = check_takings(story, trades)
        check_money(lane, trades)
    finally:
        lane.close()
    in_start = sum(point.meant == "start-up" for point in lane.points)
    assert len(lane.points) == points
    assert points / 10 < in_start < points / 2
    assert taken > points / 10, "hardly anything stood when it was killed"
    assert counts["arrived"] > points
    assert report["pairs"]["opened"] + report["pairs"]["adopted"] > 0
    print(
        f"{points} kills, {in_start} of them in start-up; {len(story.taken)} runs traded, {taken} "
        f"took pairs over; {counts['intents']} orders written down, {counts['arrived']} arrived, "
        f"none twice, none unknown; {sum(map(len, trades.values()))} executions, each counted once"
    )


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_nothing_is_lost_and_nothing_comes_twice(
    tmp_path: Path, seed: int
) -> None:
    run_lane(tmp_path, seed, POINTS)


@pytest.mark.long
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("seed", range(10, 10 + BLOCKS_LONG))
def test_killed_anywhere_a_thousand_times(tmp_path: Path, seed: int) -> None:
    run_lane(tmp_path, seed, POINTS)
