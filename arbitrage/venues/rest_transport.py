"""How a REST request travels: over HTTP, or by whatever stands in for it.

A transport takes the exact path and body that were signed and gives back the status, the headers
and the body. It raises `TimeoutError` for no answer and `OSError` or `aiohttp.ClientError` for a
line that failed.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from yarl import URL

from arbitrage.venues.tls import context_for

__all__ = ["Answer", "HttpTransport", "RestTransport"]

Answer = tuple[int, Mapping[str, str], bytes]
RestTransport = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Answer]]
"""`await transport(method, path_with_query, headers, body)` -> (status, headers, body)."""


class HttpTransport:
    """One host over a session of aiohttp. Opened and closed on the loop that uses it."""

    def __init__(self, base_url: str, *, timeout_s: float, ssl_context: ssl.SSLContext | None):
        self.base_url = base_url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._ssl: ssl.SSLContext | bool = ssl_context or context_for(base_url) or True
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def open(self) -> None:
        """Open the session; must be called on the loop that uses it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __call__(
        self, method: str, path_with_query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Send one request and read the whole answer."""
        assert self._session is not None
        async with self._session.request(
            method,
            # encoded: the signature covers exactly these bytes
            URL(self.base_url + path_with_query, encoded=True),
            data=body or None,
            headers=headers,
            ssl=self._ssl,
            allow_redirects=False,
        ) as response:
            return response.status, response.headers, await response.read()
