"""What a simulated venue is told: one frozen value object."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from decimal import Decimal

from arbitrage.sim.limits import SimLimits

VENUES = ("bybit", "okx")
DRESSES = ("plain", "mainnet", "testnet", "demo")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DEFAULT_PORTS = {"bybit": (7701, 7702), "okx": (7711, 7712)}
PUBLIC_PORTS = (7703, 7704)  # of the mainnet's public stream beside a Bybit in demo dress
DEFAULT_FEES_BPS = {"bybit": Decimal("5.5"), "okx": Decimal("5.0")}


class SimError(Exception):
    """The simulator cannot run as it was told to; the text is one line for a person."""


@dataclass(frozen=True, slots=True)
class SimKeys:
    """The one API key a simulated venue accepts."""

    key: str = "sim-key"
    secret: str = field(default="sim-secret", repr=False)
    passphrase: str = field(default="sim-pass", repr=False)

    @classmethod
    def from_env(cls, venue: str, environment: str = "mainnet") -> SimKeys:
        """Read the same variables as the trader, so that both sides agree without a flag.

        A key of testnet or demo has variables of its own; the plain ones do as well.
        """
        plain = f"{venue.upper()}_API"
        own = plain if environment == "mainnet" else f"{venue.upper()}_{environment.upper()}_API"
        prefix = own if os.environ.get(f"{own}_KEY") else plain
        return cls(
            key=os.environ.get(f"{prefix}_KEY") or "sim-key",
            secret=os.environ.get(f"{prefix}_SECRET") or "sim-secret",
            passphrase=os.environ.get(f"{prefix}_PASSPHRASE") or "sim-pass",
        )


@dataclass(frozen=True, slots=True)
class SimConfig:
    """One simulated venue.

    Parameters
    ----------
    venue : ``bybit`` or ``okx``.
    symbols : canonical (``BTCUSDT``); empty with ``frames``: those found in the file.
    seed, t0_ns : together they fix every price; two venues that share both stay correlated.
        ``t0_ns`` 0 means the moment of the start.
    rate : book updates a second, over all symbols.
    ws_port, rest_port : 0 takes any free port; None takes the venue's default.
    fees_bps : taker fee; None takes the venue's default. The maker fee is 2 bps.
    frames : file of ``recv_ns TAB frame`` lines (or a folder with ``VENUE.frames.gz``) to play
        at ``speed`` times its own timing, instead of the seeded market.
    funding_s : settle funding so often, at one venue 60 bps and at the other nothing, which one by
        symbol and seed: to see the strategy work. 0: at the contracts' hours and usual rates.
    depth_levels : levels a side that a book has; 1 keeps the touch only, so that a larger order
        is filled in part.
    dress : ``plain`` has every socket and takes clients of any environment. ``mainnet``,
        ``testnet`` and ``demo`` are what the venue's environments do differently. Bybit demo has
        no public and no trade socket and answers some calls with 10001; Bybit testnet has thin
        books and grids of its own; OKX demo (its testnet too) wants the header
        ``x-simulated-trading: 1`` on REST, which its mainnet refuses, and has codes and grids of
        its own.
    foreign_keys : API keys of the venue's other environments: 10003 on Bybit, 50101 on OKX.
    ws_code_bug : OKX demo refuses orders on the socket with 51001 though the code is right.
    limits : how much a client may ask; the venues' own numbers.
    institutional : the account may use Bybit's disconnect protection.
    admin : answer the calls of `arbitrage.sim.admin` and `fault_calls`, for tests.
    faults : TOML file of the fault plan that is armed at the start; see `arbitrage.sim.fault_plan`.
    key_ip, key_withdraws, key_trades : what the venue tells of the key: the address it is bound to
        (empty: none), whether it may withdraw and whether it may trade.
    """

    venue: str
    symbols: tuple[str, ...] = DEFAULT_SYMBOLS
    seed: int = 7
    rate: int = 2000
    host: str = "127.0.0.1"
    ws_port: int | None = None
    rest_port: int | None = None
    t0_ns: int = 0
    frames: str = ""
    speed: float = 1.0
    fees_bps: Decimal | None = None
    balance: Decimal = Decimal(1_000_000)
    funding_s: float = 0.0
    depth_levels: int = 400
    tls: bool = False
    tls_dir: str = ""
    ready_file: str = ""
    dress: str = "plain"
    foreign_keys: tuple[str, ...] = ()
    ws_code_bug: bool = False
    limits: SimLimits = field(default_factory=SimLimits)
    keys: SimKeys | None = None
    admin: bool = False
    faults: str = ""
    key_ip: str = "127.0.0.1"
    key_withdraws: bool = False
    key_trades: bool = True
    institutional: bool = False

    def __post_init__(self) -> None:
        if self.venue not in VENUES:
            raise SimError(f"venue was {self.venue!r}; accepted: {', '.join(VENUES)}")
        if self.dress not in DRESSES:
            raise SimError(f"dress was {self.dress!r}; accepted: {', '.join(DRESSES)}")
        if not 1 <= self.rate <= 100_000:
            raise SimError(f"rate was {self.rate}; accepted: 1 to 100000 updates a second")
        if not 0 < self.speed <= 1000:
            raise SimError(f"speed was {self.speed}; accepted: above 0, at most 1000")
        if self.speed != 1 and not self.frames:
            raise SimError(f"speed was {self.speed}, which is for recorded frames; name them with "
                           "--frames or leave it out")
        if self.admin and self.host not in LOOPBACK:
            raise SimError(f"admin calls are for loopback, the host was {self.host!r}; accepted: "
                           f"{', '.join(LOOPBACK)}")
        if not self.symbols and not self.frames:
            raise SimError("symbols was empty; name at least one, such as BTCUSDT")
        if not 1 <= self.depth_levels <= 1000:
            raise SimError(f"depth_levels was {self.depth_levels}; accepted: 1 to 1000")
        if self.funding_s != 0 and not 1 <= self.funding_s <= 3600:
            raise SimError(f"funding_s was {self.funding_s}; accepted: 0, or 1 to 3600 seconds")
        if self.balance <= 0:
            raise SimError(f"balance was {self.balance}; accepted: above 0 USDT")
        if self.fees_bps is not None and not -10 <= self.fees_bps <= 1000:
            raise SimError(f"fees_bps was {self.fees_bps}; accepted: -10 to 1000")

    @property
    def taker_bps(self) -> Decimal:
        return DEFAULT_FEES_BPS[self.venue] if self.fees_bps is None else self.fees_bps

    @property
    def ports(self) -> tuple[int, int]:
        """(WebSocket, REST)."""
        ws_port, rest_port = DEFAULT_PORTS[self.venue]
        return (
            ws_port if self.ws_port is None else self.ws_port,
            rest_port if self.rest_port is None else self.rest_port,
        )

    @property
    def api_keys(self) -> SimKeys:
        return self.keys or SimKeys.from_env(self.venue, self.environment)

    @property
    def environment(self) -> str:
        """Where the venue's keys belong: OKX calls its testnet demo trading."""
        if self.dress == "plain":
            return "mainnet"
        return "demo" if self.venue == "okx" and self.dress == "testnet" else self.dress


def no_port(config: SimConfig, what: str, port: int, error: OSError) -> SimError:
    """Say that a port cannot be listened on."""
    is_system = error.errno is not None and error.errno > 0  # a name's error has numbers of its own
    reason = os.strerror(error.errno or 0) if is_system else error.strerror or error
    return SimError(f"{config.venue} {what} port {port} on {config.host} cannot be opened: "
                    f"{reason}; choose another port or 0 for any")
