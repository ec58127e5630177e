"""The command line: help, versions, one-line errors and exit codes."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arbitrage.errors import ConnectorError
from arbitrage.venues.bybit.rest import BybitRest

ROOT = Path(__file__).parents[2]
VERBS = ("demo", "trade", "sim", "replay", "instruments", "bench", "monitor")


TWO = ("--bybit", "/dev/null", "--okx", "/dev/null")


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


def test_short_help_and_what_is_checked_names_itself(tmp_path: Path) -> None:
    done = run("-m", "arbitrage.monitor", "-h")
    assert (done.returncode, "Serve a running trader's" in done.stdout) == (0, True)
    done = arb("strategy", "check", "mine.py")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: arb strategy check named 'mine.py'; accepted are")


def test_a_loopback_venue_that_is_not_there_gives_a_hint() -> None:
    async def ask() -> None:
        async with BybitRest("http://127.0.0.1:9", None) as client:
            await client.server_time_ms()

    with pytest.raises(ConnectorError, match=r"is `arb sim` running\?"):
        asyncio.run(ask())


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


@pytest.mark.parametrize("script", ["arb-trader", "arb-monitor", "arb-demo", "arb-dashboard"])
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
        (["replay"], 2, "name the FOLDER of a recording"),
        (["replay", "--bybit", "/no/such", "--okx", "/no/such"], 2, "/no/such"),
        (["demo", "--fees", "bybit"], 2, "--fees was 'bybit'"),
        (["demo", "--symbols", "BTC-USD"], 2, "--symbols was 'BTC-USD'"),
        (["demo", "--seconds", "0"], 2, "--seconds"),
        (["demo", "--rate", "0"], 2, "--rate"),
        (["demo", "--speed", "2"], 2, "--speed is for recorded frames; name their folder"),
        (["sim", "--symbols", "NOPEUSDT"], 2, "symbol was 'NOPEUSDT'"),
        (["demo", "--min-net-bps", "nan"], 2, "--min-net-bps was nan"),
        (["trade", "--mode", "real"], 2, "'paper', 'demo', 'testnet', 'live'"),
        (["trade", "--mode", "live"], 2, "mode live needs keys of bybit; set BYBIT_API_KEY"),
        (["trade", "--mode", "live"], 2, "; mode live also needs --i-accept-real-losses"),
        (["trade", "--mode", "paper", "--i-accept-real-losses"], 2, "belongs to live"),
        (["trade", "--report", "/no/such/r.json"], 2, "--report was '/no/such/r.json'"),
        (["demo", "--json", "/no/such/r.json"], 2, "there is no folder /no/such"),
        (["demo", "--json", "/tmp"], 2, "--json was '/tmp', which cannot be written"),
        (["bench", "--json", "/no/such/r.json"], 2, "there is no folder /no/such"),
        (["instruments", "--csv", "/no/such/r.csv"], 2, "--csv was '/no/such/r.csv'"),
        (["replay", *TWO, "--json", "/no/such/r.json"], 2, "there is no folder /no/such"),
        (["replay", *TWO, "--events", "/no/such/e.csv"], 2, "--events was '/no/such/e.csv'"),
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


# ---- files that cannot be what they should be --------------------------------------------------


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours_is_refused_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = arb("demo", "--json", str(tmp_path / "report.json"))
    assert done.returncode == 2
    assert "permission denied" in done.stderr


def frames_file(folder: Path, name: str, text: bytes) -> str:
    path = folder / name
    path.write_bytes(text)
    return str(path)


BYBIT_LINE = (
    b'1\t{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT",'
    b'"b":[["100","1"]],"a":[["101","1"]],"u":2,"seq":10},"cts":1}\n'
)
OKX_LINE = (
    b'1\t{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":'
    b'[["101","1","0","1"]],"bids":[["100","1","0","1"]],"ts":"1","seqId":10}]}\n'
)


@pytest.mark.parametrize(
    "garbage",
    [b"", bytes(range(256)) * 9, b"9" * 5000 + b"\tx\n", b"no tab at all\n" * 5, BYBIT_LINE[2:]],
)
@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_a_replay_of_a_file_without_a_quote_is_an_error(
    tmp_path: Path, garbage: bytes, venue: str
) -> None:
    files = {
        "bybit": frames_file(tmp_path, "b.frames", BYBIT_LINE),
        "okx": frames_file(tmp_path, "o.frames", OKX_LINE),
    }
    files[venue] = frames_file(tmp_path, "garbage", garbage)
    done = arb("replay", "--bybit", files["bybit"], "--okx", files["okx"])
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {files[venue]} holds no quote of {venue}; ")
    assert done.stderr.count("\n") == 1
    assert "swapped" not in done.stderr
    assert done.stdout == ""


def test_swapped_files_are_told_apart_and_a_few_bad_lines_are_fine(tmp_path: Path) -> None:
    bybit = frames_file(tmp_path, "b.frames", b"junk\n" + BYBIT_LINE)
    okx = frames_file(tmp_path, "o.frames", OKX_LINE + b"2\t{}\n")
    swapped = arb("replay", "--bybit", okx, "--okx", bybit)
    assert swapped.returncode == 2
    assert f"{okx} holds no quote of bybit; its frames look like okx's" in swapped.stderr
    assert arb("replay", "--bybit", bybit, "--okx", okx).returncode == 0


# ---- the simulator -----------------------------------------------------------------------------


def test_a_ready_file_that_cannot_be_written_is_one_line() -> None:
    done = run(
        "-m", "arbitrage.sim", "--venue", "okx", "--ws-port", "0", "--rest-port", "0",
        "--ready-file", "/no/such/x.json",
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: --ready-file /no/such/x.json cannot be written")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("venue", "names"), [("bybit", 6), ("okx", 6), ("both", 12)])
def test_the_simulator_says_what_a_trader_must_export(venue: str, names: int) -> None:
    ports = [] if venue == "both" else ["--ws-port", "0", "--rest-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.sim", "--venue", venue, *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(names)]
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=20)
    assert all(line.startswith("export ") for line in lines)
    assert len({line.partition("=")[0] for line in lines}) == names
    assert rest == ""
