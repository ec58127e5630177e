"""The intent door: order, fullness, one producer, killed producers, and memory that lies."""

import math
import mmap
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbitrage.core.intents import CAPACITY, DOORS_MAX, IntentDoor, door_path
from arbitrage.core.memory import ClaimError
from arbitrage.core.messages import Intent, Notice

NAME = f"door-test-{os.getpid()}"
SRC = Path(__file__).parents[2]


def intent(number: int) -> Intent:
    return Intent(
        id=number, asked_mono_ns=5, expires_mono_ns=0, max_usd=50.0, min_net_bps=math.nan,
        min_gross_bps=1.5, pair=0, symbol_index=2, buy_venue=0, sell_venue=1, action=1,
    )  # fmt: skip


@pytest.fixture
def door() -> Iterator[IntentDoor]:
    made = IntentDoor.create(NAME, 1, run=9)
    yield made
    made.close()


def taken(door: IntentDoor) -> int:
    found = door.take()
    assert found is not None
    return int(found.id)


def shm_file(tag: int = 1) -> Path:
    return Path("/dev/shm" + door_path(NAME, tag))


def test_intents_come_out_in_order(door: IntentDoor) -> None:
    asker = IntentDoor.attach(NAME, 1)
    for number in range(3 * CAPACITY):
        assert asker.try_push(intent(number))
        if number % 2:
            assert [taken(door), taken(door)] == [number - 1, number]
    assert door.take() is None
    told = door.counters
    assert (told["asked"], told["taken"], told["dropped"]) == (3 * CAPACITY, 3 * CAPACITY, 0)


def test_a_full_door_refuses_and_counts(door: IntentDoor) -> None:
    asker = IntentDoor.attach(NAME, 1)
    for number in range(CAPACITY):
        assert asker.try_push(intent(number))
    assert not asker.try_push(intent(7))
    assert door.counters["dropped"] == 1
    assert door.take() == intent(0)._replace(min_net_bps=door_nan())
    assert asker.try_push(intent(8))


def door_nan() -> object:
    """Equal to NaN, so that whole intents can be compared."""

    class Nan:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, float) and math.isnan(other)

        __hash__ = None  # type: ignore[assignment]

    return Nan()


def test_the_door_is_the_owners_alone(door: IntentDoor) -> None:
    assert stat.S_IMODE(shm_file().stat().st_mode) == 0o600
    with pytest.raises(PermissionError):
        door.try_push(intent(1))


def test_one_producer_at_a_time(door: IntentDoor) -> None:
    asker = IntentDoor.attach(NAME, 1)
    with pytest.raises(ClaimError, match="already claimed"):
        IntentDoor.attach(NAME, 1)
    first = asker.first_id
    del asker
    assert IntentDoor.attach(NAME, 1).first_id > first


def test_a_killed_producer_is_replaced_and_nothing_is_torn(door: IntentDoor) -> None:
    code = (
        "import os, signal, sys; from arbitrage.core.intents import IntentDoor;"
        f"from tests.unit.test_intents import intent; door = IntentDoor.attach({NAME!r}, 1);"
        "[door.try_push(intent(number)) for number in range(5)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=SRC, check=False)
    assert done.returncode == -9
    asker = IntentDoor.attach(NAME, 1)
    assert asker.try_push(intent(5))
    assert [taken(door) for _ in range(6)] == list(range(6))
    assert door.counters["starts"] == 2


def test_positions_that_cannot_be_are_dropped(door: IntentDoor) -> None:
    asker = IntentDoor.attach(NAME, 1)
    assert asker.try_push(intent(1))
    with shm_file().open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[256:264] = (10**15).to_bytes(8, "little")
    assert door.take() is None
    assert door.take() is None


def test_there_is_no_door_where_no_trader_made_one() -> None:
    with pytest.raises(FileNotFoundError, match="has no door 2"):
        IntentDoor.attach(NAME, 2)
    with pytest.raises(ValueError, match="tag was"):
        IntentDoor.attach(NAME, DOORS_MAX + 1)


def test_records_are_as_large_as_their_slots() -> None:
    assert len(intent(1).pack()) == 56
    fields = dict.fromkeys(Notice._fields, 0)
    assert len(Notice(**fields).pack()) == 120
    assert Notice.unpack(Notice(**fields).pack()) == Notice(**fields)
