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
# # 5. A sweep on Dask
#
# One backtest answers one question. A sweep asks it for every set of parameters, every day and
# every symbol, over any executor: the processes of this machine, or the workers of a Dask cluster.
# Data travels by its path, results come back as they finish, and what was done is not done again.
#
# The cluster here is two workers on this machine. `Client("tcp://scheduler:8786")` is one of
# many.

# %%
import tempfile
from pathlib import Path

from dask.distributed import Client, LocalCluster

import arbitrage
from arbitrage.research.convert import convert
from arbitrage.research.simulated import simulated_data
from arbitrage.research.sweep import Sweep

# %% [markdown]
# ## Data that workers can open
#
# Two short days of a simulated market, as Parquet: a file a venue, symbol and day. On a cluster
# the path is a shared folder or an object store (`s3://bucket/march`).

# %%
folder = Path(tempfile.mkdtemp())
for day, seed in (("2026-03-02", 7), ("2026-03-03", 8)):
    part = simulated_data(("BTCUSDT", "ETHUSDT"), seconds=60, rate=200, seed=seed, start=day)
    convert(part, folder / "march")
data = arbitrage.open_data(folder / "march")
data

# %% [markdown]
# ## The grid
#
# Every combination of these, on each day and symbol by itself.

# %%
grid = {
    "min_net_bps": [0, 10, 20, 30],
    "max_hold_s": [1, 5],
    "latency.order_us": [500, 100_000, 400_000],
}

# %% [markdown]
# ## On the cluster

# %%
cluster = LocalCluster(
    n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
    host="127.0.0.1", local_directory=str(folder / "dask"),
)  # fmt: skip
client = Client(cluster)
found = arbitrage.sweep(data, grid, client.get_executor(), out=folder / "runs", progress=False)
found

# %%
client.close()
cluster.close()

# %% [markdown]
# ## What is good
#
# `best` adds up the days and symbols of each set of parameters. (Where `progress` is left out, a
# bar shows how far a sweep is.)

# %%
found.best(5)

# %%
found.heat_map("min_net_bps", "latency.order_us")

# %% [markdown]
# The best of many sets is the best by luck, too. So choose on the first day, and see what that
# choice was worth on the second; `walk_forward` goes through a month like that.

# %%
found.walk_forward(train=1, test=1)

# %% [markdown]
# Behind each row is a whole backtest. `Sweep.load(folder)` has the same table another day.

# %%
kept = Sweep.load(folder / "runs")
print(kept.backtest(kept.best(1)[0], day="2026-03-03", symbols="BTCUSDT"))

# %% [markdown]
# ## The same on this machine
#
# Without an executor it is a pool of processes. The rows are equal to the last digit.

# %%
local = arbitrage.sweep(data, grid, workers=2, progress=False)
bool(local.results.tobytes() == found.results.tobytes())

# %% [markdown]
# ## What was done is not done again
#
# A changed grid runs only what is new; an interrupted sweep goes on where it stopped.

# %%
wider = {**grid, "max_hold_s": [1, 5, 20]}
arbitrage.sweep(data, wider, out=folder / "runs", workers=2, progress=False)

# %% [markdown]
# The same on a command line: `arb sweep --grid grid.toml --dask tcp://scheduler:8786`.
# `docs/sweep.md` has the grid's file, what comes out, and what happens when a worker dies.
