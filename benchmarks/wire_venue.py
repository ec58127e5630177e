"""A simulated venue whose book stands still and whose order limits are wide, for the benchmarks.

``python -m benchmarks.wire_venue --venue bybit --ready-file FILE --folder FOLDER``. Its quotes are
two per cent away on both sides: an immediate-or-cancel order between them ends without a fill.
"""

import argparse
import dataclasses
from pathlib import Path

from arbitrage.sim.config import SimConfig
from arbitrage.sim.instruments import listed
from arbitrage.sim.limits import SimLimits
from arbitrage.sim.server import make_server, run_server
from benchmarks.load_frames import PAIR_SYMBOLS, quote_of

HALF = 0.02
WIDE = {
    "bybit_orders": 100_000, "bybit_http": 100_000, "okx_orders": 100_000, "okx_account": 100_000,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="wire_venue", description=__doc__)
    parser.add_argument("--venue", choices=("bybit", "okx"), required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--ready-file", required=True)
    parser.add_argument("--tls-dir", default="")
    options = parser.parse_args()
    frames = options.folder / f"{options.venue}.frames"
    items = listed(options.venue, PAIR_SYMBOLS)
    with frames.open("wb") as out:
        for item in items:
            out.write(b"1\t" + quote_of(options.venue, item, item.base_px, 0, HALF) + b"\n")
    config = SimConfig(
        venue=options.venue, symbols=PAIR_SYMBOLS, frames=str(frames), ws_port=0, rest_port=0,
        depth_levels=1, ready_file=options.ready_file, tls=bool(options.tls_dir),
        tls_dir=options.tls_dir, limits=dataclasses.replace(SimLimits(), **WIDE),
    )  # fmt: skip
    run_server(make_server(config))


if __name__ == "__main__":
    main()
