"""What a start asks the venues: again where one wants a pause, or has not answered once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from arbitrage.errors import ConnectorError
from arbitrage.venues.codes import Action
from arbitrage.venues.rest_client import RestClient

__all__ = ["TRIES", "ask_at_start"]

TRIES = 3  # of one question that is not answered, the first included: 15 s where nobody listens
PAUSE_S = 0.1  # before an unanswered question is asked again; added to a pause that a venue wants
_log = logging.getLogger(__name__)

T = TypeVar("T")


async def ask_at_start(client: RestClient, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask; again after its pause where the venue wants no more questions for now.

    A trader that starts soon after another one of the account finds its questions asked already.
    A question that is not answered, or whose line broke, is asked up to `TRIES` times; orders are
    never asked for this way.

    Raises
    ------
    ConnectorError
        Refused, or not answered as often as that.
    """
    unanswered = 0
    while True:
        try:
            return await ask()
        except ConnectorError as error:
            if error.is_terminal:
                raise
            if client.codes.action(error.code) is Action.THROTTLE:
                _log.info("%s; asking again", error)
                await asyncio.sleep(client.throttle_s + PAUSE_S)
                continue
            unanswered += 1
            if not error.is_unanswered or unanswered == TRIES:
                raise
            _log.warning("%s; asking again, %d of %d times", error, unanswered + 1, TRIES)
            await asyncio.sleep(PAUSE_S)
