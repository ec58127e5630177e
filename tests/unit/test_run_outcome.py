"""How a run ends in words: what stands, what is only waited for, and when the wait is over."""

import logging
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from arbitrage.errors import ConnectorError
from arbitrage.runtime import engine
from arbitrage.runtime.engine import Trader
from arbitrage.runtime.run import tell_outcome

SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Strategy:
    """Pairs by symbol: a phase and what the legs hold; each look may change them."""

    def __init__(self, *pairs: tuple[str, int, int]) -> None:
        self.pairs = list(pairs)
        self.on_look: Callable[[], None] = lambda: None

    @property
    def live_pairs(self) -> int:
        self.on_look()
        return len(self.under_way())

    def under_way(self) -> list[int]:
        return [index for index, (phase, *_) in enumerate(self.pairs) if phase != "idle"]

    def pair(self, index: int) -> dict[str, Any]:
        phase, *lots = self.pairs[index]
        return {"phase": phase, "legs": [{"row": 0, "lots": each} for each in lots]}


def trader_of(strategy: Strategy, *, killed: bool = False) -> Any:
    """Return what there is of a trader once its threads have stopped."""
    made: Any = Trader.__new__(Trader)
    made.core = SimpleNamespace(
        strategy=strategy, traded_symbols={}, stages=SimpleNamespace(wake=lambda: None)
    )
    made.market = SimpleNamespace(symbols=SYMBOLS)
    controls = {"kill": killed, "flatten": False}
    made.segment = SimpleNamespace(controls=controls, steer=lambda **_: None)
    made.incident_watch = SimpleNamespace(stop=lambda: None)
    made.kill_switch = SimpleNamespace(record=None)
    zero = Decimal(0)
    totals = {"realised": zero, "fees": zero, "funding": zero}
    made.ledger = SimpleNamespace(totals=lambda: totals)
    made.beat = lambda _count: None
    made._look_for_wish = lambda: None
    made.standing_legs = lambda: ["long 1 BTC of BTCUSDT at bybit"]
    return made


def test_a_flat_pair_that_waits_for_late_fills_is_not_counted_as_standing() -> None:
    trader = trader_of(Strategy(("unwinding", 1, 0), ("closed", 0, 0)))
    with pytest.raises(ConnectorError) as caught:
        tell_outcome(trader, 3)
    assert str(caught.value) == (
        "1 pair could not be closed within 5 s; standing: long 1 BTC of BTCUSDT at bybit; "
        "late fills of 1 flat pair were waited for; close these at the venues now"
    )


def test_a_run_whose_pairs_are_all_flat_has_stopped_flat(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    assert tell_outcome(trader_of(Strategy(("idle", 0, 0), ("closed", 0, 0))), 4) == 0
    (line,) = (record.getMessage() for record in caplog.records)
    assert line == (
        "stopped flat: 4 pairs closed, net +0.00 USD; late fills of 1 flat pair were waited for"
    )
    assert tell_outcome(trader_of(Strategy(("idle", 0, 0))), 4) == 0
    assert caplog.records[-1].getMessage() == "stopped flat: 4 pairs closed, net +0.00 USD"


@pytest.mark.parametrize(
    ("pair", "left"),
    [
        (("opening", 0, 0), ["BTCUSDT"]),  # its orders may still fill
        (("open", 3, 3), ["BTCUSDT"]),
        (("closed", 2, 0), ["BTCUSDT"]),  # a fill came just now
        (("closed", 0, 0), []),
        (("idle", 0, 0), []),
    ],
)
def test_what_is_left_is_neither_flat_nor_over(pair: tuple[str, int, int], left: list[str]) -> None:
    assert trader_of(Strategy(pair)).left_pairs() == left


@pytest.mark.parametrize("killed", [False, True])
def test_the_end_waits_for_late_fills_of_flat_pairs_alone(
    monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """A clock of our own: what stands is given up in time, what is flat is over a little later."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    limit_s = engine.KILLED_STOP_S if killed else engine.FLATTEN_S
    standing = Strategy(("open", 1, 1), ("closed", 0, 0))
    trader_of(standing, killed=killed).flatten()
    assert now[0] == pytest.approx(limit_s + engine.LATE_FILLS_S, abs=0.1)

    late, began = Strategy(("closed", 0, 0)), now[0]

    def settle() -> None:
        if now[0] - began > limit_s + 1.0:
            late.pairs = [("idle", 0, 0)]

    late.on_look = settle
    trader_of(late, killed=killed).flatten()
    assert late.pairs == [("idle", 0, 0)], "its last fill was waited for"
    assert now[0] - began == pytest.approx(limit_s + 1.0 + engine.LATE_FILLS_S, abs=0.1)

    silent, began = Strategy(("closed", 0, 0)), now[0]
    trader_of(silent, killed=killed).flatten()
    expected_s = limit_s + engine.SETTLE_S + engine.LATE_FILLS_S
    assert now[0] - began == pytest.approx(expected_s, abs=0.1), "and not for ever"
