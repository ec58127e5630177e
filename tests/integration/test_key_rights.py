"""Keys that could lose the account are refused before the first order."""

import logging
from typing import Any

import pytest
from venue_kit import VENUES, run, simulated

from arbitrage.config import Settings, load_settings
from arbitrage.errors import ConfigError, ConnectorError
from arbitrage.runtime.startup import Market, load_market
from arbitrage.sim.server import SimServer

KEYS = {
    "BYBIT_API_KEY": "sim-key",
    "BYBIT_API_SECRET": "sim-secret",
    "OKX_API_KEY": "sim-key",
    "OKX_API_SECRET": "sim-secret",
    "OKX_API_PASSPHRASE": "sim-pass",
}


def settings_of(servers: dict[str, SimServer], allow: str, **more: str) -> Settings:
    hosts = {
        f"{venue.upper()}_{name.upper()}": url
        for venue, server in servers.items()
        for name, url in server.urls.items()
        if name.endswith("_url") and (venue, name) != ("okx", "trade_ws_url")
    }
    flags = {"ARB_SYMBOLS": "BTCUSDT", "ARB_ALLOW_UNBOUND_KEY": allow}
    return load_settings(KEYS | hosts | flags | more, dotenv=None, cores=range(2))


def start(venue: str, allow: str = "", **key: object) -> Market:
    """Start with both venues, one of which tells something of its key."""
    found: list[Market] = []

    async def main() -> None:
        changed = {name: key if name == venue else {} for name in VENUES}
        async with (
            simulated("bybit", **changed["bybit"]) as bybit,
            simulated("okx", **changed["okx"]) as okx,
        ):
            found.append(await load_market(settings_of({"bybit": bybit, "okx": okx}, allow)))

    run(main)
    return found[0]


@pytest.mark.parametrize("allow", ["", "true"])
@pytest.mark.parametrize("venue", VENUES)
def test_a_key_that_may_withdraw_is_refused_whatever_is_allowed(venue: str, allow: str) -> None:
    with pytest.raises(ConnectorError, match=f"^{venue}: the API key may withdraw") as caught:
        start(venue, allow, key_withdraws=True)
    assert caught.value.is_terminal


@pytest.mark.parametrize("venue", VENUES)
def test_a_key_of_no_address_needs_the_flag(venue: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConnectorError, match="ARB_ALLOW_UNBOUND_KEY=true") as caught:
        start(venue, key_ip="")
    assert caught.value.is_terminal
    caplog.clear()
    assert start(venue, "true", key_ip="").symbols == ("BTCUSDT",)
    assert f"{venue}: the API key is bound to no address" in caplog.text


def test_a_bound_key_that_only_trades_is_taken_quietly(caplog: pytest.LogCaptureFixture) -> None:
    assert start("bybit").symbols == ("BTCUSDT",)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_the_flag_is_true_or_false() -> None:
    with pytest.raises(ConfigError, match="was 'maybe'; accepted values are true, false"):
        settings_of({}, "maybe")
    assert not settings_of({}, "False").allow_unbound_key


# ---- leverage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
def test_a_leverage_above_the_limit_is_refused(venue: str) -> None:
    """It is read for each symbol, from the venue that holds it, and never changed."""

    async def main() -> None:
        async with simulated("bybit") as bybit, simulated("okx") as okx:
            servers = {"bybit": bybit, "okx": okx}
            exchange: Any = servers[venue].exchange
            leverage: dict[str, str] = exchange.leverage
            (name,) = leverage
            for text, limit, is_refused in (
                ("25", "0", False),
                ("25", "20", True),
                ("12.5", "12", True),
                ("12.5", "12.5", False),
            ):
                leverage[name] = text
                settings = settings_of(servers, "", ARB_LEVERAGE_MAX=limit)
                if not is_refused:
                    await load_market(settings)
                    continue
                with pytest.raises(ConnectorError) as caught:
                    await load_market(settings)
                assert f"{venue}: {name} is set to leverage {text}, above" in str(caught.value)
                assert caught.value.is_terminal
            assert leverage[name] == "12.5"

    run(main)
