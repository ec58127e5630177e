"""The units and pages of operation name only what exists: programs, options, variables, metrics."""

import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import click
import pytest

from arbitrage.cli import COMMANDS
from arbitrage.config import variables

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "arbitrage" / "deploy").glob("*.service"))
NAMES = ("thread_pinning", "troubleshooting", "deployment")
PAGES = [ROOT / "docs" / f"{name}.md" for name in NAMES]
# A metric's row in docs/monitoring.md, which a test holds against /metrics itself.
ROW = re.compile(r"^\| `([a-z_0-9]+)` \|", re.MULTILINE)
METRIC_HEADS = (
    "allocations_", "cpu_", "feed_", "gateway_events", "heartbeat", "incidents_", "kill_",
    "latency_",
    "opening_", "opportunities_", "order_rejects", "orders_", "pairs_", "queue_", "refusals_",
    "rejects_", "risk_", "stage_", "symbols_", "thread_allocations", "thread_turns", "venue_",
)  # fmt: skip
OPT = "/opt/arbitrage/bin/"


def sections(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Read a unit: section -> (directive, value), in order; a directive may come again."""
    found: dict[str, list[tuple[str, str]]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            assert section not in found, f"{path.name}: [{section}] comes twice"
            found[section] = []
        elif line and not line.startswith("#"):
            name, is_pair, value = line.partition("=")
            assert is_pair, f"{path.name}: {line!r} is no directive"
            assert section, f"{path.name}: {line!r} is in no section"
            found[section].append((name, value))
    return found


def command_of(verb: str) -> click.Command:
    module, attribute, _ = COMMANDS[verb]
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    return command


def options_of(verb: str) -> set[str]:
    return {name for param in command_of(verb).params for name in param.opts}


def test_there_is_a_unit_for_each_program() -> None:
    assert [path.name for path in UNITS] == [
        "arbitrage-mirror@.service",
        "arbitrage-monitor.service",
        "arbitrage-notify@.service",
        "arbitrage-record@.service",
        "arbitrage-trader@.service",
    ]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_whole_and_names_what_exists(path: Path) -> None:
    unit = sections(path)
    assert list(unit) == ["Unit", "Service", "Install"]
    service = dict(unit["Service"])
    assert (service["User"], service["Group"]) == ("arbitrage", "arbitrage")
    assert (service["LimitCORE"], service["UMask"]) == ("0", "0077")
    assert service["NoNewPrivileges"] == "yes"
    for name, value in unit["Service"]:
        if name == "Environment":
            assert value.partition("=")[0] in variables()
    line = service["ExecStart"]
    found = re.search(rf"{OPT}arb(?:-([a-z]+)| ([a-z]+))", line)
    assert found, line
    verb = found[1] or found[2]
    assert set(re.findall(r"--[a-z-]+", line)) <= options_of(verb)
    is_trader = "trader" in path.name
    assert service["Restart"] == ("on-failure" if is_trader else "always")
    assert ("Nice" in service) != is_trader


def test_the_traders_unit_restarts_with_measure_and_lets_pairs_be_closed() -> None:
    unit = sections(next(path for path in UNITS if "trader" in path.name))
    service = dict(unit["Service"])
    assert (service["KillSignal"], service["RestartPreventExitStatus"]) == ("SIGTERM", "2")
    assert int(service["TimeoutStopSec"]) >= 15
    assert {"StartLimitBurst", "StartLimitIntervalSec"} <= dict(unit["Unit"]).keys()
    assert int(service["LimitNOFILE"]) >= 4096
    assert service["LoadCredential"].startswith("arbitrage.env:")
    assert service["MemorySwapMax"] == "0"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_finds_nothing_to_say(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("arb", "arb-monitor"):
        (programs / name).symlink_to("/bin/true")
    for path in UNITS:
        text = path.read_text().replace(OPT, f"{programs}/")
        (tmp_path / path.name).write_text(text)
    names = [str(tmp_path / path.name) for path in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        capture_output=True, text=True, timeout=60, check=False,
    )
    if "Failed to initialize" in done.stderr or "D-Bus" in done.stderr:
        pytest.skip(f"systemd-analyze cannot run here: {done.stderr.splitlines()[0]}")
    said = [line for line in done.stderr.splitlines() if "arbitrage" in line]
    assert said == [], done.stderr


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_pages_name_only_what_exists(path: Path) -> None:
    text = path.read_text()
    metrics = set(ROW.findall((ROOT / "docs" / "monitoring.md").read_text()))
    assert len(metrics) > 60
    named = set(re.findall(r"`([a-z][a-z_0-9]+)[`{]", text))
    meant = {name for name in named if name.startswith(METRIC_HEADS)}
    assert meant - metrics == set(), "no such metric in docs/monitoring.md"
    known = {*variables(), "ARB_NAME"}
    wanted = set(re.findall(r"\b((?:ARB|BYBIT|OKX)_[A-Z_]+|(?:DETECTOR|STRATEGY)_CORE)\b", text))
    assert wanted - known == set()
    for verb in re.findall(r"\barb ([a-z]+)\b", text):
        assert verb in COMMANDS, f"arb {verb}"
    for target in re.findall(r"\]\(([a-z_/-]+\.md)(?:#([a-z-]+))?\)", text):
        page = path.parent / target[0]
        assert page.is_file(), target
        heads = {
            re.sub(r"[^a-z -]", "", head.lower()).replace(" ", "-")
            for head in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
        }
        assert not target[1] or target[1] in heads, target


def test_troubleshooting_names_a_metric_in_every_chapter() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    metrics = set(ROW.findall((ROOT / "docs" / "monitoring.md").read_text()))
    chapters = dict(re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert {"High latency", "Queue overflow", "Memory growth", "Pinning fails", "Disconnections",
            "High CPU"} <= chapters.keys()
    for name, body in chapters.items():
        assert set(re.findall(r"`([a-z_0-9]+)`", body)) & metrics, name
