"""`python fast_sim.py ...`: a simulated venue that takes far more orders than the real ones do.

Ten orders a second make no burst. Everything else is `python -m arbitrage.sim`.
"""

from functools import partial
from typing import Any

from arbitrage.sim import __main__ as program
from arbitrage.sim.config import SimConfig
from arbitrage.sim.limits import SimLimits

WIDE = SimLimits(
    bybit_orders=2_000, bybit_queries=2_000, bybit_http=1_000_000, okx_orders=4_000,
    okx_account=20_000, okx_queries=2_000,
)  # fmt: skip

if __name__ == "__main__":
    main: Any = program.main
    program.SimConfig = partial(SimConfig, limits=WIDE)  # type: ignore[misc,assignment]
    main()
