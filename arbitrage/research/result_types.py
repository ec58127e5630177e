"""What a backtest writes down: the types of its arrays, and what their numbers mean.

One rule for money: an amount stands as it changed the equity. A fee paid, funding paid and a price
worse than the one decided on are negative; a rebate and funding received are positive. So in each
pair, and in their totals,

    net_usd = gross_usd + slippage_usd + fees_usd + funding_usd

with ``gross_usd`` what the fills would have earned at the touch each order was decided on, and
``slippage_usd`` what the fills' own prices made of it. Times are UTC epoch nanoseconds of the
data's receive clock (``recv_ns``), the virtual time of the run; 0 is "not". Quantities: ``qty`` in
the venue's own units (OKX: contracts), ``base_qty`` in coins. Prices are the venue's own
quotation. Each type is laid out as C lays out the struct of its fields, so that compiled code may
fill rows in place; bytes between fields mean nothing, and no comparison looks at them.
"""

from enum import IntEnum

import numpy as np

__all__ = [
    "CAUGHT_DTYPE",
    "EQUITY_DTYPE",
    "FILLS_DTYPE",
    "FUNDING_DTYPE",
    "HALTS_DTYPE",
    "LIVES_DTYPE",
    "ORDERS_DTYPE",
    "PAIRS_DTYPE",
    "RESULT_DTYPES",
    "HaltReason",
    "OrderOutcome",
]


class OrderOutcome(IntEnum):
    """What became of an order."""

    UNDER_WAY = 0  # the data ended before its answer
    FILLED = 1
    PARTIAL = 2
    MISSED = 3  # accepted; nothing to take within its limit
    REJECTED = 4


class HaltReason(IntEnum):
    """What stopped the trader until somebody looked."""

    DAY_LOSS = 0  # the kill switch: nothing left any more
    BREAKER = 1  # one symbol: no pair of it began


def _struct(*fields: tuple[str, str]) -> "np.dtype[np.void]":
    return np.dtype(list(fields), align=True)


# One row an order, in the order of sending.
ORDERS_DTYPE = _struct(
    ("sent_ns", "i8"),  # left the strategy
    ("arrived_ns", "i8"),  # reached the venue's matching; 0: not before the end
    ("answered_ns", "i8"),  # its last answer was seen by the strategy; 0: not before the end
    ("client_id", "u8"),  # as core.records.make_client_id packs it
    ("limit_px", "f8"),
    ("touch_px", "f8"),  # the price it would take, as the strategy saw it at sent_ns; nan: none
    ("avg_px", "f8"),  # nan: nothing filled
    ("qty", "f8"),
    ("filled_qty", "f8"),
    ("fee_usd", "f8"),  # paid is negative
    ("pair", "u4"),
    ("symbol", "u2"),  # index into Backtest.symbols
    ("venue", "u1"),  # core.records.Venue
    ("side", "i1"),  # +1 buys, -1 sells
    ("leg", "u1"),  # core.records.Leg
    ("outcome", "u1"),  # OrderOutcome
    ("reduce_only", "?"),
)

# One row an execution at one price, in the order in which the venues made them.
FILLS_DTYPE = _struct(
    ("exch_ns", "i8"),  # matched
    ("seen_ns", "i8"),  # known to the strategy; 0: not before the end
    ("client_id", "u8"),
    ("px", "f8"),
    ("qty", "f8"),
    ("base_qty", "f8"),
    ("fee_usd", "f8"),  # paid is negative
    ("pair", "u4"),
    ("symbol", "u2"),
    ("venue", "u1"),
    ("side", "i1"),
    ("leg", "u1"),
)

# One row a pair that sent an order, in the order of opening_ns. Of a pair that is not over when the
# data ends: closed_ns 0, its open quantity valued at the last touch it could leave at.
PAIRS_DTYPE = _struct(
    ("opening_ns", "i8"),  # its first orders left
    ("opened_ns", "i8"),  # both legs stood; 0: never
    ("closed_ns", "i8"),  # over, whatever way; 0: not before the end
    ("naked_ns", "i8"),  # longest time one leg stood alone or uneven
    ("base_qty", "f8"),  # largest quantity that both legs held
    ("expected_net_bps", "f8"),  # net edge it was opened on; nan: opened on another reason
    ("gross_usd", "f8"),
    ("slippage_usd", "f8"),
    ("fees_usd", "f8"),
    ("funding_usd", "f8"),
    ("net_usd", "f8"),
    ("pair", "u4"),
    ("symbol", "u2"),
    ("buy_venue", "u1"),
    ("sell_venue", "u1"),
    ("kind", "u1"),  # index into core.strategy.PAIR_KINDS
    ("end", "u1"),  # its last event: index into core.strategy.EVENTS
    ("reason", "u1"),  # why it left: index into core.strategy.EXIT_REASONS
)

# One row a settlement of one leg, in order of time.
FUNDING_DTYPE = _struct(
    ("ns", "i8"),
    ("rate", "f8"),  # of this settlement, a fraction: 0.0001 is 1 bp
    ("paid_usd", "f8"),  # received is positive
    ("pair", "u4"),
    ("symbol", "u2"),
    ("venue", "u1"),
)

# One row a change and one each sample_s, in order of time. All amounts since the start;
# equity_usd = realised_usd + unrealised_usd + fees_usd + funding_usd, so it begins at 0.
EQUITY_DTYPE = _struct(
    ("ns", "i8"),
    ("realised_usd", "f8"),  # price differences of closed quantity
    ("unrealised_usd", "f8"),  # of open quantity, at the touch it could leave at
    ("fees_usd", "f8"),
    ("funding_usd", "f8"),
    ("equity_usd", "f8"),
    ("exposure_usd", "f8"),  # sum over all legs of |base_qty| * px
    ("one_sided_usd", "f8"),  # of that, what no leg at the other venue balances
    ("open_pairs", "u4"),
)

# One row a stop that lasts, live, until a person comes. In a backtest that is the next 00:00 UTC.
HALTS_DTYPE = _struct(
    ("ns", "i8"),
    ("until_ns", "i8"),  # 0: not before the end
    ("symbol", "u2"),  # index into Backtest.symbols; 0xFFFF: all of them
    ("reason", "u1"),  # HaltReason
)

# One row an opportunity, from its events (`measures.lives_of`), in order of open_ns.
LIVES_DTYPE = _struct(
    ("id", "u8"),
    ("open_ns", "i8"),
    ("close_ns", "i8"),  # with reason NONE: the end of the data, it was still open
    ("open_net_bps", "f8"),
    ("peak_net_bps", "f8"),
    ("gross_bps", "f8"),  # at open
    ("size_usd", "f8"),  # at open, of the smaller side of the touch; nan: the units are not known
    ("update_count", "u4"),
    ("symbol", "u2"),
    ("buy_venue", "u1"),
    ("sell_venue", "u1"),
    ("reason", "u1"),  # core.records.CloseReason
)

# One row a latency (`measures.caught`).
CAUGHT_DTYPE = _struct(
    ("latency_us", "f8"),  # from the receipt of the quote that opened it to the match
    ("count", "i8"),  # opportunities that stood that long
    ("share", "f8"),  # of all opportunities
    ("net_bps", "f8"),  # mean net edge that was left of those; nan: none
    ("edge_usd", "f8"),  # net edge times size that was there, summed; nan: units not known
)

# What `Backtest` is made of, beside the opportunity events (core.records.OPPORTUNITY_DTYPE).
RESULT_DTYPES = {
    "orders": ORDERS_DTYPE,
    "fills": FILLS_DTYPE,
    "pairs": PAIRS_DTYPE,
    "funding": FUNDING_DTYPE,
    "equity": EQUITY_DTYPE,
    "halts": HALTS_DTYPE,
}
