"""How a log line looks: as text for people, or one JSON object for programs."""

import logging
import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from arbitrage.secret import mask_known

__all__ = ["JsonFormatter", "LineFormatter", "last_line", "one_line"]

_ORDINARY = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}


@cache
def _encoder() -> Callable[[object], bytes]:
    """Return what writes JSON; not at import: an error line is written without msgspec too."""
    import msgspec

    return msgspec.json.Encoder(enc_hook=str).encode


def one_line(record: logging.LogRecord) -> str:
    """Return what a record says, with its error's type and text, in one line."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        text = f"{text}: {type(error).__name__}: {error}"
    return " ".join(text.split())


class LineFormatter(logging.Formatter):
    """Keep every record on one line; a traceback follows only when LOG_LEVEL=DEBUG."""

    converter = staticmethod(time.gmtime)

    def __init__(self, *, tracebacks: bool) -> None:
        form = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
        super().__init__(form, "%Y-%m-%dT%H:%M:%S")
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        if self._tracebacks:
            return mask_known(super().format(record))
        plain = logging.makeLogRecord(record.__dict__)
        plain.msg, plain.args = one_line(record), None
        plain.exc_info, plain.exc_text, plain.stack_info = None, None, None
        return mask_known(super().format(plain))


class JsonFormatter(logging.Formatter):
    """Write a record as one JSON object.

    ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``event`` (the line in words) and ``fields``:
    ``thread``, ``template`` (what lines of a kind have in common), ``error`` (its type), ``more``
    (of a folded line), ``traceback`` (with LOG_LEVEL=DEBUG) and whatever was given as ``extra``.
    """

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {"thread": record.threadName}
        if record.args and record.msg != "%s":
            fields["template"] = str(record.msg).replace("%%", "%")
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = type(record.exc_info[1]).__name__
            if self._tracebacks:
                fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        fields |= {
            name: value for name, value in record.__dict__.items() if name not in _ORDINARY
        }
        line = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "event": one_line(record),
            "fields": fields,
        }
        return mask_known(_encoder()(line).decode())


def _writes_json() -> bool:
    """Tell what this process' log is set to; before it is set up, what LOG_FORMAT says."""
    ours = [
        handler.formatter
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, (JsonFormatter, LineFormatter))
    ]
    if ours:
        return isinstance(ours[0], JsonFormatter)
    return os.environ.get("LOG_FORMAT", "").strip().lower() == "json"


def last_line(error: BaseException, text: str, *, tracebacks: bool) -> str:
    """Return what ends a program, in the form that its log has: ``error: TEXT``, or an object.

    Parameters
    ----------
    error : BaseException
        What it was.
    text : str
        What is said of it.
    tracebacks : bool
        Whether its traceback comes too: before the line, or as a field of the object.
    """
    trace = "".join(traceback.format_exception(error)) if tracebacks else ""
    if _writes_json():
        record = logging.LogRecord("arbitrage", logging.ERROR, "", 0, text, None, None)
        record.error = type(error).__name__
        if trace:
            record.traceback = trace
        with suppress(ModuleNotFoundError):  # it may be the error
            return JsonFormatter(tracebacks=False).format(record) + "\n"
    return mask_known(f"{trace}error: {text}\n")
