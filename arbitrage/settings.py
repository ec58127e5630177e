"""Settings: what a trader can be told, frozen; each field names its variable and its range.

`arbitrage.config` reads them; its error messages and ``.env.example`` come from here too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from arbitrage.config_values import CORE_LIMIT
from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule
from arbitrage.hosts import Hosts, environment_of, hosts_for
from arbitrage.keys import KEY_VARIABLES, Credentials
from arbitrage.secret import Secret

__all__ = ["Mode", "RiskSettings", "Settings", "StrategySettings", "fields_of"]

Mode = Literal["paper", "demo", "testnet", "live"]
FeedMode = Literal["loop", "threads", "processes"]
LoopMode = Literal["spin", "block", "adaptive"]
Stages = Literal["split", "fused", "inline"]
StagesChoice = Literal["auto", "split", "fused", "inline"]
Wait = Literal["spin", "yield", "adaptive"]
Depth = Literal["full", "five", "off"]
Durability = Literal["async", "interval", "every"]
FeeMode = Literal["round_trip", "entry"]
StrategyOnExit = Literal["close", "hold"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["text", "json"]

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
# Fewer cores than these and the stages share threads: a spinning thread without a core of its own
# only takes time from the others.
FUSED_CORES_MIN = 3
SPLIT_CORES_MIN = 8


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
    complete_tries: Annotated[
        int,
        _env(
            "ARB_COMPLETE_TRIES",
            "further orders for what one leg of an entry lacks, where that costs less; 0: none",
            ge=0,
            le=255,
        ),
    ] = 2
    exit_tries: Annotated[
        int,
        _env(
            "ARB_EXIT_TRIES",
            "orders of a leg on its way out, then its pair counts as broken",
            ge=1,
            le=1000,
        ),
    ] = 32
    breaker_failures: Annotated[
        int,
        _env(
            "ARB_BREAKER_FAILURES",
            "pairs of a symbol in a row that got one leg only, then it is paused",
            ge=1,
            le=1000,
        ),
    ] = 3
    funding_window_s: Annotated[
        float,
        _env("ARB_FUNDING_WINDOW_S", "enter so long before a settlement, in s", gt=0, le=86400),
    ] = 600.0
    funding_lead_s: Annotated[
        float,
        _env("ARB_FUNDING_LEAD_S", "a settlement may come so much early or late, s", ge=0, le=3600),
    ] = 10.0
    funding_hold_s: Annotated[
        float, _env("ARB_FUNDING_HOLD_S", "longest stay of a funding pair, in s", gt=0, le=31536000)
    ] = 86400.0
    funding_min_bps: Annotated[
        float,
        _env("ARB_FUNDING_MIN_BPS", "least result expected, costs paid, bps", ge=-1000, le=10000),
    ] = 0.0
    funding_min_delta: Annotated[
        float, _env("ARB_FUNDING_MIN_DELTA", "least difference of the rates per 8 h", ge=0, le=1)
    ] = 0.0001
    funding_stop_bps: Annotated[
        float, _env("ARB_FUNDING_STOP_BPS", "leave a funding pair at this loss", gt=0, le=10000)
    ] = 60.0
    strategy_on_exit: Annotated[
        StrategyOnExit,
        _env("ARB_STRATEGY_ON_EXIT", "pairs of a strategy of yours that is gone"),
    ] = "close"
    strategy_hang_s: Annotated[
        float,
        _env("ARB_STRATEGY_HANG_S", "kill a strategy that is silent so long", ge=0.5, le=3600),
    ] = 5.0
    strategy_restarts: Annotated[
        int, _env("ARB_STRATEGY_RESTARTS", "start a failed strategy again so often", ge=0, le=1000)
    ] = 3


class RiskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits that every order passes, whoever asks for it: docs/risk.md."""

    max_order_usd: Annotated[
        float, _env("ARB_MAX_ORDER_USD", "largest order, in USD", gt=0, le=1e8)
    ] = 1000.0
    max_position_usd: Annotated[
        float, _env("ARB_MAX_POSITION_USD", "largest position by venue and symbol", gt=0, le=1e9)
    ] = 2000.0
    max_symbol_usd: Annotated[
        float, _env("ARB_MAX_SYMBOL_USD", "both venues' rows of a symbol; 0: off", ge=0, le=1e10)
    ] = 0.0
    max_venue_usd: Annotated[
        float, _env("ARB_MAX_VENUE_USD", "all rows of a venue; 0: off", ge=0, le=1e10)
    ] = 0.0
    max_gross_usd: Annotated[
        float, _env("ARB_MAX_GROSS_USD", "all rows of both venues", gt=0, le=1e10)
    ] = 20000.0
    max_one_sided_symbol_usd: Annotated[
        float,
        _env(
            "ARB_MAX_ONE_SIDED_SYMBOL_USD",
            "no entry of a symbol while more of it stands unhedged; 0: off",
            ge=0,
            le=1e9,
        ),
    ] = 10.0
    max_one_sided_usd: Annotated[
        float,
        _env(
            "ARB_MAX_ONE_SIDED_USD",
            "no entry at all while more stands unhedged, all symbols together; 0: off",
            ge=0,
            le=1e9,
        ),
    ] = 2000.0
    max_day_loss_usd: Annotated[
        float,
        _env(
            "ARB_MAX_DAY_LOSS_USD",
            "the kill switch trips when a UTC day's ended pairs have lost so much; 0: off",
            ge=0,
            le=1e9,
        ),
    ] = 200.0
    entry_band_bps: Annotated[
        float,
        _env(
            "ARB_ENTRY_BAND_BPS",
            "farthest limit of an entry from either venue's mid price, in bps; 0: off",
            ge=0,
            le=10000,
        ),
    ] = 300.0
    exit_band_bps: Annotated[
        float,
        _env(
            "ARB_EXIT_BAND_BPS",
            "how much worse an exit's limit is than the mid that suits it better, bps; 0: off",
            ge=0,
            le=10000,
        ),
    ] = 1000.0
    max_basis_bps: Annotated[
        float,
        _env(
            "ARB_MAX_BASIS_BPS",
            "no entry while the venues' mid prices lie further apart, in bps; 0: off",
            ge=0,
            le=10000,
        ),
    ] = 200.0
    max_orders_per_s: Annotated[
        int, _env("ARB_MAX_ORDERS_PER_S", "orders a second, both venues together", ge=1, le=10000)
    ] = 10
    max_orders_burst: Annotated[
        int,
        _env("ARB_MAX_ORDERS_BURST", "orders at once; 0: a second's, at least 4", ge=0, le=10000),
    ] = 0
    orders_kept_for_exits: Annotated[
        int,
        _env(
            "ARB_ORDERS_KEPT_FOR_EXITS",
            "of these, what entries never use; 0: a quarter",
            ge=0,
            le=10000,
        ),
    ] = 0
    max_signal_age_ms: Annotated[
        float,
        _env("ARB_MAX_SIGNAL_AGE_MS", "oldest tick behind an entry; 0: off", ge=0, le=3600000),
    ] = 250.0
    max_book_age_ms_bybit: Annotated[
        float,
        _env("ARB_MAX_BOOK_AGE_MS_BYBIT", "oldest Bybit quote, ms; 0: off", ge=0, le=3600000),
    ] = 4500.0
    max_book_age_ms_okx: Annotated[
        float,
        _env("ARB_MAX_BOOK_AGE_MS_OKX", "oldest OKX quote, ms; 0: off", ge=0, le=3600000),
    ] = 90000.0
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
    ] = 30
    dcp_s: Annotated[
        int,
        _env(
            "ARB_DCP_S",
            "Bybit cancels every resting derivatives order when the private line is lost for so "
            "long, 3 to 300 s, where the account may (institutional ones); 0: off",
            ge=0,
            le=300,
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
    strategies: Annotated[
        tuple[str, ...],
        _env("ARB_STRATEGY", "spread, funding, package.module:Class, file.py:Class"),
    ] = ("spread",)
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
        _env("ARB_TAP_MB", "MB kept for `arb record`, 0: off", ge=0, le=1024),
    ] = 0
    loop_mode: Annotated[LoopMode, _env("ARB_LOOP_MODE", "how a feed loop waits")] = "adaptive"
    stages: Annotated[
        StagesChoice,
        _env(
            "ARB_STAGES",
            "threads of detector and strategy; auto: inline, unless cores are named for them",
        ),
    ] = "auto"
    wait: Annotated[Wait, _env("ARB_WAIT", "how detector and strategy wait")] = "adaptive"
    spin_us: Annotated[
        int, _env("ARB_SPIN_US", "adaptive: spin so long, then sleep", ge=0, le=1000000)
    ] = 50
    keep_warm: Annotated[
        bool, _env("ARB_KEEP_WARM", "rehearse orders while idle, so that a rare one finds caches")
    ] = True
    instrument_refresh_s: Annotated[
        float,
        _env("ARB_INSTRUMENT_REFRESH_S", "read contracts again in so many s", ge=0.1, le=86400),
    ] = 300.0
    reconcile_s: Annotated[
        float,
        _env(
            "ARB_RECONCILE_S",
            "hold the venues' positions against our own count every so many s",
            ge=1,
            le=3600,
        ),
    ] = 30.0
    state_dir: Annotated[str, _env("ARB_STATE_DIR", "folder of the journal and run number")] = (
        "~/.local/state/arbitrage"
    )
    allow_unbound_key: Annotated[
        bool, _env("ARB_ALLOW_UNBOUND_KEY", "trade with an API key that any address may use")
    ] = False
    log_level: Annotated[LogLevel, _env("LOG_LEVEL", "least level that is logged")] = "INFO"
    log_format: Annotated[
        LogFormat, _env("LOG_FORMAT", "lines for people, or a JSON object each for programs")
    ] = "text"
    redis_ca_file: Annotated[
        str, _env("REDIS_CA_FILE", "rediss://: whom to trust, PEM; empty: whom the system trusts")
    ] = ""
    redis_cert_file: Annotated[
        str, _env("REDIS_CERT_FILE", "rediss://: our certificate, PEM, where Redis asks for it")
    ] = ""
    redis_key_file: Annotated[str, _env("REDIS_KEY_FILE", "rediss://: its key, PEM")] = ""
    strategy: StrategySettings = StrategySettings()
    risk: RiskSettings = RiskSettings()
    fees: Annotated[FeeSchedule, _env("ARB_FEES", "taker fees in bps, bybit=5.5,okx=5.0")] = (
        FeeSchedule()
    )
    fees_given: bool = False
    symbols_source: str = "ARB_SYMBOLS"  # what to change when a symbol is wrong
    redis_url: Secret | None = None
    monitor_token: Secret | None = None
    alert_urls: tuple[Secret, ...] = ()
    bybit: Credentials | None = None
    okx: Credentials | None = None
    unused_keys: tuple[str, ...] = ()  # variables of other environments that are set
    hosts: Hosts = hosts_for("paper")
    cores: tuple[int, ...] = (0,)

    @property
    def redis_files(self) -> tuple[str, str, str]:
        """Files of a Redis with TLS: whom to trust, our certificate, its key; empty: none."""
        return self.redis_ca_file, self.redis_cert_file, self.redis_key_file

    @property
    def state_path(self) -> Path:
        """Folder of the journal and the run number."""
        return Path(self.state_dir).expanduser()

    @property
    def placed_stages(self) -> Stages:
        """Stage placement with ``auto`` resolved by the cores this process may use."""
        if self.stages != "auto":
            return self.stages
        count = len(self.cores)
        if self.feed_mode == "loop" and (count < FUSED_CORES_MIN or not self.wants_stage_threads):
            return "inline"
        return "fused" if count < SPLIT_CORES_MIN and self.strategy_core is None else "split"

    @property
    def wants_stage_threads(self) -> bool:
        """Whether detector and strategy are better off away from the feeds' thread.

        A core was named for them, or each intent waits for the disk, which no frame should.
        """
        named = self.detector_core is not None or self.strategy_core is not None
        return named or self.journal_durability == "every"

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


def fields_of(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str, Any, Meta, object]]:
    """Yield (field, variable, type, meta, default) of the fields that come from one variable."""
    for field in msgspec.structs.fields(struct):
        if get_origin(field.type) is not Annotated:
            continue
        kind, meta = get_args(field.type)[:2]
        yield field.name, meta.extra["env"], kind, meta, field.default
