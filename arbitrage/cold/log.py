"""Logging of the programs: one line an event on stderr, in UTC."""

import logging
import sys
import time

__all__ = ["setup_logging"]


class LineFormatter(logging.Formatter):
    """Keep every record on one line; a traceback follows only when LOG_LEVEL=DEBUG."""

    converter = staticmethod(time.gmtime)

    def __init__(self, *, tracebacks: bool) -> None:
        form = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
        super().__init__(form, "%Y-%m-%dT%H:%M:%S")
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        if self._tracebacks:
            return super().format(record)
        plain = logging.makeLogRecord(record.__dict__)
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            text = f"{text}: {type(error).__name__}: {error}"
        plain.msg, plain.args = " ".join(text.split()), None
        plain.exc_info, plain.exc_text, plain.stack_info = None, None, None
        return super().format(plain)


def setup_logging(level: str) -> None:
    """Send the logs of this process to stderr; chatty libraries speak from WARNING up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(tracebacks=level == "DEBUG"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("asyncio", "aiohttp", "picows"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
