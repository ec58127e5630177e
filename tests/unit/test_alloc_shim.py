"""The preload shim: it counts each thread's allocations, and without it there is no figure."""

import os
import subprocess
import sys

import pytest

from arbitrage.core.alloc_meter import (
    COLD,
    HOT,
    enter_path,
    is_metered,
    process_allocations,
    thread_allocations,
)
from arbitrage.core.shim import shim_path

METERED = """
import ctypes, threading
from arbitrage.core.alloc_meter import is_metered, thread_allocations

assert is_metered()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc(64)
seen = {}

def count(role, work):
    before = thread_allocations()
    work()
    seen[role] = [after - was for after, was in zip(thread_allocations(), before)]

def idle():
    pass

def c_only():
    for _ in range(100):
        libc.malloc(64)

def python_only():
    kept = [[number] for number in range(100)]

for role, work in (("idle", idle), ("c", c_only), ("python", python_only)):
    thread = threading.Thread(target=count, args=(role, work))
    thread.start()
    thread.join()
assert seen["c"][0] - seen["idle"][0] >= 100, seen
assert seen["python"][1] - seen["idle"][1] >= 100, seen
# another thread's hundred allocations are not this thread's
mine = thread_allocations()
thread = threading.Thread(target=c_only)
thread.start()
thread.join()
assert thread_allocations()[0] - mine[0] < 50, (mine, thread_allocations())
"""

PATHS = """
import ctypes
from arbitrage.core.alloc_meter import (
    COLD, HOT, WARM, enter_path, process_allocations, thread_allocations,
)

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def counted(path, work):
    before, mine = process_allocations(), thread_allocations()
    was = enter_path(path)
    work()
    assert enter_path(was) == path
    after, now = process_allocations(), thread_allocations()
    return [b - a for a, b in zip(before, after)], [b - a for a, b in zip(mine, now)]

def mallocs():
    for _ in range(1000):
        libc.malloc(64)

for place, path in enumerate((HOT, WARM)):
    by_path, (c, python) = counted(path, mallocs)
    assert by_path[place] >= 1000 > 900 > by_path[1 - place], by_path
    assert c >= 1000
# a large bytes object is one allocation, Python's, although malloc makes it
kept = []
_, (c, python) = counted(COLD, lambda: [kept.append(bytes(100_000)) for _ in range(1000)])
assert python >= 1000, (c, python)
assert c < 500, (c, python)
"""


def test_without_the_shim_the_figure_is_absent() -> None:
    environment = {key: text for key, text in os.environ.items() if key != "LD_PRELOAD"}
    code = "from arbitrage.core import alloc_meter as meter\n"
    code += "assert not meter.is_metered() and meter.thread_allocations() is None"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_with_the_shim_each_thread_has_its_own_count() -> None:
    environment = os.environ | {"LD_PRELOAD": str(shim_path())}
    done = subprocess.run(
        [sys.executable, "-c", METERED], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_allocations_belong_to_the_path_the_thread_says_and_count_once() -> None:
    environment = os.environ | {"LD_PRELOAD": str(shim_path())}
    done = subprocess.run(
        [sys.executable, "-c", PATHS], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


PROCESSES = """
import os, sys
from arbitrage.core.alloc_meter import process_allocations
from arbitrage.core.segment import Segment

owner = Segment.create(f"test-{os.getpid()}-alloc", lane_count=2)
assert owner.allocations is None
counted = process_allocations()
owner.put_allocations(0)
first = owner.allocations
assert all(first[path] >= count for path, count in zip(("hot", "warm", "cold"), counted))
feed = Segment.attach(owner.name, writable=True)
feed.put_allocations(2)  # as the second lane's process would
both = owner.allocations
assert both["cold"] >= 2 * first["cold"] > 0, (first, both)
try:
    feed.put_allocations(3)
except IndexError as error:
    assert "place was 3; there are 3" in str(error)
else:
    raise AssertionError("a place that is not there was taken")
owner.close()
"""


def test_the_processes_of_a_trader_are_counted_together() -> None:
    environment = os.environ | {"LD_PRELOAD": str(shim_path())}
    done = subprocess.run(
        [sys.executable, "-c", PROCESSES], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


METERED_PROTOCOL = """
import asyncio
from arbitrage.core.alloc_meter import COLD, HOT, enter_path, process_allocations
from arbitrage.venues.metered_protocol import MeteredProtocol, meter_protocol

class Inner(asyncio.BufferedProtocol):
    seen = []
    def get_buffer(self, sizehint):
        self.seen.append(enter_path(HOT))
        return bytearray(8)
    def buffer_updated(self, nbytes):
        self.seen.append(enter_path(HOT))
        kept = [[number] for number in range(1000)]
        if nbytes == 0:
            raise ValueError("as a listener may")
    def connection_lost(self, exc):
        self.seen.append(exc)

class Transport:
    protocol = Inner()
    @property
    def underlying_transport(self):
        return self
    def get_protocol(self):
        return self.protocol
    def set_protocol(self, protocol):
        self.protocol = protocol

transport = Transport()
meter_protocol(transport, HOT)
metered = transport.protocol
assert isinstance(metered, MeteredProtocol) and isinstance(metered, asyncio.BufferedProtocol)
hot, _, cold = process_allocations()
assert len(metered.get_buffer(-1)) == 8
metered.buffer_updated(5)
try:
    metered.buffer_updated(0)
except ValueError:
    pass
assert Inner.seen == [HOT, HOT, HOT], Inner.seen
assert enter_path(COLD) == COLD
assert process_allocations()[0] - hot >= 2000
assert process_allocations()[2] - cold < 500
metered.connection_lost(None)
assert Inner.seen[-1] is None and metered.seen is Inner.seen
"""


def test_what_reading_a_connection_allocates_belongs_to_its_path() -> None:
    environment = os.environ | {"LD_PRELOAD": str(shim_path())}
    done = subprocess.run(
        [sys.executable, "-c", METERED_PROTOCOL], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_without_the_shim_no_path_is_counted() -> None:
    assert (process_allocations() is None) == (not is_metered())
    assert enter_path(HOT) == COLD or is_metered()
    enter_path(COLD)
    with pytest.raises(ValueError, match="path was 3"):
        enter_path(3)


def test_both_functions_agree_about_the_shim() -> None:
    assert (thread_allocations() is not None) == is_metered()
