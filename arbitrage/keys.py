"""API keys: one set of variables for each venue and environment, and none stands in for another.

A key of mainnet, of the testnet and of demo trading are three kinds of key. A key in the wrong
place is refused by the venue at best, so each environment has variables of its own. The one
exception is a venue on this machine, a simulator: there the plain variables do as well.
"""

from collections.abc import Mapping

import msgspec

from arbitrage.errors import ConfigError
from arbitrage.secret import Secret, mask

__all__ = [
    "KEY_VARIABLES",
    "SECRET_VARIABLES",
    "Credentials",
    "other_keys",
    "read_credentials",
    "read_mode_keys",
]

_BYBIT = ("API_KEY", "API_SECRET")
_OKX = (*_BYBIT, "API_PASSPHRASE")

# venue -> environment -> variables
KEY_VARIABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "bybit": {
        "mainnet": tuple(f"BYBIT_{part}" for part in _BYBIT),
        "testnet": tuple(f"BYBIT_TESTNET_{part}" for part in _BYBIT),
        "demo": tuple(f"BYBIT_DEMO_{part}" for part in _BYBIT),
    },
    "okx": {
        "mainnet": tuple(f"OKX_{part}" for part in _OKX),
        "demo": tuple(f"OKX_DEMO_{part}" for part in _OKX),
    },
}

# Whose values no line may show, whatever they are worth.
SECRET_VARIABLES = frozenset(
    name for sets in KEY_VARIABLES.values() for names in sets.values() for name in names
) | {"REDIS_URL", "ARB_MONITOR_TOKEN", "ARB_ALERT_URLS"}


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's API key; every rendering is masked.

    `variable` names where the key came from, for errors.
    """

    key: Secret
    secret: Secret
    passphrase: Secret = Secret("")
    variable: str = ""

    def hide(self, text: str) -> str:
        """Return a text without this key: venues quote what they were sent."""
        return mask(text, (self.key, self.secret, self.passphrase))


def read_credentials(names: tuple[str, ...], values: Mapping[str, str]) -> Credentials | None:
    """Read one set of variables; None when all of them are empty.

    Raises
    ------
    ConfigError
        Some are empty, or one holds what no key has.
    """
    texts = [values.get(name, "").strip() for name in names]
    missing = [name for name, text in zip(names, texts, strict=True) if not text]
    if len(missing) == len(names):
        return None
    if missing:
        given = ", ".join(name for name in names if name not in missing)
        raise ConfigError(f"{', '.join(missing)} was empty while {given} is set; set all or none")
    for name, text in zip(names, texts, strict=True):
        if not text.isprintable() or not text.isascii() or " " in text:
            raise ConfigError(f"{name} holds a space or a character that no key has (value hidden)")
    return Credentials(
        key=Secret(texts[0]),
        secret=Secret(texts[1]),
        passphrase=Secret("".join(texts[2:])),
        variable=names[0],
    )


def read_mode_keys(
    venue: str, environment: str, values: Mapping[str, str], *, is_local: bool
) -> Credentials | None:
    """Return a venue's key for an environment; None when there is none.

    Parameters
    ----------
    is_local : bool
        The venue is a simulator on this machine, which takes the plain variables too.

    Raises
    ------
    ConfigError
        A set of variables is incomplete, or two environments were given the same key.
    """
    found = {name: read_credentials(names, values) for name, names in KEY_VARIABLES[venue].items()}
    _require_different(venue, found)
    return found[environment] or (found["mainnet"] if is_local else None)


def _require_different(venue: str, found: Mapping[str, Credentials | None]) -> None:
    seen: dict[Secret, str] = {}
    for credentials in found.values():
        if credentials is None:
            continue
        if credentials.key in seen:
            raise ConfigError(
                f"{seen[credentials.key]} and {credentials.variable} hold the same key (hidden); "
                f"{venue} makes a key for one environment: leave the other variables empty"
            )
        seen[credentials.key] = credentials.variable


def other_keys(venue: str, environment: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the key variables of the other environments that are set, for an error to name."""
    return tuple(
        names[0]
        for name, names in KEY_VARIABLES[venue].items()
        if name != environment and values.get(names[0], "").strip()
    )
