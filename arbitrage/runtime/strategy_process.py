"""Users' strategies in processes of their own: started, watched, replaced, never waited for.

A strategy that raises, hangs or is killed costs the trader nothing but its advice: the trader says
so in one line, closes or holds its pairs as ARB_STRATEGY_ON_EXIT says, and starts it again, later
each time, a few times.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from arbitrage.cold.log import setup_logging
from arbitrage.config import Settings
from arbitrage.core.intents import IntentDoor
from arbitrage.core.segment import Segment
from arbitrage.core.strategy import SpreadStrategy
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.keys import SECRET_VARIABLES
from arbitrage.trading.strategy import MarketView
from arbitrage.trading.strategy_host import BUILT_IN, StrategyHost, describe, load_strategy
from arbitrage.wording import counted

__all__ = ["StrategyProcess", "StrategyProcesses", "clean_environment"]

LOAD_S = 20.0  # to import the user's module and make the object
STOP_S = 2.0
STEADY_S = 600.0  # a strategy that ran so long may fail as often again
FIRST_PAUSE_S = 1.0
IDLE_S = 0.0005
BEAT_NS = 50_000_000
TEXT_BYTES = 4000
TAGS = 64
_PR_SET_PDEATHSIG = 1
EXIT_RAISED = 70
EXIT_UNLOADABLE = 71
_log = logging.getLogger(__name__)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without keys: a strategy asks the trader, never a venue."""
    hidden = SECRET_VARIABLES | {"CREDENTIALS_DIRECTORY"}
    return {name: value for name, value in environ.items() if name not in hidden}


# ---- the trader's side ---------------------------------------------------------------------------


class StrategyProcess:
    """One user's strategy: its door, its process, and what became of it. Main thread only.

    Parameters
    ----------
    settings : Settings
    name : str
        ``package.module:ClassName`` or ``path/file.py:ClassName``.
    tag : int
        Of its pairs, from 1.
    strategy : SpreadStrategy
        Told when it is gone, and when it is back.
    """

    def __init__(
        self, settings: Settings, name: str, tag: int, strategy: SpreadStrategy, run: int
    ) -> None:
        self.name = name
        self.door = IntentDoor.create(settings.name, tag, run=run)
        self.failures = 0
        self.last_words = ""
        self._settings = settings
        self._strategy = strategy
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._started_s = 0.0
        self._starts_before = 0
        self._again_s: float | None = None
        strategy.attach_door(self.door)

    def start(self) -> None:
        """Start the process; return at once."""
        self._starts_before = self.door.counters["starts"]
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        command = [sys.executable, "-m", "arbitrage.runtime.strategy_process"]
        command += [self._settings.name, str(self.door.tag), self.name, str(write_end)]
        self._child = subprocess.Popen(
            [*command, self._settings.log_level],
            env=clean_environment(os.environ) | {"LOG_FORMAT": self._settings.log_format},
            stdin=subprocess.DEVNULL,
            pass_fds=(write_end,),
            start_new_session=True,  # a terminal's Ctrl-C is the trader's to act on
        )
        os.close(write_end)
        self._pipe = read_end
        self._started_s = time.monotonic()
        self._again_s = None

    def wait_loaded(self, check: Callable[[], None]) -> None:
        """Wait until the user's class is loaded.

        Raises
        ------
        ConfigError
            It cannot be, with the reason.
        """
        end_s = time.monotonic() + LOAD_S
        while not self._is_loaded():
            check()
            if self._child is not None and self._child.poll() is not None:
                raise ConfigError(self._words() or f"strategy {self.name} ended at its start")
            if time.monotonic() > end_s:
                raise ConfigError(f"strategy {self.name} was not loaded within {LOAD_S:g} s")
            time.sleep(0.01)

    def beat(self) -> None:
        """Look whether it lives; act when it does not."""
        now_s = time.monotonic()
        if self._again_s is not None and now_s >= self._again_s:
            self.start()
        if self._child is None:
            return
        code = self._child.poll()
        if code is not None:
            self._end(f"ended with {_how(code)}", now_s)
            return
        silent_s = min(self.door.heartbeat_age_s, now_s - self._started_s)
        limit_s = self._settings.strategy.strategy_hang_s
        if silent_s > (limit_s if self._is_loaded() else max(limit_s, LOAD_S)):
            self._child.kill()
            self._child.wait()
            self._end(f"did not come back for {silent_s:.1f} s and was killed", now_s)
        elif self._is_loaded() and self.failures and now_s - self._started_s > 1.0:
            self._strategy.orphan(self.door.tag, None)

    def stop(self) -> None:
        """End it: asked first, then killed."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._close_pipe()
            self._child = None
        self._again_s = None

    def close(self) -> None:
        """End it and take its door away."""
        self.stop()
        self.door.close()

    @property
    def figures(self) -> dict[str, Any]:
        """For the run's report."""
        return {
            "name": self.name, "tag": self.door.tag, "failures": self.failures,
            "last_words": self.last_words, **self.door.counters,
        }  # fmt: skip

    def _is_loaded(self) -> bool:
        if self._child is None or self.door.counters["starts"] == self._starts_before:
            return False  # what the door says is still the former process's word
        return self.door.state != "starting"

    def _words(self) -> str:
        """Return the last line it left for us."""
        try:
            text = os.read(self._pipe, TEXT_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""
        return text.strip()

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1

    def _end(self, how: str, now_s: float) -> None:
        wanted = self._settings.strategy
        words, lasted_s = self._words(), now_s - self._started_s
        self._close_pipe()
        self._child = None
        self._strategy.orphan(self.door.tag, wanted.strategy_on_exit)
        self.failures = 1 if lasted_s > STEADY_S else self.failures + 1
        self.last_words = words or how
        held = sum(
            self._strategy.pair(index)["tag"] == self.door.tag
            for index in self._strategy.under_way()
        )
        pairs = "it has no pair"
        if held:
            becomes = "closed" if wanted.strategy_on_exit == "close" else "kept"
            pairs = f"{counted(held, 'pair')} of it {'is' if held == 1 else 'are'} {becomes}"
        if self.failures <= wanted.strategy_restarts:
            pause_s = FIRST_PAUSE_S * 2 ** (self.failures - 1)
            self._again_s = now_s + pause_s
            then = f"starting it again in {pause_s:g} s"
        else:
            then = f"after {self.failures} failures it stays off until the trader is started again"
        told = f"{how}: {words}" if words else how
        _log.error("strategy %s %s; %s; %s", self.name, told, pairs, then)


class StrategyProcesses:
    """All users' strategies of one trader. Main thread only."""

    def __init__(self, settings: Settings, strategy: SpreadStrategy, run: int) -> None:
        names = [name for name in settings.strategies if name not in BUILT_IN]
        self.processes: list[StrategyProcess] = []
        for tag, name in enumerate(names, 1):
            self.processes.append(StrategyProcess(settings, name, tag, strategy, run))
        for tag in range(len(names) + 1, TAGS):
            # pairs of an earlier run whose strategy is not named any more
            strategy.orphan(tag, settings.strategy.strategy_on_exit)

    def start(self, check: Callable[[], None]) -> None:
        """Start them and wait until each is loaded; ConfigError when one cannot be."""
        for process in self.processes:
            process.start()
        for process in self.processes:
            process.wait_loaded(check)

    def beat(self) -> None:
        """Look after each."""
        for process in self.processes:
            process.beat()

    def stop(self) -> None:
        """End them; their doors stay for the report."""
        for process in self.processes:
            process.stop()

    def close(self) -> None:
        """End them and take their doors away."""
        for process in self.processes:
            process.close()

    @property
    def figures(self) -> list[dict[str, Any]]:
        """For the run's report."""
        return [process.figures for process in self.processes]


def _how(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return {EXIT_RAISED: "an error", EXIT_UNLOADABLE: "an error at its start"}.get(
        code, f"code {code}"
    )


# ---- the strategy's side -------------------------------------------------------------------------


class _Stop:
    """Set by SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def _die_with_parent() -> None:
    """Ask the kernel to end us with the trader, wherever the user's code is at that moment."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _run(segment: Segment, door: IntentDoor, name: str, stop: _Stop) -> None:
    """Load the class, wait for the trader, and tell it everything until the end."""
    strategy = load_strategy(name)
    door.state = "running"
    while segment.state == "initialising" and segment.alive and not stop.asked:
        door.beat()
        time.sleep(0.01)
    # symbols are in place before a trader starts its strategies
    market = MarketView(segment.store, tuple(segment.symbols))
    host = StrategyHost(
        strategy, market, door, segment.opportunities, segment.pair_events, segment.notices,
        clock=segment.clock.now,
    )  # fmt: skip
    host.start()
    beat_due_ns, told_lost = 0, 0
    while not stop.asked:
        worked = host.poll()
        now_ns = time.monotonic_ns()
        if now_ns >= beat_due_ns:
            beat_due_ns = now_ns + BEAT_NS
            door.beat(host.calls, host.slowest_ns, host.opportunities_lost)
            if host.opportunities_lost > told_lost:
                strategy.log.warning(
                    "%d opportunity events went by while this strategy was busy",
                    host.opportunities_lost - told_lost,
                )
                told_lost = host.opportunities_lost
                beat_due_ns += 1_000_000_000  # not more often than a person can read
            if not segment.alive:
                return
        if not worked:
            time.sleep(IDLE_S)
    host.stop()
    door.beat(host.calls, host.slowest_ns, host.opportunities_lost)
    door.state = "ended"


def main(arguments: list[str]) -> int:
    """Run one strategy until SIGTERM or until the trader is gone."""
    name, tag_text, strategy_name, pipe_text, log_level = arguments
    stop = _Stop()
    _die_with_parent()
    setup_logging(log_level)
    segment = Segment.attach(name)
    door = IntentDoor.attach(name, int(tag_text))
    try:
        _run(segment, door, strategy_name, stop)
    except ArbitrageError as error:
        os.write(int(pipe_text), str(error).encode()[:TEXT_BYTES])
        return EXIT_UNLOADABLE
    except Exception as error:
        traceback.print_exc()
        os.write(int(pipe_text), describe(error).encode()[:TEXT_BYTES])
        return EXIT_RAISED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
