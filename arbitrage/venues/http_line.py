"""HTTP/1.1 as a venue's REST interface needs it: one host, lines kept open, answers read whole.

Each request has a line for itself; a line whose answer was read whole serves the next request for
as long as the venue keeps it open. No redirects, cookies or proxies: none of them belongs between a
trader and its venue. A client library for all the web takes nine megabytes of a trader that holds
fifty.
"""

import asyncio
import socket
import ssl
import zlib
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from arbitrage.venues.loop_clock import loop_s

__all__ = ["BrokenAnswerError", "HttpLines", "NoLineError"]

HEAD_BYTES_MAX = 1 << 16
BODY_BYTES_MAX = 1 << 26  # all of a venue's contracts are some MB
ANSWER_BYTES_MAX = BODY_BYTES_MAX + HEAD_BYTES_MAX
IDLE_MAX_S = 15.0  # a line that rested longer may be half closed: hosts forget after a minute
NEXT_ADDRESS_S = 0.25  # a host's other address is tried beside one that says nothing for so long
PORTS = {"http": 80, "https": 443}
NO_BODY = (204, 304)
Answer = tuple[int, dict[str, str], bytes]


class NoLineError(OSError):
    """The host could not be reached: nothing was sent."""


class BrokenAnswerError(OSError):
    """The line ended, or said what is no HTTP, before the whole answer had come."""


class _Line(asyncio.Protocol):
    """One connection: what came and is not read yet, and whether it has ended."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.rested_s = 0.0  # when its last answer was whole
        self._came = bytearray()
        self._has_ended = False
        self._news: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none, and does as one

    def data_received(self, data: bytes) -> None:
        self._came += data
        if len(self._came) > ANSWER_BYTES_MAX:
            self.drop()
        self._tell()

    def eof_received(self) -> None:
        self._has_ended = True
        self._tell()

    def connection_lost(self, _error: Exception | None) -> None:
        self._has_ended = True
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _more(self) -> None:
        if self._has_ended:
            raise _EndedError(heard=bool(self._came))
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _take(self, size: int) -> bytes:
        taken = bytes(self._came[:size])
        del self._came[:size]
        return taken

    async def until(self, mark: bytes) -> bytes:
        """Read up to a mark, which is taken and not given."""
        while (end := self._came.find(mark, 0, HEAD_BYTES_MAX)) < 0:
            if len(self._came) >= HEAD_BYTES_MAX:
                raise BrokenAnswerError("the answer has a line or a head without an end")
            await self._more()
        return self._take(end + len(mark))[:end]

    async def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self._came) < size:
            await self._more()
        return self._take(size)

    async def rest(self) -> bytes:
        """Read until the other end closes."""
        while not self._has_ended:
            await self._more()
        return self._take(len(self._came))

    def drop(self) -> None:
        """Close it without waiting for the other end."""
        self._has_ended = True
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_fresh(self) -> bool:
        """Whether a request may be sent: bytes that nobody asked for spoil a line."""
        return not self._has_ended and not self._came and loop_s() - self.rested_s < IDLE_MAX_S


class _EndedError(BrokenAnswerError):
    """The line ended; heard: after the first byte of an answer."""

    def __init__(self, *, heard: bool) -> None:
        super().__init__(
            "the answer broke off" if heard else "the line was closed before it was answered"
        )
        self.heard = heard


class HttpLines:
    """The open lines to one host.

    Threads: the loop's that makes the requests.

    Parameters
    ----------
    base_url : str
        ``http://`` or ``https://``, with what stands before every path.
    context : ssl.SSLContext or None
        Needed for ``https``.
    """

    def __init__(self, base_url: str, context: ssl.SSLContext | None) -> None:
        url = urlsplit(base_url)
        self._prefix = url.path.rstrip("/")
        self._host = url.hostname or ""
        self._port = url.port or PORTS.get(url.scheme, 80)
        self._context = context if url.scheme == "https" else None
        self._named = url.netloc.rpartition("@")[2]
        self._resting: list[_Line] = []

    def close(self) -> None:
        """Close every line that rests."""
        while self._resting:
            self._resting.pop().drop()

    async def ask(
        self, method: str, path_with_query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Send one request and read the whole answer; names of its headers come in lower case.

        A question (GET) is asked again on a new line when the line that it was sent on had been
        closed meanwhile. Nothing else is sent twice.

        Raises
        ------
        NoLineError
            Nothing was sent.
        OSError
            The answer is not known.
        """
        request = self._request(method, path_with_query, headers, body)
        while (line := self._take_resting()) is not None:
            try:
                return await self._exchange(line, request)
            except _EndedError as error:
                if error.heard or method != "GET":
                    raise
        return await self._exchange(await self._open(), request)

    # ---- lines -------------------------------------------------------------------------------

    def _take_resting(self) -> _Line | None:
        while self._resting:
            line = self._resting.pop()
            if line.is_fresh:
                return line
            line.drop()
        return None

    async def _open(self) -> _Line:
        plug: socket.socket | None = None
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
            plug = await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_S, interleave=1)
            name = self._host if self._context is not None else None
            _, line = await asyncio.get_running_loop().create_connection(
                _Line, sock=plug, ssl=self._context, server_hostname=name
            )
        except BaseException as error:
            if plug is not None:
                plug.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                said = f"cannot connect to {self._named}: {error.strerror or error}"
                raise NoLineError(error.errno, said) from error
            raise
        return line

    async def _exchange(self, line: _Line, request: bytes) -> Answer:
        try:
            assert line.transport is not None
            line.transport.write(request)
            status, headers, body, may_rest = await _read_answer(line)
        except BaseException:
            line.drop()
            raise
        if may_rest:
            line.rested_s = loop_s()
            self._resting.append(line)
        else:
            line.drop()
        return status, headers, body

    # ---- text --------------------------------------------------------------------------------

    def _request(
        self, method: str, path_with_query: str, headers: Mapping[str, str], body: bytes
    ) -> bytes:
        told = {"Host": self._named, "Accept": "*/*", "Accept-Encoding": "gzip"} | dict(headers)
        if body or method != "GET":
            told["Content-Length"] = str(len(body))
        lines = [f"{method} {self._prefix}{path_with_query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in told.items()]
        if any("\r" in text or "\n" in text for text in lines):
            raise ValueError("a request's path or header held a line break")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _read_answer(line: _Line) -> tuple[int, dict[str, str], bytes, bool]:
    """Return status, headers, body, and whether the line may serve again."""
    status = 100
    while 100 <= status < 200:  # interim answers: the real one follows
        head = await line.until(b"\r\n\r\n")
        version, status, headers = _parse_head(head.decode("latin-1"))
    coding = headers.get("transfer-encoding", "").lower()
    may_rest = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
    if status in NO_BODY:
        body = b""
    elif coding:
        if coding != "chunked":
            raise BrokenAnswerError(f"the answer's transfer encoding {coding!r} is not known")
        body = await _read_chunks(line)
    elif "content-length" in headers:
        body = await line.exactly(_size(headers["content-length"], 10))
    else:
        may_rest = False
        body = await line.rest()
    return status, headers, _unpacked(body, headers.get("content-encoding", "")), may_rest


def _parse_head(text: str) -> tuple[str, int, dict[str, str]]:
    first, *rest = text.split("\r\n")
    version, _, said = first.partition(" ")
    code = said[:3]
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit()):
        raise BrokenAnswerError(f"the answer began with {first[:40]!r}, which is no HTTP/1.1")
    headers: dict[str, str] = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BrokenAnswerError(f"the answer has a header that is none: {line[:40]!r}")
        headers[name.lower()] = value.strip()
    return version, int(code), headers


async def _read_chunks(line: _Line) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        said = await line.until(b"\r\n")
        size = _size(said.partition(b";")[0].decode("latin-1").strip(), 16)
        if size == 0:
            break
        total += size
        _size(str(total), 10)
        parts.append(await line.exactly(size))
        if await line.exactly(2) != b"\r\n":
            raise BrokenAnswerError("a piece of the answer is longer than it said")
    while await line.until(b"\r\n"):
        pass  # trailers say nothing that is needed
    return b"".join(parts)


def _size(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        size = -1
    if not text.isalnum() or not 0 <= size <= BODY_BYTES_MAX:
        raise BrokenAnswerError(f"the answer's size was {text[:20]!r}; at most 64 MB are taken")
    return size


def _unpacked(body: bytes, coding: str) -> bytes:
    if coding.lower() in ("", "identity"):
        return body
    if coding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise BrokenAnswerError(f"the answer's content encoding {coding!r} was not asked for")
    unpack = zlib.decompressobj(47)  # gzip or zlib, whichever it begins with
    try:
        text = unpack.decompress(body, BODY_BYTES_MAX)
    except zlib.error as error:
        raise BrokenAnswerError(f"the answer cannot be unpacked: {error}") from None
    if not unpack.eof:
        raise BrokenAnswerError("the answer's packed body broke off, or is longer than 64 MB")
    return text
