"""Funding capture in Python, by the arithmetic of the built-in strategy: a place to start from.

    ARB_STRATEGY=examples/funding_capture.py:FundingCapture arb trade --mode paper
"""

from arbitrage import Strategy
from arbitrage.core import funding

RULES = {
    "window_ns": 600 * 10**9,  # enter at most ten minutes before a settlement
    "lead_ns": 10 * 10**9,  # and at least ten seconds
    "hold_ns": 3600 * 10**9,
    "min_bps": 0.0,
    "min_delta": 0.0001,  # per 8 hours
}
SLIPPAGE_BPS = 3.0


class FundingCapture(Strategy):
    timer_s = 0.5

    def on_timer(self):
        for symbol in self.market.symbols:
            if symbol in self.pairs:
                self.leave_if_spent(symbol)
                continue
            for buy, sell in (("bybit", "okx"), ("okx", "bybit")):
                plan = funding.judge(
                    RULES,
                    self.market.funding(symbol, buy),
                    self.market.funding(symbol, sell),
                    self.market.gross_bps(symbol, buy, sell),
                    self.fees_bps(symbol),
                    SLIPPAGE_BPS,
                    self.now_wall_ns,
                )
                if plan["verdict"] == "enter":
                    least = self.fees_bps(symbol) + SLIPPAGE_BPS - plan["ahead_bps"]
                    self.open(symbol, buy=buy, sell=sell, min_net_bps=-1000, min_gross_bps=least)

    def leave_if_spent(self, symbol):
        pair = self.pairs[symbol]
        long, short = (self.market.funding(symbol, venue) for venue in (pair.buy, pair.sell))
        until = self.now_wall_ns + RULES["hold_ns"]
        said = funding.judge_exit(
            RULES, long, short, pair.pair_bps, 0.0, 0.0, self.now_wall_ns, until
        )
        if pair.event == "opened" and said == "turned":
            self.close(symbol)

    def fees_bps(self, symbol):
        return 2 * sum(self.market.taker_bps(symbol, venue) for venue in ("bybit", "okx"))

    def on_funding(self, funding):
        self.log.info("%s %s: %+.2f bps", funding.symbol, funding.venue, funding.funding_bps)
