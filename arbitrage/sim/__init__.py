"""Exchange simulators that speak Bybit's and OKX's protocols on loopback."""

from __future__ import annotations

from arbitrage.sim.config import SimConfig, SimError, SimKeys

__all__ = ["SimConfig", "SimError", "SimKeys", "run"]


def run(config: SimConfig) -> None:
    """Run one simulated venue in this process until SIGTERM or SIGINT; see `server.run`."""
    from arbitrage.sim import server  # sockets only where a venue really runs

    server.run(config)
