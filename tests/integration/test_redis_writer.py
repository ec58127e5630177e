"""The mirror against a real Redis: what it writes, and the program."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from redis_kit import (
    Running,
    Server,
    client_of,
    counts,
    entries,
    free_port,
    ids,
    opportunity,
    pair_event,
    publish,
    seen_of,
    trader,
    wait_for,
)

from arbitrage import attach
from arbitrage.cold.events import CLOSE_REASONS, EXIT_REASONS, OPPORTUNITY_EVENTS, PAIR_EVENTS
from arbitrage.cold.redis_writer import Mirror
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.secret import Secret

CANARY = "canary-pass-word"


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
        happened_ns = wanted["recv_mono_ns"] + wanted["detected_ns"]
        offset_ns = time.time_ns() - time.monotonic_ns()
        assert abs(int(fields.pop("wall_ns")) - happened_ns - offset_ns) < 60e9
        assert fields == {key: repr(value) for key, value in wanted.items()}
    last = found[-1]
    assert (last["buy_venue"], last["event"], last["reason"]) == ("bybit", "CLOSE", "NOT_LIVE")

    (pair,) = entries(client, name, "pairs")
    assert (pair["symbol"], pair["buy_venue"], pair["sell_venue"]) == ("ETHUSDT", "bybit", "okx")
    assert (pair["event"], pair["pair"], pair["run"]) == ("OPENED", "5", "7")
    assert (pair["buy_px"], pair["pair_bps"], pair["kind"]) == ("3000.5", "nan", "spread")


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


def test_a_full_ring_is_read_before_the_trader_comes_round(url: str, name: str) -> None:
    segment, client = trader(name, opportunity_capacity=4096), client_of(url)
    mirror = Mirror(name, Secret(url), attach)
    mirror.open()
    for begin in (1, 4001, 8001):  # almost round in each turn
        publish(segment, range(begin, begin + 4000))
        mirror._collect()
        mirror._turn()
    with Running(mirror, is_open=True):
        wait_for(lambda: seen_of(client, name) == 12_000)
    assert ids(client, name) == list(range(1, 12_001))
    segment.close()


def test_what_goes_while_the_first_mirror_comes_is_not_lost_by_it(url: str, name: str) -> None:
    segment = trader(name, opportunity_capacity=64)
    publish(segment, range(1, 101))
    mirror = Mirror(name, Secret(url), attach)
    mirror.open()
    publish(segment, range(101, 131))  # over the oldest, which it is about to read
    mirror._collect()
    assert mirror.waiting > 0
    assert mirror.counters["lost"] == 0
    publish(segment, range(131, 331))  # and now it is too slow
    mirror._collect()
    seen = mirror.waiting + mirror.counters["lost"]
    assert mirror.counters["lost"] > 100
    with Running(mirror, is_open=True):
        wait_for(lambda: seen_of(client_of(url), name) == seen)
    numbers = ids(client_of(url), name)
    assert 330 - numbers[0] + 1 == seen  # of what came from its first on, each is one or the other
    segment.close()


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
    segment = trader(name)
    locked = serve("--requirepass", "another")
    wrong = f"redis://:{CANARY}@127.0.0.1:{locked.port}/0"
    assert "refused the user or password" in said("--name", name, REDIS_URL=wrong, code=1)
    assert "refused the user or password" in said("--name", name, REDIS_URL=locked.url, code=1)
    segment.close()


def test_it_waits_for_a_redis_and_a_trader(name: str, serve: Callable[..., Server]) -> None:
    port = free_port()
    process = run_mirror("--name", name, "--url", f"redis://:{CANARY}@127.0.0.1:{port}/0")
    try:
        assert process.stdout is not None
        assert f"no trader named '{name}' runs here" in process.stdout.readline()
        away = process.stdout.readline()
        assert f"nothing reaches Redis at 127.0.0.1:{port}" in away
        server = serve("--requirepass", CANARY, port=port)
        client = client_of(f"redis://:{CANARY}@127.0.0.1:{port}/0")
        wait_for(lambda: counts(client, name) == {"published": 0, "lost": 0, "reconnects": 0})
        segment = trader(name)
        publish(segment, range(1, 51))
        wait_for(lambda: ids(client, name) == list(range(1, 51)))
        process.terminate()
        text, _ = process.communicate(timeout=30)
        assert process.returncode == 0, text
        assert CANARY not in away + text
        segment.close()
        assert server.port == port
    finally:
        process.kill()


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
