"""``--budget SECONDS``: long tests stop in time and go on where they stopped.

A long test that passed is remembered in pytest's cache by its name and a digest of the sources,
so that the next run begins with what is left. When all have passed, the memory is cleared.

Property tests draw the same examples in every run; ``--hypothesis-profile=search`` looks at new
ones, as ``make test-long`` does.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from stalls import Stalls

from arbitrage import secret

ROOT = Path(__file__).parent.parent
settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("repeatable", settings.get_profile("search"), derandomize=True)
settings.load_profile("repeatable")
CACHE_KEY = "arbitrage/long_passed"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--budget",
        type=float,
        default=None,
        metavar="SECONDS",
        help="stop long tests after so many seconds; the next run goes on with the rest",
    )


def _digest() -> str:
    """Digest of everything the long tests judge: a change of it makes them run again."""
    digest = hashlib.sha256()
    for folder in ("arbitrage", "cython_src", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".pyx", ".pxd", ".h", ".c"} and path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()


class Budget:
    """Runs long tests until the time is up and remembers which passed."""

    def __init__(self, config: pytest.Config, seconds: float) -> None:
        self.config = config
        self.deadline = time.monotonic() + seconds
        self.digest = _digest()
        self.left: list[str] = []
        self.known = 0
        stored = config.cache.get(CACHE_KEY, {}) if config.cache else {}
        self.passed: set[str] = (
            set(stored.get("passed", [])) if stored.get("digest") == self.digest else set()
        )

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        done = [item for item in items if item.nodeid in self.passed]
        self.known = len(done)
        if done:
            self.config.hook.pytest_deselected(items=done)
            items[:] = [item for item in items if item.nodeid not in self.passed]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if time.monotonic() >= self.deadline:
            self.left.append(item.nodeid)
            pytest.skip("the budget is used up; run again to go on")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.config.cache is None:
            return
        finished = not self.left and not session.testsfailed
        passed = [] if finished else sorted(self.passed)
        self.config.cache.set(CACHE_KEY, {"digest": self.digest, "passed": passed})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.known:
            terminalreporter.write_line(f"{self.known} long tests passed in an earlier run")
        if self.left:
            terminalreporter.write_line(
                f"{len(self.left)} long tests are left: the budget is used up, run again to go on"
            )


def pytest_configure(config: pytest.Config) -> None:
    seconds = config.getoption("--budget")
    if seconds is not None:
        config.pluginmanager.register(Budget(config, seconds), "arbitrage-budget")


@pytest.fixture
def stalls(request: pytest.FixtureRequest) -> Iterator[Stalls]:
    """What the machine takes away meanwhile; in a long run it is left to us, and nothing is."""
    with Stalls(bare=request.node.get_closest_marker("long") is not None) as made:
        yield made


@pytest.fixture(autouse=True)
def _secrets_of_one_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget a test's secrets after it: they would be masked in what later tests say."""
    known = secret._Known()
    known._texts |= secret._known._texts
    monkeypatch.setattr(secret, "_known", known)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own keys and settings out of the tests."""
    for name in list(os.environ):
        if name.startswith(("ARB_", "BYBIT_", "OKX_")) and name != "ARB_BUILD":
            monkeypatch.delenv(name)
    names = ["LOG_LEVEL", "STRATEGY_CORE", "DETECTOR_CORE", "WEBSOCKET_CORES"]
    names += ["REDIS_URL", "REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
