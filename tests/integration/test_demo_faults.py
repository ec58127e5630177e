"""The whole system while everything goes wrong at once: it ends flat, exact, and tells of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import Stalls

from arbitrage.config import load_settings

START = [sys.executable, "-m", "arbitrage.demo", "--all-faults", "--json", "-"]


def run_demo(folder: Path, seconds: float, *args: str) -> dict[str, Any]:
    # three refusals in a row are nothing here, and a paused symbol tests nothing
    environment = {**os.environ, "TMPDIR": str(folder), "ARB_BREAKER_FAILURES": "1000"}
    command = [*START, "--seconds", str(seconds), "--max-hold-s", "1", *args]
    with Stalls() as stalls:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
            timeout=seconds + 90,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {"stalled_ms": stalls.total_s * 1000}


def check(report: dict[str, Any]) -> None:
    assert report["identity_error_usd"] == 0
    assert report["open_legs_at_exit"] == 0
    assert report["drops"]["orders"] == 0
    assert report["incidents_forgotten"] == 0
    naked = report["naked_leg_ms"]
    limit_ms = load_settings().risk.max_naked_ms + report["stalled_ms"]
    assert sum(bucket["count"] for bucket in naked["buckets"]) == naked["count"]
    broken = [told for told in report["incidents"] if "could not be brought back" in told["text"]]
    assert naked["max"] <= limit_ms or broken, "longer than the bound, and nobody was told"
    for told in report["incidents"]:
        assert told["line"].startswith(told["at"])
        assert told["text"] in told["line"]
        assert "\n" not in told["line"]
    kinds = {told["kind"] for told in report["incidents"]}
    assert {"book", "connection", "venue"} <= kinds


def test_everything_at_once_for_a_while(tmp_path: Path) -> None:
    report = run_demo(tmp_path, 18)
    check(report)
    assert report["pairs"]["opened"] > 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_everything_at_once_for_ten_minutes(tmp_path: Path) -> None:
    report = run_demo(tmp_path, 600)
    check(report)
    told = {told["text"] for told in report["incidents"]}
    assert report["pairs"]["opened"] > 100
    assert report["pairs"]["unwound"] > 0
    for words in ("51008", "110007", "50001", "connection to", "the book is", "flattened"):
        assert any(words in text for text in told), f"nothing was told of {words}"
    print(
        f"{report['pairs']['opened']} pairs, {report['orders']} orders, "
        f"{len(report['incidents'])} incidents"
    )
