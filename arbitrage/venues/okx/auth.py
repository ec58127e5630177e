"""OKX V5 signatures.

Source: OKX API guide v5, sections "REST Authentication" and "WebSocket: Login" (July 2026).
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from arbitrage.config import Credentials
from arbitrage.secret import Secret

LOGIN_PATH = "/users/self/verify"
# Demo trading over REST; the WebSocket handshake has hosts of its own and never carries it.
SIMULATED_HEADER = "x-simulated-trading"


def sign(secret: Secret, prehash: str) -> str:
    """Return the base64 HMAC-SHA256 of `prehash`."""
    digest = hmac.new(secret.reveal().encode(), prehash.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def login_args(credentials: Credentials, wall_ms: int) -> list[dict[str, str]]:
    """Return the `args` of a `login` frame; its timestamp is in seconds and valid for 30 s."""
    timestamp_s = str(wall_ms // 1000)
    return [
        {
            "apiKey": credentials.key.reveal(),
            "passphrase": credentials.passphrase.reveal(),
            "timestamp": timestamp_s,
            "sign": sign(credentials.secret, f"{timestamp_s}GET{LOGIN_PATH}"),
        }
    ]


def iso_timestamp(wall_ms: int) -> str:
    """Return the UTC time as OKX wants it in headers: `2020-12-08T09:08:57.715Z`."""
    moment = datetime.fromtimestamp(wall_ms // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03d}Z"


def rest_headers(
    credentials: Credentials,
    method: str,
    path_with_query: str,
    body: str,
    wall_ms: int,
    *,
    is_simulated: bool = False,
) -> dict[str, str]:
    """Return the headers of a signed request. Sign exactly the bytes that are sent."""
    timestamp = iso_timestamp(wall_ms)
    headers = {
        "OK-ACCESS-KEY": credentials.key.reveal(),
        "OK-ACCESS-SIGN": sign(credentials.secret, f"{timestamp}{method}{path_with_query}{body}"),
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-PASSPHRASE": credentials.passphrase.reveal(),
        "Content-Type": "application/json",
    }
    if is_simulated:
        headers[SIMULATED_HEADER] = "1"
    return headers
