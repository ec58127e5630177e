"""The gate against an oracle written from the rules, in plain Python numbers."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core.risk import RiskGate

MICRO = 1_000_000
NS = 1_000_000_000


@dataclass
class Oracle:
    """The rules, in the order in which the gate must apply them."""

    order_max: int
    position_max: int
    gross_max: int
    rate: int
    burst: int
    kept: int
    signal_age_ns: int
    book_age_ns: dict[int, int]
    kill: bool = False
    opening_off: bool = False
    paused: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    exposure: dict[int, int] = field(default_factory=dict)
    earned: int = 0  # nanoseconds' worth of tokens
    last: int = 0

    def __post_init__(self) -> None:
        self.cost = NS // self.rate
        self.earned = self.burst * self.cost

    def refill(self, now: int) -> None:
        if now > self.last:
            self.earned = min(self.burst * self.cost, self.earned + now - self.last)
            self.last = now

    def check(self, now: int, order: dict[str, int], reduce_only: bool, other: int) -> str:
        if order["notional"] <= 0:
            return "bad_order"
        self.refill(now)
        if reduce_only and self.kill:
            return "killed"
        if reduce_only:
            return "ok" if self.earned >= self.cost else "order_rate"
        row, symbol = order["row"], order["symbol"]
        age = self.book_age_ns[order["venue"]]
        rules = [
            ("killed", self.kill or self.opening_off),
            ("paused", symbol in self.paused),
            ("pair_open", symbol in self.busy),
            ("not_live", order["state"] != 2),
            ("stale_book", age > 0 and now - order["book"] > age),
            ("stale_signal", 0 < self.signal_age_ns < now - order["signal"]),
            ("order_notional", order["notional"] > self.order_max),
            (
                "position_notional",
                self.exposure.get(row, 0) + order["notional"] > self.position_max,
            ),
            (
                "gross_notional",
                sum(self.exposure.values()) + order["notional"] + other > self.gross_max,
            ),
            ("order_rate", self.earned < (1 + self.kept) * self.cost),
        ]
        return next((reason for reason, broken in rules if broken), "ok")


dollars = st.integers(1, 300).map(lambda value: value * MICRO)
step = st.one_of(
    st.tuples(st.just("check"), st.integers(0, 3), st.one_of(dollars, st.just(0)), st.booleans()),
    st.tuples(st.just("state"), st.sampled_from([0, 1, 2, 2, 2, 3, 4, 5])),
    st.tuples(st.just("ages"), st.integers(0, 200), st.integers(0, 200)),
    st.tuples(st.just("exposure"), st.integers(0, 3), st.one_of(dollars, st.just(0))),
    st.tuples(st.just("pair"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("pause"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("kill"), st.booleans(), st.booleans()),
    st.tuples(st.just("time"), st.sampled_from([0, 1, 999_999, 40_000_000, 2 * NS])),
    st.tuples(st.just("other"), st.one_of(dollars, st.just(0))),
)


@settings(max_examples=400, deadline=None)
@given(
    steps=st.lists(step, max_size=60),
    rate=st.integers(1, 40),
    kept=st.integers(1, 5),
    spare=st.integers(2, 8),
    signal_ms=st.sampled_from([0, 50]),
    book_ms=st.sampled_from([0, 80]),
)
def test_gate_equals_oracle(
    steps: list[tuple], rate: int, kept: int, spare: int, signal_ms: int, book_ms: int
) -> None:
    gate = RiskGate(
        max_order_usd=200, max_position_usd=350, max_gross_usd=700, max_orders_per_s=rate,
        max_orders_burst=kept + spare, orders_kept_for_exits=kept, max_signal_age_ms=signal_ms,
        max_book_age_ms_bybit=book_ms, max_book_age_ms_okx=0,
    )  # fmt: skip
    oracle = Oracle(
        200 * MICRO, 350 * MICRO, 700 * MICRO, rate, kept + spare, kept, signal_ms * 1_000_000,
        {0: book_ms * 1_000_000, 1: 0},
    )  # fmt: skip
    now, state, other, book_age, signal_age = 10 * NS, 2, 0, 0, 0
    for kind, *values in steps:
        if kind == "time":
            now += values[0]
        elif kind == "state":
            (state,) = values
        elif kind == "other":
            (other,) = values
        elif kind == "ages":
            book_age, signal_age = values[0] * 1_000_000, values[1] * 1_000_000
        elif kind == "exposure":
            gate.set_exposure(*values)
            oracle.exposure[values[0]] = values[1]
        elif kind == "pair":
            (gate.pair_begin if values[1] else gate.pair_end)(values[0])
            (oracle.busy.add if values[1] else oracle.busy.discard)(values[0])
        elif kind == "pause":
            gate.pause(values[0], values[1])
            (oracle.paused.add if values[1] else oracle.paused.discard)(values[0])
        elif kind == "kill":
            gate.kill, gate.opening_off = values
            oracle.kill, oracle.opening_off = values
        else:
            row, notional, reduce_only = values
            order = {
                "row": row, "symbol": row % 2, "venue": row // 2, "notional": notional,
                "state": state, "book": now - book_age, "signal": now - signal_age,
            }  # fmt: skip
            told = gate.check(
                now, row, row % 2, row // 2, notional, row_state=state, other_micro=other,
                book_recv_mono_ns=order["book"], signal_mono_ns=order["signal"],
                reduce_only=reduce_only,
            )  # fmt: skip
            assert told == oracle.check(now, order, reduce_only, other)
            if told == "ok":
                gate.take()
                oracle.earned -= oracle.cost
        assert gate.gross_usd == sum(oracle.exposure.values()) / MICRO
