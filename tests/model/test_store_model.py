"""Market store against a dictionary of rows."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from arbitrage.core.store import ROW_LIVE, ROW_SUSPECT, MarketStore

VENUES, SYMBOLS = 2, 3
venue = st.integers(0, VENUES - 1)
symbol = st.integers(0, SYMBOLS - 1)
number = st.floats(allow_nan=True, allow_infinity=False)
time = st.integers(-(2**62), 2**62)
NAN = math.nan


class StoreMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.store = MarketStore(VENUES, SYMBOLS)
        empty = [NAN, NAN, NAN, NAN, 0, 0, 0, 0, 0, NAN, NAN, 0]
        self.rows = {(v, s): list(empty) for v in range(VENUES) for s in range(SYMBOLS)}

    @rule(
        at=st.tuples(venue, symbol),
        prices=st.tuples(number, number, number, number),
        recv=time,
        exch=time,
        seq=st.integers(0, 2**48 - 1),
    )
    def quote(self, at, prices, recv, exch, seq):
        self.store.apply_quote(*at, *prices, recv_mono_ns=recv, exch_wall_ns=exch, seq=seq)
        row = self.rows[at]
        row[:9] = [*prices, recv, exch, seq, ROW_LIVE, row[8] + 1]

    @rule(at=st.tuples(venue, symbol), state=st.integers(0, 5))
    def state(self, at, state):
        self.store.apply_state(*at, state)
        self.rows[at][7] = state
        if state not in (ROW_LIVE, ROW_SUSPECT):
            self.rows[at][:4] = [NAN] * 4

    @rule(at=st.tuples(venue, symbol), rate=number, hours=number, following=time)
    def funding(self, at, rate, hours, following):
        self.store.apply_funding(*at, rate, hours, following)
        self.rows[at][9:] = [rate, hours, following]

    @invariant()
    def rows_are_as_modelled(self):
        for (v, s), row in self.rows.items():
            assert [repr(field) for field in self.store.read_row(v, s)] == list(map(repr, row))
            assert repr(float(self.store.bid_px[v, s])) == repr(float(row[0]))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
