# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # 3. A strategy of your own, from idea to paper trading
#
# An idea, a few lines of Python, a backtest to see whether it holds, and then the same file on
# paper beside a market that runs. Nothing is rewritten on the way.

# %%
import tempfile
from pathlib import Path

import arbitrage
from arbitrage.demo.sandbox import Sandbox
from arbitrage.research import plots
from arbitrage.research.latency import Latency
from arbitrage.research.simulated import simulated_data

# %% [markdown]
# ## The idea
#
# The built-in spread strategy enters on every opportunity that pays and waits until the venues
# meet again. Perhaps the narrow ones are not worth their risk: enter on the wide ones alone, and
# leave as soon as most of the edge has come home.
#
# A strategy is a class. It is told of opportunities, and asks for pairs; how much, at which price
# and whether at all is decided by the same sizing and risk gate as always.

# %%
SOURCE = '''
from arbitrage import Strategy


class WideOnly(Strategy):
    """Enter where the net edge is wide; leave when the way out is cheap."""

    enter_bps = 15.0
    leave_bps = -2.0  # what leaving may cost, gross
    timer_s = 0.05

    def on_opportunity(self, opportunity):
        if opportunity.event == "open" and opportunity.net_bps >= self.enter_bps:
            self.open(
                opportunity.symbol, buy=opportunity.buy, sell=opportunity.sell, max_usd=1_000
            )

    def on_timer(self):
        for symbol, pair in self.pairs.items():
            # the way out: buy where it was sold, sell where it was bought
            if self.market.gross_bps(symbol, buy=pair.sell, sell=pair.buy) >= self.leave_bps:
                self.close(symbol)
'''
folder = Path(tempfile.mkdtemp())
file = folder / "wide_only.py"
file.write_text(SOURCE)
name = f"{file}:WideOnly"

# %% [markdown]
# ## Does it hold?
#
# Two minutes of a simulated market, in virtual time. A class of Python is called for each event,
# so this is slower than the built-in strategies, and otherwise the same.

# %%
data = simulated_data(("BTCUSDT", "ETHUSDT"), seconds=120, rate=200)
latency = Latency.constant(order_us=2000, reply_us=2000)
mine = arbitrage.backtest(data, name, {"max_hold_s": 20}, latency=latency)
mine

# %%
theirs = arbitrage.backtest(data, "spread", {"max_hold_s": 20}, latency=latency)
theirs

# %% [markdown]
# Side by side, in the figures that matter: what was earned for what was traded.

# %%
words = ("pairs", "net_usd", "net_bps_of_volume", "fees_usd", "slippage_usd", "hold_s_p50")
{word: (mine.summary()[word], theirs.summary()[word]) for word in words}

# %%
plots.equity(mine)

# %%
plots.spread(mine, "BTCUSDT")

# %% [markdown]
# ## How wide is wide?
#
# A class may be made for each value; an object of it is a strategy, too.

# %%
scope = {}
exec(compile(SOURCE, str(file), "exec"), scope)
results = {}
for least in (0, 5, 10, 15, 20, 25):
    strategy = scope["WideOnly"]()
    strategy.enter_bps = least
    run = arbitrage.backtest(data, strategy, {"max_hold_s": 20}, latency=latency)
    told = run.summary()
    results[least] = (told["pairs"], round(told["net_usd"], 2), told["won_share"])
results

# %% [markdown]
# Beware: a threshold chosen on the data that it is judged by looks better than it is. Choose on one
# market, judge on another.

# %%
unseen = simulated_data(("BTCUSDT", "ETHUSDT"), seconds=120, rate=200, seed=8)
arbitrage.backtest(unseen, name, {"max_hold_s": 20}, latency=latency)

# %% [markdown]
# ## On paper
#
# The same file beside a market that runs now: two simulated venues and a trader that fills its
# orders itself. With keys and `--mode testnet` the same command sends them.

# %%
with Sandbox("BTCUSDT,ETHUSDT", ARB_STRATEGY=name, ARB_MAX_HOLD_S="20") as box:
    trader = box.trader()
    trader.watch("BTCUSDT", seconds=12, every_s=1)
    money, pairs = trader.money(), trader.counters()["strategy"]

# %%
money

# %%
{word: pairs[word] for word in ("pairs_opened", "pairs_closed")}

# %% [markdown]
# From here: `arb strategy check`, `arb demo --strategy`, practice money at the venues' testnets
# (`arb trade --mode testnet --strategy FILE:CLASS`), and only then live. `docs/strategies.md` has
# all that a strategy is told and may ask for.
