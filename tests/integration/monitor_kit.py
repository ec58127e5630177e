"""arb-monitor as the program it is, and its answers, for tests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from patience import Patience
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from stalls import Stalls

from arbitrage.board import Board, IncidentLine, PairLine, RejectLine
from arbitrage.cold.beside import Beside, MirrorState, RecorderState
from arbitrage.cold.metrics import Snapshot, exposition
from arbitrage.core.segment import Segment

__all__ = [
    "SPECIFIED",
    "Monitor",
    "check_board",
    "check_death_is_told",
    "check_stage",
    "everything",
    "labels_of",
    "monitor",
    "state_of",
    "strictly_parsed",
    "switches",
    "value_of",
]

SPECIFIED = [
    *(f"latency_{label}_microseconds" for label in ("p50", "p95", "p99", "max")),
    "latency_measurements_total",
    *(f"queue_{what}_{kind}" for what in ("depth", "capacity") for kind in ("market", "order")),
    *(f"queue_utilization_{kind}_percent" for kind in ("market", "order")),
    *(f"queue_{kind}_drop_rate_percent" for kind in ("market", "order")),
    *(f"queue_market_{verb}_total" for verb in ("push", "drop")),
    *(f"queue_order_{verb}_total" for verb in ("submit", "drop")),
    *(f"allocations_{path}_path_total" for path in ("hot", "warm", "cold")),
    "allocations_per_second",
    "cpu_strategy_thread_percent",
    "cpu_websocket_threads_percent",
    "cpu_system_percent",
    "cpu_context_switches_total",
]
NAME = re.compile(r"[a-z][a-z0-9_]*")
DEATH_TOLD_S = 2.0
HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


class Monitor:
    """A running monitor."""

    def __init__(self, root: str, pid: int) -> None:
        self.root = root
        self.pid = pid

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Ask with GET; return status and text."""
        request = urllib.request.Request(f"{self.root}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def health(self, query: str = "") -> tuple[int, dict[str, Any]]:
        """Return the status and the body of /health."""
        status, text = self.get(f"/health{query}")
        return status, json.loads(text)

    def scrape(self) -> dict[str, Metric]:
        """Scrape, and read what came strictly."""
        status, text = self.get("/metrics")
        assert status == 200, text
        return strictly_parsed(text)


@contextmanager
def monitor(*names: str) -> Iterator[Monitor]:
    """Run a monitor of some traders on a free port."""
    command = [sys.executable, "-m", "arbitrage.monitor", "--port", "0"]
    for name in names:
        command += ["--name", name]
    environment = {key: text for key, text in os.environ.items() if key != "LD_PRELOAD"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stderr is not None
            said = []
            for line in child.stderr:
                said.append(line)
                found = re.search(r"serving (http://127\.0\.0\.1:\d+)/", line)
                if found:
                    yield Monitor(found[1], child.pid)
                    break
            else:
                raise AssertionError(f"the monitor did not start: {said}")
        finally:
            child.terminate()
            child.wait(30)


def strictly_parsed(text: str) -> dict[str, Metric]:
    """Parse a scrape as promtool would check it; return the families by name as served."""
    assert text.endswith("\n")
    told: dict[str, dict[str, str]] = {"HELP": {}, "TYPE": {}}
    begun: list[str] = []
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert name not in told[word], f"{word} of {name} twice"
            told[word][name] = rest
            if word == "HELP":
                assert rest.strip(), f"{name} has no meaning"
                begun.append(name)
        else:
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            family = begun[-1]
            allowed = {family} | {family + suffix for suffix in HISTOGRAM_SUFFIXES}
            assert name in allowed, f"{name} stands under {family}"
    assert set(told["HELP"]) == set(told["TYPE"])
    families: dict[str, Metric] = {}
    seen = set()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert NAME.fullmatch(name), name
        assert family.type == told["TYPE"][name]
        assert family.type in {"counter", "gauge", "histogram"}
        assert (family.type == "counter") == name.endswith("_total"), name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in seen, key
            seen.add(key)
            assert all(NAME.fullmatch(label) for label in sample.labels)
            if family.type == "counter":
                assert sample.value >= 0, sample
        if family.type == "histogram":
            _check_histogram(family)
        families[name] = family
    assert set(families) == set(told["HELP"])
    return families


def _check_histogram(family: Metric) -> None:
    rows: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    counts, sums = {}, {}
    for sample in family.samples:
        labels = {key: text for key, text in sample.labels.items() if key != "le"}
        key = tuple(sorted(labels.items()))
        if sample.name.endswith("_bucket"):
            rows.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[key] = sample.value
        else:
            assert sample.name.endswith("_sum")
            sums[key] = sample.value
    assert set(rows) == set(counts) == set(sums), family.name
    for key, buckets in rows.items():
        assert buckets == sorted(buckets), (family.name, key)
        assert buckets[-1] == (float("inf"), counts[key])
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)


def value_of(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the one sample of a name and labels; its name may be that of a histogram's part."""
    for family in families.values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    raise AssertionError(f"{name}{labels} was not served")


def state_of(pid: int) -> str:
    """Return the state letter of a process; T: it stands still."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def check_stage(found: dict[str, Metric], segment: Segment, stage: str) -> None:
    """Hold one stage's histogram against the segment's."""
    histogram = segment.latency.histogram(stage)
    assert value_of(found, "stage_measurements_total", stage=stage) == histogram.count
    name, labels = "stage_latency_seconds", {"stage": stage}
    if stage == "naked_leg":
        name, labels = "naked_leg_seconds", {}
    assert value_of(found, f"{name}_count", **labels) == histogram.count
    assert value_of(found, f"{name}_sum", **labels) == histogram.sum / 1e9
    family = found[name]
    for sample in family.samples:
        if sample.name.endswith("_bucket") and labels.items() <= sample.labels.items():
            bound_s = float(sample.labels["le"])
            within = sum(count for floor, count in histogram.buckets() if floor / 1e9 <= bound_s)
            assert sample.value == within, sample


def check_death_is_told(watching: Monitor, pid: int, stalls: Stalls) -> None:
    """Kill a trader: its health is a 503 with the reason in time, by the monitor's own stamp."""
    stalls.watch(watching.pid)
    status, body = watching.health()
    assert (status, body["status"]) == (200, "healthy"), body
    killed_ns, patience = time.time_ns(), Patience()
    os.kill(pid, signal.SIGKILL)
    while status == 200:
        status, body = watching.health()
        assert not patience.is_over()
        time.sleep(0.02)
    assert (status, body["status"]) == (503, "down")
    assert "has ended" in body["reasons"][0] or "no trader named" in body["reasons"][0]
    took_ns = body["since_wall_ns"] - killed_ns
    lost_ns = stalls.lost_wall_ns(killed_ns, body["since_wall_ns"])
    assert took_ns - lost_ns < DEATH_TOLD_S * 1e9, f"{took_ns} ns, {lost_ns} lost"


def switches(tid: int) -> int:
    """Return a thread's context switches."""
    with open(f"/proc/{tid}/task/{tid}/status") as status:
        return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)


def check_board(found: dict[str, Metric], board: Board) -> None:
    """Hold what is served of money and limits against the board."""
    total = 0.0
    for line in board.money:
        for kind in ("realised", "fees", "funding", "unrealised"):
            amount = getattr(line, f"{kind}_usd")
            if amount is not None:
                assert value_of(found, "pnl_usd", venue=line.venue, kind=kind) == amount
                total += amount
        assert value_of(found, "venue_equity_usd", venue=line.venue) == line.equity_usd
    assert value_of(found, "pnl_total_usd") == pytest.approx(total)
    assert value_of(found, "day_result_usd") == board.day_result_usd
    for limit in board.limits:
        labels = {"limit": limit.name, "unit": limit.unit}
        assert value_of(found, "risk_limit", **labels) == limit.limit
        if limit.used is not None:
            used = 100 * limit.used / limit.limit
            assert value_of(found, "risk_limit_used_percent", limit=limit.name) == used
    for rate in board.rates:
        labels = {"venue": rate.venue, "what": rate.what}
        assert value_of(found, "venue_rate_limit_used", **labels) == rate.used
        assert value_of(found, "venue_rate_limit_allowed", **labels) == rate.allowed
    assert value_of(found, "opening_allowed") == 1
    assert value_of(found, "pairs_now") == len(board.pairs)


def labels_of(families: dict[str, Metric]) -> dict[str, set[str]]:
    """Return the labels of every series name that is served, without those of none."""
    found: dict[str, set[str]] = {}
    for name, family in families.items():
        found.setdefault(name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def everything() -> str:
    """What a trader to whom everything has happened would be served as, by the same code."""
    board = Board(
        wall_ns=time.time_ns(),
        pairs=[PairLine(
            pair=1, symbol="BTCUSDT", kind="spread", phase="broken", buy_venue="okx",
            sell_venue="bybit", buy_qty=1.0, sell_qty=0.0,
        )],
        rejects=[RejectLine(venue="okx", reason="51008", count=2)],
        incidents=[IncidentLine(
            number=1, began_wall_ns=1, last_wall_ns=2, kind="venue", text="x", is_open=True
        )],
    )  # fmt: skip
    shot = Snapshot(
        name="t", mode="paper", pid=os.getpid(), uptime_s=1.0, heartbeat_age_s=0.1, latency={},
        queues={}, feeds={}, detector={}, strategy={}, gateways={}, threads=[], board=board,
    )  # fmt: skip
    mirror = MirrorState(
        published={"orders": 1}, lost={"lapped": {"orders": 1}}, waiting=2, reconnects=3, lag_s=0.1,
        away="",
    )  # fmt: skip
    recorder = RecorderState(written={"decisions": 9}, lost={"decisions": 1}, written_bytes=99)
    beside = [
        Beside(kind=kind, place="here", pid=1, is_up=True, age_s=0.5, state=state)
        for kind, state in (("mirror", mirror), ("recorder", recorder))
    ]
    return exposition(lambda: shot, beside=lambda _: beside)().decode()
