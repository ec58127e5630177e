"""What the questions on the wire need: the load generator, the floor, and a trader, on their cores.

The generator plays the public sockets of both venues, and stands before their order sockets;
everything else of a venue is the simulator. Trader and floor take turns on one core: who is not
being asked is stopped by SIGSTOP, so that nobody spins beside the other.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

import arbitrage
from arbitrage.control import ControlClient
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, SegmentError
from arbitrage.sim.certs import SERVER_NAME
from benchmarks.cold_programs import wait_until

__all__ = [
    "KEYS", "SETTLE_MAX_S", "Floor", "Generator", "Places", "Trader", "Venues", "stamps_file",
]  # fmt: skip

VENUES = ("bybit", "okx")
HOT_ROLES = ("feed", "feed-bybit", "feed-okx", "gateway", "detector", "strategy", "fused")
START_S = 60.0
SETTLE_MAX_S = 10.0  # until all that was sent has been handled
PR_SET_PDEATHSIG = 1
KEYS = {
    "BYBIT_API_KEY": "sim-key",
    "BYBIT_API_SECRET": "sim-secret",
    "OKX_API_KEY": "sim-key",
    "OKX_API_SECRET": "sim-secret",
    "OKX_API_PASSPHRASE": "sim-pass",
}
_prctl = ctypes.CDLL(None).prctl


# the bench pins itself before it asks; a trader that inherited that would see one core
_USABLE = os.sched_getaffinity(0)


def _begin_free() -> None:
    """End with the parent, and run anywhere."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.sched_setaffinity(0, _USABLE)


class Program:
    """One child process with its log; pipes for JSON lines when it is spoken to."""

    def __init__(
        self, title: str, args: Sequence[str], folder: Path, environment: Mapping[str, str] = {},
        *, is_spoken_to: bool = False, cwd: Path | None = None,
    ) -> None:  # fmt: skip
        self.title = title
        self._log = folder / f"{title.replace(' ', '-')}.log"
        pipe = subprocess.PIPE if is_spoken_to else subprocess.DEVNULL
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *args],
                env=clean_environment() | dict(environment),
                stdin=pipe, stdout=pipe if is_spoken_to else log, stderr=log, cwd=cwd,
                preexec_fn=_begin_free, text=True, start_new_session=True,
            )  # fmt: skip

    def say(self, **command: Any) -> dict[str, Any]:
        """Send one command and wait for its answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except OSError:
            self.check()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Wait for the next line it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(START_S)
            self.check()
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise ArbitrageError(f"{self.title}: {found['error']}")
        return found

    def check(self) -> None:
        """Raise when it has ended, with its last words."""
        if self.process.poll() is not None:
            words = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise ArbitrageError(f"{self.title} ended early: {' '.join(words) or 'silently'}")

    def keep_to(self, cores: Sequence[int]) -> None:
        """Move every thread it has to some cores."""
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), cores)

    def hold(self) -> None:
        """Stop it where it stands."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it, politely first."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        try:
            self.process.wait(10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def clean_environment() -> dict[str, str]:
    """Return the environment without what a user told his own trader."""
    ours = ("ARB_", "BYBIT_", "OKX_", "WEBSOCKET_", "DETECTOR_", "STRATEGY_", "MARKET_QUEUE")
    return {name: text for name, text in os.environ.items() if not name.startswith(ours)}


class Places:
    """Which core is whose, of four or more; the fifth is the hiccup meter's.

    The feed's is the floor's, too; on the fourth runs all that is not measured.
    """

    def __init__(self, cores: tuple[int, ...]) -> None:
        self.feed, self.generator, self.stages = cores[:3]
        self.rest = cores[3:4]
        self.strategy = cores[5] if len(cores) > 5 else cores[3]


@contextmanager
def stamps_file(folder: Path, name: str, frames: int) -> Iterator[tuple[Path, Any]]:
    """Yield a table (venues, frames) of int64 that other processes share."""
    shm = Path("/dev/shm")
    place = shm if shm.is_dir() else folder
    with tempfile.NamedTemporaryFile(dir=place, prefix=f"arb-{name}-") as file:
        file.truncate(len(VENUES) * frames * 8)
        yield Path(file.name), np.memmap(file.name, np.int64, "r+").reshape(len(VENUES), -1)


class Generator(Program):
    """The load generator."""

    def __init__(
        self, folder: Path, core: int, stamps: Path | None = None,
        upstream: Mapping[str, tuple[str, int]] = {}, chain: Path | None = None,
    ) -> None:  # fmt: skip
        args = ["-m", "benchmarks.load_generator", "--core", str(core)]
        args += ["--upstream", json.dumps(upstream)]
        args += ["--chain", str(chain)] if chain is not None else []
        if stamps is not None:
            args += ["--stamps", str(stamps)]
        super().__init__("the load generator", args, folder, is_spoken_to=True)
        said = self.hear()
        self.port = int(said["port"])
        self.url = f"{'wss' if chain else 'ws'}://127.0.0.1:{self.port}"
        self._relays: dict[str, int] = said["relays"]

    def relayed(self, url: str) -> str:
        """Return where a socket of the venues behind is to be had here."""
        path = urlsplit(url).path
        if path in self._relays:
            return f"wss://127.0.0.1:{self._relays[path]}{path}"
        return self.url + path

    def wait_for(self, who: str) -> None:
        """Wait until both feeds of somebody are connected and have been answered."""
        wanted = [f"{who} {index}" for index in range(len(VENUES))]

        def connected() -> bool:
            feeds = self.say(verb="who")["feeds"]
            return all(name in feeds for name in wanted)

        wait_until(connected, f"{who} did not connect to the load generator", START_S)
        time.sleep(0.2)  # subscriptions are answered


class Floor(Program):
    """The listeners that are the floor."""

    def __init__(
        self, folder: Path, core: int, loop_mode: str, url: str, stamps: Path, *,
        answers: bool = False, environment: Mapping[str, str] = {},
    ) -> None:  # fmt: skip
        args = ["-m", "benchmarks.floor_process", "--core", str(core), "--loop-mode", loop_mode]
        args += ["--url", url, "--stamps", str(stamps)] + (["--answers"] if answers else [])
        super().__init__("the floor", args, folder, environment, is_spoken_to=True)
        self.hear()

    def begin(self) -> None:
        """Count from here."""
        self.say(verb="begin")

    def wait_for(self, *frames: int) -> None:
        """Wait until so many frames of each venue have come since the begin."""
        wanted = list(frames)
        wait_until(
            lambda: self.say(verb="count")["frames"] == wanted,
            f"the floor did not hear {wanted} frames", SETTLE_MAX_S,
        )  # fmt: skip


class Venues:
    """The simulated venues behind the generator: REST, and sockets of orders and accounts."""

    def __init__(self, folder: Path, stack: ExitStack, *, tls: bool = False) -> None:
        self.ready: dict[str, dict[str, Any]] = {}
        self.programs: list[Program] = []
        for venue in VENUES:
            path = folder / f"{venue}.ready"
            args = ["-m", "benchmarks.wire_venue", "--venue", venue, "--folder", str(folder)]
            args += ["--ready-file", str(path)]
            args += ["--tls-dir", str(folder / "tls")] if tls else []
            program = Program(f"the simulated {venue}", args, folder, KEYS)
            stack.callback(program.end)
            self.programs.append(program)
        for venue, program in zip(VENUES, self.programs, strict=True):
            path = folder / f"{venue}.ready"

            def found(path: Path = path, program: Program = program) -> dict[str, Any] | None:
                program.check()
                with suppress(FileNotFoundError):
                    text: dict[str, Any] = json.loads(path.read_text())
                    return text
                return None

            self.ready[venue] = wait_until(found, f"{program.title} was not ready", START_S)

    def upstream(self) -> dict[str, tuple[str, int]]:
        """Return the paths of the sockets of orders and accounts, and where they are served."""
        names = (("bybit", "private_ws_url"), ("bybit", "trade_ws_url"), ("okx", "private_ws_url"))
        urls = [urlsplit(self.ready[venue][name]) for venue, name in names]
        return {url.path: (url.hostname or "", url.port or 0) for url in urls}

    def trusted(self) -> dict[str, str]:
        """Return the environment of those who trust the venues' certificate; nothing without."""
        ready = self.ready["bybit"]  # one authority for both
        return {"SSL_CERT_FILE": ready["ca_file"]} if "ca_file" in ready else {}

    @property
    def chain(self) -> Path | None:
        """The certificate chain and key of the venues; None without TLS."""
        trusted = self.trusted().values()
        return next((Path(file).with_name(SERVER_NAME) for file in trusted), None)

    def environment(self, generator: Generator, *, relayed: bool = False) -> dict[str, str]:
        """Return hosts and keys of a trader whose public sockets, or all, are the generator's."""
        bybit, okx = (self.ready[venue] for venue in VENUES)

        def there(url: str) -> str:
            return generator.relayed(url) if relayed else url

        hosts = {
            "BYBIT_REST_URL": bybit["rest_url"],
            "BYBIT_PUBLIC_WS_URL": f"{generator.url}/v5/public/linear",
            "BYBIT_PRIVATE_WS_URL": there(bybit["private_ws_url"]),
            "BYBIT_TRADE_WS_URL": there(bybit["trade_ws_url"]),
            "OKX_REST_URL": okx["rest_url"],
            "OKX_PUBLIC_WS_URL": f"{generator.url}/ws/v5/public",
            "OKX_PRIVATE_WS_URL": there(okx["private_ws_url"]),
        }
        return KEYS | self.trusted() | hosts


class Trader(Program):
    """The real trader, as a program, fed by the generator."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], places: Places, *,
        names_stages: bool = True, **settings: str,
    ) -> None:  # fmt: skip
        self.name = f"wire-{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
        self._state = folder / f"state-{self.name}"
        self._places = places
        wanted = {
            "ARB_NAME": self.name,
            "ARB_MODE": "paper",
            "ARB_SYMBOLS": "BTCUSDT,ETHUSDT",
            "ARB_STATE_DIR": str(self._state),
            "ARB_DEPTH": "off",
            "ARB_OPPORTUNITY_QUEUE_SIZE": str(1 << 18),
            "WEBSOCKET_CORES": str(places.feed),
            "REDIS_URL": "",
        }
        if names_stages:  # else they run where the default puts them
            wanted |= {
                "DETECTOR_CORE": str(places.stages), "STRATEGY_CORE": str(places.strategy),
            }  # fmt: skip
        super().__init__(
            "the trader", ["-m", "arbitrage.trader"], folder,
            dict(environment) | wanted | settings, cwd=folder,
        )  # fmt: skip
        self.segment: Segment = wait_until(self._attach, "the trader was not ready", START_S)
        self._settle()

    def _attach(self) -> Segment | None:
        self.check()
        with suppress(SegmentError):
            segment = arbitrage.attach(self.name)
            if segment.state == "ready":
                return segment
        return None

    def _settle(self) -> None:
        """Move every thread that is not hot away from the cores that are measured."""
        hot = {int(row["tid"]) for row in self.segment.threads() if row["role"] in HOT_ROLES}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if int(task.name) not in hot:
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), self._places.rest)

    def pause(self) -> None:
        """Let it watch and open nothing."""
        with ControlClient(self._state) as line:
            line.call("pause", symbols=["all"])

    def counters(self) -> dict[str, Any]:
        """Return the trader's counters."""
        found: dict[str, Any] = self.segment.counters()
        return found

    def quotes(self) -> dict[str, int]:
        """Return how many quotes of each venue became ticks."""
        feed = self.counters()["feed"]
        return {venue: int(feed[venue]["quotes"]) for venue in VENUES}

    def wait_for(self, before: Mapping[str, int], *frames: int) -> None:
        """Wait until so many quotes of each venue were taken since `before`, and none is queued."""
        counts = zip(before.items(), frames, strict=True)
        wanted = {venue: count + more for (venue, count), more in counts}

        def done() -> bool:
            queued = self.segment.queues()["market"]["depth"]
            return queued == 0 and self.quotes() == wanted

        try:
            wait_until(done, "not all quotes were taken", SETTLE_MAX_S)
        except ArbitrageError:
            self.check()
            raise ArbitrageError(f"{self.quotes()} quotes were taken of {wanted}") from None

    def cpu_ns(self) -> dict[str, int]:
        """Return the time on a processor of each thread, by name and id."""
        found = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):
                name = (task / "comm").read_text().strip()
                found[f"{name} {task.name}"] = int((task / "schedstat").read_text().split()[0])
        return found
