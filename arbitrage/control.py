"""Commands to a running trader, through the Unix socket in its state folder.

One JSON object a line in both directions::

    {"id": 1, "verb": "pause", "args": {"symbols": ["BTCUSDT"]}, "by": "arb"}
    {"id": 1, "ok": true, "result": {...}}    or    {"id": 1, "ok": false, "error": "one line"}

An answer means that the command has taken effect.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from arbitrage.closing import Closing
from arbitrage.errors import ConfigError, ControlError, NoTraderError, TraderSilentError

__all__ = [
    "SOCKET_NAME",
    "ControlClient",
    "Reply",
    "Request",
    "address_of",
    "confirm_cancels",
    "socket_path",
]

SOCKET_NAME = "control.sock"
# of sockaddr_un, with the zero at its end
PATH_BYTES_MAX = 107
LINE_BYTES_MAX = 1 << 20
CONNECT_AGAIN_S = 0.005
CONFIRM_S = 10.0
CONFIRM_AGAIN_S = 0.05


class Request(msgspec.Struct, kw_only=True):
    """One command. `by` says who asks: ``arb``, ``dashboard`` or another name."""

    id: int = 0
    verb: str
    args: dict[str, Any] = {}
    by: str = "somebody"


class Reply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What came of a command: a result, or one line that says why not."""

    id: int
    ok: bool
    result: dict[str, Any] | None = None
    error: str = ""


def socket_path(folder: Path) -> Path:
    """Return where a trader with this state folder listens."""
    return folder.expanduser().absolute() / SOCKET_NAME


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Give a socket's path to bind or connect to, a shorter one through /proc where it is too long.

    Raises
    ------
    ConfigError
        It is longer than a Unix socket's may be, and there is no /proc.
    """
    size = len(os.fsencode(path))
    if size <= PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = Path(f"/proc/self/fd/{folder}")
        if not short.exists():
            raise ConfigError(
                f"the control socket {path} has a path of {size} bytes; a Unix socket's may have "
                f"{PATH_BYTES_MAX}: set ARB_STATE_DIR to a shorter folder"
            )
        yield str(short / path.name)
    finally:
        os.close(folder)


class ControlClient(Closing):
    """Send commands to a trader and wait for each answer.

    Threads: one. May stay connected for as long as the trader lives.

    Parameters
    ----------
    folder : Path
        The trader's state folder.
    by : str
        Who asks, told in the trader's log; ``dashboard`` counts as a way of its own to kill.
    timeout_s : float
        How long to wait for an answer.

    Raises
    ------
    NoTraderError
        Nobody listens there.

    Examples
    --------
    >>> with ControlClient(Path("~/.local/state/arbitrage")) as trader:  # doctest: +SKIP
    ...     trader.call("status")["mode"]
    'paper'
    """

    def __init__(self, folder: Path, *, by: str = "arb", timeout_s: float = 5.0) -> None:
        self.path = socket_path(folder)
        self._by = by
        self._count = 0
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._connect(time.monotonic() + timeout_s)
        except (FileNotFoundError, ConnectionRefusedError):
            self._socket.close()
            raise NoTraderError(f"no trader listens at {self.path}") from None
        except OSError as error:
            self._socket.close()
            raise ControlError(f"{self.path}: {error.strerror or error}") from None

    def _connect(self, end_s: float) -> None:
        while True:
            try:
                with address_of(self.path) as address:
                    self._socket.connect(address)
                return
            except BlockingIOError:  # many others are at its door
                if time.monotonic() > end_s:
                    raise
            time.sleep(CONNECT_AGAIN_S)

    def call(self, verb: str, **args: Any) -> dict[str, Any]:
        """Send one command; return its result.

        Raises
        ------
        ControlError
            Refused, not answered in time, or the trader has gone: then what became of it is not
            known.
        """
        self._count += 1
        request = Request(id=self._count, verb=verb, args=args, by=self._by)
        try:
            self._socket.sendall(msgspec.json.encode(request) + b"\n")
            reply = self._read()
            while reply.id != self._count:  # of a call that was given up
                reply = self._read()
        except TimeoutError:
            raise TraderSilentError(
                f"the trader at {self.path} did not answer {verb} within "
                f"{self._socket.gettimeout():g} s; whether it took effect is not known"
            ) from None
        except OSError as error:
            said = error.strerror or str(error)
            raise ControlError(f"the trader at {self.path} is gone ({said})") from None
        if not reply.ok:
            raise ControlError(reply.error)
        return reply.result or {}

    def _read(self) -> Reply:
        while b"\n" not in self._buffer:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionResetError("it closed the connection")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            return msgspec.json.decode(line, type=Reply)
        except msgspec.MsgspecError:
            raise ControlError(f"{self.path} does not speak as a trader of this release") from None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def confirm_cancels(client: ControlClient, timeout_s: float = CONFIRM_S) -> str:
    """Wait until every venue of a killed trader says that no order is open; return it in words.

    Raises
    ------
    ControlError
        They have not said so in time, or the trader no longer answers.
    """
    end_s = time.monotonic() + timeout_s
    while True:
        state = client.call("status")["kill"]
        if state is None:
            return "somebody has cleared it since"
        cancels = state["cancels"]
        if all(each["confirmed"] for each in cancels.values()):
            return f"no order is open at {' and '.join(cancels)}" if cancels else ""
        if time.monotonic() > end_s:
            left = "; ".join(
                f"{venue}: {each['state']}"
                for venue, each in cancels.items()
                if not each["confirmed"]
            )
            raise ControlError(
                f"no order leaves, but that none is open is not confirmed after {timeout_s:g} s "
                f"({left}); the trader goes on asking, look at the venues"
            )
        time.sleep(CONFIRM_AGAIN_S)
