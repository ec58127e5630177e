"""Load: queues, threads, processor time, allocations."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import Metric

from arbitrage.cold.metrics.families import counter, counters, gauge, gauges
from arbitrage.cold.metrics.process import Usage
from arbitrage.cold.metrics.snapshot import HotThread, Queue, Snapshot

__all__ = ["load_families"]

VERBS = {"market": "push", "order": "submit"}
PATHS = {
    "hot": "detector, strategy and market data callbacks",
    "warm": "order gateways and the event loop they are on",
    "cold": "everything else of the trader",
}


def load_families(shot: Snapshot, usage: Usage) -> Iterator[Metric]:
    """Yield the families of what a trader is loaded with."""
    yield from _queues(shot.queues)
    yield from _threads(shot.threads)
    yield from _cpu(usage)
    yield from _allocations(shot, usage)


def _queues(queues: Mapping[str, Queue]) -> Iterator[Metric]:
    for kind, verb in VERBS.items():
        queue = queues.get(kind)
        if queue is None:
            continue
        rings, fill = f"the {kind} rings", queue.utilization_percent
        yield gauge(f"queue_depth_{kind}", f"Entries in {rings} now", queue.depth)
        yield gauge(f"queue_capacity_{kind}", f"Entries {rings} hold", queue.capacity)
        yield gauge(f"queue_utilization_{kind}_percent", f"Fill of {rings}", fill)
        yield counter(f"queue_{kind}_{verb}", f"Entries that entered {rings}", queue.pushed)
        yield counter(f"queue_{kind}_drop", f"Entries lost before {rings}", queue.dropped)
        yield gauge(
            f"queue_{kind}_drop_rate_percent",
            f"Share of entries lost before {rings}",
            queue.drop_rate_percent,
        )


def _threads(threads: Sequence[HotThread]) -> Iterator[Metric]:
    yield counters(
        "thread_turns", "Duty cycles", ["thread", "kind"],
        [
            ([row.role, kind], count)
            for row in threads
            for kind, count in (("all", row.turns), ("busy", row.work))
        ],
    )  # fmt: skip
    yield counters(
        "thread_allocations", "Allocations of a hot thread, where they are counted",
        ["thread", "kind"],
        [
            ([row.role, kind], count)
            for row in threads
            for kind, count in (("c", row.allocations_c), ("python", row.allocations_python))
        ],
    )  # fmt: skip


def _cpu(usage: Usage) -> Iterator[Metric]:
    shares = (
        ("strategy_thread", "Share of one core used by the thread of the strategy", usage.strategy),
        ("websocket_threads", "Share of one core used by feeds and gateways", usage.websockets),
        ("process", "Share of one core used by the trader's process", usage.process),
        ("system", "Share of all cores in use on the machine", usage.system),
    )
    for name, about, share in shares:
        if share is not None:
            yield gauge(f"cpu_{name}_percent", about, share)
    yield gauges(
        "cpu_thread_percent", "Share of one core used by a thread", ["thread"],
        [([role], share) for role, share in usage.threads.items()],
    )  # fmt: skip
    yield counter(
        "cpu_context_switches",
        "Context switches of the trader's threads, voluntary and not",
        usage.context_switches,
    )


def _allocations(shot: Snapshot, usage: Usage) -> Iterator[Metric]:
    if shot.allocations is None:  # not counted, which is not none
        return
    for path, about in PATHS.items():
        yield counter(f"allocations_{path}_path", f"Allocations: {about}", shot.allocations[path])
    if usage.allocations_per_s is not None:
        about = "Allocations of all paths a second"
        yield gauge("allocations_per_second", about, usage.allocations_per_s)
