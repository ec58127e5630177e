"""The one TLS context of this process's connections.

Each context keeps every certificate that the system trusts, a megabyte, and reading them takes 50
ms; left to itself, a WebSocket library reads them again for every connection, on the loop's thread.
"""

import ssl
from functools import cache
from urllib.parse import urlsplit

__all__ = ["context_for"]

_SECURE = ("https", "wss")


def context_for(url: str) -> ssl.SSLContext | None:
    """Return the context that a URL's connections share; None where it needs no TLS."""
    return _shared() if urlsplit(url).scheme in _SECURE else None


@cache
def _shared() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
