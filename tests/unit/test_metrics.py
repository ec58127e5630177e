"""The metrics' parts: a snapshot of a segment, arithmetic, what a trader uses of the machine."""

import os
import time

import msgspec

from arbitrage import attach
from arbitrage.cold.metrics import (
    HotThread,
    ProcessMeter,
    Queue,
    Snapshot,
    exposition,
    read_snapshot,
)
from arbitrage.cold.metrics.process import Window
from arbitrage.core.segment import Segment

SHOT = Snapshot(
    name="t", mode="paper", pid=1, uptime_s=1.0, heartbeat_age_s=0.1, latency={}, queues={},
    feeds={}, detector={}, strategy={}, gateways={}, threads=[],
)  # fmt: skip


def test_queue_arithmetic() -> None:
    assert Queue(0, 0, 0, 0).utilization_percent == 0.0
    assert Queue(0, 0, 0, 0).drop_rate_percent == 0.0
    assert Queue(1, 4, 3, 1).drop_rate_percent == 25.0


def test_what_a_trader_uses_of_the_machine() -> None:
    now_s = [0.0]
    meter = ProcessMeter(lambda: now_s[0])
    threads = [HotThread(role, os.getpid()) for role in ("feed", "x")]
    shot = msgspec.structs.replace(SHOT, pid=os.getpid(), threads=threads)
    assert meter.look(shot).process is None
    total = sum(range(3_000_000))
    now_s[0] = 0.2
    assert meter.look(shot).process is None  # too soon for a sample of its own
    now_s[0] = 0.5
    usage = meter.look(shot)
    assert total > 0
    assert usage.process is not None
    assert usage.process > 0
    assert set(usage.threads) == {"feed", "x"}
    assert usage.threads["feed"] == usage.threads["x"] == usage.strategy == usage.websockets
    assert usage.threads["x"] > 0
    assert usage.system is not None
    assert 0 < usage.system <= 100
    assert usage.context_switches > 0
    assert usage.allocations_per_s is None
    gone = msgspec.structs.replace(SHOT, pid=2**22 + 1)
    for now_s[0] in (1.0, 2.0):
        usage = meter.look(gone)
    assert (usage.process, usage.websockets, usage.strategy) == (None, None, None)


def test_a_window_forgets_what_is_old() -> None:
    window = Window(2.0)
    assert window.per_s is None
    for second in range(10):
        window.add(second, second * 10.0 if second < 6 else 60.0)
    assert window.per_s == 0.0
    window.add(10, 80.0)
    assert window.per_s == 10.0
    window.add(11, 5.0)  # counted anew
    assert window.per_s is None


def test_no_trader_is_a_metric_too() -> None:
    assert exposition(lambda: None)().decode().splitlines()[-1] == "up_trader 0.0"


def test_snapshot_of_a_real_segment() -> None:
    name = f"test-metrics-{os.getpid()}"
    segment = Segment.create(name, mode="paper", tick_capacity=64, order_capacity=8)
    try:
        segment.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
        segment.store.apply_quote("bybit", 0, 1.0, 2.0, recv_mono_ns=time.monotonic_ns())
        segment.register_thread("detector", os.getpid(), None)
        assert read_snapshot(segment).is_starting
        segment.mark_ready()
        shot = read_snapshot(attach(name))
        assert (shot.name, shot.mode, shot.pid) == (name, "paper", os.getpid())
        assert shot.feeds["bybit"].rows_by_state == {"LIVE": 1}
        assert shot.feeds["okx"].rows_by_state == {"EMPTY": 1}
        assert shot.feeds["bybit"].age_s is not None
        assert 0 <= shot.feeds["bybit"].age_s < 5
        assert shot.feeds["okx"].age_s is None
        assert (shot.queues["market"].capacity, shot.queues["order"].capacity) == (64, 16)
        assert shot.threads[0].role == "detector"
        assert not shot.killed
        assert not shot.is_starting
        segment.steer(kill=True)
        assert read_snapshot(attach(name)).killed
        assert shot.latency["seen"].count == 0
        text = exposition(lambda: read_snapshot(segment))().decode()
        assert "latency_p99_microseconds NaN" in text
    finally:
        segment.close()


def test_allocations_that_are_not_counted_are_absent() -> None:
    text = exposition(lambda: SHOT)().decode()
    assert "cpu_context_switches_total 0.0" in text
    assert "allocations_" not in text.replace("thread_allocations", "")
    counted = msgspec.structs.replace(SHOT, allocations={"hot": 0, "warm": 2, "cold": 3})
    text = exposition(lambda: counted)().decode()
    assert "allocations_hot_path_total 0.0" in text
    assert "allocations_cold_path_total 3.0" in text
