"""Alert rules and dashboard: whole files in the right places, in words Prometheus understands."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arbitrage.cold.grafana import PANELS, RULES, dashboard, write_grafana
from arbitrage.cold.grafana.dashboard import COLUMNS, DATASOURCE_UID
from arbitrage.cold.grafana.files import rules_text
from arbitrage.errors import ConfigError

EXPRESSIONS = [rule.expr for rule in RULES]
EXPRESSIONS += [target.expr for panel in PANELS for target in panel.targets]


def loaded(path: Path) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_is_promql(expression: str) -> None:
    parser = pytest.importorskip("promql_parser")
    parser.parse(expression.replace("$__rate_interval", "1m"))


def test_rules_are_told_apart_and_say_what_to_do() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names) >= 15
    for rule in RULES:
        assert rule.severity in {"critical", "warning"}
        assert rule.summary
        assert rule.action.endswith(".")
        assert rule.wait.rstrip("sm").isdigit()


def test_panels_fill_the_grid_without_lying_on_each_other() -> None:
    made = dashboard()
    assert made["uid"]
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < COLUMNS
        assert not taken & cells, panel["title"]
        taken |= cells
    shown = [panel for panel in made["panels"] if panel["type"] != "row"]
    assert len(shown) == len(PANELS)
    for panel in shown:
        assert panel["datasource"]["uid"] == DATASOURCE_UID
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_files_are_laid_out_for_provisioning(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "graf"
    files = {str(path.relative_to(folder)): path for path in write_grafana(folder, 9123)}
    assert sorted(files) == [
        "grafana/dashboards/arbitrage.json",
        "grafana/provisioning/dashboards/arbitrage.yml",
        "grafana/provisioning/datasources/arbitrage.yml",
        "prometheus/prometheus.yml",
        "prometheus/rules/arbitrage.yml",
    ]
    assert json.loads(files["grafana/dashboards/arbitrage.json"].read_text()) == dashboard()
    assert '"127.0.0.1:9123"' in files["prometheus/prometheus.yml"].read_text()
    provider = files["grafana/provisioning/dashboards/arbitrage.yml"].read_text()
    assert str(folder / "grafana" / "dashboards") in provider
    assert write_grafana(folder, 9123) == list(files.values())


def test_a_file_that_somebody_changed_is_not_replaced(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    write_grafana(root)
    config, board = root / "prometheus/prometheus.yml", root / "grafana/dashboards/arbitrage.json"
    config.write_text("the token\n")
    board.unlink()
    said = r"^prometheus/prometheus\.yml in .* would be changed, and nothing was written; --force"
    with pytest.raises(ConfigError, match=said):
        write_grafana(root)
    assert config.read_text() == "the token\n"
    assert not board.exists()
    write_grafana(root, force=True)
    assert "scrape_configs" in config.read_text()
    assert board.exists()


def test_the_yaml_says_what_the_rules_say(tmp_path: Path) -> None:
    files = {path.name: path for path in write_grafana(tmp_path)}
    found = loaded(tmp_path / "prometheus" / "rules" / "arbitrage.yml")
    (group,) = found["groups"]
    assert [
        (one["alert"], one["expr"], one["for"], one["labels"], one["annotations"])
        for one in group["rules"]
    ] == [
        (
            rule.name, rule.expr, rule.wait, {"severity": rule.severity},
            {"summary": rule.summary, "action": rule.action},
        )
        for rule in RULES
    ]  # fmt: skip
    prometheus = loaded(files["prometheus.yml"])
    assert prometheus["rule_files"] == ["rules/*.yml"]
    assert prometheus["scrape_configs"][0]["job_name"] == "arbitrage"
    (source,) = loaded(tmp_path / "grafana" / "provisioning" / "datasources" / "arbitrage.yml")[
        "datasources"
    ]
    assert source["uid"] == DATASOURCE_UID
    assert rules_text().count("- alert:") == len(RULES)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written: .*give --write-grafana a folder"):
        write_grafana(tmp_path / "file")


def test_the_command_writes_and_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "arbitrage.monitor", "--write-grafana", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [Path(line).is_file() for line in done.stdout.splitlines()] == [True] * 5


def test_the_documentation_names_every_alert() -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    told = re.findall(r"^\| `([A-Z][A-Za-z]+)` \| (\w+) \| [^|]+ \| ([^|]+) \|$", page, re.M)
    assert told == [
        (rule.name, rule.severity, "at once" if rule.wait == "0s" else rule.wait) for rule in RULES
    ]
