"""The control socket: commands of other programs of the same user, each answered when done.

It lives on an event loop of its own: what a client does or fails to do never delays a frame or an
order. A client that floods, stalls or sends nonsense costs itself its connection and nobody else.
"""

import asyncio
import logging
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from arbitrage.control import LINE_BYTES_MAX, Reply, Request, address_of, socket_path
from arbitrage.errors import ArbitrageError, ControlError
from arbitrage.secret import mask_known

__all__ = ["ControlServer"]

CLIENTS_MAX = 32  # one more hangs up on the client that has been silent for longest
BY_LETTERS_MAX = 64
WRITE_S = 5.0
BACKLOG = 512
PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid
_log = logging.getLogger(__name__)


class _Client:
    """One connection: its task, and whether a command of it is under way."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.is_busy = False


class ControlServer:
    """Answer commands on a Unix socket, mode 0600.

    Threads: :meth:`listen` and :meth:`close` on the main thread, before and after :meth:`run`,
    which belongs to a loop of its own.

    Parameters
    ----------
    folder : Path
        The state folder, held by this trader alone.
    answer : coroutine function
        Takes a `Request`, returns the result; an `ArbitrageError` of it is told to the client.
    """

    def __init__(
        self, folder: Path, answer: Callable[[Request], Awaitable[dict[str, Any]]]
    ) -> None:
        self.path = socket_path(folder)
        self.refused_count = 0
        self._answer = answer
        self._socket: socket.socket | None = None
        self._clients: dict[_Client, None] = {}  # the longest silent first

    def listen(self) -> None:
        """Take the socket's name; one left behind by a killed run is replaced.

        Raises
        ------
        ControlError
            Another trader answers there, or the name cannot be taken.
        """
        try:
            self._take_away_stale()
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            made.setblocking(False)
            with address_of(self.path) as address:
                made.bind(address)
            # nobody gets in before it listens
            self.path.chmod(0o600)
            made.listen(BACKLOG)
        except OSError as error:
            raise ControlError(
                f"the control socket {self.path} cannot be made: {error.strerror or error}"
            ) from None
        self._socket = made

    def _take_away_stale(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise ControlError(f"{self.path} is in the way and no socket; move it away")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                with address_of(self.path) as address:
                    probe.connect(address)
            except (ConnectionRefusedError, FileNotFoundError):
                self.path.unlink(missing_ok=True)
                return
        raise ControlError(f"another trader answers at {self.path}; stop it first")

    async def run(self) -> None:
        """Serve until cancelled."""
        assert self._socket is not None, "listen first"
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    peer, _ = await loop.sock_accept(self._socket)
                except OSError as error:
                    # out of descriptors, or a client that is gone already
                    _log.warning("a control connection could not be taken: %s", error)
                    await asyncio.sleep(0.05)
                    continue
                self._admit(peer)
        finally:
            for client in list(self._clients):
                if client.task is not None:
                    client.task.cancel()

    def close(self) -> None:
        """Take the socket's name away."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self.path.unlink(missing_ok=True)

    def _admit(self, peer: socket.socket) -> None:
        _, uid, _ = PEER.unpack(
            peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        )
        if uid != os.geteuid():
            self.refused_count += 1
            _log.warning("a control connection of user %d was refused", uid)
            peer.close()
            return
        if len(self._clients) >= CLIENTS_MAX:
            self._hang_up_on_one()
        client = _Client()
        self._clients[client] = None
        client.task = asyncio.ensure_future(self._serve(client, peer))

    def _hang_up_on_one(self) -> None:
        """Make room: the next one may be the one who kills."""
        silent = next((one for one in self._clients if not one.is_busy), None)
        if silent is not None and silent.task is not None:
            silent.task.cancel()
            del self._clients[silent]

    async def _serve(self, client: _Client, peer: socket.socket) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            peer.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=peer, limit=LINE_BYTES_MAX)
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    line, reply = b"", _refusal(0, f"a line has up to {LINE_BYTES_MAX} bytes")
                    await _send(writer, reply)
                if not line.endswith(b"\n"):
                    return
                if client in self._clients:  # now the one heard of last
                    del self._clients[client]
                    self._clients[client] = None
                client.is_busy = True
                reply = await self._reply_to(line)
                client.is_busy = False
                await _send(writer, reply)
        except (OSError, TimeoutError):
            _log.debug("a control client went away, or does not read")
            if writer is not None:
                writer.transport.abort()  # what it did not read is not kept for it
        finally:
            self._clients.pop(client, None)
            if writer is not None:
                writer.close()
            else:
                peer.close()

    async def _reply_to(self, line: bytes) -> Reply:
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return _refusal(0, f"a command is one JSON object with a verb: {error}")
        request.by = _printable(request.by)
        try:
            return Reply(id=request.id, ok=True, result=await self._answer(request))
        except (ArbitrageError, msgspec.ValidationError) as error:
            return _refusal(request.id, str(error))
        except Exception as error:
            _log.exception("command %s failed", _printable(request.verb))
            return _refusal(request.id, f"unexpected {type(error).__name__}: {error}")


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    text = mask_known(msgspec.json.encode(reply).decode())
    writer.write(text.encode() + b"\n")
    with suppress(ConnectionError):
        async with asyncio.timeout(WRITE_S):
            await writer.drain()


def _refusal(number: int, said: str) -> Reply:
    return Reply(id=number, ok=False, error=" ".join(said.split()))


def _printable(text: str) -> str:
    kept = "".join(letter for letter in text if letter.isprintable()).strip()
    return kept[:BY_LETTERS_MAX] or "somebody"
