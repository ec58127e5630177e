"""Bybit V5 signatures.

Source: bybit-exchange/docs, docs/v5/guide and docs/v5/websocket/wss-authentication (July 2026).
"""

import hashlib
import hmac

from arbitrage.config import Credentials
from arbitrage.secret import Secret

# A login is refused when its expiry is too close: now + 1 s fails, now + 10 s is what works.
LOGIN_EXPIRES_AFTER_MS = 10_000
# A request is accepted while server - window <= timestamp < server + 1000: ahead is fatal.
RECV_WINDOW_MS = 5_000


def sign(secret: Secret, prehash: str) -> str:
    """Return the lower-case hex HMAC-SHA256 of `prehash`."""
    return hmac.new(secret.reveal().encode(), prehash.encode(), hashlib.sha256).hexdigest()


def login_args(credentials: Credentials, wall_ms: int) -> list[str | int]:
    """Return the `args` of an `auth` frame for the private and the trade socket."""
    expires_ms = wall_ms + LOGIN_EXPIRES_AFTER_MS
    signature = sign(credentials.secret, f"GET/realtime{expires_ms}")
    return [credentials.key.reveal(), expires_ms, signature]


def rest_headers(
    credentials: Credentials, payload: str, wall_ms: int, recv_window_ms: int = RECV_WINDOW_MS
) -> dict[str, str]:
    """Return the headers of a signed request; `payload` is the raw query or the raw body."""
    prehash = f"{wall_ms}{credentials.key.reveal()}{recv_window_ms}{payload}"
    return {
        "X-BAPI-API-KEY": credentials.key.reveal(),
        "X-BAPI-TIMESTAMP": str(wall_ms),
        "X-BAPI-SIGN": sign(credentials.secret, prehash),
        "X-BAPI-RECV-WINDOW": str(recv_window_ms),
        "Content-Type": "application/json",
    }
