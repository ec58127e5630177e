"""Allocations of a connection's reading, counted for its path where the shim counts at all."""

import asyncio
from typing import Any

from arbitrage.core.alloc_meter import HOT, WARM, enter_path, is_metered

__all__ = ["HOT", "WARM", "MeteredProtocol", "meter_protocol"]


class MeteredProtocol(asyncio.BufferedProtocol):
    """Stand before a connection's own protocol: what reading allocates belongs to `path`.

    Everything from the buffer a loop asks for to the end of the listener's callback is counted,
    what picows allocates there among it.
    """

    def __init__(self, inner: Any, path: int) -> None:
        self._inner = inner
        self._path = path
        self._get_buffer = inner.get_buffer
        self._buffer_updated = inner.buffer_updated

    def get_buffer(self, sizehint: int) -> Any:
        before = enter_path(self._path)
        try:
            return self._get_buffer(sizehint)
        finally:
            enter_path(before)

    def buffer_updated(self, nbytes: int) -> None:
        before = enter_path(self._path)
        try:
            self._buffer_updated(nbytes)
        finally:
            enter_path(before)

    def eof_received(self) -> bool | None:
        answer: bool | None = self._inner.eof_received()
        return answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def meter_protocol(transport: Any, path: int) -> None:
    """Count what reading from an open WebSocket allocates for a path; without the shim nothing."""
    if is_metered():
        under = transport.underlying_transport
        under.set_protocol(MeteredProtocol(under.get_protocol(), path))
