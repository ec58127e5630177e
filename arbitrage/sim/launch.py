"""Both venues at once: processes with one seed and epoch, and what a trader must know."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from arbitrage.sim.config import PUBLIC_PORTS, VENUES, SimConfig, SimError, no_port
from arbitrage.sim.exports import print_exports

START_TIMEOUT_S = 20.0
PUBLIC = "bybit-public"


class EndedError(Exception):
    """A venue ended at its start and has said why; the argument is its exit code."""


def both(symbols: tuple[str, ...], options: dict[str, Any]) -> dict[str, SimConfig]:
    """Each process's name and what it will be: Bybit demo trades on the mainnet's public stream."""
    found = {venue: SimConfig(venue=venue, symbols=symbols, **options) for venue in VENUES}
    if options["dress"] == "demo":
        bybit = found["bybit"]
        ws_port, rest_port = PUBLIC_PORTS
        found[PUBLIC] = replace(
            bybit, dress="mainnet", ws_port=ws_port if bybit.ws_port is None else bybit.ws_port,
            rest_port=rest_port if bybit.rest_port is None else bybit.rest_port)
    return found


def check_ports(config: SimConfig) -> None:
    """Raise SimError when a port that ``config`` names cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    for what, port in zip(("WebSocket", "REST"), config.ports, strict=True):
        try:
            socket.create_server((config.host, port), family=family).close()
        except OSError as error:
            raise no_port(config, what, port, error) from error


def wait_ready(
    path: Path, child: subprocess.Popen[bytes], deadline: float, stopping: list[int]
) -> dict[str, Any]:
    """What a venue says once it listens; `EndedError` 0 when a signal came first."""
    while time.monotonic() < deadline:
        if stopping:
            raise EndedError(0)
        if path.exists():
            found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
            return found
        if child.poll() is not None:
            if child.returncode > 0:
                raise EndedError(child.returncode)
            raise SimError(f"a venue ended at its start with exit code {child.returncode}")
        time.sleep(0.02)
    raise SimError(f"a venue was not ready after {START_TIMEOUT_S:.0f} s")


def run_both(configs: dict[str, SimConfig], arguments: list[str]) -> int:
    """Start ``python -m arbitrage.sim --venue V`` for each; wait for a signal or an end."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: stopping.append(n))
    for config in configs.values():
        check_ports(config)
    children: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="arb-sim-") as folder:
        try:
            for name, config in configs.items():
                children[name] = subprocess.Popen(
                    [sys.executable, "-m", "arbitrage.sim", *arguments, *_own(config),
                     "--ready-file", str(Path(folder) / name), "--exit-with-parent"],
                    stdout=subprocess.DEVNULL)  # said below, of both at once
            deadline = time.monotonic() + START_TIMEOUT_S
            ready = {venue: wait_ready(Path(folder) / venue, child, deadline, stopping)
                     for venue, child in children.items()}
            public = ready.pop(PUBLIC, None)
            if public is not None:
                ready["bybit"]["public_ws_url"] = public["public_ws_url"]
            print_exports(ready)
            while not stopping and all(c.poll() is None for c in children.values()):
                time.sleep(0.05)
            failed = [v for v, c in children.items() if c.poll() not in (None, 0)]
            if failed and not stopping:
                raise SimError(f"the simulated {failed[0]} ended unexpectedly")
            return 0
        except EndedError as ended:
            return 0 if stopping else int(ended.args[0])
        except SimError:
            if stopping:  # a signal to all of us: how the venues ended is no error
                return 0
            raise
        finally:
            _end(list(children.values()))


def _own(config: SimConfig) -> list[str]:
    """Arguments that the processes do not share."""
    ws_port, rest_port = config.ports
    return ["--venue", config.venue, "--dress", config.dress, "--ws-port", str(ws_port),
            "--rest-port", str(rest_port)]


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGTERM)
    for child in children:
        try:
            child.wait(3.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
