"""What can go wrong, as a tree.

::

    ArbitrageError                one clear line: what was wrong, where, what to do
    ├── ConfigError               a setting, flag or file from the user (exit code 2)
    ├── ConnectorError            a venue refused, failed or did not answer
    ├── WireError                 bytes from a venue that do not mean what the protocol says
    ├── RiskReject                an order that the risk gate refused
    ├── OrderError                an order that cannot be built or that a venue refused
    ├── SegmentError              the shared-memory segment is missing, foreign or in use
    │   └── SegmentGoneError      no trader of that name runs: none was started, or it has ended
    ├── JournalError              the order journal cannot be read or written
    └── ControlError              a command that a running trader refused or did not answer
        ├── NoTraderError         no trader listens there
        └── TraderSilentError     it did not answer in time

Messages use full words, state the offending value and never contain a secret.
"""

import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

__all__ = [
    "ArbitrageError",
    "ConfigError",
    "ConnectorError",
    "ControlError",
    "JournalError",
    "NoTraderError",
    "OrderError",
    "RiskReject",
    "SegmentError",
    "SegmentGoneError",
    "TraderSilentError",
    "WireError",
    "fail",
    "run_guarded",
]

EXIT_FAILURE = 1
EXIT_USAGE = 2


class ArbitrageError(Exception):
    """Root of every error this package raises on purpose."""

    exit_code = EXIT_FAILURE


class ConfigError(ArbitrageError):
    """A setting, flag or file that the user gave is wrong."""

    exit_code = EXIT_USAGE


class ConnectorError(ArbitrageError):
    """A venue refused, failed or did not answer.

    Parameters
    ----------
    message : str
        One line, without secrets.
    venue : str
        ``bybit`` or ``okx``; empty when no venue is to blame.
    code : str or int or None
        The venue's own error code, kept as text; None when it gave none.
    is_terminal : bool
        True when trying again cannot help (wrong key, banned address): stop and tell someone.
    is_unanswered : bool
        True when nothing was said: no answer in time, a line that broke, a server that failed.
        What was asked for may have been done.
    """

    def __init__(
        self,
        message: str,
        *,
        venue: str = "",
        code: str | int | None = None,
        is_terminal: bool = False,
        is_unanswered: bool = False,
    ) -> None:
        self.venue = venue
        self.code = None if code is None else str(code)
        self.is_terminal = is_terminal
        self.is_unanswered = is_unanswered
        label = f"{venue}: " if venue else ""
        suffix = f" (code {self.code})" if self.code is not None else ""
        super().__init__(f"{label}{message}{suffix}")

    def hide(self, mask: Callable[[str], str]) -> None:
        """Mask the text, in place: the error keeps its type, code and traceback."""
        self.args = (mask(str(self)),)


class WireError(ArbitrageError, ValueError):
    """Bytes from a venue that do not mean what the protocol says."""


class FramesError(WireError):
    """A file that holds no frames of the venue it was given for."""

    exit_code = EXIT_USAGE


class RiskReject(ArbitrageError):
    """An order that the risk gate refused; the message names the limit and the value."""


class OrderError(ArbitrageError):
    """An order that cannot be built or that a venue refused."""


class SegmentError(ArbitrageError):
    """The shared-memory segment is missing, of another layout, or in use."""


class SegmentGoneError(SegmentError):
    """No trader of that name runs: none was started, or it has ended."""


class JournalError(ArbitrageError):
    """The order journal cannot be read or written."""


class ControlError(ArbitrageError):
    """A command that a running trader refused or did not answer."""


class NoTraderError(ControlError):
    """No trader listens on the control socket."""


class TraderSilentError(ControlError):
    """A trader took a command and did not answer in time: what became of it is not known."""


def _wants_traceback() -> bool:
    return os.environ.get("LOG_LEVEL", "").strip().upper() == "DEBUG"


def fail(error: BaseException) -> int:
    """Print one ``error:`` line on stderr, without secrets, and return the exit code.

    With LOG_FORMAT=json it is one object, as every line of the log. LOG_LEVEL=DEBUG adds the
    traceback. It is the last line: what the log has only counted comes before it.
    """
    from arbitrage.log_lines import last_line  # only who fails waits for it

    logging.shutdown()
    text = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(last_line(error, text, tracebacks=_wants_traceback()))
    sys.stderr.flush()
    return error.exit_code if isinstance(error, ArbitrageError) else EXIT_FAILURE


def run_guarded(main: Callable[[], int | None]) -> NoReturn:
    """Run a program's main function and exit with its code; errors become one line each."""
    try:
        code = main() or 0
    except (ArbitrageError, OSError) as error:
        code = fail(error)
    except ModuleNotFoundError as error:
        name = error.name or ""
        advice = (
            "build it: pip install -e ." if name.startswith("arbitrage.core.") else "install it"
        )
        code = fail(ArbitrageError(f"module {name} is missing; {advice}"))
    except Exception as error:
        # A defect, not a wish: still one line, and the way to see more.
        text = f"unexpected {type(error).__name__}: {error} (LOG_LEVEL=DEBUG shows where)"
        code = fail(ArbitrageError(text).with_traceback(error.__traceback__))
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
