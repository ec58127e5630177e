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
# # 2. What an edge costs
#
# A spread of 30 bps is not 30 bps earned. This notebook takes a market of simulated prices,
# trades it in virtual time with the trader's own strategy, and takes the result apart: fees,
# slippage, funding, latency.

# %%
import numpy as np

import arbitrage
from arbitrage.research import plots
from arbitrage.research.latency import Empirical, Latency
from arbitrage.research.simulated import simulated_data

# %% [markdown]
# ## The data
#
# Four minutes of two symbols at both venues, made in seconds: the same prices that `arb sim`
# quotes. `arbitrage.open_data` opens a recording or a Parquet data set in its place.

# %%
data = simulated_data(("BTCUSDT", "ETHUSDT"), seconds=240, rate=400)
data

# %%
data.to_arrow().slice(0, 6)

# %% [markdown]
# ## One run
#
# The backtest drives the detector, the strategy, the risk gate and the leg machine that trade
# live, against two simulated venues in virtual time. Orders take 2 ms to a venue and its answers
# 2 ms back.

# %%
config = {"max_hold_s": 10}
near = Latency.constant(order_us=2_000, reply_us=2_000)
found = arbitrage.backtest(data, "spread", config, latency=near)
found

# %% [markdown]
# ## From gross to net
#
# Gross is what the fills would have earned at the prices each order was decided on. Slippage is
# what became of those prices on the way. Every order pays its venue's taker fee.

# %%
plots.costs(found)

# %%
plots.costs(found, "symbol")

# %% [markdown]
# ## Fees
#
# A round trip is four fills. The same market at the fees of better tiers:

# %%
tiers = {
    "5.5 + 5.0, base": {"bybit": 5.5, "okx": 5.0},
    "3.2 + 2.5": {"bybit": 3.2, "okx": 2.5},
    "1.5 + 1.5, best": {"bybit": 1.5, "okx": 1.5},
}
by_tier = {
    name: arbitrage.backtest(data, "spread", {**config, "fees": fees}).summary()
    for name, fees in tiers.items()
}
{name: (of["pairs"], round(of["net_usd"], 2), round(of["fees_usd"], 2))
 for name, of in by_tier.items()}  # fmt: skip

# %% [markdown]
# ## What was expected, and what became of it
#
# A pair is opened on a net edge. It brings that edge only if the prices are still there when the
# orders arrive, and if the way out costs no more than was thought.

# %%
plots.expectation(found)

# %% [markdown]
# ## Latency
#
# First what the market offers: how long its opportunities stand, whoever looks.

# %%
plots.latency(found)

# %% [markdown]
# Then what the strategy makes of it, at latencies of a colocated machine, of one in the same
# city, and of one across an ocean. Whoever is slower meets fewer of the prices that it decided
# on: an order misses, the other leg stands alone and is sold again at a loss. (What slippage
# still earns comes of the way out: an edge that is fading fades on while the order travels.)
#
# Live, three such failures in a row make the breaker pause the symbol until somebody has looked;
# a backtest goes on at the next midnight, and says so. It is off here, to see the whole cost.

# %%
ways_us = (100, 1_000, 5_000, 20_000, 50_000, 100_000)
runs = [
    arbitrage.backtest(
        data,
        "spread",
        {**config, "breaker_failures": 1000},
        latency=Latency.constant(order_us=us, reply_us=us),
    )
    for us in ways_us
]
told = [run.summary() for run in runs]
[(us, of["orders_missed"], of["naked_pairs"], round(of["net_usd"], 2))
 for us, of in zip(ways_us, told)]  # fmt: skip

# %%
figure = plots.costs(runs[0])
figure.axes[0].set_title("From gross to net at 100 µs", loc="left")
figure

# %%
figure = plots.costs(runs[-1])
figure.axes[0].set_title(f"From gross to net at {ways_us[-1]} µs", loc="left")
figure

# %% [markdown]
# A latency is seldom constant. An empirical one takes measured times, such as those of your own
# trader (`Empirical.of_histogram(trader.latency.histogram(...))`); here one with a tail.

# %%
rng = np.random.default_rng(1)
measured_ns = rng.lognormal(np.log(3e6), 0.8, 5000)
tail = Empirical.of_samples(measured_ns)
arbitrage.backtest(data, "spread", config, latency=Latency(order=tail, reply=tail))

# %% [markdown]
# ## Funding
#
# Perpetual swaps settle funding at fixed hours: the long leg pays a positive rate, the short leg
# receives it. A market that ends after its settlement shows it.

# %%
around = simulated_data(
    ("BTCUSDT", "ETHUSDT"), seconds=120, rate=200, start="2026-03-01T07:59:00"
)
held = arbitrage.backtest(around, "spread", {"max_hold_s": 110, "take_profit_bps": 500})
held.to_arrow("funding").select(["time", "symbol", "venue", "rate", "paid_usd"])

# %%
held.costs("symbol")

# %% [markdown]
# ## All of it on one page
#
# `report` writes a file that needs nothing else: mail it, print it, keep it beside the settings
# that made it.

# %%
import tempfile
from pathlib import Path

page = found.report(Path(tempfile.mkdtemp()) / "spread.html")
page.stat().st_size
