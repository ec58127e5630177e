"""``python -m arbitrage.sim``: run one simulated venue, or both."""

from __future__ import annotations

import os
import signal
import sys
import time
from decimal import Decimal, InvalidOperation
from types import FrameType
from typing import Any

import click

from arbitrage.sim.config import DEFAULT_SYMBOLS, DRESSES, SimConfig, SimError


def number(text: str) -> Decimal:
    """A decimal number, kept exact."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not found.is_finite():
        raise ValueError(text)
    return found


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End at once and well: nothing has begun yet."""
    os._exit(0)


@click.command()
@click.option("--venue", type=click.Choice(("bybit", "okx", "both")), default="both",
              show_default=True, help="Both: two processes with one seed and epoch.")
@click.option("--symbols", default=None, help="Canonical symbols, comma-separated; default "
              f"{','.join(DEFAULT_SYMBOLS)}, with --frames those in the file.")
@click.option("--seed", type=int, default=7, show_default=True,
              help="With --t0-ns it fixes every price.")
@click.option("--rate", type=int, default=2000, show_default=True,
              help="Book updates a second and venue.")
@click.option("--ws-port", type=int, default=None, help="Of one --venue; 0 = any, also for both. "
              "Default 7701 bybit (7703 the public one beside its demo), 7711 okx.")
@click.option("--rest-port", type=int, default=None, help="The same; default 7702 (7704), 7712.")
@click.option("--t0-ns", type=int, default=0, help="Common epoch in Unix nanoseconds; 0 = now.")
@click.option("--frames", default="", help="Play a frames file, or VENUE.frames.gz of a folder.")
@click.option("--speed", type=float, default=1.0, show_default=True,
              help="Play a frames file so many times faster than it was recorded.")
@click.option("--fees-bps", type=number, default=None,
              help="Taker fee; default 5.5 bybit, 5.0 okx.")
@click.option("--balance", type=number, default="1000000", show_default=True,
              help="USDT at the start, on each venue.")
@click.option("--dress", type=click.Choice(DRESSES), default="plain", show_default=True,
              help="Which of the venues' environments to be; plain takes clients of any. "
              "Bybit demo has no public and no trade socket, OKX demo (its testnet too) wants "
              "x-simulated-trading on REST and has other codes and grids, Bybit testnet has thin "
              "books.")
@click.option("--ws-code-bug", is_flag=True, help="OKX demo refuses orders on the socket with "
              "51001, REST takes them.")
@click.option("--funding-s", type=float, default=0, show_default=True,
              help="Settle funding so often, at rates far apart; 0: as the venues do.")
@click.option("--depth-levels", type=int, default=400, show_default=True,
              help="Levels a side that a book has; 1 = the touch only.")
@click.option("--tls", is_flag=True, help="Serve wss and https with a throw-away authority.")
@click.option("--tls-dir", default="", help="Where ca.pem is written.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--ready-file", default="", help="JSON of one --venue's URLs and pid, "
              "written when listening.")
@click.option("--admin", is_flag=True, help="Let tests change contracts and arm faults over "
              "REST, on loopback.")
@click.option("--faults", default="", help="TOML file: what goes wrong, when, to whom.")
@click.option("--exit-with-parent", is_flag=True, help="End when the starting process ends.")
def main(venue: str, symbols: str | None, exit_with_parent: bool, **options: Any) -> None:
    """Exchange simulator: Bybit and OKX perpetual swaps on loopback."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)  # until something runs that has to be ended
    chosen: tuple[str, ...]
    if symbols is None:
        chosen = () if options["frames"] else DEFAULT_SYMBOLS
    else:
        chosen = tuple(part for part in symbols.split(",") if part.strip())
    code = 2  # what it was told does not fit
    try:
        from arbitrage.sim import launch, server

        arguments: list[str] = []
        if venue == "both":
            configs, arguments = _both(chosen, options)
        else:
            configs = {venue: SimConfig(venue=venue, symbols=chosen, **options)}
        servers = [server.make_server(config) for config in configs.values()]
        code = 1  # it cannot run
        if len(servers) > 1:
            sys.exit(launch.run_both(configs, arguments))
        server.run_server(servers[0], exit_with_parent)
    except SimError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(code)


def _both(
    symbols: tuple[str, ...], options: dict[str, Any]
) -> tuple[dict[str, SimConfig], list[str]]:
    """What each process will be, and the arguments that they share."""
    from arbitrage.sim.launch import both

    configs = both(symbols, options)
    if any(options[name] for name in ("ws_port", "rest_port", "ready_file")):
        raise SimError("--ws-port, --rest-port and --ready-file belong to one venue: add --venue "
                       "bybit or --venue okx; for both only port 0 (any) can be asked for")
    shared = {**options, "t0_ns": options["t0_ns"] or time.time_ns() + 300_000_000}
    arguments = ["--symbols", ",".join(symbols)] if symbols else []
    for name, value in shared.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False and value != "":  # 0 is a value
            arguments += [flag, str(value)]
    return configs, arguments


if __name__ == "__main__":
    main(prog_name="python -m arbitrage.sim")
