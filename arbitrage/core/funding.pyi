from typing import Any

_Leg = tuple[float, float, int]

VERDICTS: tuple[str, ...]
EXITS: tuple[str, ...]

def ahead_bps(buy: _Leg, sell: _Leg, now_ns: int, until_ns: int) -> float: ...
def delta_8h(buy: _Leg, sell: _Leg) -> float: ...
def judge(
    rules: dict[str, Any],
    buy: _Leg,
    sell: _Leg,
    gross_bps: float,
    fees_bps: float,
    slippage_bps: float,
    now_ns: int,
) -> dict[str, Any]: ...
def judge_exit(
    rules: dict[str, Any],
    buy: _Leg,
    sell: _Leg,
    pair_bps: float,
    leave_bps: float,
    take_profit_bps: float,
    now_ns: int,
    until_ns: int,
) -> str: ...
