"""While the demo runs: no futex call and no allocation of a hot thread, no drop, under 60 MB."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

audit_module = pytest.importorskip("benchmarks.hot_path_audit")

TABLE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
100.00    0.000123           2        57        12 futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.000123           2        57        12 total
"""


def needs_strace_and_cores() -> None:
    if reason := audit_module.why_no_strace():
        pytest.skip(reason)
    if len(os.sched_getaffinity(0)) < 4:
        pytest.skip("detector, strategy, feed and two venues need four cores")


def test_futex_calls_are_read_from_the_table() -> None:
    assert audit_module.futex_calls(TABLE) == 57
    assert audit_module.futex_calls("") == 0


def test_faults_name_what_is_wrong_and_what_is_not_known() -> None:
    thread = audit_module.HotThread("detector", 7, 100, 3, 0, None)
    found = audit_module.Audit("split", (thread,), 1.0, {"ticks": 2}, {"okx": 1}, 120.0)
    assert found.faults() == [
        "detector: 3 futex calls",
        "detector: Python allocations could not be counted",
        "2 ticks dropped",
        "the trader held 120.0 MB, 60 or more",
    ]


@pytest.mark.long
@pytest.mark.parametrize("stages", ["split", "fused"])
def test_the_hot_path_keeps_still_for_thirty_seconds(stages: str) -> None:
    needs_strace_and_cores()
    found = audit_module.audit(seconds=30, rate=10_000, stages=stages)
    assert found.faults() == []
    assert sum(found.frames.values()) > 300_000


def test_the_hot_path_keeps_still() -> None:
    needs_strace_and_cores()
    found = audit_module.audit(seconds=8, rate=2000, watch_s=2)
    assert found.faults() == []
    assert {thread.role for thread in found.threads} == {"detector", "strategy"}


@pytest.mark.long
def test_threads_that_park_are_seen_to_call_futex() -> None:
    needs_strace_and_cores()
    found = audit_module.audit(seconds=8, rate=100, wait="adaptive", watch_s=2)
    assert all(thread.futex_calls for thread in found.threads)
