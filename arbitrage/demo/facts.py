"""What the venues themselves say over REST: equity and positions, as exact decimals."""

import asyncio
import ssl
from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.config import Credentials

__all__ = ["AccountFacts", "read_account"]


class AccountFacts(msgspec.Struct, frozen=True):
    """One venue's account at one moment.

    Parameters
    ----------
    equity_usd : Decimal
        Wallet equity.
    positions : dict of str to Decimal
        Positions that are not zero, by the venue's symbol, in its own units.
    """

    equity_usd: Decimal
    positions: dict[str, Decimal]


def _client(venue: str, rest_url: str, credentials: Credentials, tls: ssl.SSLContext | None) -> Any:
    if venue == "bybit":
        from arbitrage.venues.bybit.rest import BybitRest

        return BybitRest(rest_url, credentials, ssl_context=tls)
    from arbitrage.venues.okx.rest import OkxRest

    return OkxRest(rest_url, credentials, ssl_context=tls)


async def _read(client: Any) -> AccountFacts:
    async with client:
        wallet = await client.wallet()
        held = await client.positions()
    return AccountFacts(wallet.equity, {row.venue_symbol: row.qty_venue for row in held})


def read_account(
    venue: str, rest_url: str, credentials: Credentials, ca_file: str | None = None
) -> AccountFacts:
    """Ask a venue for the account's equity and positions.

    Raises
    ------
    ConnectorError
        When it refuses or does not answer.
    """
    tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
    return asyncio.run(_read(_client(venue, rest_url, credentials, tls)))
