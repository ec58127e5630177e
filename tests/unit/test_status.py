"""What `arb status` tells of the gate's refusals: which of them are of the start."""

from types import SimpleNamespace
from typing import Any

from arbitrage.cli.control_words import screen_of
from arbitrage.core.risk import REASONS
from arbitrage.runtime import status
from arbitrage.runtime.engine import Trader

STATUS: dict[str, Any] = {
    "name": "desk", "mode": "paper", "run": 8, "pid": 9, "uptime_s": 61.0, "state": "trading",
    "kill": None, "strangers": [], "paused": {}, "rows": {}, "links": {}, "open_pairs": [],
    "pairs": {"opened": 0}, "orders": 0, "day_result_usd": 0.0, "gross_usd": 0.0, "limits": {},
    "limits_used_pct": {},
}  # fmt: skip


def lines_of(refused: dict[str, int], **early: int) -> list[str]:
    found = STATUS | {"refused": refused, "refused_at_start": early}
    return [line for line in screen_of(found).splitlines() if "opening_off" in line]


def test_refusals_of_the_start_are_told_as_such() -> None:
    text = "opening_off: opening is off, or everything is being closed"
    assert lines_of({"opening_off": 7}, opening_off=7) == [
        f"  refused         7 {text} (all at the start)"
    ]
    assert lines_of({"opening_off": 1207}, opening_off=7) == [
        f"  refused     1,207 {text} (7 at the start)"
    ]
    assert lines_of({"opening_off": 3}) == [f"  refused         3 {text}"]
    assert "3 opening_off" in screen_of(STATUS | {"refused": {"opening_off": 3}}), "an older trader"


def test_a_start_ends_when_orders_can_leave() -> None:
    """What the gate refused by then is of the start, what it refuses later is not."""
    counts = [0] * len(REASONS)
    place = REASONS.index("opening_off")
    told: list[Any] = []

    def ready() -> None:
        told.append(status._refused_at_start(trader, counters()))
        counts[place] += 1  # in a decision that was under way

    def counters() -> dict[str, Any]:
        return {"risk_reasons": list(counts)}

    def wait_ready(_limit_s: float, _check: object) -> None:
        counts[place] += 6

    def nothing(*_: object, **__: object) -> None: ...

    trader: Any = Trader.__new__(Trader)
    trader.settings = SimpleNamespace(tap_mb=0)
    trader.refused_at_start = None
    trader.segment = SimpleNamespace(
        steer=nothing, mark_ready=ready, counters=lambda: {"strategy": counters()}
    )
    trader.strangers = SimpleNamespace(look_at_all=nothing)
    trader.market = SimpleNamespace(recovered=SimpleNamespace(fills=()))
    trader.core = SimpleNamespace(strategy=SimpleNamespace(risk=None))
    trader.state = SimpleNamespace(begin_day=nothing, start=nothing)
    trader.strategies = trader.crew = SimpleNamespace(start=nothing)
    trader.gateways = SimpleNamespace(wait_ready=wait_ready)
    trader._release = nothing
    trader.start()
    counts[place] += 100
    assert told == [{"opening_off": 6}], "while it starts all of them are"
    assert status._refused_at_start(trader, counters()) == {"opening_off": 7}
    assert status.refusals(counters()) == {"opening_off": 107}
