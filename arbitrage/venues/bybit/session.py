"""How Bybit's private and trade sockets log in; both spell the same request."""

import re

import msgspec

from arbitrage.venues.bybit import auth, wire
from arbitrage.venues.bybit.codes import CODES
from arbitrage.venues.signed import SignedConnection

# not "expired": that is said of keys
_CLOCK_WORDS = re.compile(r"timestamp|time window|request time|\bexpires\b", re.IGNORECASE)


class BybitSession(SignedConnection):
    """A Bybit socket that takes `auth`."""

    venue_name = "bybit"
    codes = CODES
    ping = b'{"op":"ping"}'

    def login_frame(self, wall_ms: int) -> bytes:
        """Return the signed `auth` request; its expiry lies ten seconds ahead."""
        return msgspec.json.encode(
            {"op": "auth", "args": auth.login_args(self._credentials, wall_ms)}
        )

    def take_login(self, message: wire.Control) -> None:
        """Read the reply to `auth` of either socket.

        The private socket gives a text only, and its wording is not documented: only a text that
        speaks of time is taken for a clock problem.
        """
        if message.is_ok:
            self.login_accepted()
            return
        said = message.text
        self.login_refused(
            message.retCode,
            said,
            is_clock=message.retCode is None and _CLOCK_WORDS.search(said) is not None,
        )
