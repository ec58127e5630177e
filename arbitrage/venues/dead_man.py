"""A dead man's switch: if nothing is heard of us for so long, the venue cancels what still rests.

Our own orders never rest; the switch is for what could not be foreseen. It covers every resting
order of the account, whoever placed it: an account that others trade by hand as well sets it to 0.
Only OKX offers one to everybody (`cancel-all-after`); Bybit's "disconnect protection", which is
for institutional accounts, needs no arming again and lives in the private stream.
"""

import asyncio
import logging
from typing import Protocol

from arbitrage.errors import ConnectorError, WireError

__all__ = ["DeadMan"]

# The venue takes one request a second; with four in a period two may fail.
EVERY_MIN_S = 1.1
ARMS_BY_PERIOD = 4.0
TOO_SOON = {"50011", "429"}
_log = logging.getLogger(__name__)


class Switch(Protocol):
    """What is needed of a venue's REST client."""

    async def cancel_all_after(self, seconds: int) -> None: ...


class DeadMan:
    """Keep a venue's switch armed. One loop.

    Parameters
    ----------
    rest : RestClient
        Open while this is used.
    timeout_s : int
        The venue cancels everything after so long without a word, 10 to 120.
    """

    def __init__(self, rest: Switch, timeout_s: int) -> None:
        self._rest = rest
        self.timeout_s = timeout_s
        self.arm_count = 0
        self.is_armed = False
        self._is_failing = False
        self._asked_s = -EVERY_MIN_S  # when the venue was last asked, loop time

    async def begin(self) -> None:
        """Arm for the first time; a run that ended a moment ago may have asked just before us.

        Raises
        ------
        ConnectorError
            Refused or not answered, and not for having been asked too soon.
        """
        try:
            await self.arm()
        except ConnectorError as error:
            if error.code not in TOO_SOON:
                raise
            await asyncio.sleep(EVERY_MIN_S)
            await self.arm()

    async def arm(self) -> None:
        """Start the venue's count anew.

        Raises
        ------
        ConnectorError
            Refused or not answered; the count that ran before still runs.
        """
        self._asked_s = asyncio.get_running_loop().time()
        await self._rest.cancel_all_after(self.timeout_s)
        self.is_armed = True
        self.arm_count += 1

    async def run(self) -> None:
        """Arm again and again until cancelled; a failure is told once and tried again."""
        while True:
            await asyncio.sleep(max(EVERY_MIN_S, self.timeout_s / ARMS_BY_PERIOD))
            try:
                await self.arm()
                self._is_failing = False
            except (ConnectorError, WireError) as error:
                if not self._is_failing:
                    self._is_failing = True
                    _log.error(
                        "the switch that cancels resting orders was not armed again, it fires %d s "
                        "after the last time: %s", self.timeout_s, error,
                    )

    async def disarm(self) -> None:
        """Stop the venue's count: nothing of ours can rest any more."""
        if not self.is_armed:
            return
        try:
            # a request right after the last one would be refused
            since_s = asyncio.get_running_loop().time() - self._asked_s
            await asyncio.sleep(max(0.0, EVERY_MIN_S - since_s))
            await self._rest.cancel_all_after(0)
            self.is_armed = False
        except (ConnectorError, WireError) as error:
            _log.warning(
                "the switch that cancels resting orders stays armed for up to %d s: %s",
                self.timeout_s, error,
            )
