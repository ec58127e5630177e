"""``arb notify``: tell people by webhook, Slack or Telegram when a trader needs one."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from functools import partial

import click

from arbitrage.cli import write_text
from arbitrage.config import load_settings
from arbitrage.errors import ConfigError
from arbitrage.settings import Settings

__all__ = ["notify"]

ONE_LEG_MIN_S = 1.0  # it looks twice a second


async def _watch(settings: Settings, names: Sequence[str]) -> None:
    from arbitrage.cold.alert_rules import Rules
    from arbitrage.cold.alert_targets import parse_target
    from arbitrage.cold.deck import DeckReader
    from arbitrage.cold.notifier import Notifier
    from arbitrage.cold.steady_reader import SteadyReader
    from arbitrage.runtime.attach import attach

    log = logging.getLogger("arbitrage.notify")
    targets = [parse_target(url, number) for number, url in enumerate(settings.alert_urls, 1)]
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    rules = Rules(one_leg_s=max(ONE_LEG_MIN_S, settings.risk.max_naked_ms / 1e3))
    readers = [
        SteadyReader(name, partial(DeckReader, name, attach)) for name in names
    ]
    notifier = Notifier([reader.look for reader in readers], targets, rules)
    places = ", ".join(target.place for target in targets)
    log.info("watching %s for %s", ", ".join(names), places)
    await notifier.run(stop)
    for box in notifier.outboxes:
        log.info(
            "%s: %d messages sent, %d failures, %d alerts dropped, %d left",
            box.target.place, box.sent, box.failed, box.dropped, box.waiting,
        )  # fmt: skip


async def _test(settings: Settings, names: Sequence[str]) -> int:
    from arbitrage.cold.alert_targets import parse_target
    from arbitrage.cold.notifier import Pace, send_test

    targets = [parse_target(url, number) for number, url in enumerate(settings.alert_urls, 1)]
    found = await send_test(targets, names, Pace())
    for place, wrong in found.items():
        write_text("-", f"{place}: {wrong or 'sent'}\n")
    return int(any(found.values()))


@click.command()
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Name of the trader, again for each; default: ARB_NAME, arbitrage.",
)
@click.option("--test", "is_test", is_flag=True, help="Send one message to each address and end.")
def notify(names: tuple[str, ...], is_test: bool) -> int:
    """Send alerts of running traders to the addresses in ARB_ALERT_URLS.

    \b
    Told, once when it begins and once when it is over: the kill switch, a pair
    on one leg for longer than ARB_MAX_NAKED_MS or BROKEN, a venue without a live
    row for 10 s, the day's loss from 80 % of its limit on, a trader that is gone.
    It reads shared memory from a process of its own and cannot slow the trader.
      ARB_ALERT_URLS=https://hooks.slack.com/services/... arb notify --test
    """
    from arbitrage.cold.log import setup_logging

    setup_logging("WARNING")
    for name in names:  # each is checked
        load_settings(overrides={"ARB_NAME": name}, needs_keys=False)
    settings = load_settings(needs_keys=False)
    watched = tuple(dict.fromkeys(names)) or (settings.name,)
    setup_logging(settings.log_level, settings.log_format)
    if not settings.alert_urls:
        raise ConfigError(
            "nobody to tell: set ARB_ALERT_URLS to the address of a webhook, Slack or Telegram"
        )
    if is_test:
        return asyncio.run(_test(settings, watched))
    asyncio.run(_watch(settings, watched))
    return 0
