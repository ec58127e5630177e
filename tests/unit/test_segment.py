"""The segment: made once, attached read-only, replaced when its trader was killed."""

import os
import signal
import stat
import struct
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import arbitrage
from arbitrage.core.memory import process_start_ticks
from arbitrage.core.segment import LAYOUT_VERSION, Segment
from arbitrage.errors import SegmentError, SegmentGoneError

HOLDER = """
import sys, time
from arbitrage.core.segment import Segment
segment = Segment.create(sys.argv[1], mode="test")
segment.mark_ready()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def name() -> Iterator[str]:
    name = f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    yield name
    try:
        os.unlink(f"/dev/shm/arbitrage.{name}")
    except FileNotFoundError:
        return


def hold(name: str) -> subprocess.Popen[str]:
    """Start a process that holds a segment."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, name], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_sizes_are_rounded_up_and_reported(name: str) -> None:
    segment = Segment.create(name, tick_capacity=10000, order_capacity=1000, symbol_capacity=3)
    assert segment.spec["tick_capacity"] == 16384
    assert segment.spec["order_capacity"] == 1024
    assert segment.queues()["market"]["capacity"] == 16384
    assert segment.store.bid_px.shape == (2, 3)
    segment.close()


def test_mode_is_0600(name: str) -> None:
    segment = Segment.create(name)
    assert stat.S_IMODE(os.stat(f"/dev/shm/arbitrage.{name}").st_mode) == 0o600
    segment.close()


def test_attached_views_follow_the_trader_and_are_read_only(name: str) -> None:
    owner = Segment.create(name, mode="test", run=7)
    owner.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
    owner.store.set_instrument(owner.store.row("bybit", 0))
    reader = arbitrage.attach(name)
    assert (reader.pid, reader.run, reader.mode, reader.alive) == (os.getpid(), 7, "test", True)
    assert list(reader.symbols) == ["BTCUSDT"]
    before = reader.store.bid_px
    owner.store.apply_quote("bybit", 0, 1.5, 1.6)
    assert before[0, 0] == 1.5
    with pytest.raises(ValueError, match="read-only"):
        before[0, 0] = 2.0
    with pytest.raises(PermissionError, match="only its trader"):
        reader.steer(kill=True)
    owner.close()
    assert not reader.alive


def test_a_write_through_a_read_only_mapping_kills_the_writer(name: str) -> None:
    """The protection is the kernel's, not a flag's."""
    owner = Segment.create(name)
    code = (
        "import sys, ctypes; from arbitrage.core.segment import Segment\n"
        "segment = Segment.attach(sys.argv[1])\n"
        "ctypes.memset(segment.store.bid_px.ctypes.data, 1, 8)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, name], check=False, capture_output=True)
    assert done.returncode != 0
    assert np.isnan(owner.store.bid_px[0, 0])
    owner.close()


def test_a_reader_that_exits_leaves_the_segment_alone(name: str) -> None:
    owner = Segment.create(name)
    code = "import sys; from arbitrage.core.segment import Segment; Segment.attach(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, name], check=True)
    assert arbitrage.attach(name).alive
    owner.close()


def test_a_living_trader_keeps_its_name(name: str) -> None:
    child = hold(name)
    try:
        with pytest.raises(FileExistsError, match=rf"runs already \(pid {child.pid}\)"):
            Segment.create(name)
        assert arbitrage.attach(name).alive
    finally:
        child.kill()
        child.wait()


def test_a_killed_traders_segment_is_replaced(name: str) -> None:
    child = hold(name)
    child.kill()
    child.wait()
    left_behind = Segment.attach(name)
    assert not left_behind.alive
    segment = Segment.create(name)
    assert segment.alive
    assert segment.pid == os.getpid()
    segment.close()


def test_no_such_trader_is_one_clear_line(name: str) -> None:
    with pytest.raises(SegmentGoneError, match=f"no trader named '{name}' runs here") as caught:
        arbitrage.attach(name)
    other = f"{name}-2"
    assert other not in str(caught.value)
    segment = Segment.create(other)
    with pytest.raises(SegmentGoneError, match=rf"; running: .*{other}"):
        arbitrage.attach(name)
    segment.close()


def test_what_a_killed_trader_left_is_read_only_on_demand(name: str) -> None:
    code = (
        "import os, sys, signal; from arbitrage.core.segment import Segment\n"
        "segment = Segment.create(sys.argv[1], mode='test'); segment.mark_ready()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, name]) as child:
        assert child.wait(60) == -signal.SIGKILL
    said = f"the trader '{name}' .pid {child.pid}. has ended, killed or crashed; start it again"
    with pytest.raises(SegmentGoneError, match=said):
        arbitrage.attach(name)
    left = arbitrage.attach(name, dead=True)
    assert (left.alive, left.pid, left.mode) == (False, child.pid, "test")
    Segment.create(name).close()


def test_another_layout_version_is_refused(name: str) -> None:
    segment = Segment.create(name)
    with open(f"/dev/shm/arbitrage.{name}", "r+b") as memory:
        memory.seek(8)
        memory.write(np.uint32(LAYOUT_VERSION + 1).tobytes())
    with pytest.raises(SegmentError, match=f"has layout version {LAYOUT_VERSION + 1}"):
        arbitrage.attach(name)
    segment.close()


def test_a_half_made_segment_is_not_ready(name: str) -> None:
    with open(f"/dev/shm/arbitrage.{name}", "wb") as memory:
        memory.write(b"\0" * 100)
    with pytest.raises(SegmentError, match="is not ready"):
        arbitrage.attach(name)
    Segment.create(name).close()


@pytest.mark.parametrize("bad", ["", "a/b", "../x", "x" * 32, "a b"])
def test_bad_names_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="segment name was"):
        Segment.create(bad)


@pytest.mark.parametrize("sizes", [{"symbol_capacity": 0}, {"lane_count": 9}, {"tick_capacity": 0}])
def test_bad_sizes_are_refused(name: str, sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(sizes))} was"):
        Segment.create(name, **sizes)
    assert not os.path.exists(f"/dev/shm/arbitrage.{name}")


def test_thread_table_gives_and_takes_places(name: str) -> None:
    segment = Segment.create(name)
    place = segment.register_thread("feed", 4242, 3)
    assert [(row["role"], row["tid"], row["core"]) for row in segment.threads()] == [
        ("feed", 4242, 3)
    ]
    assert segment.threads()[0]["allocations_c"] is None
    segment.release_thread(place)
    assert segment.threads() == []
    segment.close()


def test_steering_words_are_seen_by_readers(name: str) -> None:
    owner = Segment.create(name)
    reader = Segment.attach(name)
    owner.steer(opening_off=True)
    assert reader.controls == {"stop": False, "opening_off": True, "flatten": False, "kill": False}
    owner.steer(opening_off=False, kill=True)
    assert reader.controls["kill"]
    assert not reader.controls["opening_off"]
    owner.close()


def test_a_segment_of_nobody_or_of_the_dead_is_replaced(name: str) -> None:
    """Killed while it made the segment, or killed and not yet waited for by its parent."""
    half = Segment.create(name, mode="test")
    path = Path(f"/dev/shm/arbitrage.{name}")
    # as a run leaves it that dies before its owner is written
    owner = struct.pack("<qQ", os.getpid(), process_start_ticks(os.getpid()) or 0)
    at = path.read_bytes().index(owner)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(len(owner)))
    assert not half.alive
    Segment.create(name, mode="test").close()
    child = subprocess.Popen([sys.executable, "-c", HOLDER, name], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and its parent has not asked
    Segment.create(name, mode="test").close()
    child.wait()


MAKER = """
import sys
from arbitrage.core.segment import Segment
for _ in range(150):
    Segment.create(sys.argv[1], symbol_capacity=3).close()
"""


def test_who_attaches_while_it_is_made_sees_all_of_it_or_nothing(name: str) -> None:
    """A reader that comes at the very moment of a start must not keep half a segment."""
    child = subprocess.Popen([sys.executable, "-c", MAKER, name])
    seen, is_over = 0, False
    while not is_over:
        is_over = child.poll() is not None
        try:
            segment = Segment.attach(name)
        except (OSError, ValueError):
            continue
        seen += 1
        assert segment.store.column("state").shape == (2, 3)
    assert child.returncode == 0
    assert seen > 0
