"""Two simulated venues and a trader of one's own, for a notebook: started, watched and ended.

    with Sandbox("BTCUSDT", mode="paper") as box:
        trader = box.trader()
        trader.watch(seconds=20)

The programs are those of `arb sim` and `arb trade`, in a private folder that is gone afterwards.
They end with the process that started them, however that ends.
"""

import os
import secrets
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from arbitrage.closing import Closing
from arbitrage.config import load_settings
from arbitrage.demo.processes import Child
from arbitrage.demo.run import clear_segment
from arbitrage.errors import ArbitrageError, SegmentError
from arbitrage.hosts import HOST_VARIABLES
from arbitrage.instruments import VENUES
from arbitrage.runtime.live import LiveTrader, attach

__all__ = ["Sandbox"]

START_S = 30.0
END_S = 15.0  # a trader flattens before it ends


class Sandbox(Closing):
    """Simulated venues and one trader beside them.

    Threads: one.

    Parameters
    ----------
    symbols : str
        Canonical, separated by commas.
    mode : str
        ``paper`` fills orders itself; ``demo`` sends them to the simulated venues.
    rate : int
        Quotes a second and venue.
    seed : int
        Of the market.
    settings : str
        More of the trader's variables, such as ``ARB_STRATEGY="mine.py:Mine"``.

    Raises
    ------
    ArbitrageError
        A program did not start, with its last words.
    ConfigError
        A setting that does not fit.
    """

    def __init__(
        self,
        symbols: str = "BTCUSDT,ETHUSDT",
        *,
        mode: str = "paper",
        rate: int = 500,
        seed: int = 7,
        **settings: str,
    ) -> None:
        self.name = f"sandbox-{os.getpid()}-{secrets.token_hex(2)}"
        self._stack = ExitStack()
        try:
            self.folder = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-sandbox-"))
            )
            own = {
                "ARB_NAME": self.name,
                "ARB_MODE": mode,
                "ARB_SYMBOLS": symbols,
                "ARB_STATE_DIR": str(self.folder / "state"),
                "REDIS_URL": "",
            } | settings
            load_settings(overrides=own | dict.fromkeys(HOST_VARIABLES, ""), needs_keys=False)
            keys = _keys()
            hosts = self._start_venues(symbols, rate, seed, keys)
            self._stack.callback(clear_segment, self.name)
            self._trader = Child(
                "the trader",
                ["-m", "arbitrage.trader"],
                dict(os.environ) | keys | hosts | own,
                self.folder,
                orphan_signal=signal.SIGTERM,
            )
            self._stack.callback(self._trader.stop, END_S)
        except BaseException:
            self._stack.close()
            raise

    def _start_venues(
        self, symbols: str, rate: int, seed: int, keys: dict[str, str]
    ) -> dict[str, str]:
        t0_ns, children = time.time_ns(), {}
        for venue in VENUES:
            args = ["-m", "arbitrage.sim", "--venue", venue, "--symbols", symbols]
            args += ["--seed", str(seed), "--rate", str(rate), "--t0-ns", str(t0_ns)]
            args += ["--ws-port", "0", "--rest-port", "0"]
            args += ["--ready-file", str(self.folder / f"{venue}.ready")]
            children[venue] = Child(f"sim {venue}", args, dict(os.environ) | keys, self.folder)
            self._stack.callback(children[venue].stop)
        ready: dict[str, dict[str, Any]] = {
            venue: child.wait_ready(self.folder / f"{venue}.ready", START_S)
            for venue, child in children.items()
        }
        return {
            variable: str(ready[venue][f"{field}_url"])
            for variable, (venue, field) in HOST_VARIABLES.items()
        }

    def trader(self) -> LiveTrader:
        """Return the trader, attached, once it is ready."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self._trader.check()
            try:
                found = attach(self.name)
            except SegmentError:  # it is not there yet
                time.sleep(0.05)
                continue
            if found.segment.state == "ready":
                return found
            time.sleep(0.05)
        raise ArbitrageError(f"the trader was not ready within {START_S:g} s")

    def log_lines(self) -> list[str]:
        """Return the end of what the trader wrote."""
        return self._trader.log_lines()

    def close(self) -> None:
        """End the trader, which closes its pairs first, and the venues."""
        self._stack.close()


def _keys() -> dict[str, str]:
    """Return keys that only these venues and this trader know."""
    found = {}
    for venue in VENUES:
        prefix = venue.upper()
        found[f"{prefix}_API_KEY"] = f"sim-{secrets.token_hex(8)}"
        found[f"{prefix}_API_SECRET"] = secrets.token_hex(16)
    found["OKX_API_PASSPHRASE"] = secrets.token_hex(8)
    return found
