"""The preload shim: it counts each thread's allocations, and without it there is no figure."""

import os
import subprocess
import sys

from arbitrage.core.alloc_meter import is_metered, thread_allocations
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


def test_both_functions_agree_about_the_shim() -> None:
    assert (thread_allocations() is not None) == is_metered()
