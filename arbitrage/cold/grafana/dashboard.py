"""The Grafana dashboard: what a person wants to see over hours and days, as data."""

from typing import Any, NamedTuple

__all__ = ["DATASOURCE_UID", "PANELS", "Panel", "Target", "dashboard"]

DATASOURCE_UID = "arbitrage-prometheus"
COLUMNS = 24  # of Grafana's grid
ONE = '{instance=~"$instance", trader=~"$trader"}'  # in each selector: the chosen trader
HEIGHT = {"stat": 4, "timeseries": 8}


class Target(NamedTuple):
    """One expression and how its series are called."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """One panel; `steps` are values from which a stat is yellow and red, ascending."""

    title: str
    targets: tuple[Target, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    steps: tuple[float, float] | None = None
    about: str = ""


def _of(metric: str, labels: str = "") -> str:
    """Return a selector of the chosen trader."""
    return metric + (ONE if not labels else f"{{{labels}, {ONE[1:]}")


def _rate(metric: str, labels: str = "") -> str:
    return f"rate({_of(metric, labels)}[$__rate_interval])"


def _quantile(share: float, metric: str, by: str = "", labels: str = "") -> str:
    group = "le" if not by else f"le, {by}"
    return f"histogram_quantile({share}, sum by ({group}) ({_rate(metric + '_bucket', labels)}))"


def _stat(title: str, metric: str, unit: str = "short", **other: Any) -> Panel:
    return Panel(title, (Target(_of(metric), title),), unit, "stat", 3, **other)


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    ("At a glance", (
        _stat("Trader", "up_trader", "bool_on_off"),
        _stat("Kill switch", "kill_switch", "bool_on_off", steps=(0.5, 1)),
        _stat("May open", "opening_allowed", "bool_yes_no"),
        _stat("Result of the run", "pnl_total_usd", "currencyUSD"),
        _stat("Result of the day", "day_result_usd", "currencyUSD"),
        _stat("Pairs", "pairs_now"),
        _stat("Heartbeat", "heartbeat_age_seconds", "s", steps=(2, 5)),
        _stat("Uptime", "uptime_seconds", "s"),
    )),
    ("Money", (
        Panel("Result by kind", (
            Target(f"sum by (kind) ({_of('pnl_usd')})", "{{kind}}"),
            Target(f"sum({_of('pnl_usd')})", "all"),
        ), "currencyUSD"),
        Panel("Equity", (Target(_of("venue_equity_usd"), "{{venue}}"),), "currencyUSD"),
        Panel("Limits of money in use", (
            Target(_of("risk_limit_used_percent"), "{{limit}}"),
        ), "percent"),
    )),
    ("Opportunities and pairs", (
        Panel("Opportunities a second", (
            Target(_rate("opportunities_opened_total"), "opened"),
            Target(_rate("opportunities_closed_total"), "closed"),
        ), "ops"),
        Panel("Why they close", (
            Target(_rate("opportunity_outcomes_total"), "{{reason}}"),
        ), "ops"),
        Panel("Pairs", (
            Target(_rate("pairs_opened_total"), "opened"),
            Target(_rate("pairs_closed_total"), "closed"),
            Target(_rate("pairs_unwound_total"), "unwound"),
            Target(_rate("pairs_broken_total"), "broken"),
            Target(_of("pairs_under_way"), "now {{phase}}"),
        )),
        Panel("A leg alone", (
            Target(_quantile(0.5, "naked_leg_seconds"), "p50"),
            Target(_quantile(0.99, "naked_leg_seconds"), "p99"),
        ), "s"),
        Panel("Orders by state", (
            Target(_rate("order_states_total"), "{{venue}} {{state}}"),
        ), "ops"),
        Panel("Refused", (
            Target(_rate("refusals_total"), "here: {{reason}}"),
            Target(_rate("order_rejects_total"), "{{venue}}: {{reason}}"),
        ), "ops"),
    )),
    ("Latency", (
        Panel("Frame to opportunity, since the start", tuple(
            Target(_of(f"latency_{label}_microseconds"), label) for label in ("p50", "p95", "p99")
        ), "µs"),
        Panel("By stage, p50", (
            Target(_quantile(0.5, "stage_latency_seconds", "stage"), "{{stage}}"),
        ), "s"),
        Panel("By stage, p99.9", (
            Target(_quantile(0.999, "stage_latency_seconds", "stage"), "{{stage}}"),
        ), "s"),
    )),
    ("Venues", (
        Panel("Frames a second", (Target(_rate("feed_frames_total"), "{{venue}}"),), "ops"),
        Panel("Books by state", (Target(_of("feed_rows"), "{{venue}} {{state}}"),)),
        Panel("Age of the newest quote", (Target(_of("feed_age_seconds"), "{{venue}}"),), "s"),
        Panel("Gaps, reconnects, refused frames", (
            Target(_rate("feed_gaps_total"), "{{venue}} gaps"),
            Target(_rate("feed_reconnects_total"), "{{venue}} reconnects"),
            Target(_rate("feed_malformed_total"), "{{venue}} refused"),
        ), "ops"),
        Panel("Gaps by symbol, the ten most", (
            Target(f"topk(10, {_rate('feed_row_gaps_total')} > 0)", "{{venue}} {{symbol}}"),
        ), "ops"),
        Panel("Oldest quotes, ten symbols", (
            Target(f"topk(10, {_of('feed_row_age_seconds')})", "{{venue}} {{symbol}}"),
        ), "s"),
        Panel("Head start of parallel lines", (
            Target(_rate("feed_connection_lead_seconds_total"), "{{venue}} {{connection}}"),
        ), "s"),
        Panel("Clock and round trip", (
            Target(_of("venue_clock_offset_seconds"), "{{venue}} offset"),
            Target(_of("venue_clock_rtt_seconds"), "{{venue}} round trip"),
        ), "s"),
        Panel("Use of the venues' rate limits", (
            Target(
                f"{_of('venue_rate_limit_used')} / {_of('venue_rate_limit_allowed')}",
                "{{venue}} {{what}}",
            ),
        ), "percentunit"),
        Panel("Symbols paused, incidents that go on", (
            Target(_of("symbols_paused"), "paused: {{reason}}"),
            Target(_of("incidents_open"), "incident: {{kind}}"),
        )),
    )),
    ("Beside the trader", (
        Panel("Mirror into Redis", (
            Target(
                f"sum by (place, stream) ({_rate('mirror_published_total')})", "{{stream}}"
            ),
            Target(f"sum by (place) ({_rate('mirror_lost_total')})", "lost"),
        ), "ops"),
        Panel("What waits for Redis", (
            Target(_of("mirror_backlog"), "{{place}}"),
        )),
        Panel("Recorder", (
            Target(_rate("recorder_written_total"), "{{stream}}"),
            Target(f"sum by (place) ({_rate('recorder_lost_total')})", "lost"),
        ), "ops"),
    )),
    ("Load", (
        Panel("Queues", (
            Target(_of("queue_utilization_market_percent"), "market"),
            Target(_of("queue_utilization_order_percent"), "order"),
        ), "percent"),
        Panel("Lost before the queues", (
            Target(_rate("queue_market_drop_total"), "quotes overwritten"),
            Target(_rate("queue_order_drop_total"), "orders"),
        ), "ops"),
        Panel("Processor", (
            Target(_of("cpu_strategy_thread_percent"), "strategy"),
            Target(_of("cpu_websocket_threads_percent"), "feeds and gateways"),
            Target(_of("cpu_process_percent"), "process"),
            Target(_of("cpu_system_percent"), "machine"),
        ), "percent"),
        Panel("Context switches", (Target(_rate("cpu_context_switches_total"), "all"),), "ops"),
        Panel("Allocations", tuple(
            Target(_rate(f"allocations_{path}_path_total"), path)
            for path in ("hot", "warm", "cold")
        ), "ops", about="Only where the counting shim is loaded."),
    )),
)  # fmt: skip

PANELS = tuple(panel for _, panels in ROWS for panel in panels)


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana takes it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(_row(title, top, len(panels) + 1))
        top, left, height = top + 1, 0, 0
        for panel in row:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            panels.append(_panel(panel, left, top, len(panels) + 1))
            left, height = left + panel.width, max(height, HEIGHT[panel.kind])
        top += height
    return {
        "uid": "arbitrage-trader",
        "title": "Arbitrage trader",
        "tags": ["arbitrage"],
        "timezone": "utc",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_variable("instance"), _variable("trader")]},
        "panels": panels,
    }


def _variable(label: str) -> dict[str, Any]:
    """Return a choice by label; All matches series without it, as of a monitor of one trader."""
    return {
        "name": label,
        "label": label,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": DATASOURCE_UID},
        "query": {"query": f"label_values(up_trader, {label})", "refId": label},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "multi": False,
    }


def _row(title: str, top: int, number: int) -> dict[str, Any]:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "gridPos": place, "collapsed": False}


def _panel(panel: Panel, left: int, top: int, number: int) -> dict[str, Any]:
    colours: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.steps is not None:
        colours += [
            {"color": colour, "value": value}
            for colour, value in zip(("yellow", "red"), panel.steps, strict=True)
        ]
    source = {"type": "prometheus", "uid": DATASOURCE_UID}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": source,
        "gridPos": {"h": HEIGHT[panel.kind], "w": panel.width, "x": left, "y": top},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "thresholds": {"mode": "absolute", "steps": colours},
            },
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": source,
                "expr": target.expr,
                "legendFormat": target.legend or "__auto",
                "range": True,
            }
            for place, target in enumerate(panel.targets)
        ],
    }
