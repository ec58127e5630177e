"""What a backtest is told: settings, strategies and the venues' rules, checked and in words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from arbitrage.config import load_settings
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.contracts import Contract
from arbitrage.settings import RiskSettings, Settings, StrategySettings, fields_of
from arbitrage.trading.strategy import Strategy
from arbitrage.trading.strategy_host import BUILT_IN, check_names, load_strategy

__all__ = [
    "Named",
    "Venue",
    "changed_settings",
    "plain_settings",
    "read_config",
    "rules_of",
    "strategies_of",
    "taker_bps",
]

Named = str | type[Strategy] | Strategy


@dataclass(frozen=True, kw_only=True)
class Venue:
    """Rules of a simulated venue, beside its recorded book.

    Attributes
    ----------
    reject_rate : float
        Share of orders refused by chance, 0 to 1.
    band_bps : float
        An order whose limit lies further beyond the mid is refused; 0: off.
    balance_usd : float
        Money at the start: an order that it does not carry is refused; 0: not asked.
    leverage : float
        A position needs its value over this.
    silence_s : float
        A row that said nothing for longer has no market: nothing fills there, and exits wait
        until it speaks again; 0: off.
    """

    reject_rate: float = 0.0
    band_bps: float = 0.0
    balance_usd: float = 0.0
    leverage: float = 10.0
    silence_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0 <= self.reject_rate <= 1:
            raise ConfigError(f"reject_rate was {self.reject_rate}; accepted values are 0 to 1")
        if not 0 <= self.silence_s <= 1e9:
            raise ConfigError(f"silence_s was {self.silence_s}; accepted values are 0 to 1e9 s")
        if not self.band_bps >= 0 or not self.balance_usd >= 0 or not self.leverage > 0:
            raise ConfigError(
                f"band_bps was {self.band_bps}, balance_usd {self.balance_usd} and leverage "
                f"{self.leverage}; accepted are values from 0, and a leverage above 0"
            )


def rules_of(venues: Venue | Mapping[str, Venue] | None) -> dict[str, Venue]:
    """Return the rules of each venue."""
    if venues is None or isinstance(venues, Venue):
        return dict.fromkeys(VENUES, venues or Venue())
    if not isinstance(venues, Mapping) or not all(isinstance(v, Venue) for v in venues.values()):
        raise ConfigError(f"venues were {venues!r}; accepted is a Venue, or one for each venue")
    if set(venues) - set(VENUES):
        raise ConfigError(f"venues named {', '.join(venues)}; accepted are {', '.join(VENUES)}")
    return {venue: venues.get(venue, Venue()) for venue in VENUES}


# ---- settings ------------------------------------------------------------------------------------


def _variables() -> dict[str, str]:
    found = {}
    for struct in (Settings, StrategySettings, RiskSettings):
        for field, variable, _, _, _ in fields_of(struct):
            found[field] = found[variable] = variable
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_text(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def read_config(config: Mapping[str, Any] | None, symbols: Sequence[str]) -> Settings:
    """Return the settings of a mapping: field names or ARB_* names, the trader's own checks.

    Raises
    ------
    ConfigError
        A name that is none, or a value that is out of its range.
    """
    known, words = _variables(), {}
    for name, value in (config or {}).items():
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{name} is no setting of the trader{hint}")
        words[known[name]] = _text(value)
    words |= {"ARB_MODE": "paper", "ARB_SYMBOLS": ",".join(symbols), "ARB_NAME": "backtest"}
    try:
        return load_settings({}, dotenv=None, overrides=words, cores=(0,), needs_keys=False)
    except ConfigError as error:
        said = str(error)
        for name in sorted(config or {}, key=len, reverse=True):  # as it was given
            said = re.sub(rf"\b{known[name]}\b", name, said)
        raise ConfigError(said) from None


def taker_bps(settings: Settings, contract: Contract) -> float:
    """Return the fee: as set, else as the account had it, else the venue's public base."""
    if settings.fees_given or contract.taker_bps is None:
        return settings.fees.taker_bps(contract.venue)
    return contract.taker_bps


def _fees(settings: Settings, contracts: Mapping[tuple[str, str], Contract]) -> dict[str, float]:
    """Return what is paid: a fee a venue, or one a contract where a venue's differ."""
    found: dict[str, float] = {}
    for venue in VENUES:
        mine = {
            symbol: taker_bps(settings, contract)
            for (at, symbol), contract in sorted(contracts.items())
            if at == venue
        }
        if len(set(mine.values())) == 1:
            found[venue] = next(iter(mine.values()))
        else:
            found |= {f"{venue} {symbol}": bps for symbol, bps in mine.items()}
    return found


def plain_settings(
    settings: Settings, contracts: Mapping[tuple[str, str], Contract]
) -> dict[str, Any]:
    """Return what matters of settings in a backtest: no secrets, no machine."""
    found: dict[str, Any] = msgspec.to_builtins(settings.strategy)
    found |= msgspec.to_builtins(settings.risk)
    return found | {"fees": _fees(settings, contracts)}


def changed_settings(config: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the settings that are not as they are by default: value and default; fees left out."""
    found = {}
    for struct in (StrategySettings, RiskSettings):
        for field, _, _, _, default in fields_of(struct):
            usual = msgspec.to_builtins(default)
            if field in config and config[field] != usual:
                found[field] = config[field], usual
    return found


# ---- strategies ----------------------------------------------------------------------------------


def strategies_of(strategy: Named | Sequence[Named]) -> tuple[list[str], list[Strategy], str]:
    """Return the built-in names, the users' instances, and all of it in words."""
    if not isinstance(strategy, str | type | Strategy | Sequence):
        raise ConfigError(
            f"strategy was {strategy!r}; accepted are {', '.join(BUILT_IN)}, file.py:Class, and "
            "classes made from arbitrage.Strategy"
        )
    given: list[Named] = []
    for each in [strategy] if isinstance(strategy, str | type | Strategy) else strategy:
        given += [part.strip() for part in each.split(",")] if isinstance(each, str) else [each]
    names = [each for each in given if isinstance(each, str)]
    check_names(tuple(names), "strategy")
    users: list[Strategy] = []
    words = []
    for each in given:
        words.append(each if isinstance(each, str) else _name_of(each))
        if isinstance(each, Strategy):
            users.append(each)
        elif isinstance(each, type):
            users.append(each())
        elif each not in BUILT_IN:
            users.append(load_strategy(each))
    if not given:
        raise ConfigError(f"no strategy was named; accepted are {', '.join(BUILT_IN)} and classes")
    return [name for name in names if name in BUILT_IN], users, ",".join(words)


def _name_of(each: type[Strategy] | Strategy) -> str:
    kind = each if isinstance(each, type) else type(each)
    if not issubclass(kind, Strategy):
        raise ConfigError(f"strategy was {kind.__name__}, which is no arbitrage.Strategy")
    return kind.__qualname__
