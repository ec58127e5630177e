"""Watch the state folder for the kill file without asking again and again: the kernel tells."""

import asyncio
import ctypes
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["WishWatch"]

# linux/inotify.h
IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x8, 0x80, 0x100
EVENTS_BYTES = 4096
_log = logging.getLogger(__name__)


class WishWatch:
    """Call a function whenever a file appears or was written in a folder.

    The journals, which grow there too, are mapped into memory and tell nothing. Where the kernel
    has no watch left, nothing is called: the trader's beat looks as well.

    Threads: one running loop, as a context manager.
    """

    def __init__(self, folder: Path, on_change: Callable[[], None]) -> None:
        self._folder = folder
        self._on_change = on_change
        self._fd = -1

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE
        if self._fd < 0 or libc.inotify_add_watch(
            self._fd, os.fsencode(self._folder), events
        ) < 0:  # fmt: skip
            _log.info(
                "%s cannot be watched (%s): a kill file is seen by the beat",
                self._folder, os.strerror(ctypes.get_errno()),
            )
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._take)
        # what came before the watch did
        self._on_change()
        return self

    def _take(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._fd, EVENTS_BYTES)
        self._on_change()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
