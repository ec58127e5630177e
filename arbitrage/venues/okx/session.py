"""How OKX's private socket logs in."""

import msgspec

from arbitrage.errors import ConnectorError
from arbitrage.venues.codes import Action
from arbitrage.venues.okx import auth, wire
from arbitrage.venues.okx.codes import CODES
from arbitrage.venues.signed import SignedConnection

PONG = b"pong"


class OkxSession(SignedConnection):
    """An OKX private socket; the heartbeat is the bare text `ping`."""

    venue_name = "okx"
    codes = CODES
    ping = b"ping"

    def login_frame(self, wall_ms: int) -> bytes:
        """Return the signed `login` request."""
        return msgspec.json.encode(
            {"op": "login", "args": auth.login_args(self._credentials, wall_ms)}
        )

    def take_event(self, message: wire.Message) -> None:
        """Read login replies, errors and notices."""
        if message.event == "login":
            if message.code == "0":
                self.login_accepted()
            else:
                self.login_refused(message.code, message.msg)
        elif message.event == "error":
            if self._login is not None and not self._login.done():
                self.login_refused(message.code, message.msg)
            else:
                self.fail(
                    ConnectorError(
                        f"{self.label}: {message.msg}",
                        venue=self.venue,
                        code=message.code,
                        is_terminal=self.codes.action(message.code) is Action.STOP,
                    )
                )
        elif message.event == "notice":
            self._log.warning("okx: notice %s: %s", message.code, message.msg)
            if self.codes.of(message.code).is_reconnect:
                self.move()
        elif message.event.startswith("channel-conn-count-error"):
            self.fail(ConnectorError("too many connections subscribe this channel", venue="okx"))
