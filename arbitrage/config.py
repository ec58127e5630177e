"""Settings read from the environment and a ``.env`` file; the first value that is wrong raises.

What there is to set stands in `arbitrage.settings`; the environment wins over ``.env``. Hosts live
in `arbitrage.hosts`, fees in `arbitrage.fees`, keys in `arbitrage.keys`.
"""

import difflib
import logging
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from arbitrage.config_values import convert_text, parse_cores, parse_symbols
from arbitrage.errors import ConfigError
from arbitrage.fees import parse_fees
from arbitrage.hosts import (
    HOST_VARIABLES,
    REGION_VARIABLES,
    environment_of,
    hosts_for,
    is_local,
)
from arbitrage.keys import (
    KEY_VARIABLES,
    SECRET_VARIABLES,
    Credentials,
    other_keys,
    read_mode_keys,
)
from arbitrage.secret import Secret
from arbitrage.settings import Mode, RiskSettings, Settings, StrategySettings, fields_of

__all__ = [
    "Credentials",
    "RiskSettings",
    "Settings",
    "StrategySettings",
    "load_settings",
    "parse_cores",
    "parse_symbols",
    "variables",
]

CANCEL_ALL_AFTER_MIN_S = 10  # the venue takes no less
DCP_MIN_S = 3
CREDENTIAL_FILE = "arbitrage.env"
EXIT_BAND_MIN_BPS = 200.0  # exits slip up to 120 bps from a touch that lies off the mid
PRACTICE_MODES: tuple[Mode, ...] = ("testnet", "demo")  # the first whose keys are all set
_OTHER_KNOWN = {"ARB_BUILD"}
_PREFIXES = ("ARB_", "BYBIT_", "OKX_")
_log = logging.getLogger("arbitrage.config")


# ---- variables ----------------------------------------------------------------------------------


def variables() -> dict[str, tuple[str, str]]:
    """Return every variable's default as text and what it is for, in a fixed order."""
    found: dict[str, tuple[str, str]] = {}
    for struct in (Settings, StrategySettings, RiskSettings):
        for _, name, kind, meta, default in fields_of(struct):
            text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            text = text.lower() if isinstance(default, bool) else text
            choices = " | ".join(get_args(kind)) if get_origin(kind) is Literal else ""
            about = f"{meta.description}{': ' + choices if choices else ''}"
            found[name] = ("" if default is None else text, about)
    found["ARB_MODE"] = ("", found["ARB_MODE"][1])  # by the keys that are there
    for venue, sets in KEY_VARIABLES.items():
        for environment, names in sets.items():
            about = f"API access of {venue}, {environment}"
            found |= {name: ("", about) for name in names}
    about = "where `arb mirror` writes, redis://host:6379/0; empty: it starts a Redis"
    found["REDIS_URL"] = ("", about)
    found["ARB_MONITOR_TOKEN"] = ("", "what the monitor asks for beyond this machine")
    found["ARB_ALERT_URLS"] = (
        "", "whom `arb notify` tells: webhook, Slack and Telegram addresses, comma between"
    )  # fmt: skip
    found |= {
        name: ("global", f"entity that holds the account: {' | '.join(regions)}")
        for name, regions in REGION_VARIABLES.items()
    }
    found |= {name: ("", "host instead of the mode's own") for name in HOST_VARIABLES}
    return found


def _read_struct(struct: type[msgspec.Struct], values: Mapping[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field, name, kind, meta, _ in fields_of(struct):
        text = values.get(name, "")
        if not text.strip():
            continue
        if field == "websocket_cores":
            out[field] = parse_cores(text)
        elif field == "symbols":
            out[field] = parse_symbols(text)
        elif field == "strategies":
            out[field] = tuple(name.strip() for name in text.split(",") if name.strip())
        elif field == "fees":
            out |= {"fees": parse_fees(text, label=name), "fees_given": True}
        elif field == "state_dir":
            out[field] = text.strip()
        else:
            out[field] = convert_text(name, text, kind, meta)
    return out


# ---- groups of values --------------------------------------------------------------------------


def _read_redis(text: str) -> Secret | None:
    if not text.strip():
        return None
    parts = urlsplit(text.strip())
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.netloc or parts.path):
        raise ConfigError(
            "REDIS_URL is no Redis address (value hidden, it may hold a password); accepted are "
            "redis://host:port/db, rediss://... and unix:///path"
        )
    return Secret(text.strip())


def _usable_cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _place(values: dict[str, Any], cores: Sequence[int], warnings: list[str]) -> None:
    """Bring pinned cores that this machine lacks onto cores it has, and say so once."""
    asked = [values.get("strategy_core"), values.get("detector_core")]
    asked += values.get("websocket_cores", ())
    missing = sorted({core for core in asked if core is not None and core not in cores})
    if not missing:
        return
    warnings.append(
        f"cores {','.join(map(str, missing))} are not available here (usable: "
        f"{','.join(map(str, cores))}); their threads share the usable ones"
    )

    def place(core: int) -> int:
        return core if core in cores else cores[core % len(cores)]

    for field in ("strategy_core", "detector_core"):
        if values.get(field) is not None:
            values[field] = place(values[field])
    if "websocket_cores" in values:
        values["websocket_cores"] = tuple(
            dict.fromkeys(place(core) for core in values["websocket_cores"])
        )


def _unknown_names(values: Mapping[str, str]) -> Iterator[str]:
    known = [*variables(), *_OTHER_KNOWN]
    for name in sorted(values):
        if name.startswith(_PREFIXES) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{name} is no known variable and is ignored{hint}"


def _check_dotenv(path: Path) -> None:
    """Refuse a line that is no setting: a limit that is not read does not limit."""
    from dotenv.parser import parse_stream

    with path.open(encoding="utf-8") as text:
        for item in parse_stream(text):
            if item.error or (item.key is not None and item.value is None):
                # a statement begins with the blank lines before it
                line = item.original.line
                for blank in item.original.string.splitlines():
                    if blank.strip():
                        break
                    line += 1
                raise ConfigError(
                    f"{path} line {line} is no setting (text hidden); accepted is NAME=value, "
                    "a value with spaces in quotes, or a comment that begins with #"
                )


def _read_dotenv(path: Path, warnings: list[str]) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        _check_dotenv(path)
        values = {name: text for name, text in dotenv_values(path).items() if text is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}") from None
    if mode & 0o077 and any(values.get(name) for name in SECRET_VARIABLES):
        warnings.append(f"{path} holds keys and others may read it; run: chmod 600 {path}")
    return values


def _read_credential_file(environ: Mapping[str, str]) -> dict[str, str]:
    """Read what systemd hands a service as the credential ``arbitrage.env``: lines as in .env.

    Its folder is the service's alone, whatever the file's own mode says.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    return _read_dotenv(Path(folder) / CREDENTIAL_FILE, []) if folder else {}


def _has_all_keys(mode: Mode, values: Mapping[str, str]) -> bool:
    try:
        hosts = hosts_for(mode, values)
        return all(
            read_mode_keys(
                venue, environment_of(venue, mode), values, is_local=is_local(hosts, venue)
            )
            for venue in KEY_VARIABLES
        )
    except ConfigError:
        return False  # not meant for this mode; what is wrong shows in the one that is chosen


def _default_mode(values: Mapping[str, str]) -> Mode:
    """Choose a mode by the keys that are there; orders never become real by default."""
    return next((mode for mode in PRACTICE_MODES if _has_all_keys(mode, values)), "paper")


def _unused_keys(values: Mapping[str, str]) -> Iterator[str]:
    """Say which keys are set while the mode that nobody named is paper, and why they open none."""
    live = [sets["mainnet"][0] for sets in KEY_VARIABLES.values()]
    given = [name for name in live if values.get(name, "").strip()]
    if given:
        yield (
            f"{' and '.join(given)} open mainnet, but no mode was named: paper, which sends "
            "no orders"
        )
    lacking, given = [], []
    for mode in PRACTICE_MODES:
        sets = [KEY_VARIABLES[venue][environment_of(venue, mode)] for venue in KEY_VARIABLES]
        missing = [names for names in sets if not values.get(names[0], "").strip()]
        if len(missing) == 1:
            given += [names[0] for names in sets if names not in missing]
            lacking.append(f"mode {mode} needs {', '.join(missing[0])} too")
    if lacking:
        yield (
            f"{' and '.join(dict.fromkeys(given))} set, but {', '.join(lacking)}: mode is paper, "
            "which sends no orders"
        )


def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    dotenv: Path | str | None = ".env",
    overrides: Mapping[str, str] | None = None,
    cores: Sequence[int] | None = None,
    needs_keys: bool = True,
) -> Settings:
    """Read the settings; the first value that is wrong raises.

    Parameters
    ----------
    environ : mapping or None
        Environment; None takes the process's own.
    dotenv : path or None
        File with further values, weaker than `environ`; None reads none. Between both stands
        the file ``arbitrage.env`` of CREDENTIALS_DIRECTORY, systemd's folder for credentials.
    overrides : mapping or None
        Variables that win over both, as a command line's flags do.
    cores : sequence of int or None
        Cores this process may use; None asks the system.
    needs_keys : bool
        False for programs that only watch: keys may be absent whatever the mode.

    Raises
    ------
    ConfigError
        Naming the variable, its value (never a secret) and what is accepted.
    """
    warnings: list[str] = []
    environ = os.environ if environ is None else environ
    values = _read_dotenv(Path(dotenv), warnings) if dotenv is not None else {}
    values |= _read_credential_file(environ)
    values |= environ
    values |= overrides or {}
    for name in SECRET_VARIABLES:
        Secret(values.get(name, ""))  # known from now on, so that no error below can show it
    usable = tuple(cores) if cores is not None else _usable_cores()

    fields = _read_struct(Settings, values)
    if overrides and "ARB_SYMBOLS" in overrides:
        fields["symbols_source"] = "--symbols"
    elif "symbols" not in fields:
        fields["symbols_source"] = "the default list (ARB_SYMBOLS is not set)"
    fields["strategy"] = StrategySettings(**_read_struct(StrategySettings, values))
    fields["risk"] = RiskSettings(**_read_struct(RiskSettings, values))
    fields["redis_url"] = _read_redis(values.get("REDIS_URL", ""))
    token = values.get("ARB_MONITOR_TOKEN", "").strip()
    fields["monitor_token"] = Secret(token) if token else None
    addresses = values.get("ARB_ALERT_URLS", "").replace(",", " ").split()
    fields["alert_urls"] = tuple(map(Secret, addresses))
    if "mode" not in fields:
        fields["mode"] = _default_mode(values)
        if fields["mode"] == "paper" and needs_keys:
            warnings += _unused_keys(values)
    mode = fields["mode"]
    fields["hosts"] = hosts = hosts_for(mode, values)
    for venue in KEY_VARIABLES:
        environment, local = environment_of(venue, mode), is_local(hosts, venue)
        fields[venue] = read_mode_keys(venue, environment, values, is_local=local)
        if not local:
            fields["unused_keys"] = (
                *fields.get("unused_keys", ()), *other_keys(venue, environment, values)
            )
    _place(fields, usable, warnings)
    settings = Settings(**fields, cores=usable)
    _cross_check(settings, needs_keys)
    for warning in [*warnings, *_unknown_names(values)]:
        _log.warning("%s", warning)
    return settings


def _cross_check(settings: Settings, needs_keys: bool) -> None:
    if settings.stages == "inline" and settings.feed_mode != "loop":
        raise ConfigError(
            f"ARB_STAGES was 'inline' with ARB_FEED_MODE {settings.feed_mode!r}; inline stages run "
            "inside the one feed loop: choose ARB_FEED_MODE loop, or ARB_STAGES split or fused"
        )
    risk = settings.risk
    if 0 < risk.cancel_all_after_s < CANCEL_ALL_AFTER_MIN_S:
        raise ConfigError(
            f"ARB_CANCEL_ALL_AFTER_S was {risk.cancel_all_after_s}; accepted is 0 or a whole "
            f"number from {CANCEL_ALL_AFTER_MIN_S} to 120"
        )
    if 0 < risk.dcp_s < DCP_MIN_S:
        raise ConfigError(
            f"ARB_DCP_S was {risk.dcp_s}; accepted is 0 or a whole number from {DCP_MIN_S} to 300"
        )
    _check_limits(risk, settings.strategy.slip_bps)
    if needs_keys and settings.mode != "paper":
        missing = [venue for venue in KEY_VARIABLES if getattr(settings, venue) is None]
        if missing:
            words = "; and ".join(map(settings.missing_keys, missing))
            raise ConfigError(f"mode {settings.mode} needs {words}")


def _check_limits(risk: RiskSettings, slip_bps: float) -> None:
    """Refuse limits that contradict each other: what one asks for, another would never let pass."""
    order, position = risk.max_order_usd, risk.max_position_usd
    pair = "both orders of one pair must fit into it"
    # (a limit, what it must hold, that in words, why); a limit of 0 is off
    for variable, limit, name, least, why in (
        ("ARB_MAX_POSITION_USD", position, "ARB_MAX_ORDER_USD", order,
         "one order must fit into one position"),
        ("ARB_MAX_SYMBOL_USD", risk.max_symbol_usd, "twice ARB_MAX_ORDER_USD", 2 * order, pair),
        ("ARB_MAX_VENUE_USD", risk.max_venue_usd, "ARB_MAX_ORDER_USD", order,
         "one order must fit into it"),
        ("ARB_MAX_GROSS_USD", risk.max_gross_usd, "twice ARB_MAX_ORDER_USD", 2 * order, pair),
        ("ARB_ENTRY_BAND_BPS", risk.entry_band_bps, "ARB_SLIP_BPS", slip_bps,
         "an entry's own slip must fit into it"),
        ("ARB_EXIT_BAND_BPS", risk.exit_band_bps, "ARB_ENTRY_BAND_BPS", risk.entry_band_bps,
         "what could be entered must be left, too"),
        ("ARB_EXIT_BAND_BPS", risk.exit_band_bps, "the least accepted,", EXIT_BAND_MIN_BPS,
         "the widest slip of an exit must fit into it"),
    ):  # fmt: skip
        if 0 < limit < least:
            raise ConfigError(f"{variable} was {limit:g}, below {name} {least:g}; {why}")
    if risk.exit_band_bps and not risk.entry_band_bps:
        raise ConfigError(
            f"ARB_ENTRY_BAND_BPS was 0, off, with ARB_EXIT_BAND_BPS {risk.exit_band_bps:g}; "
            "what could be entered must be left, too: set both, or none"
        )
    burst = risk.max_orders_burst or max(4, risk.max_orders_per_s)
    kept = risk.orders_kept_for_exits or burst // 4
    if kept + 2 > burst:
        raise ConfigError(
            f"ARB_ORDERS_KEPT_FOR_EXITS was {kept} of ARB_MAX_ORDERS_BURST {burst}; two entry "
            "orders must have room beside them"
        )
