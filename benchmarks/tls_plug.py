"""A server's end of a TLS connection for the load generator: records are made before they are sent.

Encryption costs microseconds that are no receiver's: all frames of a run are encrypted before it,
in the order in which they leave, and the run sends bytes as it does without TLS.
"""

import socket
import ssl
from contextlib import suppress
from pathlib import Path

__all__ = ["TlsPlug", "server_context"]

CHUNK = 1 << 16
HANDSHAKE_S = 10.0


def server_context(chain: Path) -> ssl.SSLContext:
    """Return the context of a server with a chain and its key in one file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


class TlsPlug:
    """A socket's own calls over TLS, blocking until `setblocking(False)`.

    Threads: one.

    Parameters
    ----------
    plug : socket
        Accepted, nothing read of it yet; the handshake is made here.
    """

    def __init__(self, plug: socket.socket, context: ssl.SSLContext) -> None:
        self._plug = plug
        self._came, self._leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._leaves, server_side=True)
        plug.settimeout(HANDSHAKE_S)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
        self._flush()

    def fileno(self) -> int:
        """Return the socket's own number."""
        return self._plug.fileno()

    def setblocking(self, flag: bool) -> None:
        """Wait for bytes, or do not."""
        self._plug.setblocking(flag)

    def recv(self, size: int) -> bytes:
        """Return what came, decrypted; nothing at the end of the connection."""
        while True:
            with suppress(ssl.SSLZeroReturnError):
                try:
                    return self._tls.read(size)
                except ssl.SSLWantReadError:
                    if not self._fill():
                        return b""
                    continue
            return b""

    def sendall(self, data: bytes) -> None:
        """Send as one record; waits until the socket has taken it."""
        self._plug.setblocking(True)
        self._plug.sendall(self.record(data))
        self._plug.setblocking(False)

    def record(self, data: bytes) -> bytes:
        """Return the record that has to leave next; it must leave before any other."""
        self._tls.write(data)
        return self._leaves.read()

    def close(self) -> None:
        """Close the socket without a word."""
        self._plug.close()

    def _fill(self) -> bool:
        came = self._plug.recv(CHUNK)
        self._came.write(came)
        return bool(came)

    def _flush(self) -> None:
        if self._leaves.pending:
            self._plug.sendall(self._leaves.read())
