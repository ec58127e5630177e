"""A made-up backtest whose sums are right by construction: for results, plots and tear sheets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbitrage.core.records import OPPORTUNITY_DTYPE, CloseReason, Leg, OppEvent, make_client_id
from arbitrage.core.strategy import EVENTS, EXIT_REASONS
from arbitrage.research.result_types import (
    EQUITY_DTYPE,
    FILLS_DTYPE,
    FUNDING_DTYPE,
    ORDERS_DTYPE,
    PAIRS_DTYPE,
    OrderOutcome,
)
from arbitrage.research.results import Backtest

START_NS = 1_763_798_400_000_000_000  # 2025-11-22T08:00Z
SYMBOLS = ("BTCUSDT", "ETHUSDT", "PEPEUSDT")
ROWS = 64
PRICES = (86_000.0, 2_800.0, 0.0000045)


@dataclass
class Contract:
    """As far as results look at one."""

    px_mult: float
    qty_mult: float
    px_tick: float
    qty_lot: float


CONTRACTS = {
    ("bybit", "BTCUSDT"): Contract(1.0, 1.0, 0.1, 0.001),
    ("okx", "BTCUSDT"): Contract(1.0, 0.01, 0.1, 0.01),
    ("bybit", "ETHUSDT"): Contract(1.0, 1.0, 0.01, 0.01),
    ("okx", "ETHUSDT"): Contract(1.0, 0.1, 0.01, 0.01),
    ("bybit", "PEPEUSDT"): Contract(0.001, 1000.0, 1e-7, 100.0),
    ("okx", "PEPEUSDT"): Contract(1.0, 1e7, 1e-9, 0.1),
}


def opportunity_events(
    seed: int = 1, count: int = 300, span_s: float = 600.0, symbols: int = 3
) -> "NDArray[np.void]":
    """Return events of so many lives: OPEN, some UPDATEs, most of them closed in the end."""
    rng = np.random.default_rng(seed)
    rows: list[Any] = []
    opened = START_NS + np.sort(rng.integers(0, int(span_s * 1e9), count))
    for number, open_ns in enumerate(opened.tolist(), 1):
        symbol = int(rng.integers(symbols))
        buys_okx = bool(rng.integers(2))
        life_ns = int(rng.lognormal(np.log(40e6), 1.6))
        updates = np.sort(rng.integers(1, max(2, life_ns), rng.integers(0, 6)))
        net = float(rng.gamma(2.0, 3.0)) + 0.05
        peak = 0.0
        px = PRICES[symbol] * (1000 if symbol == 2 and not buys_okx else 1)
        stamps = [0, *updates.tolist(), life_ns]
        for place, since in enumerate(stamps):
            is_last = place == len(stamps) - 1
            event = OppEvent.CLOSE if is_last else OppEvent.UPDATE if place else OppEvent.OPEN
            net = -0.5 if is_last else max(0.01, net + float(rng.normal(0, 0.8)) * (place > 0))
            peak = max(peak, net)
            row = np.zeros((), OPPORTUNITY_DTYPE)
            row["id"] = number
            row["recv_mono_ns"] = open_ns + since
            row["open_mono_ns"] = open_ns
            row["ask_px"] = px
            row["bid_px"] = px * (1 + (net + 21) / 1e4)
            row["ask_qty"] = rng.gamma(2.0, 20_000) / PRICES[symbol]
            row["bid_qty"] = rng.gamma(2.0, 20_000) / PRICES[symbol]
            row["gross_bps"], row["fees_bps"], row["net_bps"] = net + 21, 21, net
            row["peak_net_bps"] = peak
            row["update_count"] = min(place, len(updates))
            row["buy_row"] = symbol + ROWS * buys_okx
            row["sell_row"] = symbol + ROWS * (not buys_okx)
            row["symbol_index"] = symbol
            row["event"] = int(event)
            row["reason"] = int(CloseReason.EDGE_GONE) if is_last else 0
            rows.append(row)
    events = np.array(rows, OPPORTUNITY_DTYPE)
    return events[np.argsort(events["recv_mono_ns"], kind="stable")]


class Maker:
    """Make pairs one after the other, with all that belongs to them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.orders: list[Any] = []
        self.fills: list[Any] = []
        self.pairs: list[Any] = []
        self.funding: list[Any] = []
        self.steps: list[tuple[int, str, float]] = []

    def order(self, at_ns: int, pair: int, symbol: int, leg: Leg, venue: int, coins: float) -> None:
        """One order, filled at its touch or a little worse."""
        contract = CONTRACTS[("bybit", "okx")[venue], SYMBOLS[symbol]]
        side = 1 if leg in (Leg.ENTRY_BUY, Leg.EXIT_BUY, Leg.UNWIND_BUY) else -1
        touch = PRICES[symbol] / contract.px_mult
        slip = float(self.rng.exponential(0.4)) / 1e4
        px = touch * (1 + side * slip)
        qty = coins / contract.qty_mult
        fee = -coins * px * contract.px_mult * (5.5e-4, 5.0e-4)[venue]
        client = make_client_id(1, pair, int(leg))
        way = int(self.rng.normal(4e6, 3e5)), int(self.rng.normal(4e6, 3e5))
        row = np.zeros((), ORDERS_DTYPE)
        for name, value in {
            "sent_ns": at_ns, "arrived_ns": at_ns + way[0], "answered_ns": at_ns + sum(way),
            "client_id": client, "limit_px": touch * (1 + side * 5e-4), "touch_px": touch,
            "avg_px": px, "qty": qty, "filled_qty": qty, "fee_usd": fee, "pair": pair,
            "symbol": symbol, "venue": venue, "side": side, "leg": int(leg),
            "outcome": int(OrderOutcome.FILLED), "reduce_only": leg >= Leg.EXIT_BUY,
        }.items():  # fmt: skip
            row[name] = value
        self.orders.append(row)
        fill = np.zeros((), FILLS_DTYPE)
        for name, value in {
            "exch_ns": at_ns + way[0], "seen_ns": at_ns + sum(way), "client_id": client, "px": px,
            "qty": qty, "base_qty": coins, "fee_usd": fee, "pair": pair, "symbol": symbol,
            "venue": venue, "side": side, "leg": int(leg),
        }.items():  # fmt: skip
            fill[name] = value
        self.fills.append(fill)
        self.steps.append((at_ns + way[0], "fees_usd", fee))

    def pair(self, number: int, at_ns: int) -> int:
        """One pair, entered and left; return when it was over."""
        rng = self.rng
        symbol, buys = int(rng.integers(3)), int(rng.integers(2))
        coins = float(rng.gamma(3.0, 1500)) / PRICES[symbol]
        value = coins * PRICES[symbol]
        before = len(self.orders)
        self.order(at_ns, number, symbol, Leg.ENTRY_BUY, buys, coins)
        self.order(at_ns, number, symbol, Leg.ENTRY_SELL, 1 - buys, coins)
        left_ns = at_ns + int(rng.gamma(2.0, 4e9)) + 10_000_000
        self.order(left_ns, number, symbol, Leg.EXIT_SELL, buys, coins)
        self.order(left_ns, number, symbol, Leg.EXIT_BUY, 1 - buys, coins)
        mine = self.orders[before:]
        over_ns = max(int(row["answered_ns"]) for row in mine)
        slippage = sum(
            -abs(row["avg_px"] - row["touch_px"]) / row["touch_px"] * value for row in mine
        )
        fees = sum(float(row["fee_usd"]) for row in mine)
        gross = value * float(rng.normal(26.0, 9.0)) / 1e4
        paid = 0.0
        if rng.random() < 0.1:
            rate = float(rng.normal(0.0001, 0.0002))
            paid = rate * value
            self.funding.append((left_ns, rate, paid, number, symbol, 1 - buys))
            self.steps.append((left_ns, "funding_usd", paid))
        self.steps.append((over_ns, "realised_usd", gross + slippage))
        self.steps.append((at_ns, "exposure_usd", 2 * value))
        self.steps.append((over_ns, "exposure_usd", -2 * value))
        naked_ns = int(rng.exponential(2e6)) if rng.random() < 0.3 else 0
        row = np.zeros((), PAIRS_DTYPE)
        for name, amount in {
            "opening_ns": at_ns, "opened_ns": at_ns + 8_000_000, "closed_ns": over_ns,
            "naked_ns": naked_ns, "base_qty": coins, "expected_net_bps": float(rng.gamma(2.0, 3.0)),
            "gross_usd": gross, "slippage_usd": slippage, "fees_usd": fees, "funding_usd": paid,
            "net_usd": gross + slippage + fees + paid, "pair": number, "symbol": symbol,
            "buy_venue": buys, "sell_venue": 1 - buys, "kind": 0, "end": EVENTS.index("closed"),
            "reason": EXIT_REASONS.index("take_profit" if rng.random() < 0.8 else "max_hold"),
        }.items():  # fmt: skip
            row[name] = amount
        self.pairs.append(row)
        return over_ns

    def equity(self) -> "NDArray[np.void]":
        """Return the account step by step."""
        self.steps.sort(key=lambda step: step[0])
        found = np.zeros(len(self.steps), EQUITY_DTYPE)
        now = dict.fromkeys(EQUITY_DTYPE.names or (), 0.0)
        for row, (at_ns, name, amount) in zip(found, self.steps, strict=True):
            now[name] += amount
            for field, value in now.items():
                row[field] = value
            row["ns"] = at_ns
            row["equity_usd"] = row["realised_usd"] + row["fees_usd"] + row["funding_usd"]
            row["open_pairs"] = now["exposure_usd"] > 1.0
        return found


def make_backtest(seed: int = 1, pairs: int = 60, **changes: Any) -> Backtest:
    """Return a backtest of so many pairs within ten minutes; `changes` replace arguments."""
    maker = Maker(seed)
    at_ns = START_NS + 2_000_000_000
    for number in range(1, pairs + 1):
        at_ns = maker.pair(number, at_ns) + 500_000_000
    end_ns = max(at_ns, START_NS + 600_000_000_000)
    arrays = {
        "orders": np.array(maker.orders, ORDERS_DTYPE),
        "fills": np.array(maker.fills, FILLS_DTYPE),
        "pairs": np.array(maker.pairs, PAIRS_DTYPE),
        "funding": np.array(maker.funding, FUNDING_DTYPE),
        "equity": maker.equity(),
        "opportunities": opportunity_events(seed, span_s=(end_ns - START_NS) / 1e9),
    }
    given: dict[str, Any] = {
        "symbols": SYMBOLS,
        "contracts": CONTRACTS,
        "config": {"min_net_bps": 0.0, "fees": {"bybit": 5.5, "okx": 5.0}, "max_hold_s": 30.0},
        "strategy": "spread",
        "seed": seed,
        "latency": {"bybit": {"order": "4 ms"}, "okx": {"order": "4 ms"}},
        "counts": {"records": 120_000},
        "start_ns": START_NS,
        "end_ns": end_ns,
        "wall_s": 0.31,
        "source": None,
    }
    return Backtest(changes.pop("arrays", arrays), **(given | changes))
