"""`arb demo --testnet` and `arb trade --mode demo|testnet`, at simulators in the venues' place."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from arbitrage.keys import KEY_VARIABLES

TESTNET = {
    "BYBIT_TESTNET_API_KEY": "sim-key",
    "BYBIT_TESTNET_API_SECRET": "sim-secret",
    "OKX_DEMO_API_KEY": "sim-key",
    "OKX_DEMO_API_SECRET": "sim-secret",
    "OKX_DEMO_API_PASSPHRASE": "sim-pass",
}
DEMO = {name.replace("TESTNET", "DEMO"): text for name, text in TESTNET.items()}
KEYS = [name for sets in KEY_VARIABLES.values() for names in sets.values() for name in names]


def run(folder: Path, environment: Mapping[str, str], *args: str) -> tuple[int, str, str]:
    clean = {name: text for name, text in os.environ.items() if name not in KEYS}
    done = subprocess.run(
        [sys.executable, "-m", *args],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=folder,
        env=clean | {"ARB_STATE_DIR": str(folder / "state")} | dict(environment),
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def dressed(dress: str, **environment: str) -> Iterator[dict[str, str]]:
    """Run both simulated venues as an environment of theirs; give the variables of their hosts."""
    command = [sys.executable, "-m", "arbitrage.sim", "--venue", "both", "--dress", dress]
    command += ["--symbols", "BTCUSDT,ETHUSDT", "--rate", "500", "--ws-port", "0"]
    command += ["--rest-port", "0"]
    clean = {name: text for name, text in os.environ.items() if name not in KEYS}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean | environment
    ) as process:
        try:
            assert process.stdout is not None
            hosts: dict[str, str] = {}
            while "OKX_PRIVATE_WS_URL" not in hosts:
                line = process.stdout.readline()
                assert line, "the venues did not start"
                name, _, text = line.removeprefix("export ").strip().partition("=")
                if name.endswith("_URL"):
                    hosts[name] = text.strip("'")
            yield hosts
        finally:
            process.terminate()


def demo(folder: Path, environment: Mapping[str, str], *args: str) -> tuple[int, str, str]:
    return run(folder, environment, "arbitrage.demo", "--testnet", *args)


@pytest.mark.parametrize("mode", ["testnet", "demo"])
def test_the_practice_demo_trades_and_its_books_agree(tmp_path: Path, mode: str) -> None:
    """At venues that differ from mainnet as the real ones do.

    Bybit's demo has no order socket, no fee rates and tells nothing of the key; OKX's wants its
    header and numbers its contracts anew.
    """
    with dressed(mode) as hosts:
        assert ("BYBIT_TRADE_WS_URL" in hosts) == (mode == "testnet")
        environment = hosts | (TESTNET if mode == "testnet" else DEMO)
        code, out, err = demo(
            tmp_path, environment, "--seconds", "5", "--symbols", "BTCUSDT,ETHUSDT",
            "--max-hold-s", "1", "--json", "-",
        )
    assert code == 0, err
    report = json.loads(out)
    assert report["mode"] == mode
    assert report["pairs"]["opened"] > 0
    assert report["identity_error_usd"] == 0
    assert report["open_legs_at_exit"] == 0
    assert f"trading bybit {mode} with BYBIT_{mode.upper()}_API_KEY" in err
    assert "okx demo with OKX_DEMO_API_KEY" in err
    assert "sim-secret" not in out + err
    # client order ids must never repeat: the run number outlives the demo
    assert list((tmp_path / "state").iterdir())


MAINNET = {name: f"canary-{name}" for venue in KEY_VARIABLES
           for name in KEY_VARIABLES[venue]["mainnet"]}


@pytest.mark.parametrize(
    ("environment", "args", "words"),
    [
        ({}, ["arbitrage.demo", "--testnet"], "--testnet needs keys of both venues; set BYBIT_"),
        (MAINNET, ["arbitrage.demo", "--testnet"], "keys of mainnet are not used here"),
        (
            {"ARB_MODE": "demo", **TESTNET},
            ["arbitrage.demo", "--testnet"],
            "mode demo needs keys of bybit; set BYBIT_DEMO_API_KEY, BYBIT_DEMO_API_SECRET "
            "(BYBIT_TESTNET_API_KEY is of another environment and stays unused)",
        ),
        (
            {"ARB_MODE": "live", **TESTNET},
            ["arbitrage.demo", "--testnet"],
            "ARB_MODE was 'live' with --testnet",
        ),
        (
            TESTNET,
            ["arbitrage.demo", "--testnet", "--tls", "--seed", "3"],
            "--seed, --tls belong to the simulated venues; leave them out",
        ),
        (
            MAINNET,
            ["arbitrage.trader", "--mode", "demo"],
            "mode demo needs keys of bybit; set BYBIT_DEMO_API_KEY, BYBIT_DEMO_API_SECRET "
            "(BYBIT_API_KEY is of another environment and stays unused); and keys of okx",
        ),
        (
            {**TESTNET, "BYBIT_REST_URL": "https://api.bybit.com"},
            ["arbitrage.trader", "--mode", "testnet"],
            "BYBIT_REST_URL was 'https://api.bybit.com', which is bybit mainnet, but mode testnet",
        ),
    ],
)
def test_what_is_missing_is_one_line(
    tmp_path: Path, environment: dict[str, str], args: list[str], words: str
) -> None:
    code, out, err = run(tmp_path, environment, *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert "canary" not in err
