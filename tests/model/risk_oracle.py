"""The risk gate once more, written from docs/risk.md alone: plain Python, whole numbers, no header.

An amount is in micro-dollars, a price in pico-dollars, a distance in parts per million, a time in
nanoseconds. A limit of None is off.
"""

from collections import defaultdict
from dataclasses import dataclass, field

DAY_NS = 86_400 * 10**9
AMOUNT_BOUND = (2**63 - 1) // 4 // 4
LIVE = 2
LOSS = 5  # what the kill word says when the day's loss tripped it


@dataclass
class Order:
    """What the gate is asked."""

    notional: int
    limit: int
    own_mid: int  # 0: not known
    other_mid: int
    average: int  # how far the mids lie apart on slow average
    book_ns: int
    signal_ns: int  # 0: no tick is behind it
    wall_ns: int
    row: int
    symbol: int
    venue: int
    state: int
    side: int  # 0: buy
    reduce_only: bool
    completes: bool = False  # an entry that hedges what stands alone
    other_leg: int = 0
    orders: int = 1


@dataclass
class Oracle:
    """The rules, in the order in which a refusal is named."""

    limits: dict[str, int | None]
    kill: int = 0
    opening_off: bool = False
    flatten: bool = False
    paused: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    exposure: dict[tuple[int, int, int], int] = field(default_factory=dict)  # row, venue, symbol
    one_sided: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    day: int | None = None
    day_result: int = 0
    credit_ns: int = 0
    credit_at: int = 0

    def __post_init__(self) -> None:
        self.credit_ns = self.cost * self.burst

    # ---- what a limit is -----------------------------------------------------------------------

    @property
    def cost(self) -> int:
        return 10**9 // (self.limits["orders_per_s"] or 1)

    @property
    def burst(self) -> int:
        return self.limits["burst"] or 0

    def passes(self, name: str, amount: int) -> bool:
        limit = self.limits[name]
        return limit is None or amount <= limit

    # ---- what it is told -----------------------------------------------------------------------

    def note_result(self, pnl: int, wall_ns: int) -> None:
        if self.day is None or wall_ns // DAY_NS > self.day:
            self.begin_day(0, wall_ns)
        self.day_result += pnl
        if self.day_is_lost(wall_ns) and not self.kill:
            self.kill = LOSS

    def begin_day(self, result: int, wall_ns: int) -> None:
        self.day, self.day_result = wall_ns // DAY_NS, result

    def day_is_lost(self, wall_ns: int) -> bool:
        limit = self.limits["day_loss"]
        begun = self.day is not None and wall_ns // DAY_NS <= self.day
        return limit is not None and begun and -self.day_result >= limit

    def take(self) -> None:
        self.credit_ns -= self.cost

    # ---- the gate ------------------------------------------------------------------------------

    def refill(self, now: int) -> None:
        if now > self.credit_at:
            self.credit_ns = min(self.cost * self.burst, self.credit_ns + now - self.credit_at)
            self.credit_at = now

    def check(self, order: Order, now: int) -> str:
        if not (
            0 < order.notional < AMOUNT_BOUND
            and order.limit > 0
            and 0 <= order.other_leg < AMOUNT_BOUND
            and order.row < 4 * 2048
            and order.venue < 4
            and order.symbol < 2048
            and order.side in (0, 1)
        ):
            return "bad_order"
        self.refill(now)
        rules = self.exit_rules(order) if order.reduce_only else self.entry_rules(order, now)
        return next((name for name, holds in rules if not holds), "ok")

    def exit_rules(self, order: Order) -> list[tuple[str, bool]]:
        return [
            ("killed", not self.kill or self.flatten),
            ("price_band", self.is_tame(order)),
            ("order_rate", self.credit_ns >= self.cost * order.orders),
        ]

    def entry_rules(self, order: Order, now: int) -> list[tuple[str, bool]]:
        both = order.notional + order.other_leg
        kept = self.limits["kept"] or 0
        book_age = f"book_age_{order.venue}"
        apart = abs(order.own_mid - order.other_mid)
        nearer = min(order.own_mid, order.other_mid)
        return [
            ("killed", not self.kill),
            ("opening_off", not self.opening_off and not self.flatten),
            ("paused", order.symbol not in self.paused),
            ("pair_open", order.completes or order.symbol not in self.busy),
            ("day_loss", not self.day_is_lost(order.wall_ns)),
            ("not_live", order.state == LIVE),
            ("stale_book", self.passes(book_age, now - order.book_ns)),
            (
                "stale_signal",
                order.signal_ns == 0 or self.passes("signal_age", now - order.signal_ns),
            ),
            (
                "price_band",
                self.is_near("entry_band", abs(order.limit - order.own_mid), order.own_mid)
                and self.is_near("entry_band", abs(order.limit - order.other_mid), order.other_mid),
            ),
            ("basis", self.is_near("basis", apart, nearer)),
            ("basis_average", self.passes("basis", order.average)),
            ("order_notional", self.passes("order", order.notional)),
            ("position_notional", self.passes("position", self.held(0, order.row, order.notional))),
            ("symbol_notional", self.passes("symbol", self.held(2, order.symbol, both))),
            ("venue_notional", self.passes("venue", self.held(1, order.venue, order.notional))),
            ("gross_notional", self.passes("gross", sum(self.exposure.values()) + both)),
            (
                "one_sided_symbol",
                order.completes or self.passes("one_sided_symbol", self.one_sided[order.symbol]),
            ),
            (
                "one_sided",
                order.completes or self.passes("one_sided", sum(self.one_sided.values())),
            ),
            ("order_rate", self.credit_ns >= self.cost * (order.orders + kept)),
        ]

    def held(self, place: int, value: int, added: int) -> int:
        """What rows of this row (0), venue (1) or symbol (2) stand for, with what is added."""
        return added + sum(amount for key, amount in self.exposure.items() if key[place] == value)

    def is_near(self, name: str, apart: int, mid: int) -> bool:
        limit = self.limits[name]
        if limit is None:
            return True
        return mid > 0 and (apart + 2 + mid // 2**50) * 10**6 <= mid * limit

    def is_tame(self, order: Order) -> bool:
        known = [mid for mid in (order.own_mid, order.other_mid) if mid > 0]
        if not known:
            return True
        mid = min(known) if order.side else max(known)
        worse = mid - order.limit if order.side else order.limit - mid
        return worse <= 0 or self.is_near("exit_band", worse, mid)
