"""The monitor: what it serves, to whom, and what it says when the trader is gone."""

import asyncio
import gc
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse, ClientSession
from aiohttp.test_utils import TestServer

from arbitrage import attach
from arbitrage.cold.metrics import Queue, Snapshot
from arbitrage.cold.metrics.process import SAMPLE_S
from arbitrage.cold.monitor import build_app, is_loopback, serve
from arbitrage.cold.watch import Watch
from arbitrage.errors import ConfigError, SegmentError, SegmentGoneError
from arbitrage.secret import Secret

FACTS: dict[str, Any] = {
    "name": "t",
    "mode": "paper",
    "pid": os.getpid(),
    "uptime_s": 12.5,
    "heartbeat_age_s": 0.1,
    "latency": {
        "seen": {"count": 10, "p50": 1500, "p95": 2500, "p99": 3500, "max": 9000},
        "sent": {"count": 0},
    },
    "queues": {
        "market": {"depth": 4, "capacity": 16, "pushed": 99, "dropped": 1},
        "order": {"depth": 0, "capacity": 8, "pushed": 0, "dropped": 0},
    },
    "feeds": {
        "bybit": {
            "frames": 100,
            "quotes": 90,
            "malformed": 2,
            "rows_by_state": {"LIVE": 3},
            "age_s": 0.25,
            "counters": {"frames": 100},
            "lines": [
                {"line": 1, "first": 60, "copies": 5, "led": 50, "led_ns": 1_500_000_000,
                 "connects": 2, "disconnects": 1},
            ],
        }
    },
    "detector": {"opened": 7, "closed": 6},
    "strategy": {"pairs_opened": 5, "pairs_closed": 4, "orders": 20, "fills": 18},
    "gateways": {"okx": {"acks": 9, "clock_behind_ms": 1250, "clock_rtt_us": 8000}},
    "refusals": {"day_loss": 3, "killed": 0},
    "threads": [{"role": "detector", "tid": os.getpid(), "turns": 9, "work": 3}],
}


class FakeView:
    """A segment whose trader can be ended."""

    def __init__(self, facts: dict[str, Any] = FACTS) -> None:
        self.facts = facts
        self.alive = True
        self.name = str(facts["name"])
        self.pid = int(facts["pid"])


def watch_of(attach: Callable[[str], FakeView]) -> Watch:
    return Watch("t", attach, lambda view: msgspec.convert(view.facts, Snapshot))  # type: ignore


Step = Callable[[ClientSession, str], Awaitable[None]]


def with_server(watch: Watch, step: Step, token: Secret | None = None) -> None:
    async def body() -> None:
        server = TestServer(build_app(watch, token), host="127.0.0.1")
        async with server, ClientSession() as session:
            await step(session, f"http://127.0.0.1:{server.port}")

    asyncio.run(body())


async def read(session: ClientSession, url: str, **kwargs: Any) -> tuple[ClientResponse, str]:
    async with session.get(url, **kwargs) as answer:
        return answer, await answer.text()


def test_metrics_show_what_the_trader_measures() -> None:
    async def step(session: ClientSession, root: str) -> None:
        answer, text = await read(session, f"{root}/metrics")
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
        for name, value in {
            "up_trader": 1,
            "latency_p50_microseconds": 1.5,
            "latency_p95_microseconds": 2.5,
            "latency_p99_microseconds": 3.5,
            "latency_max_microseconds": 9,
            "latency_measurements_total": 10,
            "queue_depth_market": 4,
            "queue_capacity_market": 16,
            "queue_utilization_market_percent": 25,
            "queue_market_push_total": 99,
            "queue_market_drop_total": 1,
            "queue_market_drop_rate_percent": 1,
            "queue_order_submit_total": 0,
            "queue_order_drop_total": 0,
            "queue_order_drop_rate_percent": 0,
            'feed_frames_total{venue="bybit"}': 100,
            'feed_malformed_total{venue="bybit"}': 2,
            'feed_connection_events_total{connection="1",kind="first",venue="bybit"}': 60,
            'feed_connection_lead_seconds_total{connection="1",venue="bybit"}': 1.5,
            'feed_rows{state="LIVE",venue="bybit"}': 3,
            "opportunities_opened_total": 7,
            "pairs_closed_total": 4,
            "orders_total": 20,
            "fills_total": 18,
            'refusals_total{reason="day_loss"}': 3,
            'gateway_events_total{kind="acks",venue="okx"}': 9,
            'venue_clock_offset_seconds{venue="okx"}': -1.25,
            'venue_clock_rtt_seconds{venue="okx"}': 0.008,
        }.items():
            assert float(lines[name]) == value, name
        assert "clock_behind" not in text
        assert lines['stage_latency_percentile_seconds{percentile="50",stage="sent"}'] == "NaN"
        await asyncio.sleep(2 * SAMPLE_S)
        _, again = await read(session, f"{root}/metrics")
        assert "cpu_process_percent" in again
        assert 'cpu_thread_percent{thread="detector"}' in again

    with_server(watch_of(lambda _: FakeView()), step)


def test_health_follows_the_trader_across_a_restart() -> None:
    views = [FakeView(), FakeView({**FACTS, "pid": 4242})]
    running: list[FakeView] = [views[0]]

    def attach(_name: str) -> FakeView:
        if not running:
            raise SegmentError("no segment named t; start a trader")
        return running[0]

    async def step(session: ClientSession, root: str) -> None:
        answer, text = await read(session, f"{root}/health")
        assert (answer.status, json.loads(text)["status"]) == (200, "healthy")

        views[0].alive = False
        answer, text = await read(session, f"{root}/health")
        assert answer.status == 503
        assert json.loads(text)["status"] == "down"
        assert "has ended" in json.loads(text)["reasons"][0]

        running.clear()
        answer, text = await read(session, f"{root}/health")
        assert answer.status == 503
        assert json.loads(text)["reasons"] == ["no segment named t; start a trader"]
        assert "up_trader 0.0" in (await read(session, f"{root}/metrics"))[1]

        running.append(views[1])
        answer, text = await read(session, f"{root}/health")
        assert (answer.status, json.loads(text)["pid"]) == (200, 4242)

    with_server(watch_of(attach), step)


def test_a_trader_that_was_seen_has_ended_whatever_it_left() -> None:
    view = FakeView()

    def attach(name: str) -> FakeView:
        if not view.alive:
            raise SegmentGoneError(f"no trader named {name!r} runs here: start one")
        return view

    async def step(session: ClientSession, root: str) -> None:
        assert (await read(session, f"{root}/health"))[0].status == 200
        view.alive = False
        _, text = await read(session, f"{root}/health")
        said = f"the trader (pid {view.pid}) has ended"
        assert json.loads(text)["reasons"] == [said]

    with_server(watch_of(attach), step)


def test_a_trader_that_does_not_run_yet_is_waited_for() -> None:
    running: list[FakeView] = []

    def attach(_name: str) -> FakeView:
        if not running:
            raise SegmentError("no trader named 't' runs here")
        return running[0]

    async def step(session: ClientSession, root: str) -> None:
        answer, text = await read(session, f"{root}/health")
        assert (answer.status, json.loads(text)["status"]) == (503, "down")
        assert json.loads(text)["reasons"] == ["no trader named 't' runs here"]
        running.append(FakeView())
        answer, _ = await read(session, f"{root}/health")
        assert answer.status == 200

    with_server(watch_of(attach), step)


def bybit_rows(**rows: int) -> dict[str, Any]:
    return {"feeds": {"bybit": {**FACTS["feeds"]["bybit"], "rows_by_state": rows}}}


def full_queue(kind: str, depth: int) -> dict[str, Any]:
    queue = {"depth": depth, "capacity": 100, "pushed": 999, "dropped": 0}
    return {"queues": {**FACTS["queues"], kind: queue}}


HEALTH_KEYS = [
    "status",
    "uptime_seconds",
    "market_queue_utilization_percent",
    "order_queue_utilization_percent",
    "reasons",
]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"heartbeat_age_s": 2.1}, "the trader's heartbeat is 2.1 s old"),
        ({"killed": True}, "the kill switch is set"),
        (full_queue("market", 90), "the market queue is 90 % full"),
        (full_queue("order", 100), "the order queue is 100 % full"),
        ({"heartbeat_age_s": 1.9}, ""),
        (
            {"heartbeat_age_s": 6.4, "is_starting": True},
            "the trader is starting, for 12 s so far",
        ),
        (full_queue("market", 89), ""),
        (bybit_rows(LIVE=1, SYNCING=2), ""),
        (bybit_rows(SYNCING=3), ""),  # for a quarter of a second
        (bybit_rows(), ""),
    ],
)
def test_health_says_what_is_wrong(facts: dict[str, Any], reason: str) -> None:
    async def step(session: ClientSession, root: str) -> None:
        answer, text = await read(session, f"{root}/health")
        body = json.loads(text)
        assert list(body)[:5] == HEALTH_KEYS
        assert body["uptime_seconds"] == 12.5
        wanted = (503, "degraded", [reason]) if reason else (200, "healthy", [])
        assert (answer.status, body["status"], body["reasons"]) == wanted
        if "queues" in facts:
            queues = {kind: Queue(**facts["queues"][kind]) for kind in ("market", "order")}
            for kind, queue in queues.items():
                assert body[f"{kind}_queue_utilization_percent"] == queue.utilization_percent

    with_server(watch_of(lambda _: FakeView({**FACTS, **facts})), step)


def test_a_venue_without_a_live_row_is_unhealthy_after_five_seconds() -> None:
    view, now_s = FakeView(), [100.0]
    watch = Watch(
        "t",
        lambda _: view,  # type: ignore
        lambda view: msgspec.convert(view.facts, Snapshot),  # type: ignore
        lambda: now_s[0],
    )

    def look(after_s: float, facts: dict[str, Any]) -> list[str]:
        now_s[0] += after_s
        view.facts = {**FACTS, **facts}
        assert watch.look() is not None
        return watch.reasons

    dead = bybit_rows(SYNCING=2, GAP=1)
    assert look(0, {}) == []
    assert look(1, dead) == []
    assert look(4, dead) == []
    said = ["bybit: no row has been LIVE for 6 s (2 SYNCING, 1 GAP)"]
    assert look(1, dead) == said
    assert look(0, bybit_rows(SYNCING=2, LIVE=1)) == []
    assert look(5, dead) == []
    assert look(1, dead) == said
    assert look(0, {**dead, "pid": 4242}) == []  # another trader, heard a moment ago
    silent = {"feeds": {"okx": {**dead["feeds"]["bybit"], "age_s": None}}}
    assert look(0, {**silent, "uptime_s": 4.0}) == []
    assert look(3, {**silent, "uptime_s": 7.0}) == [
        "okx: no row has been LIVE for 7 s (2 SYNCING, 1 GAP)"
    ]


def test_a_dead_venue_is_timed_without_anybody_asking() -> None:
    view = FakeView()

    async def step(session: ClientSession, root: str) -> None:
        assert (await read(session, f"{root}/health"))[0].status == 200
        await asyncio.sleep(1.0)
        view.facts = {**FACTS, **bybit_rows(SYNCING=3)}
        await asyncio.sleep(0.2)
        watch._live_s["bybit"] -= 4.0
        assert (await read(session, f"{root}/health"))[0].status == 200
        watch._live_s["bybit"] -= 1.5
        assert (await read(session, f"{root}/health"))[0].status == 503

    watch = watch_of(lambda _: view)
    with_server(watch, step)


def test_foreign_hosts_methods_and_paths_are_refused() -> None:
    async def step(session: ClientSession, root: str) -> None:
        port = root.rsplit(":", 1)[1]
        for host in ("evil.example", f"evil.example:{port}", "localhost:1", "127.0.0.1", ""):
            answer, _ = await read(session, f"{root}/metrics", headers={"Host": host})
            assert answer.status == 421, host
        for host in (f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
            answer, _ = await read(session, f"{root}/health", headers={"Host": host})
            assert answer.status == 200, host
        methods = ("POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "QUERY")
        paths = ("/", "/metrics", "/health", "/api/deck", "/events", "/static/deck.js", "/login")
        for method, path in itertools.product(methods, paths):
            async with session.request(method, f"{root}{path}") as answer:
                assert answer.status == 405, (method, path)
        assert (await read(session, f"{root}/../etc/passwd"))[0].status == 404

    with_server(watch_of(lambda _: FakeView()), step)


def test_several_traders_have_one_health_and_their_own() -> None:
    views = {"one": FakeView(), "two": FakeView({**FACTS, **full_queue("market", 95)})}
    read_view = lambda view: msgspec.convert(view.facts, Snapshot)  # noqa: E731
    watches = [Watch(name, views.__getitem__, read_view) for name in views]  # type: ignore

    async def body() -> None:
        server = TestServer(build_app(watches), host="127.0.0.1")
        async with server, ClientSession() as session:
            root = f"http://127.0.0.1:{server.port}"
            answer, text = await read(session, f"{root}/health")
            found = json.loads(text)
            assert (answer.status, found["status"]) == (503, "degraded")
            assert list(found)[:5] == HEALTH_KEYS
            assert found["market_queue_utilization_percent"] == 95.0
            assert found["reasons"] == ["two: the market queue is 95 % full"]
            answer, text = await read(session, f"{root}/health?name=one")
            assert (answer.status, json.loads(text)["segment"]) == (200, "one")
            assert (await read(session, f"{root}/health?name=two"))[0].status == 503
            answer, text = await read(session, f"{root}/health?name=three")
            assert (answer.status, "one, two" in text) == (404, True)
            text = (await read(session, f"{root}/metrics"))[1]
            assert 'queue_depth_market{trader="one"} 4.0' in text
            assert 'queue_depth_market{trader="two"} 95.0' in text
            assert 'feed_frames_total{trader="one",venue="bybit"} 100.0' in text

    asyncio.run(body())


def test_health_tells_since_when() -> None:
    view = FakeView()
    watch = watch_of(lambda _: view)
    first = watch.health()
    assert watch.health()["since_wall_ns"] == first["since_wall_ns"] > 0
    view.alive = False
    gone = watch.health()
    assert gone["since_wall_ns"] > first["since_wall_ns"]


def test_a_token_opens_what_the_host_check_does_not() -> None:
    async def step(session: ClientSession, root: str) -> None:
        for value in ("", "Bearer wrong", "Bearer sesame-sesame-sesamX"):
            answer, text = await read(
                session, f"{root}/metrics", headers={"Authorization": value, "Host": "box:1"}
            )
            assert (answer.status, text) == (401, "token needed\n")
        headers = {"Authorization": "Bearer sesame-sesame-sesame", "Host": "box:1"}
        assert (await read(session, f"{root}/metrics", headers=headers))[0].status == 200

    with_server(watch_of(lambda _: FakeView()), step, Secret("sesame-sesame-sesame"))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org"])
def test_other_addresses_need_a_token(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="set ARB_MONITOR_TOKEN"):
        serve(["t"], host, 0, None, lambda _: FakeView())
    with pytest.raises(ConfigError, match="shorter than 16"):
        serve(["t"], host, 0, Secret("short"), lambda _: FakeView())


def test_the_program_serves_before_its_trader_runs() -> None:
    command = [sys.executable, "-m", "arbitrage.monitor", "--name", "no-such-segment-here"]
    with subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        said = [child.stderr.readline(), child.stderr.readline()]
        child.terminate()
        assert child.wait(30) == 0
    assert "no trader named 'no-such-segment-here' runs here" in said[0]
    assert "/health is 503 until it runs" in said[0]
    assert "serving http://127.0.0.1:" in said[1]


def test_ctrl_c_before_the_loop_begins_leaves_no_word(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    def attach(name: str) -> FakeView:
        raise SegmentGoneError(f"no trader named {name!r} runs here")

    def interrupt(_work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("arbitrage.cold.monitor.asyncio.run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        serve(["t"], "127.0.0.1", 0, None, attach)  # type: ignore[arg-type]
    gc.collect()
    assert [str(one.message) for one in recwarn if "awaited" in str(one.message)] == []


def test_a_port_in_use_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Exception, match=f"cannot listen on 127.0.0.1:{port}: the port is in"):
            serve(["t"], "127.0.0.1", port, None, attach)
