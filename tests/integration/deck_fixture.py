"""A look at a trader that does not exist: the same figures every time, for the page's pictures."""

import math
import random
import time
from typing import Any

import msgspec

from arbitrage.cold.deck import Deck

WALL_NS = 1_790_439_600_000_000_000 + 37 * 60 * 1_000_000_000 + 12_500_000_000  # 16:37:12.5 UTC
SECOND_NS = 1_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "1000PEPEUSDT", "LINKUSDT")
STAGES = (
    ("parsed", "frame in the callback to parsed, last 10 s", 410),
    ("detected", "frame in the callback to opportunity published, last 10 s", 690),
    ("seen", "frame in the callback to opportunity seen by the strategy, last 10 s", 1_150),
    ("decided", "opportunity → decision", 820),
    ("opportunity_to_order", "opportunity → order", 2_300),
    ("sent", "order → socket", 9_800),
    ("acknowledged", "socket → acknowledged", 1_840_000),
    ("naked_leg", "one leg naked", 3_900_000),
)
REASONS = ("edge_gone", "price_gone", "edge_gone", "thin", "too_old", "edge_gone")


def opportunities(dice: random.Random) -> list[dict[str, Any]]:
    """Return six open ones and eighteen that are over."""
    lines = []
    for number in range(24):
        is_open = number < 6
        gross = round(dice.uniform(11.8, 19.5), 3)
        slippage, funding = round(dice.uniform(0.2, 2.4), 3), round(dice.gauss(0.0, 0.6), 3)
        net = round(gross - 9.5 - slippage + funding, 3)
        age_ms = round(dice.expovariate(1 / 900.0) + 40 if is_open else 1_500.0 * number, 1)
        venues = ("bybit", "okx") if dice.random() < 0.55 else ("okx", "bybit")
        lines.append(
            {
                "id": 48_211 - number,
                "symbol": SYMBOLS[int(dice.random() ** 1.6 * len(SYMBOLS))],
                "buy_venue": venues[0],
                "sell_venue": venues[1],
                "opened_wall_ns": WALL_NS - int(age_ms * 1e6),
                "age_ms": age_ms,
                "gross_bps": gross,
                "fees_bps": 9.5,
                "slippage_bps": slippage,
                "funding_bps": funding,
                "net_bps": net,
                "peak_net_bps": round(net + dice.uniform(0.0, 1.9), 3),
                "size_usd": round(dice.uniform(380.0, 9_800.0), 2),
                "state": "open" if is_open else "closed",
                "reason": "" if is_open else REASONS[number % len(REASONS)],
                "lasted_ms": None if is_open else round(dice.expovariate(1 / 420.0) + 12, 1),
            }
        )
    lines[:6] = sorted(lines[:6], key=lambda line: -line["net_bps"])
    return lines


def pairs() -> list[dict[str, Any]]:
    """Return open pairs, one of them with one leg short of the other."""
    rows = (
        (1_204, "BTCUSDT", "spread", "OPEN", "okx", "bybit", 0.119, 0.119, 4.81, 8.4, 3.92),
        (1_203, "SOLUSDT", "spread", "CLOSING", "bybit", "okx", 42.0, 42.0, 5.37, 41.9, -1.08),
        (1_198, "ETHUSDT", "funding", "OPEN", "bybit", "okx", 3.1, 3.1, 2.96, 5_412.0, 11.47),
        (1_205, "XRPUSDT", "spread", "COMPLETING", "okx", "bybit", 1_200.0, 900.0, 6.02, 0.3, None),
    )
    return [
        {
            "pair": pair,
            "symbol": symbol,
            "kind": kind,
            "phase": phase,
            "buy_venue": buy,
            "sell_venue": sell,
            "buy_qty": buy_qty,
            "sell_qty": sell_qty,
            "entry_bps": entry,
            "opened_wall_ns": WALL_NS - int(age_s * SECOND_NS),
            "unrealised_usd": profit,
        }
        for pair, symbol, kind, phase, buy, sell, buy_qty, sell_qty, entry, age_s, profit in rows
    ]


def curve(dice: random.Random) -> list[tuple[int, float]]:
    """Return four hours of profit, a point each twelve seconds."""
    total, points = 0.0, []
    for number in range(1_200):
        total += dice.gauss(0.11, 1.15) - (22.0 if number == 520 else 0.0)
        points.append((WALL_NS - (1_199 - number) * 12 * SECOND_NS, round(total, 4)))
    return points


def latency(moment: float) -> list[dict[str, Any]]:
    """Return every stage, as it is at a moment in seconds: it swings a little."""
    lines = []
    for number, (stage, label, base_ns) in enumerate(STAGES):
        slow, quick = math.sin(moment / 47.0 + number), math.sin(moment * 1.7 + number)
        swing = 1.0 + 0.18 * slow + 0.05 * quick
        burst = 2.4 if stage in {"seen", "sent"} and 300 < moment % 600 < 330 else 1.0
        p50_ns = int(base_ns * swing)
        lines.append(
            {
                "stage": stage,
                "label": label,
                "count": 1_842_113 if number < 3 else 9_655 - 400 * number,
                "p50_ns": p50_ns,
                "p99_ns": int(p50_ns * 2.9 * burst),
                "p999_ns": int(p50_ns * 7.4 * burst),
                "max_ns": int(p50_ns * 31.0),
            }
        )
    return lines


def venues() -> list[dict[str, Any]]:
    """Return both venues, one of them with a symbol that resynchronises."""
    lines = [
        {"line": 1, "first": 611_204, "copies": 540_110, "led": 540_020, "led_ns": 81_000_000_000,
         "connects": 1, "disconnects": 0},
        {"line": 2, "first": 540_110, "copies": 611_100, "led": 604_000, "led_ns": 60_400_000_000,
         "connects": 3, "disconnects": 2},
    ]
    rows = (
        ("bybit", {"LIVE": 7}, 1_151_314, 2_113.4, 3.2, 0, 2, -1.4, 7.9),
        ("okx", {"LIVE": 6, "GAP": 1}, 690_799, 1_307.8, 11.7, 3, 0, 0.6, 12.3),
    )
    names = ("venue", "rows_by_state", "frames", "frames_per_s", "age_ms", "gaps", "reconnects")
    names += ("clock_offset_ms", "rtt_ms")
    return [
        dict(zip(names, row, strict=True))
        | {"lines": lines, "malformed": 0, "rows": symbols_of(row[0])}
        for row in rows
    ]


def symbols_of(venue: str) -> list[dict[str, Any]]:
    """Return a venue's symbols; one of OKX has lost its book."""
    return [
        {
            "symbol": symbol,
            "state": "GAP" if (venue, number) == ("okx", 4) else "LIVE",
            "age_ms": 3.2 + 211.7 * number,
            "gaps": 3 if (venue, number) == ("okx", 4) else 0,
            "cuts": 2 if venue == "bybit" else 0,
        }
        for number, symbol in enumerate(SYMBOLS)
    ]


def money() -> list[dict[str, Any]]:
    """Return both accounts."""
    rows = (
        ("bybit", 50_412.38, 41_903.11, 611.902, -402.117, 9.3312, 6.84),
        ("okx", 49_871.05, 40_015.62, 188.417, -330.654, -4.1018, 7.47),
    )
    names = ("venue", "equity_usd", "free_usd", "realised_usd", "fees_usd", "funding_usd",
             "unrealised_usd")
    return [dict(zip(names, row, strict=True)) for row in rows]


def incidents() -> list[dict[str, Any]]:
    """Return what went wrong, newest last."""
    rows = (
        (3_512.0, 3_511.2, "connection", "bybit", "", "public line 2 was closed: 1006",
         "connected again after 0.812 s", False, 2),
        (1_204.4, 1_204.4, "order", "okx", "SOLUSDT", "refused with code 51008: not enough margin",
         "", False, 3),
        (612.0, 598.2, "gap", "okx", "ETHUSDT", "an update of the book was lost",
         "whole again after 0.204 s", False, 1),
        (14.2, 0.9, "gap", "okx", "LINKUSDT", "an update of the book was lost; asked for it anew",
         "", True, 4),
    )
    return [
        {
            "number": number,
            "began_wall_ns": WALL_NS - int(began_s * SECOND_NS),
            "last_wall_ns": WALL_NS - int(last_s * SECOND_NS),
            "kind": kind,
            "venue": venue,
            "symbol": symbol,
            "text": text,
            "ending": ending,
            "is_open": is_open,
            "count": count,
        }
        for number, (began_s, last_s, kind, venue, symbol, text, ending, is_open, count)
        in enumerate(rows, 1)
    ]


def limits() -> list[dict[str, Any]]:
    """Return limits, with and without a measure of how much is used."""
    rows = (
        ("max_order_usd", None, 10_000.0, "USD"),
        ("max_position_usd", 17_204.12, 30_000.0, "USD"),
        ("max_gross_usd", 31_204.5, 60_000.0, "USD"),
        ("max_one_sided_usd", 1_871.0, 2_000.0, "USD"),
        ("max_day_loss_usd", 0.0, 500.0, "USD"),
        ("entry_band_bps", None, 300.0, "bps"),
        ("max_orders_per_s", None, 20.0, "orders/s"),
        ("max_signal_age_ms", None, 250.0, "ms"),
    )
    names = ("name", "used", "limit", "unit")
    return [dict(zip(names, row, strict=True)) for row in rows]


def deck_facts(**changes: Any) -> dict[str, Any]:
    """Return the look as plain values; `changes` replace fields."""
    dice = random.Random(7)
    points = curve(dice)
    facts: dict[str, Any] = {
        "name": "arbitrage",
        "wall_ns": WALL_NS,
        "alive": True,
        "why_not": "",
        "mode": "testnet",
        "strategy": "spread",
        "run": 214,
        "pid": 48_213,
        "uptime_s": 15_132.5,
        "heartbeat_age_s": 0.11,
        "venues": venues(),
        "opportunities": opportunities(dice),
        "pairs": pairs(),
        "money": money(),
        "pnl": points,
        "day_result_usd": 96.42,
        "latency": latency(0.0),
        "queues": [
            {"kind": "market", "depth": 38, "capacity": 16_384, "utilization_percent": 0.232,
             "pushed": 1_842_113, "dropped": 0},
            {"kind": "order", "depth": 1, "capacity": 2_048, "utilization_percent": 0.049,
             "pushed": 9_655, "dropped": 0},
        ],
        "incidents": incidents(),
        "limits": limits(),
        "refusals": {"notional_symbol": 41, "stale": 7, "rate": 2},
        "rates": [
            {"venue": "bybit", "what": "orders", "used": 4.0, "allowed": 10.0},
            {"venue": "okx", "what": "orders", "used": 6.0, "allowed": 30.0},
            {"venue": "okx", "what": "BTC-USDT-SWAP", "used": 2.0, "allowed": 60.0},
        ],
        "killed": None,
        "opening": "",
        "paused": {"LINKUSDT": ["contract"]},
        "board_age_s": 0.18,
        "beside": [
            {"kind": "mirror", "place": "redis.example:6380", "tone": "",
             "said": "48,211 written, 3 waiting, 0 lost"},
            {"kind": "recorder", "place": "/var/lib/arbitrage/days/monday", "tone": "warn",
             "said": "9,655,120 written, 1,204.4 MB, 12 lost"},
        ],
    }
    return facts | changes


def gone_facts(why_not: str = "the trader (pid 48213) has ended") -> dict[str, Any]:
    """Return the look at a trader that is gone: no figures at all."""
    empty = {name: [] for name in ("venues", "opportunities", "pairs", "money", "pnl", "latency")}
    names = ("queues", "incidents", "limits", "rates", "beside")
    more: dict[str, Any] = {name: [] for name in names}
    more |= {"refusals": {}, "paused": {}, "day_result_usd": None}
    return deck_facts(alive=False, why_not=why_not, **empty, **more)


class FixedReader:
    """A reader of looks that a test makes up.

    Attributes
    ----------
    facts : dict
        What the next look shows.
    looks : int
        How often it was looked.

    Parameters
    ----------
    is_moving : bool
        Whether the look's clock goes on.
    """

    def __init__(self, facts: dict[str, Any] | None = None, *, is_moving: bool = True) -> None:
        self.facts = deck_facts() if facts is None else facts
        self.name = str(self.facts["name"])
        self.looks = 0
        self._began_ns = time.monotonic_ns() if is_moving else None

    def stand_still(self) -> None:
        """Let the look's clock stop: what comes is older and older."""
        self.facts = self.facts | {"wall_ns": self.look().wall_ns}
        self._began_ns = None

    def look(self) -> Deck:
        """Return the look, with the clock of now."""
        self.looks += 1
        moved = {}
        if self._began_ns is not None:
            moved = {"wall_ns": self.facts["wall_ns"] + time.monotonic_ns() - self._began_ns}
        return msgspec.convert(self.facts | moved, Deck)
