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
# # 1. First look
#
# Two venues quote the same perpetual swap. When OKX bids more than Bybit asks, whoever buys at
# Bybit and sells at OKX has the difference, before costs. This notebook records ten seconds of a
# market, looks at the spreads in it, and asks when a spread is an opportunity.
#
# The market is simulated: two venues on this machine speak the real protocols, and part by 30 to
# 60 bps for a moment in each three seconds. Real ones part far less. Everything here works the
# same on a recording of the real ones.

# %%
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import arbitrage
from arbitrage.demo.sandbox import Sandbox
from arbitrage.research import plots

# %% [markdown]
# ## A recording
#
# A trader on paper runs beside the simulated venues, and `arb record` keeps what it hears:
# raw frames, byte for byte.

# %%
folder = Path(tempfile.mkdtemp()) / "monday"
with Sandbox("BTCUSDT,ETHUSDT", rate=1000, ARB_TAP_MB="64") as box:
    box.trader()
    recorder = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.cli", "record", box.name, "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(10)
    recorder.send_signal(signal.SIGINT)
    recorder.wait(60)

sorted(path.name for path in folder.iterdir())

# %% [markdown]
# ## Replay
#
# The recorded frames go through the very parsers and detector that trade. `min_net_bps` is the
# edge after costs at which an opportunity opens; a round trip pays each venue's taker fee twice.

# %%
fees = {"bybit": 5.5, "okx": 5.0}
found = arbitrage.replay(
    folder / "bybit.frames.gz", folder / "okx.frames.gz", fees=fees, min_net_bps=0
)
found

# %% [markdown]
# Every quote that was applied is there, as a structured array, and so is every event of every
# opportunity.

# %%
found.quotes[["recv_ns", "venue", "symbol_index", "bid_px", "ask_px"]][:3]

# %%
found.events[["id", "event", "gross_bps", "fees_bps", "net_bps", "update_count"]][:5]

# %% [markdown]
# ## Spreads
#
# The line is where the gross edge stood, the band all that it touched in between. Above the dashed
# line it pays the fees of getting in and out again.

# %%
plots.spread(found, "BTCUSDT")

# %% [markdown]
# Most of the time both directions are slightly negative: each venue's own spread has to be
# crossed.

# %%
from arbitrage.research.spreads import spreads_of

edges = spreads_of(found, "BTCUSDT", bins=4000).last
{
    "median, bps": round(float(np.nanmedian(edges)), 2),
    "share of time above the fees": round(float((edges > 21).any(axis=0).mean()), 3),
}

# %% [markdown]
# ## When is it an opportunity?
#
# An opportunity opens when the net edge reaches the minimum and closes when it is gone. How long
# it lives decides who can have it.

# %%
plots.opportunities(found)

# %% [markdown]
# How many there are depends on what they have to bring. The quotes are the same; only the
# threshold moves.

# %%
counts = {}
for least in (-21, -20, -10, 0, 10, 20, 30):
    again = arbitrage.replay(
        folder / "bybit.frames.gz", folder / "okx.frames.gz", fees=fees, min_net_bps=least
    )
    counts[least] = again.summary["opportunities"]
counts

# %% [markdown]
# ## And what does waiting cost?
#
# A quote is received, a decision is made, an order travels, the venue matches. This is what is
# left of the opportunities after that time.

# %%
plots.latency(found)

# %% [markdown]
# Sizes and money need to know what a contract is. That, fees, slippage and funding are the next
# notebook: what an edge costs.
