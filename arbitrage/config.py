"""Settings: typed, validated and frozen, from the environment and a ``.env`` file.

Each field of the structs below names its variable, its range and what it is for; the reader, the
error messages and ``.env.example`` all come from there. The environment wins over ``.env``.
Hosts live in `arbitrage.hosts`, fees in `arbitrage.fees`.
"""

import difflib
import logging
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from arbitrage.config_values import CORE_LIMIT, convert_text, parse_cores, parse_symbols
from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule, parse_fees
from arbitrage.hosts import (
    HOST_VARIABLES,
    REGION_VARIABLES,
    Hosts,
    environment_of,
    hosts_for,
    is_local,
)
from arbitrage.keys import KEY_VARIABLES, Credentials, other_keys, read_mode_keys
from arbitrage.secret import Secret

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

Mode = Literal["paper", "demo", "testnet", "live"]
PRACTICE_MODES: tuple[Mode, ...] = ("testnet", "demo")  # the first whose keys are all set
FeedMode = Literal["loop", "threads", "processes"]
LoopMode = Literal["spin", "block", "adaptive"]
Stages = Literal["split", "fused", "inline"]
StagesChoice = Literal["auto", "split", "fused", "inline"]
Wait = Literal["spin", "yield", "adaptive"]
Depth = Literal["full", "five", "off"]
Durability = Literal["async", "interval", "every"]
FeeMode = Literal["round_trip", "entry"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
# Fewer cores than these and the stages share threads: a spinning thread without a core of its own
# only takes time from the others.
FUSED_CORES_MIN = 3
SPLIT_CORES_MIN = 8
CANCEL_ALL_AFTER_MIN_S = 10  # the venue takes no less
_OTHER_KNOWN = {"ARB_BUILD"}
_PREFIXES = ("ARB_", "BYBIT_", "OKX_")
_KEYS = tuple(
    name for sets in KEY_VARIABLES.values() for names in sets.values() for name in names
)
_SECRETS = {*_KEYS, "REDIS_URL", "ARB_MONITOR_TOKEN"}
_log = logging.getLogger("arbitrage.config")


def _env(name: str, about: str, **limits: Any) -> Meta:
    """Describe a field: its variable, what it is for and its range."""
    return Meta(description=about, extra={"env": name}, **limits)


class StrategySettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a pair is worth opening and when it is time to leave."""

    min_net_bps: Annotated[
        float, _env("ARB_MIN_NET_BPS", "least net edge to open, in bps", ge=-1000, le=10000)
    ] = 0.0
    min_gross_bps: Annotated[
        float, _env("ARB_MIN_GROSS_BPS", "least gross edge to open, in bps", ge=-1000, le=10000)
    ] = 10.0
    min_excess_bps: Annotated[
        float,
        _env(
            "ARB_MIN_EXCESS_BPS",
            "least edge over the pair's own average, in bps; -10000: off",
            ge=-10000,
            le=10000,
        ),
    ] = -10000.0
    basis_time_s: Annotated[
        float, _env("ARB_BASIS_TIME_S", "time that average follows in, in s", gt=0, le=1000000)
    ] = 600.0
    min_confidence: Annotated[
        float, _env("ARB_MIN_CONFIDENCE", "least confidence to open, 0 to 100", ge=0, le=100)
    ] = 0.0
    depth_factor: Annotated[
        float, _env("ARB_DEPTH_FACTOR", "quantity at the touch over our size", ge=1, le=100)
    ] = 2.0
    max_age_ms: Annotated[
        int, _env("ARB_MAX_AGE_MS", "oldest quote of a leg, in ms; 0: off", ge=0, le=600000)
    ] = 0
    suspect_ms: Annotated[
        int,
        _env(
            "ARB_SUSPECT_MS",
            "how long OKX may say nothing of a symbol that moved at Bybit, in ms; 0: any time",
            ge=0,
            le=60000,
        ),
    ] = 500
    suspect_bps: Annotated[
        float, _env("ARB_SUSPECT_BPS", "how far that move is, in bps", ge=0, le=1000)
    ] = 1.0
    fee_mode: Annotated[FeeMode, _env("ARB_FEE_MODE", "whether the edge pays for leaving too")] = (
        "round_trip"
    )
    take_profit_bps: Annotated[
        float, _env("ARB_TAKE_PROFIT_BPS", "leave at this gain, in bps", ge=-1000, le=10000)
    ] = 1.0
    stop_bps: Annotated[
        float, _env("ARB_STOP_BPS", "leave at this loss, in bps", gt=0, le=10000)
    ] = 30.0
    max_hold_s: Annotated[
        float, _env("ARB_MAX_HOLD_S", "leave after so many seconds", gt=0, le=31536000)
    ] = 3600.0
    slip_bps: Annotated[
        float, _env("ARB_SLIP_BPS", "how far beyond the touch a leg may fill", ge=0, le=500)
    ] = 2.0
    cooldown_ms: Annotated[
        int, _env("ARB_COOLDOWN_MS", "rest of a symbol after a missed pair", ge=0, le=600000)
    ] = 250


class RiskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits that every order passes, whoever asks for it."""

    max_order_usd: Annotated[
        float, _env("ARB_MAX_ORDER_USD", "largest order, in USD", gt=0, le=1e8)
    ] = 1000.0
    max_position_usd: Annotated[
        float, _env("ARB_MAX_POSITION_USD", "largest position by venue and symbol", gt=0, le=1e9)
    ] = 2000.0
    max_orders_per_s: Annotated[
        int, _env("ARB_MAX_ORDERS_PER_S", "orders a second, both venues together", ge=1, le=10000)
    ] = 10
    max_naked_ms: Annotated[
        int, _env("ARB_MAX_NAKED_MS", "longest time of one leg alone", ge=10, le=60000)
    ] = 1000
    order_timeout_ms: Annotated[
        int, _env("ARB_ORDER_TIMEOUT_MS", "wait for an answer before asking", ge=10, le=60000)
    ] = 300
    leverage_max: Annotated[
        float,
        _env(
            "ARB_LEVERAGE_MAX",
            "refuse to start where a symbol's leverage is set higher at a venue; 0: any",
            ge=0,
            le=1000,
        ),
    ] = 0.0
    cancel_all_after_s: Annotated[
        int,
        _env(
            "ARB_CANCEL_ALL_AFTER_S",
            "OKX cancels every resting order of the account when we are silent so long, 10 to 120 "
            "s; 0: off",
            ge=0,
            le=120,
        ),
    ] = 0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a trader is told at its start."""

    name: Annotated[
        str,
        _env(
            "ARB_NAME",
            "name of the shared-memory segment",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,30}$",
        ),
    ] = "arbitrage"
    mode: Annotated[Mode, _env("ARB_MODE", "where orders go")] = "paper"
    symbols: Annotated[tuple[str, ...], _env("ARB_SYMBOLS", "canonical symbols to trade")] = (
        DEFAULT_SYMBOLS
    )
    market_queue_size: Annotated[
        int, _env("MARKET_QUEUE_SIZE", "ticks a market ring holds", ge=2, le=1 << 22)
    ] = 10000
    order_queue_size: Annotated[
        int, _env("ORDER_QUEUE_SIZE", "orders a venue's ring holds", ge=2, le=1 << 20)
    ] = 1000
    opportunity_queue_size: Annotated[
        int, _env("ARB_OPPORTUNITY_QUEUE_SIZE", "opportunities kept", ge=2, le=1 << 20)
    ] = 4096
    journal_records: Annotated[
        int,
        _env("ARB_JOURNAL_RECORDS", "records in each file of the journal", ge=4096, le=1 << 26),
    ] = 1 << 15  # 4 MiB; two of them are resident at most
    journal_durability: Annotated[
        Durability,
        _env("ARB_JOURNAL_DURABILITY", "what a power cut may take: seconds, an interval, nothing"),
    ] = "async"
    journal_sync_ms: Annotated[
        int, _env("ARB_JOURNAL_SYNC_MS", "interval: sync so often, in ms", ge=10, le=3600000)
    ] = 1000
    strategy_core: Annotated[
        int | None, _env("STRATEGY_CORE", "core of the strategy thread", ge=0, le=CORE_LIMIT)
    ] = None
    detector_core: Annotated[
        int | None, _env("DETECTOR_CORE", "core of the detector thread", ge=0, le=CORE_LIMIT)
    ] = None
    websocket_cores: Annotated[
        tuple[int, ...], _env("WEBSOCKET_CORES", "cores of the feed threads, 2-7 or 2,3")
    ] = ()
    feed_mode: Annotated[FeedMode, _env("ARB_FEED_MODE", "what holds the connections")] = "loop"
    depth: Annotated[
        Depth, _env("ARB_DEPTH", "books beside the touch; five: of OKX 5 levels, whole each time")
    ] = "full"
    connections_per_venue: Annotated[
        int,
        _env("ARB_CONNECTIONS_PER_VENUE", "parallel market connections, first wins", ge=1, le=4),
    ] = 1
    tap_mb: Annotated[
        int,
        _env("ARB_TAP_MB", "MB of raw frames kept for `arb record`, 0: off", ge=0, le=1024),
    ] = 0
    loop_mode: Annotated[LoopMode, _env("ARB_LOOP_MODE", "how a feed loop waits")] = "adaptive"
    stages: Annotated[
        StagesChoice, _env("ARB_STAGES", "threads of detector and strategy; auto: by cores")
    ] = "auto"
    wait: Annotated[Wait, _env("ARB_WAIT", "how detector and strategy wait")] = "adaptive"
    spin_us: Annotated[
        int, _env("ARB_SPIN_US", "adaptive: spin so long, then sleep", ge=0, le=1000000)
    ] = 50
    instrument_refresh_s: Annotated[
        float,
        _env("ARB_INSTRUMENT_REFRESH_S", "read contracts again in so many s", ge=0.1, le=86400),
    ] = 300.0
    state_dir: Annotated[str, _env("ARB_STATE_DIR", "folder of the journal and run number")] = (
        "~/.local/state/arbitrage"
    )
    allow_unbound_key: Annotated[
        bool, _env("ARB_ALLOW_UNBOUND_KEY", "trade with an API key that any address may use")
    ] = False
    log_level: Annotated[LogLevel, _env("LOG_LEVEL", "least level that is logged")] = "INFO"
    strategy: StrategySettings = StrategySettings()
    risk: RiskSettings = RiskSettings()
    fees: Annotated[FeeSchedule, _env("ARB_FEES", "taker fees in bps, bybit=5.5,okx=5.0")] = (
        FeeSchedule()
    )
    fees_given: bool = False
    symbols_source: str = "ARB_SYMBOLS"  # what to change when a symbol is wrong
    redis_url: Secret | None = None
    monitor_token: Secret | None = None
    bybit: Credentials | None = None
    okx: Credentials | None = None
    unused_keys: tuple[str, ...] = ()  # variables of other environments that are set
    hosts: Hosts = hosts_for("paper")
    cores: tuple[int, ...] = (0,)

    @property
    def state_path(self) -> Path:
        """Folder of the journal and the run number."""
        return Path(self.state_dir).expanduser()

    @property
    def placed_stages(self) -> Stages:
        """Stage placement with ``auto`` resolved by the cores this process may use."""
        if self.stages != "auto":
            return self.stages
        if len(self.cores) < FUSED_CORES_MIN and self.feed_mode == "loop":
            return "inline"
        return "fused" if len(self.cores) < SPLIT_CORES_MIN else "split"

    @property
    def has_keys(self) -> bool:
        """Whether both venues have a key."""
        return self.bybit is not None and self.okx is not None

    def credentials(self, venue: str) -> Credentials:
        """Return a venue's key, or say which variables are missing."""
        found: Credentials | None = getattr(self, venue)
        if found is None:
            raise ConfigError(f"mode {self.mode} needs {self.missing_keys(venue)}")
        return found

    def missing_keys(self, venue: str) -> str:
        """Say in words which variables hold the key that is missing, and which do not."""
        environment = environment_of(venue, self.mode)
        names = ", ".join(KEY_VARIABLES[venue][environment])
        words = f"keys of {venue}; set {names}"
        unused = [name for name in self.unused_keys if name.lower().startswith(venue)]
        if unused:
            words += f" ({', '.join(unused)} is of another environment and stays unused)"
        return words


# ---- variables ----------------------------------------------------------------------------------


def _fields(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str, Any, Meta, object]]:
    """Yield (field, variable, type, meta, default) of the fields that come from one variable."""
    for field in msgspec.structs.fields(struct):
        if get_origin(field.type) is not Annotated:
            continue
        kind, meta = get_args(field.type)[:2]
        yield field.name, meta.extra["env"], kind, meta, field.default


def variables() -> dict[str, tuple[str, str]]:
    """Return every variable's default as text and what it is for, in a fixed order."""
    found: dict[str, tuple[str, str]] = {}
    for struct in (Settings, StrategySettings, RiskSettings):
        for _, name, kind, meta, default in _fields(struct):
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
    found["REDIS_URL"] = ("", "where `arb mirror` copies opportunities to, redis://host:6379/0")
    found["ARB_MONITOR_TOKEN"] = ("", "what the monitor asks for beyond this machine")
    found |= {
        name: ("global", f"entity that holds the account: {' | '.join(regions)}")
        for name, regions in REGION_VARIABLES.items()
    }
    found |= {name: ("", "host instead of the mode's own") for name in HOST_VARIABLES}
    return found


def _read_struct(struct: type[msgspec.Struct], values: Mapping[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field, name, kind, meta, _ in _fields(struct):
        text = values.get(name, "")
        if not text.strip():
            continue
        if field == "websocket_cores":
            out[field] = parse_cores(text)
        elif field == "symbols":
            out[field] = parse_symbols(text)
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
    if mode & 0o077 and any(values.get(name) for name in _SECRETS):
        warnings.append(f"{path} holds keys and others may read it; run: chmod 600 {path}")
    return values


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
        File with further values, weaker than `environ`; None reads none.
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
    values = _read_dotenv(Path(dotenv), warnings) if dotenv is not None else {}
    values |= os.environ if environ is None else environ
    values |= overrides or {}
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
    if risk.max_order_usd > risk.max_position_usd:
        raise ConfigError(
            f"ARB_MAX_ORDER_USD was {risk.max_order_usd:g}, above ARB_MAX_POSITION_USD "
            f"{risk.max_position_usd:g}; one order must fit into one position"
        )
    if needs_keys and settings.mode != "paper":
        missing = [venue for venue in KEY_VARIABLES if getattr(settings, venue) is None]
        if missing:
            words = "; and ".join(map(settings.missing_keys, missing))
            raise ConfigError(f"mode {settings.mode} needs {words}")
