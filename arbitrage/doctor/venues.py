"""The venues: do they answer, how fast, whose clock is wrong, and what may the keys do?"""

import asyncio
import time
from collections.abc import AsyncIterator
from statistics import median

import aiohttp
import msgspec

from arbitrage.doctor.findings import Finding, bad, ok, skip, warn
from arbitrage.errors import ConnectorError
from arbitrage.instruments import VENUES
from arbitrage.runtime.connectors import open_public_rest, open_rest
from arbitrage.settings import Settings
from arbitrage.venues.base import KeyRights
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.rest_client import RestClient

__all__ = ["check_venues"]

ASKS = 7
TIMEOUT_S = 10.0
KEY_TIMEOUT_S = 30.0
SLOW_MS = 150.0
CLOCK_WARN_MS = 250.0
CLOCK_BAD_MS = 5000.0
PINGS = {"bybit": BybitMarketFeed.ping, "okx": OkxMarketFeed.ping}


async def check_venues(settings: Settings) -> list[Finding]:
    """Ask both venues at once; nothing is changed there."""
    found = await asyncio.gather(*(_collect(settings, venue) for venue in VENUES))
    return [finding for each in found for finding in each]


async def _collect(settings: Settings, venue: str) -> list[Finding]:
    return [finding async for finding in _check_venue(settings, venue)]


async def _check_venue(settings: Settings, venue: str) -> AsyncIterator[Finding]:
    variable = f"{venue.upper()}_REST_URL"
    async with open_public_rest(settings, venue) as client:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                yield await _rest(venue, client)
                yield await _clock(venue, client)
        except (ConnectorError, TimeoutError) as error:
            yield bad(
                venue, "REST", _said(error, client.base_url),
                f"check the network, a proxy or firewall, and {variable}; the venue may refuse "
                "this country",
            )
        else:
            yield await _symbols(settings, venue, client)
    yield await _stream(settings, venue)
    async for finding in _keys(settings, venue):
        yield finding


def _said(error: Exception, place: str) -> str:
    return str(error) or f"{place} did not answer within {TIMEOUT_S:g} s"


# ---- reach --------------------------------------------------------------------------------------


def _speed(venue: str, check: str, place: str, took_ms: list[float]) -> Finding:
    p50_ms = median(took_ms)
    told = f"{place}: p50 {p50_ms:.1f} ms of {len(took_ms)} questions, slowest {max(took_ms):.1f}"
    if p50_ms > SLOW_MS:
        return warn(
            venue, check, told,
            "run the trader nearer to the venue: Bybit and OKX are in Asia (Singapore, Hong Kong "
            "or Tokyo regions); an opportunity of a second is over before an order arrives",
        )
    return ok(venue, check, told)


async def _rest(venue: str, client: RestClient) -> Finding:
    await client.server_time_ms()  # opens the connection, which is not what is measured
    took_ms = []
    for _ in range(ASKS):
        began_ns = time.monotonic_ns()
        await client.server_time_ms()
        took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
    return _speed(venue, "REST", client.base_url, took_ms)


async def _clock(venue: str, client: RestClient) -> Finding:
    offset_ms = (await client.sync_clock()).offset_ms
    told = f"the venue's clock is {offset_ms:+d} ms from this machine's"
    advice = "set this machine's clock: timedatectl set-ntp true, or chronyc makestep"
    if abs(offset_ms) > CLOCK_BAD_MS:
        return bad(venue, "clock", told, advice)
    if abs(offset_ms) > CLOCK_WARN_MS:
        return warn(venue, "clock", f"{told}; requests carry the venue's time, days do not", advice)
    return ok(venue, "clock", told)


async def _symbols(settings: Settings, venue: str, client: RestClient) -> Finding:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            listed = {item.symbol for item in await client.instruments() if item.is_live}
    except (ConnectorError, TimeoutError) as error:
        return bad(venue, "symbols", _said(error, client.base_url), "try again in a minute")
    missing = [symbol for symbol in settings.symbols if symbol not in listed]
    if missing:
        return bad(
            venue, "symbols", f"{', '.join(missing)} cannot be traded here",
            "leave them out of ARB_SYMBOLS: arb instruments lists what both venues trade",
        )
    return ok(venue, "symbols", f"all of {len(settings.symbols)} are listed and live")


async def _stream(settings: Settings, venue: str) -> Finding:
    url: str = getattr(settings.hosts, venue).public_ws
    took_ms = []
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aiohttp.ClientSession() as session,
            session.ws_connect(url) as socket,
        ):
            for _ in range(ASKS):
                began_ns = time.monotonic_ns()
                await socket.send_str(PINGS[venue].decode())
                answer = await socket.receive()
                if answer.type is not aiohttp.WSMsgType.TEXT:
                    raise aiohttp.ClientError("it hung up")
                took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
    except (aiohttp.ClientError, OSError) as error:
        said = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            said = f"no answer within {TIMEOUT_S:g} s"
        return bad(
            venue, "public stream", f"{url}: {said}",
            f"check that a proxy or firewall lets WebSockets through, and "
            f"{venue.upper()}_PUBLIC_WS_URL",
        )
    return _speed(venue, "public stream", url, took_ms)


# ---- keys ---------------------------------------------------------------------------------------


async def _keys(settings: Settings, venue: str) -> AsyncIterator[Finding]:
    credentials = getattr(settings, venue)
    if credentials is None:
        yield skip(venue, "key", f"none is set for mode {settings.mode}")
        return
    # in paper mode, too, a key that is there is looked at: it may be meant for mode live
    asking = settings if settings.mode != "paper" else msgspec.structs.replace(
        settings, mode="live"
    )
    try:
        async with asyncio.timeout(KEY_TIMEOUT_S), open_rest(asking, venue) as client:
            await client.sync_clock()
            named = {item.symbol: item.venue_symbol for item in await client.instruments()}
            symbol = next((named[each] for each in settings.symbols if each in named), "")
            account = await client.check_account(symbol)
    except (ConnectorError, TimeoutError) as error:
        yield bad(
            venue, "key", _said(error, venue),
            f"see {credentials.variable} and the account's settings on the venue's site",
        )
        return
    yield ok(venue, "account", f"{account.position_mode}, {account.margin_mode}")
    for finding in _rights(settings, venue, account.key):
        yield finding


def _rights(settings: Settings, venue: str, key: KeyRights | None) -> list[Finding]:
    site = "make another key on the venue's site: read and trade, bound to this machine's address"
    if key is None:
        told = "the venue does not say what it may do"
        return [warn(venue, "key's rights", told, f"look there, or {site}")]
    found = []
    if not key.may_trade:
        found.append(bad(venue, "key's rights", "it may not trade", site))
    if key.may_withdraw:
        found.append(bad(
            venue, "key's rights", "it may withdraw: who reads it can take everything", site
        ))
    if not found:
        found.append(ok(venue, "key's rights", "it may trade and cannot withdraw"))
    if key.is_bound:
        found.append(ok(venue, "key's address", "bound"))
    elif settings.allow_unbound_key:
        found.append(warn(
            venue, "key's address", "any address may use it, as ARB_ALLOW_UNBOUND_KEY allows",
            "bind it to this machine's address on the venue's site",
        ))
    else:
        found.append(bad(
            venue, "key's address", "any address may use it; the trader refuses such a key",
            "bind it to this machine's address on the venue's site, or accept the risk with "
            "ARB_ALLOW_UNBOUND_KEY=true",
        ))
    return found
