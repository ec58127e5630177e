"""The mirror and a Redis that is killed, stuck, flushed, full, read-only or slow."""

import signal
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import redis
from redis_kit import Running, Server, client_of, counts, ids, publish, trader, wait_for

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
        wait_for(lambda: sum(list(counts(client, name).values())[:2]) == total)
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
        wait_for(lambda: sum(list(counts(client, name).values())[:2]) == 1510)
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
