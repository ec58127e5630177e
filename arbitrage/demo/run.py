"""The demo's run: two simulated venues and the trader, each the separate program it is."""

import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

import msgspec

from arbitrage.config import Credentials, load_settings
from arbitrage.core.segment import Segment
from arbitrage.demo.facts import AccountFacts, read_account
from arbitrage.demo.live import LiveLine, how_to_watch
from arbitrage.demo.processes import Child
from arbitrage.demo.recorded import DemoRecorder
from arbitrage.demo.report import Report, TraderReport, make_report
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.fees import FeeSchedule
from arbitrage.frame_files import find_frames, open_frames
from arbitrage.hosts import HOST_VARIABLES
from arbitrage.instruments import VENUES, canonical_symbol
from arbitrage.runtime.strategy_process import LOAD_S, clean_environment
from arbitrage.secret import Secret
from arbitrage.trading.strategy_host import BUILT_IN, check_names

__all__ = [
    "ALL_FAULTS",
    "DemoOptions",
    "StopWish",
    "check_strategies",
    "clear_segment",
    "read_report",
    "run_demo",
    "stop_signals",
    "symbols_of_frames",
    "watch_trader",
]

ALL_FAULTS = Path(__file__).with_name("all_faults.toml")
READY_TIMEOUT_S = 30.0
START_TIMEOUT_S = 30.0
FLATTEN_TIMEOUT_S = 7.0  # the trader closes within 5 s, and waits 1.8 s for late fills
EXIT_MARGIN_S = 10.0
# The seeded markets share one beginning, a moment ahead, so that both venues are up when it comes.
LEAD_NS = 2_000_000_000
WATCH_PERIOD_S = 0.05
# Where the funding strategy is shown, settlements come by in seconds, not in hours.
FUNDING_S = 6.0
FUNDING_SETTINGS = {
    "ARB_FUNDING_WINDOW_S": "6",
    "ARB_FUNDING_LEAD_S": "0.5",
    "ARB_FUNDING_HOLD_S": "7",
    "ARB_FUNDING_STOP_BPS": "200",
}
_SYMBOL_PATTERN = {
    "bybit": re.compile(rb'"orderbook\.\d+\.([A-Z0-9]+)"'),
    "okx": re.compile(rb'"instId":"([A-Z0-9-]+)"'),
}


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    seconds: float = 20.0
    symbols: tuple[str, ...] | None = None
    seed: int = 7
    rate: int = 2000
    frames: Path | None = None
    speed: float = 1.0
    min_net_bps: float = 0.0
    fees: FeeSchedule = FeeSchedule()
    max_hold_s: float = 5.0
    strategy: str | None = None
    tls: bool = False
    faults: Path | None = None
    record: Path | None = None

    @property
    def shows_funding(self) -> bool:
        """Whether the simulated venues settle funding while one looks."""
        names = self.strategy or os.environ.get("ARB_STRATEGY") or ""
        is_named = "funding" in [name.strip() for name in names.split(",")]
        return is_named and self.frames is None


class StopWish:
    """Set by Ctrl-C and SIGTERM; a second one is the same wish."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def look(self) -> None:
        """Raise KeyboardInterrupt when a stop was asked for: nothing trades yet, just clean up."""
        if self.asked:
            raise KeyboardInterrupt


@contextmanager
def stop_signals() -> Iterator[StopWish]:
    stop = StopWish()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---- frames files --------------------------------------------------------------------------------


def _frames_file(folder: Path, venue: str) -> Path:
    path = find_frames(folder, venue)
    if path is None:
        raise ConfigError(f"--frames was {str(folder)!r}, which holds no {venue}.frames.gz")
    return path


def symbols_of_frames(folder: Path) -> tuple[str, ...]:
    """Return the canonical symbols that both frames files of a folder hold, in Bybit's order."""
    found: list[dict[str, None]] = []
    for venue in VENUES:
        path, pattern = _frames_file(folder, venue), _SYMBOL_PATTERN[venue]
        names: dict[bytes, None] = {}
        try:
            with open_frames(path) as lines:
                for line in lines:
                    match = pattern.search(line)
                    if match:
                        names[match[1]] = None
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None
        found.append({canonical_symbol(venue, name.decode()): None for name in names})
    shared = tuple(symbol for symbol in found[0] if symbol in found[1])
    if not shared:
        raise ConfigError(f"--frames was {str(folder)!r}: no symbol is in both of its files")
    return shared


# ---- strategies ----------------------------------------------------------------------------------


def check_strategies(options: DemoOptions) -> None:
    """Load users' classes before anything is started, in a process without keys.

    Raises
    ------
    ConfigError
        One cannot be loaded, with the reason, or is named in a way that cannot be meant.
    """
    text = options.strategy or os.environ.get("ARB_STRATEGY") or ""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    check_names(names, "--strategy" if options.strategy else "ARB_STRATEGY")
    for name in names:
        if name in BUILT_IN:
            continue
        command = [sys.executable, "-m", "arbitrage.cli", "strategy", "check", name]
        try:
            done = subprocess.run(
                command, env=clean_environment(os.environ) | {"LOG_FORMAT": "text"},
                stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=LOAD_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ConfigError(f"strategy {name} was not loaded within {LOAD_S:g} s") from None
        if done.returncode != 0:
            words = done.stderr.strip().splitlines()[-1:] or [f"strategy {name} cannot be loaded"]
            raise ConfigError(words[0].removeprefix("error: "))


# ---- the programs --------------------------------------------------------------------------------


class _Venue:
    """One simulated venue and what the demo knows of it."""

    def __init__(self, name: str, folder: Path, options: DemoOptions) -> None:
        self.name = name
        self.ready_file = folder / f"{name}.ready"
        self.credentials = Credentials(
            key=Secret(f"sim-{secrets.token_hex(8)}"),
            secret=Secret(secrets.token_hex(16)),
            passphrase=Secret(secrets.token_hex(8)),
        )
        self.tls_dir = folder / "tls" if options.tls else None
        self.ready: dict[str, str] = {}

    def environment(self) -> dict[str, str]:
        """Return the key variables, the same for the venue and the trader."""
        prefix = self.name.upper()
        found = {
            f"{prefix}_API_KEY": self.credentials.key.reveal(),
            f"{prefix}_API_SECRET": self.credentials.secret.reveal(),
        }
        if self.name == "okx":
            found[f"{prefix}_API_PASSPHRASE"] = self.credentials.passphrase.reveal()
        return found

    def sim_args(self, options: DemoOptions, symbols: tuple[str, ...], t0_ns: int) -> list[str]:
        """Return the simulator's arguments."""
        args = ["-m", "arbitrage.sim", "--venue", self.name, "--symbols", ",".join(symbols)]
        args += ["--seed", str(options.seed), "--rate", str(options.rate)]
        args += ["--ws-port", "0", "--rest-port", "0", "--t0-ns", str(t0_ns)]
        args += ["--fees-bps", f"{options.fees.taker_bps(self.name):g}"]
        args += ["--ready-file", str(self.ready_file)]
        if options.frames is not None:
            args += ["--frames", str(_frames_file(options.frames, self.name))]
            args += ["--speed", f"{options.speed:g}"]
        if options.shows_funding:
            args += ["--funding-s", f"{FUNDING_S:g}"]
        if self.tls_dir is not None:
            args += ["--tls", "--tls-dir", str(self.tls_dir)]
        if options.faults is not None:
            args += ["--faults", str(options.faults), "--admin"]
        return args

    def lift_faults(self) -> None:
        """End all faults of its plan."""
        url = f"{self.ready['rest_url']}/admin/faults"
        context = None
        if "ca_file" in self.ready:
            context = ssl.create_default_context(cafile=self.ready["ca_file"])
        request = urllib.request.Request(url, method="DELETE")
        with suppress(OSError), urllib.request.urlopen(request, timeout=2, context=context):
            return

    def urls(self) -> dict[str, str]:
        """Return the host variables that lead the trader here."""
        names = {
            variable: f"{field}_url"
            for variable, (venue, field) in HOST_VARIABLES.items()
            if venue == self.name
        }
        return {variable: self.ready[key] for variable, key in names.items()}

    def account(self) -> AccountFacts:
        """Ask it what the account holds."""
        return read_account(
            self.name, self.ready["rest_url"], self.credentials, self.ready.get("ca_file")
        )


def _trader_environment(
    venues: list[_Venue], options: DemoOptions, symbols: tuple[str, ...], folder: Path, name: str
) -> dict[str, str]:
    """Return the trader's environment: threads, waits and limits stay as the user set them."""
    environment = dict(os.environ)
    for venue in venues:
        environment |= venue.environment() | venue.urls()
    environment |= _trader_settings(options, symbols, folder, name)
    if options.shows_funding:
        environment = FUNDING_SETTINGS | environment
    if options.tls:  # both venues share one authority
        environment["SSL_CERT_FILE"] = venues[0].ready["ca_file"]
    return environment


def _trader_settings(
    options: DemoOptions, symbols: tuple[str, ...], folder: Path, name: str
) -> dict[str, str]:
    """Return what the demo decides for the trader."""
    found = {
        "ARB_NAME": name,
        "ARB_MODE": "demo",
        "ARB_SYMBOLS": ",".join(symbols),
        "ARB_STATE_DIR": str(folder / "state"),
        "ARB_FEES": ",".join(f"{venue}={bps!r}" for venue, bps in options.fees.by_venue().items()),
        "ARB_MIN_NET_BPS": repr(options.min_net_bps),
        "ARB_MIN_GROSS_BPS": repr(min(0.0, options.min_net_bps)),
        "ARB_MAX_HOLD_S": repr(options.max_hold_s),
        "REDIS_URL": "",
    }
    if options.strategy is not None:
        found["ARB_STRATEGY"] = options.strategy
    return found


def _check_settings(settings: dict[str, str], options: DemoOptions) -> None:
    """Refuse what the venues or the trader would refuse, before anything is started.

    Raises
    ------
    ConfigError
        A symbol that the simulated venues do not list, or a setting that does not fit.
    """
    # imported where a Ctrl-C raises nothing
    from arbitrage.sim.config import SimError
    from arbitrage.sim.instruments import canonical_of

    if options.frames is None:
        try:
            for symbol in settings["ARB_SYMBOLS"].split(","):
                canonical_of(symbol)
        except SimError as error:
            raise ConfigError(str(error)) from None
    own_hosts = dict.fromkeys(HOST_VARIABLES, "")  # the trader is told those of the venues
    load_settings(overrides=settings | own_hosts, needs_keys=False)


def _start_venues(
    venues: list[_Venue],
    options: DemoOptions,
    symbols: tuple[str, ...],
    folder: Path,
    stack: ExitStack,
    stop: StopWish,
) -> list[Child]:
    t0_ns = time.time_ns() + LEAD_NS
    children: list[Child] = []
    for venue in venues:
        environment = os.environ | venue.environment()
        args = venue.sim_args(options, symbols, t0_ns)
        title = f"the simulated {venue.name}"
        child = Child(title, args, environment, folder, orphan_signal=signal.SIGHUP)
        stack.callback(child.stop)
        children.append(child)
    for venue, child in zip(venues, children, strict=True):
        venue.ready = child.wait_ready(venue.ready_file, READY_TIMEOUT_S, stop.look)
    return children


class _FaultEnd:
    """Lift the venues' faults once the trader closes its pairs.

    A venue that takes no orders cannot be left flat; what a run under faults shows is that they
    leave nothing behind.
    """

    def __init__(self, name: str, venues: list[_Venue]) -> None:
        self._name = name
        self._venues = venues
        self._segment: Segment | None = None

    def __call__(self) -> None:
        """Look whether the trader closes."""
        if not self._venues:
            return
        try:
            if self._segment is None:
                self._segment = Segment.attach(self._name)
            if not self._segment.controls["flatten"]:
                return
        except (ArbitrageError, OSError, ValueError):
            return  # not there yet
        for venue in self._venues:
            venue.lift_faults()
        self._venues = []

    def close(self) -> None:
        """Leave the segment."""
        if self._segment is not None:
            self._segment.close()


def watch_trader(
    trader: Child,
    venues: list[Child],
    seconds: float,
    stop: StopWish,
    line: LiveLine,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Show the trader's figures until it has ended; pass on the wish to stop; look now and then."""
    deadline = time.monotonic() + START_TIMEOUT_S + seconds + FLATTEN_TIMEOUT_S
    told = False
    while (code := trader.poll()) is None:
        for venue in venues:
            if venue.poll() is not None:
                trader.kill()  # it could not flatten without the venue; say at once what happened
                venue.check()
        if stop.asked and not told:
            told = True
            trader.signal(signal.SIGTERM)
            deadline = time.monotonic() + FLATTEN_TIMEOUT_S
            line.say("stopping: no new pairs, flattening what is open")
        if time.monotonic() > deadline + EXIT_MARGIN_S:
            raise ArbitrageError(f"{trader.title} did not end in time and was killed")
        for text in trader.strategy_lines():
            line.tell(text)
        line.refresh()
        look()
        time.sleep(WATCH_PERIOD_S)
    for text in trader.strategy_lines():
        line.tell(text)
    if stop.asked and code == -signal.SIGTERM:  # it had not begun to trade
        raise KeyboardInterrupt
    if code != 0:
        raise ArbitrageError(trader.obituary(code))


def run_demo(options: DemoOptions) -> Report:
    """Run the demo and return its report.

    Raises
    ------
    ArbitrageError
        When one of the programs ended early, with its last words.
    """
    from arbitrage.runtime.attach import attach

    check_strategies(options)
    symbols = options.symbols or ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    if options.frames is not None:
        shared = symbols_of_frames(options.frames)
        symbols = tuple(item for item in options.symbols or shared if item in shared)
        if not symbols:
            raise ConfigError(f"--symbols names none of those in the files: {', '.join(shared)}")
    name = os.environ.get("ARB_NAME") or f"arbitrage-demo-{os.getpid()}"

    with ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-demo-")))
        recorder = DemoRecorder(name, options.record, folder)
        settings = _trader_settings(options, symbols, folder, name)
        settings |= recorder.settings(os.environ)
        _check_settings(settings, options)
        line = stack.enter_context(LiveLine(name, attach))
        venues = [_Venue(venue, folder, options) for venue in VENUES]
        line.say(f"starting two simulated venues and the trader (segment {name})")
        for text in how_to_watch(name, Path(settings["ARB_STATE_DIR"])):
            line.tell(text)
        children = _start_venues(venues, options, symbols, folder, stack, stop)
        before = {venue.name: venue.account() for venue in venues}
        stop.look()

        stack.callback(clear_segment, name)
        report_file = folder / "trader.json"
        args = ["-m", "arbitrage.trader", "--mode", "demo", "--seconds", f"{options.seconds:g}"]
        trader = Child(
            "the trader",
            [*args, "--report", str(report_file)],
            _trader_environment(venues, options, symbols, folder, name)
            | recorder.settings(os.environ),
            folder,
            orphan_signal=signal.SIGTERM,
        )
        stack.callback(trader.stop, FLATTEN_TIMEOUT_S)
        fault_end = _FaultEnd(name, venues if options.faults is not None else [])
        stack.callback(fault_end.close)
        stack.callback(recorder.close)

        def look() -> None:
            fault_end()
            recorder.look()

        watch_trader(trader, children, options.seconds, stop, line, look)
        recorder.finish()
        if stop.asked and not report_file.exists():  # it was stopped before it began to trade
            raise KeyboardInterrupt

        after = {venue.name: venue.account() for venue in venues}
        return make_report(read_report(report_file), before, after)


def clear_segment(name: str) -> None:
    """Take away the segment of a trader that was killed; a living one's stays."""
    from arbitrage.core.segment import remove_stale

    with suppress(FileExistsError):
        remove_stale(name)


def read_report(path: Path) -> TraderReport:
    try:
        return msgspec.json.decode(path.read_bytes(), type=TraderReport)
    except (OSError, msgspec.DecodeError) as error:
        raise ArbitrageError(f"the trader left no report that can be read: {error}") from None
