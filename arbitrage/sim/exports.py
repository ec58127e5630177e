"""The lines that a shell takes to point a trader at simulated venues."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from arbitrage.sim.config import SimKeys


def environment(ready: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Variables that point a trader at the simulated venues of these ready files."""
    lines: dict[str, str] = {}
    for venue, urls in ready.items():
        prefix = venue.upper()
        keys = SimKeys.from_env(venue)
        lines[f"{prefix}_API_KEY"] = keys.key
        lines[f"{prefix}_API_SECRET"] = keys.secret
        if venue == "okx":
            lines[f"{prefix}_API_PASSPHRASE"] = keys.passphrase
        lines[f"{prefix}_REST_URL"] = urls["rest_url"]
        if urls["public_ws_url"]:
            lines[f"{prefix}_PUBLIC_WS_URL"] = urls["public_ws_url"]
        lines[f"{prefix}_PRIVATE_WS_URL"] = urls["private_ws_url"]
        if venue == "bybit" and urls["trade_ws_url"]:
            lines[f"{prefix}_TRADE_WS_URL"] = urls["trade_ws_url"]
        if "ca_file" in urls:
            lines["SSL_CERT_FILE"] = urls["ca_file"]
    return lines


def print_exports(ready: dict[str, dict[str, Any]]) -> None:
    """Print those variables on stdout as ``export`` lines."""
    for name, value in environment(ready).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    sys.stdout.flush()
