"""The journal's cold thread: it makes the next file in time, and syncs where that is asked for."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from arbitrage.core.threads import name_current_thread

__all__ = ["JournalKeeper"]

TEND_S = 0.05
SAY_AGAIN_S = 60.0
_log = logging.getLogger(__name__)


class Tended(Protocol):
    """What the keeper needs of a journal."""

    def tend(self, path_of_part: Callable[[int], Path]) -> bool: ...
    def sync(self) -> None: ...


class JournalKeeper:
    """Keep a journal ready for the strategy, on a thread that may wait for the disk.

    Threads: made, started and stopped by the main thread.

    Parameters
    ----------
    journal : Journal
    path_of_part : callable
        Takes a part's number, returns where its file is to lie.
    sync_s : float or None
        Sync so often; None: never, the kernel writes when it likes.
    name : str
        Of its thread.

    Attributes
    ----------
    lost : str or None
        Why records may not be on the disk though they should; the trader must open nothing more.
    """

    def __init__(
        self,
        journal: Tended,
        path_of_part: Callable[[int], Path],
        sync_s: float | None,
        name: str = "journal",
    ) -> None:
        self._journal = journal
        self._path_of_part = path_of_part
        self._sync_s = sync_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._said_s = -SAY_AGAIN_S  # below 0: the next file can be made
        self.lost: str | None = None  # what was journaled may not have reached the disk

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once what the disk is doing is done."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        name_current_thread(self._thread.name)
        due_s = time.monotonic()
        while not self._stop.wait(TEND_S):
            self._tend()
            if self._sync_s is not None and self.lost is None and time.monotonic() >= due_s:
                self._sync()
                due_s = time.monotonic() + self._sync_s

    def _tend(self) -> None:
        now_s = time.monotonic()
        try:
            self._journal.tend(self._path_of_part)
        except OSError as error:
            if now_s - self._said_s >= SAY_AGAIN_S:
                _log.error(
                    "the journal's next file cannot be made (%s); make room, or no pair is opened "
                    "once the present one is nearly full",
                    error.strerror or error,
                )
                self._said_s = now_s
        else:
            if self._said_s >= 0:
                _log.warning("the journal's next file is made")
            self._said_s = -SAY_AGAIN_S

    def _sync(self) -> None:
        try:
            self._journal.sync()
        except OSError as error:
            # the kernel may have dropped those pages: a later success would prove nothing
            self.lost = str(error)
            _log.error(
                "%s; no pair is opened any more, open ones are closed as usual: "
                "stop the trader and look at the disk",
                error,
            )
