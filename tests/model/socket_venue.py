"""A simulated venue on real sockets, with the face of `virtual_venue.VirtualVenue`."""

from __future__ import annotations

import asyncio
from typing import Any

from picows import ws_connect

from arbitrage.sim.config import SimConfig
from arbitrage.sim.fault_plan import FaultPlan
from arbitrage.sim.faults import NOTHING
from arbitrage.sim.server import SimServer, make_exchange


class SocketVenue:
    """One simulated venue on loopback; `open` it before use."""

    rest = None  # requests travel over HTTP

    def __init__(self, venue: str, *, plan: FaultPlan = NOTHING, **config: Any) -> None:
        self.config = SimConfig(venue=venue, ws_port=0, rest_port=0, **config)
        self.exchange = make_exchange(self.config)
        self.server = SimServer(self.config, self.exchange, plan)
        self.layer = self.server.faults
        self.attempts_s: list[float] = []

    async def open(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        await self.server.stop()
        if self.server.failure is not None:
            raise self.server.failure

    def start(self) -> None:
        """The server turns by itself."""

    def stop(self) -> None:
        """`close` ends it."""

    def url(self, role: str = "public") -> str:
        return self.server.urls[f"{role}_ws_url"]

    @property
    def rest_url(self) -> str:
        return self.server.urls["rest_url"]

    async def connector(self, listener_factory: Any, url: str, *, ssl_context: Any = None) -> Any:
        """Open a line as picows does, and note when."""
        self.attempts_s.append(asyncio.get_running_loop().time())
        return await ws_connect(listener_factory, url, ssl_context=ssl_context)
