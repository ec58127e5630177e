"""Log lines: one line an event, UTC, a traceback only for those who ask."""

import logging
import re

from arbitrage.cold.log import LineFormatter


def record_of(error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("arbitrage.x", logging.WARNING, "f", 1, "lost %d\nof 9", (3,), info)


def test_a_record_is_one_line_in_utc() -> None:
    text = LineFormatter(tracebacks=False).format(record_of())
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING arbitrage\.x: lost 3 of 9", text
    )


def test_tracebacks_come_only_when_asked_for() -> None:
    try:
        raise ValueError("bad frame")
    except ValueError as error:
        record = record_of(error)
    assert LineFormatter(tracebacks=False).format(record).endswith("ValueError: bad frame")
    assert "\n" not in LineFormatter(tracebacks=False).format(record)
    assert "Traceback" in LineFormatter(tracebacks=True).format(record)
