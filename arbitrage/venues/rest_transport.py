"""How a REST request travels: over HTTP, or by whatever stands in for it.

A transport takes the exact path and body that were signed and gives back the status, the headers
and the body. It raises `TimeoutError` for no answer and `OSError` for a line that failed.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping

from arbitrage.venues.http_line import HttpLines
from arbitrage.venues.tls import context_for

__all__ = ["Answer", "HttpTransport", "RestTransport"]

Answer = tuple[int, Mapping[str, str], bytes]
RestTransport = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Answer]]
"""`await transport(method, path_with_query, headers, body)` -> (status, headers, body)."""


class HttpTransport:
    """One host over HTTP. Opened and closed on the loop that uses it."""

    def __init__(self, base_url: str, *, timeout_s: float, ssl_context: ssl.SSLContext | None):
        self.base_url = base_url
        self._timeout_s = timeout_s
        self._ssl = ssl_context or context_for(base_url)
        self._lines: HttpLines | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self._lines is not None

    def open(self) -> None:
        """Begin; lines are opened when they are needed."""
        if self._lines is None:
            self._lines = HttpLines(self.base_url, self._ssl)

    async def close(self) -> None:
        """Close every line."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    async def __call__(
        self, method: str, path_with_query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Send one request and read the whole answer."""
        assert self._lines is not None
        async with asyncio.timeout(self._timeout_s):
            return await self._lines.ask(method, path_with_query, headers, body)
