"""Prometheus itself: its tools read what we write, its server scrapes a monitor by our rules."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from monitor_kit import everything, monitor
from patience import Patience
from redis_kit import free_port, trader

from arbitrage.board import Board, KillLine, encode_board
from arbitrage.cold.grafana import PANELS, RULES, write_grafana

# The names that the metrics' specification gives; promtool would have them in seconds.
SPECIFIED = re.compile(r'latency_(p50|p95|p99|max)_microseconds use base unit "seconds" .*')
Get = Callable[[str], Any]


def tool(name: str) -> str:
    """Return a program of Debian's package prometheus; skip the test where there is none."""
    found = shutil.which(name)
    if found is None:
        words = f"there is no {name}; install the package prometheus"
        assert "NEEDS_PROMETHEUS" not in os.environ, words
        pytest.skip(words)
    return found


def told(*command: str, text: str = "") -> tuple[int, list[str]]:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_promtool_takes_the_rules_and_the_configuration(tmp_path: Path) -> None:
    promtool = tool("promtool")
    write_grafana(tmp_path)
    rules = tmp_path / "prometheus" / "rules" / "arbitrage.yml"
    code, lines = told(promtool, "check", "rules", str(rules))
    assert (code, f"  SUCCESS: {len(RULES)} rules found" in lines) == (0, True), lines
    code, lines = told(promtool, "check", "config", str(rules.parents[1] / "prometheus.yml"))
    assert code == 0, lines


def complaints(metrics: str) -> list[str]:
    """Return what promtool has against a scrape, but for the names that are given."""
    _, lines = told(tool("promtool"), "check", "metrics", text=metrics)
    return [line for line in lines if not SPECIFIED.fullmatch(line)]


def test_promtool_has_nothing_against_the_metrics() -> None:
    assert complaints(everything()) == []
    assert complaints('# TYPE a_total gauge\na_total{quantile="0.5"} 1\n') != []


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[Get]:
    """Run a server on our configuration, quicker than it says; yield how to ask it."""
    program, here = tool("prometheus"), free_port()
    write_grafana(folder, port)
    config = folder / "prometheus" / "prometheus.yml"
    config.write_text(config.read_text().replace(": 5s", ": 1s"))
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{here}"]

    def get(path: str) -> Any:
        url = f"http://127.0.0.1:{here}/api/v1/{path}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except OSError:  # it is not up yet
            return {}

    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as server:
        try:
            yield get
            assert server.poll() is None, (folder / "log").read_text()
        finally:
            server.terminate()
            server.wait(30)


def until(look: Callable[[], Any]) -> Any:
    patience = Patience()
    while not (found := look()):
        assert not patience.is_over()
        time.sleep(0.1)
    return found


def rules_of(get: Get) -> dict[str, dict[str, Any]]:
    groups = get("rules").get("groups", [])
    return {rule["name"]: rule for group in groups for rule in group["rules"]}


def test_a_real_server_scrapes_a_real_monitor_and_calls_by_our_rules(
    name: str, tmp_path: Path
) -> None:
    tool("prometheus")
    segment = trader(name)
    killed = KillLine(reason="loss", by="the trader", since_wall_ns=7, why="")
    segment.write_board(encode_board(Board(wall_ns=time.time_ns(), killed=killed), 60_000))
    segment.steer(kill=True)
    segment.heartbeat()
    with ExitStack() as stack:
        watched = stack.enter_context(monitor(name))
        get = stack.enter_context(prometheus(tmp_path, int(watched.root.rpartition(":")[2])))
        assert complaints(watched.get("/metrics")[1]) == []

        def targets() -> list[str]:
            return [each["health"] for each in get("targets").get("activeTargets", [])]

        until(lambda: targets() == ["up"])
        until(lambda: all(
            rule["health"] == "ok" for rule in rules_of(get).values()
        ) and len(rules_of(get)) == len(RULES))  # fmt: skip
        until(lambda: rules_of(get)["KillSwitchTripped"]["state"] == "firing")
        # nobody beats here: the summary of the alert is for people
        (alert,) = until(lambda: rules_of(get)["TraderSilent"]["alerts"])
        assert re.search(r"not been seen for [\d.]+(m?s|m \ds)", alert["annotations"]["summary"])
        assert rules_of(get)["TraderDown"]["state"] == "inactive"
        for panel in PANELS:
            for target in panel.targets:
                asked = target.expr.replace("$__rate_interval", "1m")
                asked = asked.replace("$instance", ".*").replace("$trader", ".*")
                answer = get(f"query?query={urllib.request.quote(asked)}")
                assert answer["resultType"] == "vector", (panel.title, asked)
    segment.close()
