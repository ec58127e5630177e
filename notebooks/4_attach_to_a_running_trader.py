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
# # 4. Attach to a running trader
#
# A trader keeps its market, opportunities and latencies in shared memory. Other processes map it
# read-only: a notebook sees the very arrays that the detector writes, and can neither slow nor
# change the trader.
#
# Here two simulated venues and a trader on paper are started for the purpose. To look at one of
# yours, `arbitrage.attach("arbitrage")` is all that is needed.

# %%
import time

import numpy as np

import arbitrage
from arbitrage.demo.sandbox import Sandbox

box = Sandbox("BTCUSDT,ETHUSDT,SOLUSDT", rate=900, ARB_MAX_HOLD_S="3")
box.trader()  # waits until it is ready
trader = arbitrage.attach(box.name)
time.sleep(3)
trader

# %% [markdown]
# ## Live arrays
#
# Columns of the market store, venue by symbol, without a copy: look twice and they have moved.

# %%
symbols = list(trader.symbols)
bids = trader.store.bid_px[:, : len(symbols)]
before = bids.copy()
time.sleep(0.5)
symbols, bids - before

# %%
trader.edges().round(2)  # gross, bps: row 0 buys at Bybit, row 1 at OKX

# %% [markdown]
# The book beneath the touch, where the trader subscribes it (`ARB_DEPTH=1`), is
# `trader.store.depth("okx", 0)`.
#
# ## Tables of this moment
#
# Each shows itself, and becomes a frame with `.to_pandas()`, `.to_polars()` or `.to_arrow()`.

# %%
trader.quotes()

# %%
trader.opportunity_table(rows_max=8)

# %%
trader.pairs()

# %%
trader.latencies()

# %% [markdown]
# ## Events, one by one
#
# The broadcast of opportunities has a cursor for each reader; a slow one is told how many it lost.

# %%
trader.new_events()  # what there was so far
time.sleep(4)
events = trader.new_events()
opened = events[events["event"] == 1]
len(events), len(opened), np.round(opened["net_bps"], 1)

# %% [markdown]
# `trader.events` holds all of them. The plots of recordings work on it, too: how long did they
# live, and how much was there?

# %%
from arbitrage.research import plots

plots.opportunities(trader)

# %% [markdown]
# ## A plot that updates
#
# The upper part is the gross edge both ways, with the opportunities that opened; the lower one what
# the trader has earned. Stop it with the notebook's stop button: the last picture stays.

# %%
figure = trader.watch("BTCUSDT", seconds=12, every_s=0.5, window_s=15)

# %% [markdown]
# ## And it is gone
#
# The sandbox ends its trader, which closes its pairs first. What is still attached says so.

# %%
box.close()
trader
