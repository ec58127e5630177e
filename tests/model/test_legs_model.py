"""Whatever the venues do, in whatever order they say it: in the end nothing is left standing."""

import math

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from strategy_rig import BUY, FILL, SELL, SYMBOLS, Rig, Venues

from arbitrage.core.strategy import MOVES
from arbitrage.trading.history import History

venues = st.sampled_from([0, 1])
symbols = st.integers(0, SYMBOLS - 1)


class TwoLegs(RuleBasedStateMachine):
    """Random venues around the real machine."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig()
        self.venues = Venues(self.rig)
        self.taken = 0

    @rule(symbol=symbols, buy_venue=venues, gross=st.sampled_from([3.0, 8.0, 25.0, 60.0]))
    def opportunity(self, symbol: int, buy_venue: int, gross: float) -> None:
        if self.venues.keeps_secrets(symbol):
            return
        self.rig.opportunity(symbol, buy_venue, gross)
        self.rig.poll()

    @rule(symbol=symbols, venue=venues, shift=st.sampled_from([-80.0, -20.0, 0.0, 20.0, 80.0]))
    def quote(self, symbol: int, venue: int, shift: float) -> None:
        self.rig.quote(venue, symbol, shift)
        self.rig.poll()

    @rule(symbol=symbols, venue=venues, state=st.sampled_from([1, 3, 4, 5]))
    def row_leaves_live(self, symbol: int, venue: int, state: int) -> None:
        self.rig.store.apply_state(venue, symbol, state)
        self.rig.poll()

    @rule(
        venue=venues,
        fraction=st.sampled_from([0.0, 0.01, 0.3, 0.5, 0.99, 1.0, 1.0, 1.0]),
        parts=st.integers(1, 3),
        reject=st.sampled_from([False, False, False, True]),
        quirk=st.sampled_from(["none", "none", "lost_ack", "repeat", "silent_end"]),
    )
    def match(self, venue: int, fraction: float, parts: int, reject: bool, quirk: str) -> None:
        before = self.rig.journal.count
        self.venues.take(venue, fraction, parts, reject, quirk)
        assert self.rig.journal.count == before

    @precondition(lambda self: self.venues.unsaid)
    @rule(choice=st.integers(0, 63))
    def say(self, choice: int) -> None:
        self.venues.say(choice)
        self.rig.poll()

    @rule(milliseconds=st.sampled_from([0.1, 5.0, 15.0, 60.0, 300.0, 2500.0]))
    def wait(self, milliseconds: float) -> None:
        self.rig.poll(milliseconds)

    @rule(symbol=symbols, venue=venues, share=st.sampled_from([0.2, 1.0]))
    def liquidate(self, symbol: int, venue: int, share: float) -> None:
        """Let a venue take some of what a pair holds there, once it has told all of that."""
        row = self.rig.row(venue, symbol)
        held = self.venues.position[row]
        known = {leg["row"]: leg["lots"] for leg in self.rig.strategy.pair(symbol)["legs"]}
        busy = any(told.row == row for told in self.venues.unsaid)
        if busy or held == 0 or abs(held) != known.get(row):
            return
        lots = max(1, round(abs(held) * share))
        self.venues.position[row] -= lots if held > 0 else -lots
        self.taken += 1
        self.rig.venue_fill(venue, symbol, SELL if held > 0 else BUY, lots, 1.0)

    @rule(symbol=symbols)
    def resume(self, symbol: int) -> None:
        self.rig.strategy.risk.pause(symbol, False)

    @rule(on=st.booleans())
    def kill(self, on: bool) -> None:
        self.rig.strategy.risk.kill = on
        orders = self.rig.strategy.counters["orders"]
        self.rig.poll()
        if on and not self.rig.strategy.flatten:
            assert self.rig.strategy.counters["orders"] == orders, "nothing leaves while killed"

    @rule(on=st.booleans())
    def flatten(self, on: bool) -> None:
        self.rig.strategy.flatten = on
        self.rig.poll()

    @invariant()
    def conserved(self) -> None:
        self.rig.check_conservation()
        for symbol in range(SYMBOLS):
            for leg in self.rig.strategy.pair(symbol)["legs"]:
                for order in leg["orders"]:
                    true = self.venues.filled.get(order["client_id"])
                    assert order["filled"] <= (true or 0), "more filled than the venue ever did"

    def teardown(self) -> None:
        rig, venues = self.rig, self.venues
        rig.strategy.risk.kill = False
        rig.strategy.flatten = True
        venues.settle_everything()
        assert not any(venues.position.values()), f"a leg was left: {venues.position}"
        assert [rig.lots(symbol) for symbol in range(SYMBOLS)] == [(0, 0)] * SYMBOLS
        assert rig.strategy.risk.gross_usd == 0.0
        counters = rig.strategy.counters
        ended = counters["pairs_closed"] + counters["pairs_unwound"] + counters["pairs_missed"]
        assert ended == counters["pairs_opening"]
        assert counters["pairs_opened"] == counters["pairs_closed"]
        assert counters["orders"] == len(venues.taken)
        assert counters["illegal_moves"] == 0
        assert set(rig.moves()) <= {(source, target) for source, target, _ in MOVES}
        assert counters["venue_fills"] == self.taken
        assert counters["venue_fills_stray"] == 0
        assert counters["orders_dropped"] == counters["orders_unjournaled"] == 0
        said = sum(venues.said.values())
        assert counters["unknown_executions"] + counters["duplicates"] <= said
        assert counters["fills"] <= venues.said[FILL]
        records = list(rig.journal)
        assert [r.type for r in records].count("INTENT") == counters["orders"]
        assert rig.journal.verify() == (rig.journal.count, False, 0)
        self.check_history()
        for event in rig.take_events():
            assert math.isnan(event.buy_px) or event.buy_px > 0
        rig.close()

    def check_history(self) -> None:
        """Replay the journal through the states: it tells what the machine did, and no error."""
        history = History.read(self.rig.journal)
        assert history.problems == []
        assert history.open_orders == history.unfinished == []
        assert set(history.orders) == set(self.venues.taken)
        for number, order in history.orders.items():
            facts = order.state.facts
            assert facts.filled_lots == facts.priced_lots == self.venues.filled[number]
            assert facts.filled_lots + order.state.cancelled_lots == facts.order.qty_lots
        counters = self.rig.strategy.counters
        began = sum(pair.phases[0].phase == "opening" for pair in history.pairs.values())
        assert began >= counters["pairs_opening"]


TestTwoLegs = TwoLegs.TestCase
TestTwoLegs.settings = settings(
    max_examples=150,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
