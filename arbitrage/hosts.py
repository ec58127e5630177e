"""Where the venues live: hosts by mode, each of which a ``*_URL`` variable may replace."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from arbitrage.errors import ConfigError

__all__ = ["HOST_VARIABLES", "BybitHosts", "Hosts", "OkxHosts", "hosts_for"]


class BybitHosts(msgspec.Struct, frozen=True, kw_only=True):
    """Bybit V5; an empty `trade_ws` means that orders go over REST."""

    rest: str
    public_ws: str
    private_ws: str
    trade_ws: str


class OkxHosts(msgspec.Struct, frozen=True, kw_only=True):
    """OKX V5; `simulated` adds the header that its demo trading asks for."""

    rest: str
    public_ws: str
    private_ws: str
    simulated: bool = False


class Hosts(msgspec.Struct, frozen=True, kw_only=True):
    """The hosts of all venues."""

    bybit: BybitHosts
    okx: OkxHosts


_BYBIT_MAINNET = BybitHosts(
    rest="https://api.bybit.com",
    public_ws="wss://stream.bybit.com/v5/public/linear",
    private_ws="wss://stream.bybit.com/v5/private",
    trade_ws="wss://stream.bybit.com/v5/trade",
)
_BYBIT_TESTNET = BybitHosts(
    rest="https://api-testnet.bybit.com",
    public_ws="wss://stream-testnet.bybit.com/v5/public/linear",
    private_ws="wss://stream-testnet.bybit.com/v5/private",
    trade_ws="wss://stream-testnet.bybit.com/v5/trade",
)
# Bybit's demo trading has no order-entry socket and shares mainnet's public streams.
_BYBIT_DEMO = BybitHosts(
    rest="https://api-demo.bybit.com",
    public_ws=_BYBIT_MAINNET.public_ws,
    private_ws="wss://stream-demo.bybit.com/v5/private",
    trade_ws="",
)
_OKX_MAINNET = OkxHosts(
    rest="https://openapi.okx.com",
    public_ws="wss://ws.okx.com/ws/v5/public",
    private_ws="wss://ws.okx.com/ws/v5/private",
)
# OKX has one practice environment: same REST host with a header, its own sockets.
_OKX_DEMO = OkxHosts(
    rest="https://openapi.okx.com",
    public_ws="wss://wspap.okx.com/ws/v5/public",
    private_ws="wss://wspap.okx.com/ws/v5/private",
    simulated=True,
)
_BY_MODE = {
    "paper": Hosts(bybit=_BYBIT_MAINNET, okx=_OKX_MAINNET),
    "live": Hosts(bybit=_BYBIT_MAINNET, okx=_OKX_MAINNET),
    "testnet": Hosts(bybit=_BYBIT_TESTNET, okx=_OKX_DEMO),
    "demo": Hosts(bybit=_BYBIT_DEMO, okx=_OKX_DEMO),
}

# variable -> (venue, field)
HOST_VARIABLES: dict[str, tuple[str, str]] = {
    "BYBIT_REST_URL": ("bybit", "rest"),
    "BYBIT_PUBLIC_WS_URL": ("bybit", "public_ws"),
    "BYBIT_PRIVATE_WS_URL": ("bybit", "private_ws"),
    "BYBIT_TRADE_WS_URL": ("bybit", "trade_ws"),
    "OKX_REST_URL": ("okx", "rest"),
    "OKX_PUBLIC_WS_URL": ("okx", "public_ws"),
    "OKX_PRIVATE_WS_URL": ("okx", "private_ws"),
}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def _check(variable: str, url: str, field: str) -> str:
    """Return the URL without a trailing slash; clear text only goes to this machine."""
    secure, clear = ("https", "http") if field == "rest" else ("wss", "ws")
    accepted = f"accepted is {secure}://host[:port]/path, or {clear}:// to this machine"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{variable} is no URL; {accepted}") from None
    if parts.username or parts.password:
        raise ConfigError(f"{variable} holds a user or password; {accepted}")
    wrong = parts.scheme not in {secure, clear} or not host or port == 0
    if wrong or (parts.scheme == clear and host not in _LOOPBACK):
        raise ConfigError(f"{variable} was {url!r}; {accepted}")
    return url.rstrip("/")


def hosts_for(mode: str, values: Mapping[str, str] | None = None) -> Hosts:
    """Return the hosts of a mode with the ``*_URL`` variables in `values` applied."""
    hosts = _BY_MODE[mode]
    changed: dict[str, dict[str, str]] = {"bybit": {}, "okx": {}}
    for variable, (venue, field) in HOST_VARIABLES.items():
        text = (values or {}).get(variable, "").strip()
        if text:
            changed[venue][field] = _check(variable, text, field)
    return Hosts(
        bybit=msgspec.structs.replace(hosts.bybit, **changed["bybit"]),
        okx=msgspec.structs.replace(hosts.okx, **changed["okx"]),
    )
