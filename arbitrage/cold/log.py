"""Logging of the programs: one line an event on stderr, in UTC, as text or as JSON.

A warning or an error that comes again and again is written once; how often it came follows when its
minute is over. Every line passes `arbitrage.secret.mask_known` last, so that no secret leaves.
"""

import faulthandler
import io
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from arbitrage.log_lines import JsonFormatter, LineFormatter, one_line

__all__ = ["FoldingHandler", "JsonFormatter", "LineFormatter", "setup_logging"]

WINDOW_S = 60.0
# So many lines that differ in their numbers alone are written before they count as one.
VARIANTS = 5
KINDS_MAX = 512  # kinds of lines that are remembered at once
_NUMBERS = re.compile(r"[0-9]+")
_log = logging.getLogger("arbitrage.log")


# ---- how often it comes -------------------------------------------------------------------------


@dataclass
class _Kind:
    """Lines that say the same, but for their numbers, within one window."""

    began_s: float
    texts: set[str] = field(default_factory=set)  # those that were written
    more: int = 0
    last: str = ""


class FoldingHandler(logging.StreamHandler[IO[str]]):
    """Write lines; from WARNING up, those that repeat are counted and told once a window.

    The same text within a window is counted at once; texts that differ in their numbers alone are
    counted from the sixth on. What was counted is told when the window is over, and at the end.

    Threads: any. What is counted wakes one thread, on the cores of the process, until it is told.

    Parameters
    ----------
    stream : text stream
    folds : bool
        False writes every line.
    window_s : float
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self,
        stream: IO[str],
        *,
        folds: bool = True,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._folds = folds
        self._window_s = window_s
        self._clock = clock
        self._kinds: dict[tuple[str, int, str], _Kind] = {}
        self._teller: threading.Thread | None = None
        self._closing = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it. Called with the handler's lock held."""
        try:
            if self._folds and record.levelno >= logging.WARNING and self._is_counted(record):
                return
        except Exception:  # arguments that do not fit their message
            self.handleError(record)
            return
        super().emit(record)

    def _is_counted(self, record: logging.LogRecord) -> bool:
        self.tell_due()
        text = one_line(record)
        key = (record.name, record.levelno, _NUMBERS.sub("#", text))
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) < KINDS_MAX:
                self._kinds[key] = _Kind(self._clock(), {text})
            return False
        if text not in kind.texts and len(kind.texts) < VARIANTS:
            kind.texts.add(text)
            return False
        kind.more += 1
        kind.last = text
        if self._teller is None and not self._closing.is_set():
            self._teller = threading.Thread(target=self._tell_in_time, name="log", daemon=True)
            self._teller.start()
        return True

    def tell_due(self, *, is_end: bool = False) -> float | None:
        """Tell what windows that are over have counted; return the seconds until the next one.

        None when nothing is counted now. With `is_end` every window is over.
        """
        now_s, next_s = self._clock(), None
        for key, kind in list(self._kinds.items()):
            left_s = kind.began_s + self._window_s - now_s
            if left_s > 0 and not is_end:
                if kind.more and (next_s is None or left_s < next_s):
                    next_s = left_s
                continue
            if not kind.more:
                self._kinds.pop(key, None)
                continue
            more, kind.more = kind.more, 0
            lasted_s, kind.began_s = now_s - kind.began_s, now_s
            self._tell(key[0], key[1], kind.last, more, lasted_s)
        return next_s

    def _tell(self, logger: str, level: int, text: str, more: int, lasted_s: float) -> None:
        record = logging.LogRecord(logger, level, "", 0, "%s (%d more in %.0f s)", None, None)
        record.args = (text, more, lasted_s)
        record.more = more
        super().emit(record)

    def _tell_in_time(self) -> None:
        with suppress(OSError, AttributeError):  # the thread that logged may be a pinned one
            os.sched_setaffinity(0, os.sched_getaffinity(os.getpid()))
        while True:
            self.acquire()
            try:
                next_s = self.tell_due()
                if next_s is None:
                    self._teller = None
                    return
            finally:
                self.release()
            if self._closing.wait(next_s):
                return

    def handleError(self, record: logging.LogRecord) -> None:
        """Say which line cannot be written; logging's own words would show its arguments."""
        error = sys.exc_info()[0]
        if error is None or (issubclass(error, (OSError, ValueError)) and self.stream.closed):
            return
        where = f"{os.path.basename(record.pathname)}:{record.lineno}"
        told = f"a line of {where} cannot be written ({error.__name__}): {str(record.msg)!r}"
        plain = logging.LogRecord(record.name, record.levelno, "", 0, told, None, None)
        with suppress(OSError, ValueError):
            formatter = self.formatter or LineFormatter(tracebacks=False)
            self.stream.write(formatter.format(plain) + self.terminator)

    def close(self) -> None:
        """Tell what is still counted."""
        self._closing.set()
        self.acquire()
        try:
            with suppress(ValueError):  # its stream was closed before it
                self.tell_due(is_end=True)
        finally:
            self.release()
        super().close()


# ---- the programs' set-up -----------------------------------------------------------------------


def _tell_crash(kind: type[BaseException], error: BaseException | None, where: str) -> None:
    if error is None or issubclass(kind, (KeyboardInterrupt, SystemExit)):
        return
    info = (kind, error, error.__traceback__)
    _log.error("unexpected error in %s", where, exc_info=info)


def _hook_crashes() -> None:
    """Let errors that nobody caught be log lines: masked, and one line each."""
    sys.excepthook = lambda kind, error, _trace: _tell_crash(kind, error, "the main thread")
    threading.excepthook = lambda told: _tell_crash(
        told.exc_type, told.exc_value, f"thread {told.thread.name if told.thread else '?'}"
    )
    sys.unraisablehook = lambda told: _tell_crash(
        told.exc_type, told.exc_value, told.err_msg or "a callback"
    )


def setup_logging(level: str, form: str | None = None) -> None:
    """Send the logs of this process to stderr; chatty libraries speak from WARNING up.

    Errors that nobody caught become log lines as well, and a crash of compiled code leaves its
    stack on stderr.

    Parameters
    ----------
    level : str
        Least level; DEBUG also shows tracebacks, and folds nothing.
    form : str or None
        ``text`` or ``json``; None: LOG_FORMAT of the environment, before there are settings.
    """
    if form is None:
        form = os.environ.get("LOG_FORMAT", "").strip().lower()
    is_debug = level == "DEBUG"
    handler = FoldingHandler(sys.stderr, folds=not is_debug)
    formatter = JsonFormatter if form == "json" else LineFormatter
    handler.setFormatter(formatter(tracebacks=is_debug))
    root = logging.getLogger()
    former = [each for each in root.handlers if isinstance(each, FoldingHandler)]
    root.handlers[:] = [handler]
    for each in former:
        each.close()
    root.setLevel(level)
    for name in ("asyncio", "aiohttp", "picows"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    _hook_crashes()
    with suppress(io.UnsupportedOperation, AttributeError, ValueError):  # stderr is no file
        faulthandler.enable()
