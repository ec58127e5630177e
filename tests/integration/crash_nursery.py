"""A process that has imported everything once and forks venues and traders from itself.

One JSON object a line on stdin, one answer a line on stdout. A trader so started is ready in a
third of the time that a new Python needs, so that it can be killed often. Run by `crash_kit`.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from arbitrage.cold.log import setup_logging
from arbitrage.config import load_settings
from arbitrage.errors import run_guarded
from arbitrage.runtime.run import run_trader
from arbitrage.sim.config import SimConfig
from arbitrage.sim.limits import SimLimits
from arbitrage.sim.server import SimServer, make_exchange

PR_SET_PDEATHSIG = 1
# Wide: a trader that starts twice a second asks more than any person's would.
LIMITS = SimLimits(
    bybit_orders=200, bybit_queries=1000, bybit_http=100_000, bybit_connects=100_000,
    okx_orders=600, okx_account=10_000, okx_queries=1000, okx_socket=10_000, okx_connects=1000,
)  # fmt: skip


def child(main: Callable[[], int | None], log: str, environment: dict[str, str]) -> int:
    """Fork a process that runs `main`; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdin.close()
        run_guarded(main)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def trade(report: str) -> int:
    setup_logging("INFO")
    return run_trader(load_settings(dotenv=None), report=report)


def say_ready(path: str, urls: dict[str, str]) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(urls, file)
    os.rename(f"{path}.new", path)


def serve(venue: str, ready: str, options: dict[str, Any]) -> None:
    async def main() -> None:
        config = SimConfig(
            venue=venue, ws_port=0, rest_port=0, limits=LIMITS, admin=True,
            **options | {"symbols": tuple(options["symbols"])},
        )  # fmt: skip
        server = SimServer(config, make_exchange(config))
        await server.start()
        say_ready(ready, server.urls)
        await asyncio.Event().wait()

    asyncio.run(main())


def answer(ask: dict[str, Any]) -> dict[str, Any]:
    if ask["do"] == "trade":
        return {"pid": child(lambda: trade(ask["report"]), ask["log"], ask["environment"])}
    if ask["do"] == "serve":
        def main() -> None:
            serve(ask["venue"], ask["ready"], ask["options"])

        return {"pid": child(main, ask["log"], dict(os.environ))}
    pid, status = os.waitpid(ask["pid"], 0)
    return {"pid": pid, "code": os.waitstatus_to_exitcode(status)}


def run() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run()
