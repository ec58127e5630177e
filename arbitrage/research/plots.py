"""The plots: each takes a backtest and returns a figure that a notebook shows.

::

    from arbitrage.research import plots

    plots.equity(found)                       # the last value of a cell is shown
    plots.latency(found).savefig("latency.svg")
    plots.set_theme("dark")                   # light is the default

`spread`, `opportunities` and `latency` take a replay as well, `spread` market data, too.
"""

from arbitrage.research.account_plots import costs, equity, expectation
from arbitrage.research.market_plots import latency, opportunities, spread
from arbitrage.research.plot_style import set_theme

__all__ = ["costs", "equity", "expectation", "latency", "opportunities", "set_theme", "spread"]
