"""Where the venues live: hosts by mode and region, each of which a ``*_URL`` variable replaces.

Sources: bybit-exchange/docs, docs/v5/guide and ws/connect; OKX API guide v5, "Production Trading
Services" and "Demo Trading Services" (2026).
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from arbitrage.errors import ConfigError

__all__ = [
    "HOST_VARIABLES",
    "REGION_VARIABLES",
    "BybitHosts",
    "Hosts",
    "OkxHosts",
    "environment_of",
    "hosts_for",
    "is_local",
    "is_loopback",
]


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


def _bybit_mainnet(domain: str) -> BybitHosts:
    return BybitHosts(
        rest=f"https://api.{domain}",
        public_ws=f"wss://stream.{domain}/v5/public/linear",
        private_ws=f"wss://stream.{domain}/v5/private",
        trade_ws=f"wss://stream.{domain}/v5/trade",
    )


def _okx(rest: str, ws: str, *, simulated: bool = False) -> OkxHosts:
    return OkxHosts(
        rest=f"https://{rest}",
        public_ws=f"wss://{ws}/ws/v5/public",
        private_ws=f"wss://{ws}/ws/v5/private",
        simulated=simulated,
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
    public_ws=_bybit_mainnet("bybit.com").public_ws,
    private_ws="wss://stream-demo.bybit.com/v5/private",
    trade_ws="",
)
# region -> environment -> hosts. An account of a regional entity is known at its own hosts only.
# Left out are entities of which not every host is known; their accounts set the *_URL variables.
_BYBIT: dict[str, dict[str, BybitHosts]] = {
    "global": {
        "mainnet": _bybit_mainnet("bybit.com"),
        "testnet": _BYBIT_TESTNET,
        "demo": _BYBIT_DEMO,
    },
    "tr": {"mainnet": _bybit_mainnet("bybit.tr")},
    "kz": {"mainnet": _bybit_mainnet("bybit.kz")},
    "id": {"mainnet": _bybit_mainnet("bybit.id")},
    "ge": {"mainnet": _bybit_mainnet("bybitgeorgia.ge")},
    "jp": {"mainnet": _bybit_mainnet("manepa.jp")},
}
# OKX has one practice environment: same REST host with a header, its own sockets.
_OKX: dict[str, dict[str, OkxHosts]] = {
    "global": {
        "mainnet": _okx("openapi.okx.com", "ws.okx.com"),
        "demo": _okx("openapi.okx.com", "wspap.okx.com", simulated=True),
    },
    "eea": {
        "mainnet": _okx("eea.okx.com", "wseea.okx.com"),
        "demo": _okx("eea.okx.com", "wseeapap.okx.com", simulated=True),
    },
    "us": {
        "mainnet": _okx("us.okx.com", "wsus.okx.com"),
        "demo": _okx("us.okx.com", "wsuspap.okx.com", simulated=True),
    },
}
REGION_VARIABLES = {"BYBIT_REGION": tuple(_BYBIT), "OKX_REGION": tuple(_OKX)}
_ENVIRONMENTS = {
    "paper": {"bybit": "mainnet", "okx": "mainnet"},
    "live": {"bybit": "mainnet", "okx": "mainnet"},
    "testnet": {"bybit": "testnet", "okx": "demo"},
    "demo": {"bybit": "demo", "okx": "demo"},
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


def environment_of(venue: str, mode: str) -> str:
    """Return where a mode trades at a venue: ``mainnet``, ``testnet`` or ``demo``."""
    return _ENVIRONMENTS[mode][venue]


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine, where only a simulated venue can be."""
    return urlsplit(url).hostname in _LOOPBACK


def is_local(hosts: Hosts, venue: str) -> bool:
    """Whether a venue is a simulator on this machine."""
    url: str = getattr(hosts, venue).rest
    return is_loopback(url)


def _known_hosts() -> dict[str, dict[str, set[tuple[str, str]]]]:
    # field -> host name -> the venues and environments that it serves
    known: dict[str, dict[str, set[tuple[str, str]]]] = {}
    sets: list[tuple[str, str, BybitHosts | OkxHosts]] = []
    for venue, regions in (("bybit", _BYBIT), ("okx", _OKX)):
        for environments in regions.values():
            sets += [(venue, name, hosts) for name, hosts in environments.items()]
    for venue, environment, hosts in sets:
        for field in ("rest", "public_ws", "private_ws", "trade_ws"):
            name = urlsplit(getattr(hosts, field, "")).hostname
            if name:
                known.setdefault(field, {}).setdefault(name, set()).add((venue, environment))
    known["rest"]["www.okx.com"] = known["rest"]["openapi.okx.com"]
    known["rest"]["api.bytick.com"] = known["rest"]["api.bybit.com"]
    return known


_KNOWN = _known_hosts()
_OKX_OLD_PORT = 8443


def _check_place(variable: str, url: str, field: str, venue: str, mode: str) -> None:
    """Refuse a host that is known to be another venue or environment than the mode trades at."""
    parts, environment = urlsplit(url), environment_of(venue, mode)
    if venue == "okx" and parts.port == _OKX_OLD_PORT and parts.hostname not in _LOOPBACK:
        raise ConfigError(
            f"{variable} was {url!r}; okx retired port {_OKX_OLD_PORT}, leave the port out"
        )
    places = _KNOWN[field].get(parts.hostname or "")
    if places and (venue, environment) not in places:
        there = " or ".join(sorted(f"{name} {where}" for name, where in places))
        modes = [name for name, by in _ENVIRONMENTS.items() if (venue, by[venue]) in places]
        advice = f"choose mode {' or '.join(modes)}, or " if modes else ""
        raise ConfigError(
            f"{variable} was {url!r}, which is {there}, but mode {mode} trades at {venue} "
            f"{environment} with its keys; {advice}leave {variable} empty"
        )


def _region_hosts(venue: str, mode: str, values: Mapping[str, str]) -> "BybitHosts | OkxHosts":
    variable = f"{venue.upper()}_REGION"
    tables: Mapping[str, Mapping[str, BybitHosts | OkxHosts]] = (
        _BYBIT if venue == "bybit" else _OKX
    )
    region = values.get(variable, "").strip().lower() or "global"
    if region not in tables:
        raise ConfigError(
            f"{variable} was {values[variable]!r}; accepted values are {', '.join(tables)}; the "
            f"hosts of another entity go into the {venue.upper()}_*_URL variables"
        )
    environment = environment_of(venue, mode)
    if environment not in tables[region]:
        raise ConfigError(
            f"{variable} was {region!r}, of which no {environment} hosts are known for mode "
            f"{mode}; leave it empty, or choose mode live or paper"
        )
    return tables[region][environment]


def hosts_for(mode: str, values: Mapping[str, str] | None = None) -> Hosts:
    """Return a mode's hosts in the account's region, with the ``*_URL`` variables applied.

    Raises
    ------
    ConfigError
        A URL that is none, or that leads to another venue or environment than the mode's.
    """
    given = values or {}
    changed: dict[str, dict[str, str]] = {"bybit": {}, "okx": {}}
    for variable, (venue, field) in HOST_VARIABLES.items():
        text = given.get(variable, "").strip()
        if text:
            changed[venue][field] = _check(variable, text, field)
            _check_place(variable, changed[venue][field], field, venue, mode)
    bybit, okx = (_region_hosts(venue, mode, given) for venue in ("bybit", "okx"))
    assert isinstance(bybit, BybitHosts)
    assert isinstance(okx, OkxHosts)
    return Hosts(
        bybit=msgspec.structs.replace(bybit, **changed["bybit"]),
        okx=msgspec.structs.replace(okx, **changed["okx"]),
    )
