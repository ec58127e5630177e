"""Prometheus alert rules and a Grafana dashboard of the metrics, ready to be provisioned."""

from arbitrage.cold.grafana.dashboard import PANELS, Panel, Target, dashboard
from arbitrage.cold.grafana.files import write_grafana
from arbitrage.cold.grafana.rules import RULES, Rule

__all__ = ["PANELS", "RULES", "Panel", "Rule", "Target", "dashboard", "write_grafana"]
