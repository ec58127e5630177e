"""The whole system while everything goes wrong at once: it ends flat, exact, and tells of it."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lone_legs import check_lone_legs
from stalls import Stalls

from arbitrage.config import load_settings

START = [sys.executable, "-m", "arbitrage.demo", "--all-faults", "--json", "-"]
END_S = 90.0


def keep_journals(folder: Path) -> list[Path]:
    """Keep what the demo's trader has written so far: the demo takes its folder away."""
    kept = folder / "kept"
    kept.mkdir(exist_ok=True)
    for path in (folder / "demo").glob("arb-demo-*/state/orders-*.journal"):
        with suppress(FileExistsError, FileNotFoundError):
            os.link(path, kept / path.name)
    return sorted(kept.iterdir())


def run_demo(folder: Path, seconds: float, stalls: Stalls) -> tuple[dict[str, Any], list[Path]]:
    """Run it; return its report and its trader's order journal."""
    (folder / "demo").mkdir()
    # three refusals in a row are nothing here, and a paused symbol tests nothing
    environment = os.environ | {"TMPDIR": str(folder / "demo"), "ARB_BREAKER_FAILURES": "1000"}
    command = [*START, "--seconds", str(seconds), "--max-hold-s", "1"]
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder, env=environment)
        try:
            stalls.watch(process.pid)
            end_s = time.monotonic() + seconds + END_S
            while process.poll() is None:
                assert time.monotonic() < end_s, "it does not end"
                keep_journals(folder)
                time.sleep(0.05)
        finally:
            process.terminate()
            process.wait()
    assert process.returncode == 0, (folder / "out").read_text() + (folder / "err").read_text()
    return json.loads((folder / "out").read_text()), keep_journals(folder)


def check(report: dict[str, Any], journal: list[Path], stalls: Stalls) -> None:
    assert report["identity_error_usd"] == 0
    assert report["open_legs_at_exit"] == 0
    assert report["drops"]["orders"] == 0
    assert report["incidents_forgotten"] == 0
    naked = report["naked_leg_ms"]
    assert sum(bucket["count"] for bucket in naked["buckets"]) == naked["count"]
    legs = check_lone_legs(journal, stalls, load_settings().risk.max_naked_ms)
    longest = max(legs, key=lambda leg: leg.took_ms)
    # a bucket of the histogram is an eighth of a power of two at most
    assert naked["max"] == pytest.approx(longest.took_ms, rel=0.01, abs=1.0)
    broken = [told for told in report["incidents"] if "could not be brought back" in told["text"]]
    assert broken or not any(leg.was_broken for leg in legs), "BROKEN, and nobody was told"
    for told in report["incidents"]:
        assert told["line"].startswith(told["at"])
        assert told["text"] in told["line"]
        assert "\n" not in told["line"]
    kinds = {told["kind"] for told in report["incidents"]}
    assert {"book", "connection", "venue"} <= kinds


def test_everything_at_once_for_a_while(tmp_path: Path, stalls: Stalls) -> None:
    report, journal = run_demo(tmp_path, 16, stalls)
    check(report, journal, stalls)
    assert report["pairs"]["opened"] > 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_everything_at_once_for_ten_minutes(tmp_path: Path, stalls: Stalls) -> None:
    """No stall is allowed for: the machine is left to it."""
    report, journal = run_demo(tmp_path, 600, stalls)
    check(report, journal, stalls)
    told = {told["text"] for told in report["incidents"]}
    assert report["pairs"]["opened"] > 100
    assert report["pairs"]["unwound"] > 0
    for words in ("51008", "110007", "50001", "connection to", "the book is", "flattened"):
        assert any(words in text for text in told), f"nothing was told of {words}"
    print(
        f"{report['pairs']['opened']} pairs, {report['orders']} orders, "
        f"{len(report['incidents'])} incidents"
    )
