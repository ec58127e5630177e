"""Trade the basis back to its own average: sell the dear venue, buy the cheap one, wait.

    arb demo --strategy examples/basis_reversion.py:BasisReversion
"""

import math

from arbitrage import Strategy

AVERAGE_S = 60.0  # the average follows in this time
ENTER_BPS = 3.0  # so far from it
LEAVE_BPS = 1.0  # and back to so near
WARM_UP = 50  # looks before the first trade


class BasisReversion(Strategy):
    timer_s = 0.1

    def on_start(self):
        self.average = dict.fromkeys(self.market.symbols, 0.0)
        self.looks = dict.fromkeys(self.market.symbols, 0)

    def on_timer(self):
        for symbol in self.market.symbols:
            basis = self.market.basis_bps(symbol)  # OKX over Bybit
            if math.isnan(basis):
                continue
            self.looks[symbol] += 1
            weight = max(1 / self.looks[symbol], self.timer_s / AVERAGE_S)
            self.average[symbol] += weight * (basis - self.average[symbol])
            away = basis - self.average[symbol]
            if symbol in self.pairs:
                if abs(away) < LEAVE_BPS:
                    self.close(symbol)
            elif abs(away) > ENTER_BPS and self.looks[symbol] > WARM_UP:
                dear, cheap = ("okx", "bybit") if away > 0 else ("bybit", "okx")
                self.open(symbol, buy=cheap, sell=dear, min_net_bps=-30, min_gross_bps=-5)

    def on_pair(self, pair):
        if pair.is_mine and pair.event == "closed":
            self.log.info("pair %d of %s: %.1f bps", pair.pair, pair.symbol, pair.pair_bps)
