"""Random orders and random news for a risk gate and its oracle, crowded around every limit.

Whatever has a limit is drawn from a few values close to it: exactly there, one whole unit beside
it, or somewhere else. So each comparison decides many orders alone, and one that is off by one is
found at once.
"""

import random
from typing import Any, Protocol

from risk_oracle import AMOUNT_BOUND, DAY_NS, Oracle, Order

MICRO, PRICE = 10**6, 10**12
ROWS = ((0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1))  # row, venue, symbol
MID = 50_000 * PRICE
NOON = 20_000 * DAY_NS + DAY_NS // 2
# gate's name of a limit -> oracle's name, whole units in one of the gate's
UNITS = {
    "max_order_usd": ("order", MICRO),
    "max_position_usd": ("position", MICRO),
    "max_symbol_usd": ("symbol", MICRO),
    "max_venue_usd": ("venue", MICRO),
    "max_gross_usd": ("gross", MICRO),
    "max_one_sided_symbol_usd": ("one_sided_symbol", MICRO),
    "max_one_sided_usd": ("one_sided", MICRO),
    "max_day_loss_usd": ("day_loss", MICRO),
    "entry_band_bps": ("entry_band", 100),
    "exit_band_bps": ("exit_band", 100),
    "max_basis_bps": ("basis", 100),
    "max_orders_per_s": ("orders_per_s", 1),
    "max_orders_burst": ("burst", 1),
    "orders_kept_for_exits": ("kept", 1),
    "max_signal_age_ms": ("signal_age", 10**6),
    "max_book_age_ms_bybit": ("book_age_0", 10**6),
    "max_book_age_ms_okx": ("book_age_1", 10**6),
}
CHOICES: dict[str, tuple[int, ...]] = {
    "max_order_usd": (100, 200),
    "max_position_usd": (200, 300),
    "max_symbol_usd": (0, 300, 400),
    "max_venue_usd": (0, 300, 500),
    "max_gross_usd": (400, 600),
    "max_one_sided_symbol_usd": (0, 10),
    "max_one_sided_usd": (0, 100),
    "max_day_loss_usd": (0, 50),
    "entry_band_bps": (0, 100, 150),
    "exit_band_bps": (0, 200),
    "max_basis_bps": (0, 80, 120),
    "max_signal_age_ms": (0, 250),
    "max_book_age_ms_bybit": (0, 4500),
    "max_book_age_ms_okx": (0, 90000),
}


class Gate(Protocol):
    """What a gate under test answers to; `arbitrage.core.risk.RiskGate` is one."""

    kill: int
    opening_off: bool
    flatten: bool

    def check(self, now_mono_ns: int, row: int, symbol: int, venue: int, notional: int, /,
              **more: Any) -> str: ...  # fmt: skip
    def take(self) -> None: ...
    def pause(self, symbol: int, on: bool, /) -> None: ...
    def pair_begin(self, symbol: int, /) -> None: ...
    def pair_end(self, symbol: int, /) -> None: ...
    def set_exposure(self, row: int, venue: int, symbol: int, micro: int, /) -> None: ...
    def set_one_sided(self, symbol: int, micro: int, /) -> None: ...
    def set_limit(self, name: str, value: float, /) -> None: ...
    def begin_day(self, result_usd: float, wall_ns: int, /) -> None: ...
    def note_result(self, pnl_micro: int, wall_ns: int, /) -> None: ...


def oracle_limit(name: str, value: int) -> tuple[str, int | None]:
    """Return a limit under the oracle's name and in its unit."""
    theirs, unit = UNITS[name]
    return theirs, value * unit if value else None


def some_limits(rng: random.Random) -> dict[str, int]:
    """Draw every limit, a few of them off."""
    drawn = {name: rng.choice(values) for name, values in CHOICES.items()}
    burst = rng.randint(8, 40)
    rate = {"max_orders_per_s": rng.randint(1, 40), "max_orders_burst": burst}
    return drawn | rate | {"orders_kept_for_exits": rng.randint(1, burst - 2)}


class World:
    """One gate, its oracle, and what both are told."""

    def __init__(self, gate: Gate, limits: dict[str, int], rng: random.Random) -> None:
        self.gate, self.rng = gate, rng
        self.oracle = Oracle(dict(oracle_limit(name, limits[name]) for name in UNITS))
        self.now, self.wall = 10**10, NOON
        self.answers: dict[str, int] = {}

    def beside(self, limit: int | None, else_most: int) -> int:
        """Draw a value: mostly exactly a limit or one unit beside it."""
        rng = self.rng
        if limit is None or rng.random() < 0.4:
            return rng.randint(0, else_most)
        return max(0, limit + rng.choice((-1, 0, 0, 1)))

    def price_beside(self, mid: int, ppm: int | None, towards: int) -> int:
        """Draw a price whose distance from mid is about what the band allows."""
        if ppm is None or self.rng.random() < 0.5:
            return mid + towards * self.rng.randint(0, mid // 50)
        edge = mid * ppm // 10**6 - 2 - mid // 2**50
        return mid + towards * (edge + self.rng.choice((-1, 0, 0, 1, 2, 3)))

    def order(self) -> Order:
        rng, limits, oracle = self.rng, self.oracle.limits, self.oracle
        row, venue, symbol = rng.choice(ROWS)
        other_leg = rng.choice((0, 0, 50 * MICRO, rng.randint(0, 200 * MICRO)))
        ways = ["order", "position", "symbol", "venue", "gross", "order"]
        way = rng.choice(ways)
        held = {
            "position": oracle.held(0, row, 0), "venue": oracle.held(1, venue, 0),
            "symbol": oracle.held(2, symbol, other_leg),
            "gross": sum(oracle.exposure.values()) + other_leg,
        }.get(way, 0)  # fmt: skip
        notional = self.beside(limits[way], 220 * MICRO) - held
        if notional < 0:
            notional = rng.randint(0, 60 * MICRO)
        reduce_only = rng.random() < 0.2
        side = rng.randint(0, 1)
        own_mid = MID + rng.choice((0, rng.randint(-PRICE, PRICE)))
        other_mid = rng.choice((own_mid, own_mid, own_mid + rng.randint(-PRICE, PRICE)))
        if rng.random() < 0.2:
            other_mid = self.price_beside(own_mid, limits["basis"], rng.choice((-1, 1)))
        band, towards = "entry_band", rng.choice((-1, 1))
        if reduce_only:
            band, towards = "exit_band", -1 if side else 1
        near = rng.choice((own_mid, other_mid))
        limit = near + towards * rng.randint(0, PRICE)
        if rng.random() < 0.3:
            limit = self.price_beside(near, limits[band], towards)
        if rng.random() < 0.05:
            own_mid = rng.choice((own_mid, 0))
            other_mid = rng.choice((0, other_mid))
        book, signal = limits[f"book_age_{venue}"], limits["signal_age"]
        order = Order(
            notional=notional, limit=limit, own_mid=own_mid, other_mid=other_mid,
            average=self.beside(limits["basis"], 13_000) if rng.random() < 0.3 else 0,
            book_ns=self.now - self.beside(book, 10**9) if rng.random() < 0.3 else self.now,
            signal_ns=self.now - self.beside(signal, 10**9) if rng.random() < 0.3 else 0,
            wall_ns=self.wall, row=row, symbol=symbol, venue=venue,
            state=2 if rng.random() < 0.95 else rng.randint(0, 5), side=side,
            reduce_only=reduce_only, completes=rng.random() < 0.1,
            other_leg=other_leg, orders=rng.choice((1, 2)),
        )  # fmt: skip
        if rng.random() < 0.03:
            self.spoil(order)
        return order

    def spoil(self, order: Order) -> None:
        """Make an order what no strategy sends."""
        name, value = self.rng.choice((
            ("notional", 0), ("notional", -1), ("notional", AMOUNT_BOUND),
            ("notional", AMOUNT_BOUND - 1),
            ("limit", 0), ("limit", -1), ("side", 2), ("side", 255), ("row", 8192), ("row", 8191),
            ("venue", 4), ("symbol", 2048), ("other_leg", -1), ("other_leg", AMOUNT_BOUND),
            ("other_leg", AMOUNT_BOUND - 1),
        ))  # fmt: skip
        setattr(order, name, value)

    def ask(self) -> None:
        """Ask both about one order; what passes may be sent."""
        order = self.order()
        told = self.gate.check(
            self.now, order.row, order.symbol, order.venue, order.notional,
            row_state=order.state, book_recv_mono_ns=order.book_ns,
            signal_mono_ns=order.signal_ns, reduce_only=order.reduce_only,
            completes=order.completes,
            other_micro=order.other_leg, orders=order.orders, wall_ns=order.wall_ns,
            side=order.side, limit_pico=order.limit, own_mid_pico=order.own_mid,
            other_mid_pico=order.other_mid, basis_average_ppm=order.average,
        )  # fmt: skip
        expected = self.oracle.check(order, self.now)
        assert told == expected, f"{told}, the rules say {expected}: {order} {self.oracle}"
        self.answers[told] = self.answers.get(told, 0) + 1
        if told == "ok" and self.rng.random() < 0.5:
            self.gate.take()
            self.oracle.take()

    def happen(self) -> None:
        """Let one thing happen that both are told of."""
        rng, oracle, gate = self.rng, self.oracle, self.gate
        kind = rng.choice((
            "time", "time", "time", "exposure", "exposure", "exposure", "flat", "one_sided", "pair",
            "pause", "word", "words_off", "words_off", "result", "day", "limit", "later",
        ))  # fmt: skip
        row, venue, symbol = rng.choice(ROWS)
        if kind == "time":
            cost = oracle.cost
            self.now += rng.choice((0, 1, cost - 1, cost, rng.randint(0, 40 * cost)))
        elif kind in ("exposure", "flat"):
            amount = rng.randint(0, 150 * MICRO) if kind == "exposure" else 0
            gate.set_exposure(row, venue, symbol, amount)
            oracle.exposure[row, venue, symbol] = amount
        elif kind == "one_sided":
            limit = oracle.limits[rng.choice(("one_sided", "one_sided_symbol"))]
            amount = rng.choice((0, 0, self.beside(limit, 120 * MICRO)))
            gate.set_one_sided(symbol, amount)
            oracle.one_sided[symbol] = amount
        elif kind == "pair":
            begins = rng.random() < 0.1
            (gate.pair_begin if begins else gate.pair_end)(symbol)
            (oracle.busy.add if begins else oracle.busy.discard)(symbol)
        elif kind == "pause":
            on = rng.random() < 0.1
            gate.pause(symbol, on)
            (oracle.paused.add if on else oracle.paused.discard)(symbol)
        elif kind in ("word", "words_off"):
            self.raise_words(kind == "word")
        elif kind == "limit":
            self.change_limit()
        elif kind == "later":  # midnight comes, and nobody is told
            self.wall = (self.wall // DAY_NS + 1) * DAY_NS + rng.choice((-1, 0))
        else:
            self.end_pair(kind == "day")

    def raise_words(self, some: bool) -> None:
        rng, oracle, gate = self.rng, self.oracle, self.gate
        oracle.kill = gate.kill = rng.randint(0, 6) if some else 0
        oracle.opening_off = gate.opening_off = some and rng.random() < 0.3
        oracle.flatten = gate.flatten = some and rng.random() < 0.5

    def change_limit(self) -> None:
        name = self.rng.choice(tuple(CHOICES))
        value = self.rng.choice(CHOICES[name])
        self.gate.set_limit(name, value)
        theirs, limit = oracle_limit(name, value)
        self.oracle.limits[theirs] = limit

    def end_pair(self, new_day: bool) -> None:
        rng, oracle, gate = self.rng, self.oracle, self.gate
        if new_day:
            end = (self.wall // DAY_NS + 1) * DAY_NS
            self.wall = end + rng.choice((-1, 0, 0, 1, DAY_NS // 2))
        if rng.random() < 0.2:
            result = rng.randint(-60, 20)
            gate.begin_day(result, self.wall)
            oracle.begin_day(result * MICRO, self.wall)
            return
        limit = oracle.limits["day_loss"]
        pnl = rng.randint(-40 * MICRO, 40 * MICRO)
        if limit is not None and rng.random() < 0.5:  # to the limit, or one micro-dollar beside it
            pnl = -limit - oracle.day_result + rng.choice((-1, 0, 1))
        gate.note_result(pnl, self.wall)
        oracle.note_result(pnl, self.wall)
        assert gate.kill == oracle.kill, f"killed {gate.kill}, the rules say {oracle.kill}"
        if rng.random() < 0.8:
            self.raise_words(False)

    def run(self, orders: int) -> None:
        """Ask about so many orders, with news in between."""
        for number in range(orders):
            if number % 4 == 0:
                self.happen()
            self.ask()
