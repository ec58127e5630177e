"""The mirror and a Redis that is killed, stuck, flushed, full, read-only or slow."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
import redis
from redis_kit import (
    WAIT_S,
    Running,
    Server,
    client_of,
    counts,
    entries,
    ids,
    pair_event,
    publish,
    seen_of,
    trader,
    wait_for,
)

from arbitrage import attach
from arbitrage.cold.redis_writer import Mirror
from arbitrage.errors import ArbitrageError
from arbitrage.secret import Secret

# ---- losses --------------------------------------------------------------------------------------


def test_a_restarted_mirror_goes_on_where_it_was(url: str, name: str) -> None:
    segment, client = trader(name, opportunity_capacity=64), client_of(url)
    with Running(Mirror(name, Secret(url), attach)):
        publish(segment, range(1, 31))
        wait_for(lambda: counts(client, name)["published"] == 30)
    publish(segment, range(31, 41))
    with Running(Mirror(name, Secret(url), attach)):
        wait_for(lambda: counts(client, name)["published"] == 40)
        assert ids(client, name) == list(range(1, 41))
    publish(segment, range(41, 201))  # the ring laps what nobody reads
    with Running(Mirror(name, Secret(url), attach)):
        wait_for(lambda: ids(client, name)[-1] == 200)
        found = wait_for(lambda: (c := counts(client, name))["published"] > 40 and c)
    assert found["lost"] >= 200 - 40 - 64
    assert found["published"] + found["lost"] == 200
    assert len(ids(client, name)) == found["published"]
    segment.close()


def test_it_survives_the_traders_restart(url: str, name: str) -> None:
    client = client_of(url)
    first = trader(name)
    with Running(Mirror(name, Secret(url), attach)):
        publish(first, range(1, 11))
        first.close()
        publish(first, range(11, 13))  # its last words
        wait_for(lambda: counts(client, name)["published"] == 12)
        second = trader(name, run=2)
        publish(second, range(101, 111))
        wait_for(lambda: counts(client, name)["published"] == 22)
    assert ids(client, name) == [*range(1, 13), *range(101, 111)]
    assert counts(client, name)["lost"] == 0
    second.close()


@pytest.mark.parametrize("keeps", [True, False])
def test_a_killed_redis_loses_only_what_is_admitted(
    serve: Callable[..., Server], name: str, keeps: bool
) -> None:
    files = ("--appendonly", "yes", "--appendfsync", "always") if keeps else ()
    server = serve(*files)
    segment, client = trader(name), client_of(server.url)
    total = 0

    def stream(seconds: float) -> None:
        nonlocal total
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            publish(segment, range(total + 1, total + 21))
            total += 20
            time.sleep(0.005)

    with Running(Mirror(name, Secret(server.url), attach, backlog_max=2000)) as mirror:
        for turn in (0, 1):
            stream(0.3)
            wait_for(lambda: stream(0.05) or mirror.counters["reconnects"] == turn)  # noqa: B023
            server.kill()
            stream(0.6)
            server.start()
        wait_for(lambda: seen_of(client, name) == total)
    found, admitted = ids(client, name), counts(client, name)
    assert found == sorted(set(found)), "twice or out of order"
    assert len(found) == admitted["published"]
    assert total - len(found) == admitted["lost"]
    assert admitted["reconnects"] == 2
    if keeps:
        causes = client.hgetall(f"arbitrage:{name}:mirror")
        assert causes["lost_by_redis"] == "0"
    else:
        assert admitted["lost"] > 0
    segment.close()


def test_a_stuck_redis_gets_nothing_twice_and_the_backlog_is_bounded(
    serve: Callable[..., Server], name: str
) -> None:
    server = serve()
    segment, client = trader(name), client_of(server.url)
    with Running(Mirror(name, Secret(server.url), attach, backlog_max=300)):
        publish(segment, range(1, 11))
        wait_for(lambda: counts(client, name)["published"] == 10)
        server.process.send_signal(signal.SIGSTOP)
        for number in range(11, 1511, 10):
            publish(segment, range(number, number + 10))
            time.sleep(0.015)
        server.process.send_signal(signal.SIGCONT)
        wait_for(lambda: seen_of(client, name) == 1510)
    found, admitted = ids(client, name), counts(client, name)
    assert found == sorted(set(found))
    assert len(found) == admitted["published"] < 1510
    assert int(client.hget(f"arbitrage:{name}:mirror", "lost_dropped")) == admitted["lost"]
    segment.close()


def test_lost_answers_lose_and_repeat_nothing(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, client = trader(name), client_of(url)
    whole, turns, failed = redis.client.Pipeline.execute, count(1), []

    def execute(pipe: Any, raise_on_error: bool = True) -> Any:
        turn = next(turns) % 8
        if turn == 2:
            failed.append("before")
            raise redis.ConnectionError("gone before it was sent")
        if turn == 6 and pipe.watching:
            client.hset(f"arbitrage:{name}:mirror", "touched", time.time_ns())
            failed.append("guarded")
            with pytest.raises(redis.WatchError):
                whole(pipe, raise_on_error)
            raise redis.WatchError
        answer = whole(pipe, raise_on_error)
        if turn == 4:
            failed.append("after")
            raise redis.ConnectionError("gone before it answered")
        return answer

    with Running(Mirror(name, Secret(url), attach)):
        monkeypatch.setattr(redis.client.Pipeline, "execute", execute)
        for number in range(1, 401, 4):
            publish(segment, range(number, number + 4))
            time.sleep(0.02)
        wait_for(lambda: counts(client, name)["published"] == 400)
    assert {"before", "after", "guarded"} == set(failed)
    assert ids(client, name) == list(range(1, 401))
    assert counts(client, name)["lost"] == 0
    segment.close()


def test_a_flushed_redis_is_admitted(serve: Callable[..., Server], name: str) -> None:
    server = serve()
    segment, client = trader(name), client_of(server.url)
    with Running(Mirror(name, Secret(server.url), attach)):
        publish(segment, range(1, 11))
        wait_for(lambda: counts(client, name)["published"] == 10)
        client.flushall()
        publish(segment, range(11, 14))
        wait_for(lambda: counts(client, name)["published"] == 3)
        assert counts(client, name) == {"published": 3, "lost": 10, "reconnects": 0}
    segment.close()


def test_a_younger_mirror_replaces_an_older_one(url: str, name: str) -> None:
    segment = trader(name)
    older = Mirror(name, Secret(url), attach)
    older.open()
    younger = Mirror(name, Secret(url), attach)
    with Running(younger):
        publish(segment, range(1, 11))
        wait_for(lambda: counts(client_of(url), name)["published"] == 10)
        with pytest.raises(ArbitrageError, match=r"another mirror of .* has taken over"):
            older.run(lambda: False)
    assert ids(client_of(url), name) == list(range(1, 11))
    segment.close()


# ---- a Redis that refuses ------------------------------------------------------------------------


def fill(client: Any) -> None:
    client.config_set("maxmemory", "1")


def empty(client: Any) -> None:
    client.config_set("maxmemory", "0")


def demote(client: Any) -> None:
    client.replicaof("127.0.0.1", "1")


def promote(client: Any) -> None:
    client.replicaof("NO", "ONE")


def forbid(client: Any) -> None:
    client.execute_command("ACL", "SETUSER", "default", "-xadd")


def permit(client: Any) -> None:
    client.execute_command("ACL", "SETUSER", "default", "+xadd")


def keep_busy(client: Any) -> None:
    def spin() -> None:
        with suppress(redis.RedisError):
            client.eval("while true do end", 0)

    client.config_set("lua-time-limit", "20")
    threading.Thread(target=spin, daemon=True).start()


def let_go(client: Any) -> None:
    def is_idle() -> bool:
        try:
            client.script_kill()
        except redis.ResponseError as error:
            return "NOTBUSY" in str(error)
        return False  # it ends at its next look around

    wait_for(is_idle)


def pause(client: Any) -> None:
    client.client_pause(3_000)


def wait_out(client: Any) -> None:
    wait_for(client.ping)  # a paused server takes no CLIENT UNPAUSE either


@pytest.mark.parametrize(
    ("hinder", "free", "words"),
    [
        pytest.param(fill, empty, "it is full: its maxmemory is reached", id="full"),
        pytest.param(demote, promote, "it is a replica that takes no writes", id="replica"),
        pytest.param(forbid, permit, "the user may do too little", id="forbidden"),
        pytest.param(keep_busy, let_go, "", id="busy"),
        pytest.param(pause, wait_out, "Timeout", id="paused"),
    ],
)
def test_a_redis_that_refuses_is_tried_again_and_gets_everything(
    serve: Callable[..., Server],
    name: str,
    caplog: pytest.LogCaptureFixture,
    hinder: Callable[[Any], None],
    free: Callable[[Any], None],
    words: str,
) -> None:
    server, segment = serve(), trader(name)
    client = server.client
    with Running(Mirror(name, Secret(server.url), attach)) as mirror:
        publish(segment, range(1, 11))
        wait_for(lambda: counts(client, name)["published"] == 10)
        hinder(client)
        publish(segment, range(11, 21))
        wait_for(lambda: "nothing reaches Redis" in caplog.text)
        publish(segment, range(21, 31))
        wait_for(lambda: mirror.waiting == 20)
        free(client)
        wait_for(lambda: counts(client, name)["published"] == 30)
    assert ids(client, name) == list(range(1, 31))
    assert counts(client, name) == {"published": 30, "lost": 0, "reconnects": 1}
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text.split(" at ")[0] for text in told] == ["nothing reaches Redis", "Redis"]
    assert words in told[0]
    segment.close()


def test_a_slow_redis_gets_everything(serve: Callable[..., Server], name: str) -> None:
    server, segment = serve(), trader(name)
    client: Any = server.client
    with Running(Mirror(name, Secret(server.url), attach)):
        for number in range(1, 201, 20):
            client.client_pause(200)
            publish(segment, range(number, number + 20))
            time.sleep(0.25)
        wait_for(lambda: counts(client, name)["published"] == 200)
    assert ids(client, name) == list(range(1, 201))
    assert counts(client, name)["lost"] == 0
    segment.close()


def test_every_stream_admits_its_own_losses(serve: Callable[..., Server], name: str) -> None:
    server, segment = serve(), trader(name)
    client: Any = server.client
    with Running(Mirror(name, Secret(server.url), attach)) as mirror:
        publish(segment, range(1, 101))
        for number in range(1, 8):
            segment.pair_events.try_push(pair_event(number).pack())
        wait_for(lambda: counts(client, name)["published"] == 107)
        server.kill()
        publish(segment, range(101, 131))
        segment.pair_events.try_push(pair_event(8).pack())
        server.start()
        wait_for(lambda: seen_of(client, name) == 138)
        assert mirror.counters["lost_by_redis"] == 107
    held = client.hgetall(f"arbitrage:{name}:mirror")
    for stream, lost, published in (("opportunities", 100, 30), ("pairs", 7, 1)):
        assert int(held[f"{stream}_lost_by_redis"]) == int(held[f"{stream}_lost"]) == lost
        assert int(held[f"{stream}_published"]) == published
        assert len(entries(client, name, stream)) == published
    segment.close()


@pytest.mark.long
def test_a_minute_of_standing_still_costs_what_the_counters_say(
    serve: Callable[..., Server], name: str
) -> None:
    server, segment = serve(), trader(name)
    client: Any = server.client
    total = 0
    with Running(Mirror(name, Secret(server.url), attach, backlog_max=5000)) as mirror:
        publish(segment, range(1, 11))
        wait_for(lambda: counts(client, name)["published"] == 10)
        server.process.send_signal(signal.SIGSTOP)
        total, until = 10, time.monotonic() + 60
        while time.monotonic() < until:
            publish(segment, range(total + 1, total + 21))
            total += 20
            assert mirror.waiting <= 5000 + 500
            time.sleep(0.05)
        server.process.send_signal(signal.SIGCONT)
        wait_for(lambda: seen_of(client, name) == total, WAIT_S * 2)
    found, admitted = ids(client, name), counts(client, name)
    assert found == sorted(set(found))
    assert len(found) == admitted["published"]
    assert admitted["lost"] == total - len(found) > 0
    assert int(client.hget(f"arbitrage:{name}:mirror", "lost_dropped")) == admitted["lost"]
    segment.close()
