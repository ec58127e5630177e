"""Start-up: what is true of the whole account is said once, however many symbols trade."""

import asyncio
import logging
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from arbitrage.config import load_settings
from arbitrage.errors import ConfigError
from arbitrage.runtime.startup import _load_venue
from arbitrage.venues.base import AccountCheck, KeyRights

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
KEYS = {"BYBIT_API_KEY": "k", "BYBIT_API_SECRET": "s", "ARB_FEES": "bybit=5.5,okx=5"}
KEYS |= {"ARB_ALLOW_UNBOUND_KEY": "1", "ARB_MODE": "live"}
KEYS |= {"OKX_API_KEY": "k", "OKX_API_SECRET": "s", "OKX_API_PASSPHRASE": "p"}


class Client:
    """A venue whose every account check finds the same thing about the key."""

    base_url = "http://127.0.0.1:1"

    async def sync_clock(self) -> None: ...

    async def instruments(self) -> list[Any]:
        return [SimpleNamespace(symbol=name, venue_symbol=name, is_live=True) for name in SYMBOLS]

    async def check_account(self, venue_symbol: str) -> AccountCheck:
        return AccountCheck("one-way", "cross", KeyRights(may_withdraw=False, is_bound=False))

    async def leverage(self, venue_symbol: str) -> Decimal:
        return Decimal(10)

    async def positions(self) -> list[Any]:
        return []

    async def wallet(self) -> Decimal:
        return Decimal(1)


def test_a_warning_comes_once_a_venue(caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings(KEYS | {"ARB_SYMBOLS": ",".join(SYMBOLS)}, dotenv=None)
    caplog.set_level(logging.WARNING)
    asyncio.run(_load_venue(settings, "bybit", Client()))  # type: ignore[arg-type]
    assert [record.getMessage() for record in caplog.records] == [
        "bybit: the API key is bound to no address",
    ]


def test_an_unlisted_symbol_is_told_by_where_it_was_named() -> None:
    flags = {"ARB_SYMBOLS": "FOOUSDT"}
    for settings, source in (
        (load_settings(KEYS, dotenv=None, overrides=flags), "--symbols"),
        (load_settings(KEYS | flags, dotenv=None), "ARB_SYMBOLS"),
    ):
        with pytest.raises(ConfigError, match=f"^{source} names FOOUSDT, but okx does not list it"):
            asyncio.run(_load_venue(settings, "okx", Client()))  # type: ignore[arg-type]
