"""The command line: help, versions, one-line errors and exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERBS = ("demo", "trade", "sim", "replay", "instruments", "bench", "monitor")


def run(*args: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**os.environ, **environ},
    )


def arb(*args: str, **kwargs: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "arbitrage.cli", *args, **kwargs)


def test_help_names_every_verb() -> None:
    done = arb("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout


def test_version() -> None:
    assert arb("--version").stdout.startswith("arb 0.")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = arb(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize("module", ["trader", "monitor", "demo", "sim"])
def test_modules_are_programs(module: str) -> None:
    done = run("-m", f"arbitrage.{module}", "--help")
    assert done.returncode == 0, done.stderr
    assert "--symbols" in done.stdout or "--port" in done.stdout


@pytest.mark.parametrize("script", ["arb-trader", "arb-monitor", "arb-demo"])
def test_scripts_run_from_anywhere(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "bin" / script, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["foo"], 2, "command was 'foo'; accepted values are demo, trade"),
        (["replay"], 2, "Missing option '--bybit'"),
        (["replay", "--bybit", "/no/such", "--okx", "/no/such"], 2, "/no/such"),
        (["demo", "--fees", "bybit"], 2, "--fees was 'bybit'"),
        (["demo", "--symbols", "BTC-USD"], 2, "--symbols was 'BTC-USD'"),
        (["demo", "--seconds", "0"], 2, "--seconds"),
        (["demo", "--rate", "0"], 2, "--rate"),
        (["demo", "--min-net-bps", "nan"], 2, "--min-net-bps was nan"),
        (["trade", "--mode", "real"], 2, "'paper', 'demo', 'testnet', 'live'"),
        (["trade", "--mode", "live"], 2, "mode live needs keys of bybit; set BYBIT_API_KEY"),
        (["trade", "--mode", "paper", "--i-accept-real-losses"], 2, "belongs to live"),
        (["monitor", "--port", "70000"], 2, "--port"),
        (["monitor", "--name", "no/name"], 2, "ARB_NAME was 'no/name'"),
    ],
)
def test_errors_are_one_line_and_say_what_is_accepted(
    args: list[str], code: int, words: str
) -> None:
    done = arb(*args)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert done.stdout == ""


KEYS = {
    "BYBIT_API_KEY": "bybit-key",
    "BYBIT_API_SECRET": "canary-1",
    "OKX_API_KEY": "okx-key",
    "OKX_API_SECRET": "canary-2",
    "OKX_API_PASSPHRASE": "canary-3",
}


def test_live_needs_its_flag() -> None:
    done = arb("trade", "--mode", "live", **KEYS)
    assert done.returncode == 2
    assert "add --i-accept-real-losses" in done.stderr
    assert "canary" not in done.stderr + done.stdout


def test_wrong_settings_stop_the_trader_with_one_line() -> None:
    done = arb("trade", WEBSOCKET_CORES="2-", **KEYS)
    assert done.returncode == 2
    assert done.stderr == (
        "error: WEBSOCKET_CORES was '2-'; accepted is a range such as 2-7 or a list such as 2,3, "
        "cores 0 to 1023\n"
    )
    debug = arb("trade", WEBSOCKET_CORES="2-", LOG_LEVEL="DEBUG", **KEYS)
    assert "Traceback" in debug.stderr
    assert "canary" not in debug.stderr


def test_help_imports_no_venue_and_no_loop() -> None:
    probe = (
        "import sys, arbitrage.cli as cli\n"
        "try: cli.arb.main(['--help'], standalone_mode=False)\n"
        "finally: pass\n"
        "heavy = {'asyncio', 'aiohttp', 'numpy', 'picows', 'rich', 'arbitrage.venues'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    assert run("-c", probe).stderr == "[]\n"
