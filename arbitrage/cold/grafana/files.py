"""The files that Prometheus and Grafana read, in the layout in which both are provisioned."""

import json
from collections.abc import Sequence
from pathlib import Path

from arbitrage.cold.grafana.dashboard import DATASOURCE_UID, dashboard
from arbitrage.cold.grafana.rules import RULES, Rule
from arbitrage.errors import ConfigError

__all__ = ["write_grafana"]

PROMETHEUS_PORT = 9091  # 9090, its own, is the monitor's


def _text(value: object) -> str:
    """Return a scalar of YAML: a string of JSON is one."""
    return json.dumps(value, ensure_ascii=False)


def _rule(rule: Rule) -> str:
    return f"""\
      - alert: {rule.name}
        expr: {_text(rule.expr)}
        for: {rule.wait}
        labels:
          severity: {rule.severity}
        annotations:
          summary: {_text(rule.summary)}
          action: {_text(rule.action)}
"""


def rules_text(rules: Sequence[Rule] = RULES) -> str:
    """Return the file of the alert rules."""
    return "groups:\n  - name: arbitrage\n    rules:\n" + "".join(map(_rule, rules))


def _prometheus_text(port: int) -> str:
    return f"""\
# prometheus --config.file=prometheus.yml --web.listen-address=127.0.0.1:{PROMETHEUS_PORT}
global:
  scrape_interval: 5s
  evaluation_interval: 5s
rule_files:
  - rules/*.yml
scrape_configs:
  - job_name: arbitrage
    static_configs:
      - targets: ["127.0.0.1:{port}"]
    # with ARB_MONITOR_TOKEN:
    # authorization:
    #   credentials_file: /path/to/a/file/with/the/token
"""


def _datasource_text() -> str:
    return f"""\
apiVersion: 1
datasources:
  - name: arbitrage
    uid: {DATASOURCE_UID}
    type: prometheus
    access: proxy
    url: http://127.0.0.1:{PROMETHEUS_PORT}
    jsonData:
      timeInterval: 5s
"""


def _provider_text(folder: Path) -> str:
    return f"""\
apiVersion: 1
providers:
  - name: arbitrage
    type: file
    folder: ""
    allowUiUpdates: true
    options:
      path: {_text(str(folder))}
"""


def _differs(path: Path, text: str) -> bool:
    """Whether a file is there and says something else."""
    try:
        return path.read_bytes() != text.encode()
    except OSError:  # it is not there, or cannot be written either, which is told then
        return False


def write_grafana(folder: Path, port: int = 9090, *, force: bool = False) -> list[Path]:
    """Write everything into a folder.

    ::

        prometheus/prometheus.yml, prometheus/rules/arbitrage.yml
        grafana/provisioning/datasources/arbitrage.yml
        grafana/provisioning/dashboards/arbitrage.yml, grafana/dashboards/arbitrage.json

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    port : int
        Where the monitor listens.
    force : bool
        Whether files that lie there and say something else are replaced.

    Raises
    ------
    ConfigError
        It cannot be written, or would replace what somebody has changed; nothing is written then.
    """
    root = folder.expanduser().absolute()
    provisioning, dashboards = root / "grafana" / "provisioning", root / "grafana" / "dashboards"
    files = {
        root / "prometheus" / "prometheus.yml": _prometheus_text(port),
        root / "prometheus" / "rules" / "arbitrage.yml": rules_text(),
        provisioning / "datasources" / "arbitrage.yml": _datasource_text(),
        provisioning / "dashboards" / "arbitrage.yml": _provider_text(dashboards),
        dashboards / "arbitrage.json": json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n",
    }
    changed = [str(path.relative_to(root)) for path, text in files.items() if _differs(path, text)]
    if changed and not force:
        raise ConfigError(
            f"{', '.join(changed)} in {root} would be changed, and nothing was written; --force "
            "replaces what is there"
        )
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written: {error.strerror}; give --write-grafana a folder of "
                "yours"
            ) from None
    return list(files)
