"""``arb mirror``: copy a running trader's opportunities, pairs and quotes into Redis."""

import logging
import signal

import click

from arbitrage.config import load_settings
from arbitrage.errors import ConfigError
from arbitrage.wording import counted

__all__ = ["mirror"]


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
def mirror(name: str | None, url: str | None, max_len: int) -> int:
    """Mirror a running trader into Redis, read-only and from a process of its own.

    \b
    arbitrage:NAME:opportunities  stream of opportunity events
    arbitrage:NAME:pairs          stream of pair events
    arbitrage:NAME:quotes         hash, venue:symbol -> newest top of book
    arbitrage:NAME:mirror         hash: published, lost, reconnects
    It survives the trader's restart and Redis' absence.
    """
    from arbitrage.cold.log import setup_logging

    setup_logging("WARNING")
    overrides = {"ARB_NAME": name} if name else {}
    if url is not None:
        overrides["REDIS_URL"] = url
    settings = load_settings(overrides=overrides, needs_keys=False)
    setup_logging(settings.log_level, settings.log_format)
    if settings.redis_url is None:
        raise ConfigError("no Redis to mirror to: set REDIS_URL=redis://host:6379/0 or give --url")

    import arbitrage
    from arbitrage.cold.redis_writer import Mirror
    from arbitrage.runtime.stop_flag import StopFlag

    stop = StopFlag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    writer = Mirror(settings.name, settings.redis_url, arbitrage.attach, max_len)
    writer.open()
    log = logging.getLogger("arbitrage.mirror")
    log.info("mirroring %s to Redis at %s", settings.name, writer.place)
    writer.run(stop.is_set)
    done = writer.counters
    log.info("ended: %d published, %d lost", done["published"], done["lost"])
    if writer.waiting:
        left = counted(writer.waiting, "event")
        log.warning("%s not written: Redis at %s is away", left, writer.place)
    return 0
