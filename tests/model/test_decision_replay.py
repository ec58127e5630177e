"""A detector's decisions, replayed: its own events again, byte for byte, and gaps told exactly."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from decision_world import CAPACITY, World

from arbitrage.core.decisions import (
    DECISION_BYTES,
    DECISION_DTYPE,
    DecisionKind,
    DecisionReplay,
    read_config,
)
from arbitrage.core.records import OPPORTUNITY_DTYPE
from arbitrage.exact_ranges import ExactRanges

STEPS = 1500
Stretch = tuple[int, Any]  # events published before the first of them, events


@pytest.fixture
def worlds() -> Iterator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def lived(worlds: list[World], seed: int, **options: Any) -> World:
    worlds.append(World(seed, **options))
    for _ in range(STEPS):
        worlds[-1].step()
    worlds[-1].stages.close_lives()
    return worlds[-1]


def replayed(pieces: list[list[bytes]]) -> tuple[list[Stretch], DecisionReplay]:
    """Replay pieces with a gap between each two; the stretches of events that are exact."""
    replay = DecisionReplay(2, CAPACITY)
    exact = ExactRanges(replay)
    events: dict[int, list[Any]] = {}
    first = 0
    for piece in pieces:
        for batch in piece:
            for number, some in exact.feed(first, batch, DECISION_BYTES):
                begun = exact.ranges[-1].from_event
                assert number == begun + sum(map(len, events.get(begun, [])))
                events.setdefault(begun, []).append(some)
            first += len(batch) // DECISION_BYTES
        first += 100
    none = np.zeros(0, OPPORTUNITY_DTYPE)
    found = [
        (one.from_event, np.concatenate([none, *events.get(one.from_event, [])]))
        for one in exact.ranges
    ]
    assert [one.to_event - one.from_event for one in exact.ranges] == [
        len(some) for _, some in found
    ]
    return found, replay


def assert_equal(stretches: list[Stretch], published: Any) -> int:
    count = 0
    for first, events in stretches:
        live = published[first : first + len(events)]
        assert events.tobytes() == live.tobytes()
        count += len(events)
    return count


@pytest.mark.parametrize("seed", range(25))
def test_a_replay_finds_what_was_published_byte_for_byte(worlds: list[World], seed: int) -> None:
    world = lived(worlds, seed)
    told, published = world.told(), world.published()
    (stretch,), replay = replayed([told])
    assert stretch[0] + len(stretch[1]) == len(published)
    assert assert_equal([stretch], published) == len(stretch[1])
    assert replay.counts["differences"] == replay.counts["bad"] == 0
    assert replay.counts["taken"] * DECISION_BYTES == sum(map(len, told))
    assert replay.first_difference is None
    assert set(stretch[1]["event"][-1:]) <= {3}, "the last event closed what was open"


def test_worlds_are_not_dull(worlds: list[World]) -> None:
    """What the equality above is worth: every kind of record, of event and of reason came up."""
    kinds: set[int] = set()
    reasons: set[int] = set()
    slips = stamps = 0
    for seed in range(12):
        world = lived(worlds, seed)
        kinds |= set(np.frombuffer(b"".join(world.told()), DECISION_DTYPE)["kind"].tolist())
        published = world.published()
        reasons |= set(published["reason"].tolist())
        slips += int((published["slippage_bps"] != 0).sum())
        stamps += len(set(published["detected_ns"].tolist()))
    # turns are the strategy's, and there is none here
    assert kinds == {kind.value for kind in DecisionKind} - {DecisionKind.NONE, DecisionKind.TURN}
    assert reasons == set(range(8))
    assert min(slips, stamps) > 100


@pytest.mark.parametrize("seed", range(8))
def test_after_a_gap_a_replay_is_exact_again(worlds: list[World], seed: int) -> None:
    world = lived(worlds, seed, round_ms=5)
    told, published = world.told(), world.published()
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, len(told)), 4))
    pieces = [told[first + 1 : end] for first, end in zip([-1, *cuts], [*cuts, None], strict=True)]
    stretches, replay = replayed(pieces)
    assert replay.counts["differences"] == 0
    assert len(stretches) >= 2, "one at least is exact again after a gap"
    assert_equal(stretches, published)


def test_a_lapped_reader_knows_what_it_lost_and_goes_on(worlds: list[World]) -> None:
    world = World(5, tap_bytes=1 << 16, round_ms=5)
    worlds.append(world)
    pieces: list[list[bytes]] = [[]]
    records = lost = 0
    for number in range(6000):
        world.step()
        if number % 1000 < 700:  # else the reader sleeps
            for batch in world.told():
                if world.reader.lost_bytes != lost:
                    lost = world.reader.lost_bytes
                    pieces.append([])
                pieces[-1].append(batch)
                records += len(batch) // DECISION_BYTES
    assert world.reader.lost_frames > 0
    assert lost % DECISION_BYTES == 0
    assert records * DECISION_BYTES + lost == world.reader.bytes_position
    stretches, replay = replayed(pieces)
    published = world.published()
    assert replay.counts["differences"] == replay.counts["bad"] == 0
    assert len(stretches) == len(pieces) > 2
    assert assert_equal(stretches, published) > 100


@pytest.mark.parametrize("field", ["bid_px", "mono_ns", "first", "detail", "events", "kind"])
def test_a_changed_record_is_found(worlds: list[World], field: str) -> None:
    world = lived(worlds, 1)
    decisions = np.frombuffer(b"".join(world.told()), DECISION_DTYPE).copy()
    ticks = np.flatnonzero((decisions["kind"] == DecisionKind.TICK) & (decisions["events"] > 0))
    place = int(ticks[len(ticks) // 2])
    decisions[field][place] += 9
    (stretch,), replay = replayed([[decisions.tobytes()]])
    published = world.published()[stretch[0] :]
    assert stretch[1].tobytes() != published.tobytes() or replay.counts["differences"] > 0
    if field in {"events", "kind"}:
        assert replay.first_difference == place


def test_damage_is_counted_and_harms_nothing(worlds: list[World]) -> None:
    world = lived(worlds, 2)
    whole = np.frombuffer(b"".join(world.told()), np.uint8)
    for seed in range(60):
        chance = np.random.default_rng(seed)
        damaged = whole.copy()
        places = chance.integers(0, len(damaged), 200)
        damaged[places] = chance.integers(0, 256, 200)
        replay = DecisionReplay(2, CAPACITY)
        exact = ExactRanges(replay)
        exact.feed(0, damaged.tobytes(), DECISION_BYTES)
        assert replay.counts["bad"] + replay.counts["differences"] > 0


def test_the_configuration_is_told(worlds: list[World]) -> None:
    world = lived(worlds, 3)
    decisions = np.frombuffer(b"".join(world.told()), DECISION_DTYPE)
    config = decisions[decisions["kind"] == DecisionKind.CONFIG]
    pieces = config["words"][:3].tobytes()
    found = read_config(pieces)
    assert found["wall_minus_mono_ns"] == world.wall_ns
    assert found["fee_mode"] == "round_trip"
    assert len(found["stale_ns"]) == 4


def test_a_detector_that_is_not_recorded_tells_nothing(worlds: list[World]) -> None:
    world = lived(worlds, 4)
    assert world.told()
    world.segment.decisions.enable(False)
    before = world.reader.position
    for _ in range(50):
        world.step()
    assert (world.told(), world.reader.position) == ([], before)


def test_wrong_use_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match="venue_count was 9; accepted is 1 to 4"):
        DecisionReplay(9, 4)
    with pytest.raises(ValueError, match="symbol_capacity was 0; accepted is 1 to 2048"):
        DecisionReplay(2, 0)
    replay = DecisionReplay(2, 4)
    with pytest.raises(ValueError, match="records of 64 bytes, aligned to 8; there were 7"):
        replay.run(b"1234567")
    with pytest.raises(ValueError, match=r"first was 1; there were 0 records"):
        replay.run(b"", 1)
    assert replay.take_events().dtype == OPPORTUNITY_DTYPE
    with pytest.raises(ValueError, match="initialised twice"):
        replay.__init__(2, 4)  # type: ignore[misc]
    with pytest.raises(ValueError, match="a configuration has"):
        read_config(b"")
