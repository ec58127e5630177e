"""Start-up: ask both venues what may be traded, at which fees, and whether the account is fit."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from arbitrage.config import Settings
from arbitrage.errors import ConfigError, ConnectorError
from arbitrage.instruments import VENUES, CommonLot, Instrument, common_lot
from arbitrage.runtime.connectors import open_rest
from arbitrage.runtime.recovery import Recovered, recover
from arbitrage.runtime.start_questions import ask_at_start
from arbitrage.trading.past import Past
from arbitrage.venues.base import KeyRights, Wallet
from arbitrage.venues.rest_client import RestClient

__all__ = ["Market", "load_market"]

STARTUP_TIMEOUT_S = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Market:
    """What the venues said at start.

    Parameters
    ----------
    symbols : tuple of str
        Canonical symbols that both venues trade, in the order asked for.
    instruments : dict
        venue -> canonical symbol -> contract.
    taker_bps : dict
        venue -> canonical symbol -> taker fee, basis points.
    lots : dict
        canonical symbol -> the lot grid common to both venues.
    wallets : dict
        venue -> equity at start; empty in paper mode.
    recovered : Recovered
        What an earlier run left, to be taken over.
    """

    symbols: tuple[str, ...]
    instruments: dict[str, dict[str, Instrument]]
    taker_bps: dict[str, dict[str, float]]
    lots: dict[str, CommonLot]
    wallets: dict[str, Wallet] = field(default_factory=dict)
    recovered: Recovered = field(default_factory=Recovered)


async def load_market(settings: Settings, past: Past | None = None) -> Market:
    """Ask both venues at once; the first thing that makes trading impossible raises.

    Parameters
    ----------
    settings : Settings
    past : Past, optional
        What the last run's journal says.

    Raises
    ------
    ConfigError
        A symbol that a venue does not list or does not trade.
    ConnectorError
        A venue that does not answer, refuses the key, or holds what nobody can explain.
    """
    async with AsyncExitStack() as stack:
        clients = {
            venue: await stack.enter_async_context(open_rest(settings, venue)) for venue in VENUES
        }
        try:
            async with asyncio.timeout(STARTUP_TIMEOUT_S):
                found = await asyncio.gather(
                    *(_load_venue(settings, venue, client) for venue, client in clients.items())
                )
                said = dict(zip(VENUES, found, strict=True))
                instruments = {venue: facts.instruments for venue, facts in said.items()}
                recovered = await recover(settings, clients, instruments, past or Past())
        except TimeoutError:
            hosts = ", ".join(getattr(settings.hosts, venue).rest for venue in VENUES)
            raise ConnectorError(
                f"the venues did not answer within {STARTUP_TIMEOUT_S:g} s ({hosts}); "
                "check the network and the *_REST_URL variables"
            ) from None
    fees = {venue: facts.taker_bps for venue, facts in said.items()}
    wallets = {venue: facts.wallet for venue, facts in said.items() if facts.wallet is not None}
    lots = {
        symbol: common_lot(instruments["bybit"][symbol], instruments["okx"][symbol])
        for symbol in settings.symbols
    }
    return Market(settings.symbols, instruments, fees, lots, wallets, recovered)


class _VenueFacts(NamedTuple):
    """One venue's part of the market."""

    instruments: dict[str, Instrument]
    taker_bps: dict[str, float]
    wallet: Wallet | None = None


async def _load_venue(settings: Settings, venue: str, client: RestClient) -> _VenueFacts:
    await ask_at_start(client, client.sync_clock)
    # two contracts may share a coin (1000SATS and 10000SATS): one that trades counts
    everything = await ask_at_start(client, client.instruments)
    found = sorted(everything, key=lambda item: item.is_live)
    listed = {item.symbol: item for item in found}
    wanted: dict[str, Instrument] = {}
    for symbol in settings.symbols:
        instrument = listed.get(symbol)
        if instrument is None or not instrument.is_live:
            state = "does not list it" if instrument is None else f"says {instrument.state!r}"
            raise ConfigError(
                f"{settings.symbols_source} names {symbol}, but {venue} {state}; remove it, "
                f"or check the host {client.base_url}"
            )
        wanted[symbol] = instrument
    default_bps = settings.fees.taker_bps(venue)
    fees = dict.fromkeys(settings.symbols, default_bps)
    if settings.mode == "paper":
        return _VenueFacts(wanted, fees)
    if not settings.fees_given:
        for symbol, instrument in wanted.items():
            rate = await ask_at_start(client, partial(client.fee_rate, instrument.venue_symbol))
            if rate is not None:
                fees[symbol] = rate.taker_bps
            else:
                _log.info("%s names no fee of %s; taking %g bps", venue, symbol, default_bps)
    checks = [
        await ask_at_start(client, partial(client.check_account, item.venue_symbol))
        for item in wanted.values()
    ]
    _require_safe_key(settings, venue, checks[0].key)
    for item in wanted.values():
        leverage = await ask_at_start(client, partial(client.leverage, item.venue_symbol))
        _require_leverage(settings, venue, item.venue_symbol, leverage)
    return _VenueFacts(wanted, fees, await ask_at_start(client, client.wallet))


def _require_safe_key(settings: Settings, venue: str, key: KeyRights | None) -> None:
    if key is None:
        _log.warning("%s does not say what the API key may do; see to it on the site", venue)
        return
    refusal = key.refusal(venue, allow_unbound=settings.allow_unbound_key)
    if refusal is not None:
        raise refusal
    if not key.is_bound:
        _log.warning("%s: the API key is bound to no address", venue)


def _require_leverage(settings: Settings, venue: str, name: str, leverage: Decimal) -> None:
    """Refuse a leverage above the limit: it is never changed from here."""
    limit = settings.risk.leverage_max
    told = f"{leverage.normalize():f}" if leverage else "not told"
    _log.info("%s: %s leverage %s", venue, name, told)
    if limit and leverage > Decimal(str(limit)):
        raise ConnectorError(
            f"{name} is set to leverage {leverage.normalize():f}, above ARB_LEVERAGE_MAX "
            f"{limit:g}; lower it on the venue's site",
            venue=venue,
            is_terminal=True,
        )
