"""The simulator as the program it is: processes, sockets, signals, files."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from patience import LIMIT_S, Patience
from sim_kit import base64_sign, hex_sign
from stalls import Stalls

from arbitrage.sim.__main__ import _both as both_arguments
from arbitrage.sim.config import SimConfig, SimError
from arbitrage.sim.launch import run_both

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "BYBIT_API_KEY": "k", "BYBIT_API_SECRET": "s",
       "OKX_API_KEY": "k", "OKX_API_SECRET": "s", "OKX_API_PASSPHRASE": "p"}


class Sim:
    """One simulated venue in its own process."""

    def __init__(self, venue: str, folder: Path, *options: str) -> None:
        ready = folder / f"{venue}-{time.monotonic_ns()}.json"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "arbitrage.sim", "--venue", venue, "--ws-port", "0",
             "--rest-port", "0", "--ready-file", str(ready), "--exit-with-parent", *options],
            env=ENV, stderr=subprocess.PIPE, text=True)
        patience = Patience()
        while not ready.exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert not patience.is_over()
            time.sleep(0.01)
        self.urls: dict[str, Any] = json.loads(ready.read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(LIMIT_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sim, Sim]]:
    folder = tmp_path_factory.mktemp("sim")
    common = ("--seed", "7", "--rate", "1500", "--t0-ns", str(time.time_ns()))
    sims = Sim("bybit", folder, *common), Sim("okx", folder, *common)
    yield sims
    assert [sim.stop() for sim in sims] == [0, 0]


@contextlib.asynccontextmanager
async def connected(url: str, *requests: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        for request in requests:
            await ws.send_json(request)
        yield ws


async def listen(url: str, request: Any, seconds: float) -> list[Any]:
    """Return the quotes of so many seconds."""
    frames = []
    async with connected(url, request) as ws:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            frame = json.loads((await ws.receive(LIMIT_S)).data)
            if "data" in frame:
                frames.append(frame)
    return frames


BYBIT_SUBSCRIBE = {"op": "subscribe", "args": ["orderbook.1.BTCUSDT", "orderbook.1.ETHUSDT",
                                               "orderbook.1.SOLUSDT"]}
OKX_SUBSCRIBE = {"op": "subscribe", "args": [
    {"channel": "bbo-tbt", "instId": f"{coin}-USDT-SWAP"} for coin in ("BTC", "ETH", "SOL")]}


def venue_ms(frame: Any) -> int:
    """Return when a venue quoted: when it is heard here depends on who is kept waiting."""
    return int(frame["ts"] if "topic" in frame else frame["data"][0]["ts"])


def rate(frames: list[Any]) -> float:
    return 1000 * len(frames) / (venue_ms(frames[-1]) - venue_ms(frames[0]) + 1)


def mids(frames: list[Any], coin: str) -> list[tuple[int, float]]:
    out = []
    for frame in frames:
        if coin not in (frame.get("topic") or frame["arg"]["instId"]):
            continue
        row = frame["data"] if "topic" in frame else frame["data"][0]
        bid, ask = (row[a][0][0] for a in (("b", "a") if "topic" in frame else ("bids", "asks")))
        out.append((venue_ms(frame), (float(bid) + float(ask)) / 2))
    return out


def test_two_processes_keep_the_rate_and_stay_correlated(pair: tuple[Sim, Sim]) -> None:
    async def both() -> list[list[Any]]:
        bybit, okx = (sim.urls["public_ws_url"] for sim in pair)
        return await asyncio.gather(
            listen(bybit, BYBIT_SUBSCRIBE, 4.0), listen(okx, OKX_SUBSCRIBE, 4.0))

    for _ in range(4):  # a window in which the machine stood still says nothing of the rate
        bybit, okx = asyncio.run(both())
        if all(rate(frames) == pytest.approx(1500, rel=0.4) for frames in (bybit, okx)):
            break
    else:
        raise AssertionError(f"{rate(bybit):.0f} and {rate(okx):.0f} frames a second")
    apart: list[float] = []
    for coin in ("BTC", "ETH", "SOL"):
        ours, theirs = mids(bybit, coin), mids(okx, coin)
        place = 0
        for at, mid in ours:
            while place + 1 < len(theirs) and theirs[place + 1][0] <= at:
                place += 1
            apart.append(abs(mid / theirs[place][1] - 1) * 1e4)
    assert statistics.median(apart) < 6, "the venues agree most of the time"
    assert max(apart) > 25, "and part wide enough to pay, every few seconds and symbol"


def test_bybit_order_over_sockets(pair: tuple[Sim, Sim]) -> None:
    urls = pair[0].urls

    async def trade() -> None:
        expires = int(time.time() * 1000) + 10_000
        login = {"op": "auth", "args": ["k", expires, hex_sign(f"GET/realtime{expires}", "s")]}
        topics = {"op": "subscribe", "args": ["order", "execution", "position", "wallet"]}
        async with (connected(urls["private_ws_url"], login, topics) as private,
                    connected(urls["trade_ws_url"], login) as orders):
            assert all([(await private.receive_json(timeout=LIMIT_S))["success"] for _ in range(2)])
            assert (await orders.receive_json(timeout=LIMIT_S))["retCode"] == 0
            await orders.send_json({
                "reqId": "1", "op": "order.create",
                "header": {"X-BAPI-TIMESTAMP": str(int(time.time() * 1000))},
                "args": [{"category": "linear", "symbol": "BTCUSDT", "side": "Buy",
                          "orderType": "Market", "qty": "0.010", "orderLinkId": "11"}]})
            assert (await orders.receive_json(timeout=LIMIT_S))["data"]["orderLinkId"] == "11"
            pushes = [await private.receive_json(timeout=LIMIT_S) for _ in range(4)]
            assert [p["topic"] for p in pushes] == ["execution", "order", "position", "wallet"]
            assert pushes[1]["data"][0]["orderStatus"] == "Filled"

    asyncio.run(trade())


def test_okx_order_over_sockets(pair: tuple[Sim, Sim], stalls: Stalls) -> None:
    urls = pair[1].urls
    stalls.watch(pair[1].process.pid, os.getpid())

    async def trade() -> None:
        stamp = str(int(time.time()))
        login = {"op": "login", "args": [{
            "apiKey": "k", "passphrase": "p", "timestamp": stamp,
            "sign": base64_sign(f"{stamp}GET/users/self/verify", "s")}]}
        async with connected(urls["private_ws_url"], login) as ws:
            assert (await ws.receive_json(timeout=LIMIT_S))["event"] == "login"
            await ws.send_str("ping")
            assert (await ws.receive(LIMIT_S)).data == "pong"
            await ws.send_json({"op": "subscribe",
                                "args": [{"channel": "orders", "instType": "SWAP"}]})
            await ws.receive(LIMIT_S)
            await ws.receive(LIMIT_S)
            with stalls.within(2.0, "an acknowledgement"):
                await ws.send_json({"id": "1", "op": "order", "args": [{
                    "instIdCode": 10459, "tdMode": "cross", "side": "sell", "ordType": "market",
                    "sz": "1", "clOrdId": "12"}]})
                ack = await ws.receive_json(timeout=LIMIT_S)
            assert (ack["op"], ack["code"]) == ("order", "0"), "the ack comes before the pushes"
            pushes = [await ws.receive_json(timeout=LIMIT_S) for _ in range(2)]
            assert [p["data"][0]["state"] for p in pushes] == ["live", "filled"]

    asyncio.run(trade())


def test_a_failed_okx_login_is_told_and_closed(pair: tuple[Sim, Sim]) -> None:
    login = {"op": "login", "args": [{"apiKey": "no", "passphrase": "p", "sign": "",
                                      "timestamp": str(int(time.time()))}]}

    async def ask() -> None:
        async with connected(pair[1].urls["private_ws_url"], login) as ws:
            assert (await ws.receive_json(timeout=LIMIT_S))["code"] == "60032"
            assert (await ws.receive(LIMIT_S)).type == aiohttp.WSMsgType.CLOSE
            assert ws.close_code == 4001

    asyncio.run(ask())


def test_rest_and_unknown_paths(pair: tuple[Sim, Sim]) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{pair[0].urls['rest_url']}/v5/market/time") as reply:
                assert abs(int((await reply.json())["time"]) / 1000 - time.time()) < 60
            async with session.get(f"{pair[1].urls['rest_url']}/api/v5/account/config") as reply:
                assert (reply.status, (await reply.json())["code"]) == (401, "50103")
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(pair[0].urls["public_ws_url"] + "/nothing")

    asyncio.run(ask())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_at_once_with_clients_connected(
    tmp_path: Path, stalls: Stalls, number: int
) -> None:
    sim = Sim("bybit", tmp_path, "--symbols", "BTCUSDT")
    stalls.watch(sim.process.pid)

    async def leave() -> None:
        async with connected(sim.urls["public_ws_url"], BYBIT_SUBSCRIBE) as ws:
            await ws.receive(LIMIT_S)
            # while it waits for its end, this client stays connected and says nothing
            with stalls.within(4.0, "its end"):
                assert await asyncio.to_thread(sim.stop, number) == 0

    asyncio.run(leave())


def test_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flag, what in (("--ws-port", "WebSocket"), ("--rest-port", "REST")):
            other = "--rest-port" if flag == "--ws-port" else "--ws-port"
            done = subprocess.run(
                [sys.executable, "-m", "arbitrage.sim", "--venue", "okx", flag, str(port), other,
                 "0"], env=ENV, capture_output=True, text=True, timeout=60)
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert f"okx {what} port {port} on 127.0.0.1 cannot be opened" in line


@pytest.mark.parametrize(("options", "says"), [
    (("--venue", "okx", "--symbols", "NOPEUSDT"), "symbol was 'NOPEUSDT'"),
    (("--symbols", "NOPEUSDT"), "symbol was 'NOPEUSDT'"),
    (("--venue", "okx", "--rate", "0"), "rate was 0"),
    (("--venue", "both", "--speed", "-1"), "speed was -1.0"),
    (("--speed", "2"), "speed was 2.0, which is for recorded frames"),
    (("--venue", "bybit", "--frames", "/nonexistent"), "frames file was not found"),
    (("--frames", "/nonexistent"), "frames file was not found"),
    (("--ready-file", "x"), "--ready-file belong to one venue: add --venue"),
    (("--faults", "/nonexistent"), "--faults /nonexistent cannot be read"),
])
def test_wrong_options_are_one_clear_line(options: tuple[str, ...], says: str) -> None:
    done = subprocess.run([sys.executable, "-m", "arbitrage.sim", *options], env=ENV,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert says in line


def test_a_plan_for_a_symbol_that_is_not_there_names_its_file_once(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[rule]]\nwhat = "drop"\nsymbol = "XRPUSDT"\n')
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.sim", "--symbols", "BTCUSDT", "--faults", str(plan)],
        env=ENV, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: --faults {plan}: fault plan: rule 0 (drop): symbol was 'XRPUSDT', which bybit was "
        "not started with; accepted: BTCUSDT\n")


def test_a_taken_port_of_both_is_said_before_any_process_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        configs = {venue: SimConfig(venue=venue, ws_port=port, rest_port=0)
                   for venue in ("bybit", "okx")}
        with pytest.raises(SimError, match=f"bybit WebSocket port {port} on 127.0.0.1 cannot be"):
            run_both(configs, [])


def test_arguments_of_both_keep_zeros() -> None:
    options = {"seed": 0, "fees_bps": Decimal(0), "dress": "plain", "ws_port": None,
               "rest_port": None, "ready_file": "", "t0_ns": 0, "tls": False}
    _, shared = both_arguments(("BTCUSDT",), options)
    text = " ".join(shared)
    assert "--seed 0" in text
    assert "--fees-bps 0" in text
    assert "--tls" not in text


def test_tls_with_its_own_authority(tmp_path: Path) -> None:
    pytest.importorskip("trustme")
    sim = Sim("bybit", tmp_path, "--tls", "--tls-dir", str(tmp_path), "--symbols", "BTCUSDT")
    context = ssl.create_default_context(cafile=sim.urls["ca_file"])

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            ws = await session.ws_connect(sim.urls["public_ws_url"], ssl=context)
            await ws.send_json({"op": "ping"})
            assert (await ws.receive_json(timeout=LIMIT_S))["ret_msg"] == "pong"
            await ws.close()
            url = f"{sim.urls['rest_url']}/v5/market/time"
            async with session.get(url, ssl=context) as reply:
                assert (await reply.json())["retCode"] == 0
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(url)

    asyncio.run(ask())
    assert sim.urls["public_ws_url"].startswith("wss://")
    assert (tmp_path / "sim-server.pem").stat().st_mode & 0o777 == 0o600
    assert sim.stop() == 0


def test_recorded_frames_arrive_byte_for_byte_and_stay(tmp_path: Path) -> None:
    frames = [(f'{{"arg":{{"channel":"bbo-tbt","instId":"ETH-USDT-SWAP"}},"data":[{{"asks":'
               f'[["2683.81","{n}","0","2"]],"bids":[["2683.8","30.29","0","2"]],'
               f'"ts":"1723161254021","seqId":{n}}}]}}') for n in range(1, 21)]
    lines = [f"{10**18 + n * 100_000_000}\t{frame}\n" for n, frame in enumerate(frames)]
    with gzip.open(tmp_path / "okx.frames.gz", "wt") as out:
        out.writelines(lines)
    subscribe = {"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "ETH-USDT-SWAP"}]}

    async def watch(url: str) -> list[str]:
        async with connected(url, subscribe) as ws:
            got = [(await ws.receive(LIMIT_S)).data]
            while len(got) == 1 or not is_said_again(got[-1]):
                got.append((await ws.receive(LIMIT_S)).data)
            return got

    def is_said_again(frame: str) -> bool:
        return frame not in frames and bool(json.loads(frame)["data"][0]["seqId"] == 20)

    for ahead_s in (2.5, 15.0, 60.0):  # until one that is up before its last frame is played
        start_ns = time.time_ns() + int(ahead_s * 1e9)
        sim = Sim("okx", tmp_path, "--frames", str(tmp_path), "--t0-ns", str(start_ns))
        ack, *seen, repeat = asyncio.run(watch(sim.urls["public_ws_url"]))
        if frames[-1] in seen:
            break
        assert sim.stop() == 0
    else:
        raise AssertionError("it was never up before its last frame")
    assert json.loads(ack)["event"] == "subscribe"
    # A machine so busy that it subscribed late has missed the first ones, nothing else.
    played = [frame for frame in seen if frame in frames]
    assert played == frames[-len(played):]
    assert len(played) in (len(seen), len(seen) - 1)
    assert repeat not in frames, "the last quote is said again"
    assert sim.stop() == 0


def test_both_venues_print_what_a_trader_needs() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.sim", "--ws-port", "0", "--rest-port", "0"], env=ENV,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    names = []
    for line in process.stdout:
        names.append(line.removeprefix("export ").partition("=")[0])
        if line.startswith("export OKX_PRIVATE_WS_URL"):
            break
    assert {"BYBIT_REST_URL", "BYBIT_PUBLIC_WS_URL", "BYBIT_PRIVATE_WS_URL", "BYBIT_TRADE_WS_URL",
            "OKX_REST_URL", "OKX_PUBLIC_WS_URL", "OKX_PRIVATE_WS_URL", "BYBIT_API_KEY",
            "OKX_API_PASSPHRASE"} <= set(names)
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(LIMIT_S) == 0
