"""The floor as a process: listeners that only stamp, on the event loop that a trader would have.

``python -m benchmarks.floor_process --core N --loop-mode spin --url ws://127.0.0.1:PORT --stamps
FILE [--answers]``. A line on its input is answered by how many frames each listener has had; a
line that says ``begin`` begins the count anew. The end of its input ends it.
"""

import argparse
import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from picows import WSListener, ws_connect

from arbitrage.core.loop import LoopPoller
from arbitrage.core.threads import tighten_timer_slack
from arbitrage.runtime.threads import new_event_loop
from benchmarks.load_frames import pair_places
from benchmarks.native import load_cython
from benchmarks.noise import pin

VENUES = ("bybit", "okx")


def answered(venue: int, frames: int) -> bytes:
    """Return a byte a frame, 1 where an order would be sent for it."""
    found = np.zeros(frames, np.uint8)
    places = pair_places(frames)
    found[places[places[:, 1] == venue, 3]] = 1
    return found.tobytes()


async def listen(options: argparse.Namespace, poller: LoopPoller) -> None:
    stamps = np.memmap(options.stamps, np.int64, "r+").reshape(len(VENUES), -1)
    kind: Any = load_cython("floor_listener").StampListener
    listeners = [kind(row.ctypes.data, len(row)) for row in stamps]
    opened = []
    if options.answers:
        for index in range(2):
            opened.append(await ws_connect(WSListener, f"{options.url}/floor/order/{index}"))
        lines = [transport for transport, _ in opened]
        for index, listener in enumerate(listeners):
            listener.answer_on(*lines, answered(index, stamps.shape[1]))
    for venue, listener in zip(VENUES, listeners, strict=True):
        opened.append(
            await ws_connect(partial(lambda one: one, listener), f"{options.url}/floor/{venue}")
        )
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def told() -> None:
        line = sys.stdin.readline()
        if not line:
            ended.set_result(None)
            return
        print(json.dumps({"frames": [listener.count for listener in listeners]}), flush=True)
        if "begin" in line:
            for listener in listeners:
                listener.count = 0

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), told)
    poller.start()
    print(json.dumps({"ready": True}), flush=True)
    await ended
    poller.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="floor_process", description=__doc__)
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--loop-mode", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--stamps", type=Path, required=True)
    parser.add_argument("--answers", action="store_true")
    options = parser.parse_args()
    pin(options.core)
    tighten_timer_slack()
    loop = new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(listen(options, LoopPoller(loop, options.loop_mode)))


if __name__ == "__main__":
    main()
