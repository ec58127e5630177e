"""What a venue's error code means for us: one of five actions, in one table per venue.

The tables (`bybit.codes`, `okx.codes`) are what the connectors act on and what the pages
`docs/venues/*.md` show; there is no second list anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

__all__ = ["Action", "Code", "CodeTable"]


class Action(Enum):
    """What to do about an answer that is not a yes."""

    RETRY = "retry"
    QUERY = "query"
    THROTTLE = "throttle"
    DROP = "drop"
    STOP = "stop"

    @property
    def about(self) -> str:
        """What the connectors do, in words."""
        return _ABOUT[self]


_ABOUT = {
    Action.RETRY: (
        "refused for a passing reason: a question is asked once more, an order is over and only a "
        "new signal makes a new one"
    ),
    Action.QUERY: (
        "the outcome is open: the venue is asked by client order id until it is known, and nothing "
        "is sent again"
    ),
    Action.THROTTLE: "not taken: the order is over, and what is not urgent pauses",
    Action.DROP: "refused for good: the order is over, trading goes on",
    Action.STOP: (
        "trying again cannot help: the order is over, no new pair is opened, start-up and logins "
        "fail with an error that says what to change"
    ),
}


@dataclass(frozen=True, slots=True)
class Code:
    """One row of a venue's table.

    Parameters
    ----------
    action : Action
    meaning : str
        In our words, short.
    section : str
        The part of the venue's documentation that names the code.
    advice : str
        What to do about it, for the error's text.
    is_clock : bool
        The venue found our time wrong: it is measured again.
    is_reconnect : bool
        This connection takes no more requests: a new one is opened.
    is_address : bool
        The limit is that of this machine's address: everything pauses, not one endpoint.
    is_key : bool
        The key is unknown where it was used: it may be of another environment or region.
    """

    action: Action
    meaning: str
    section: str
    advice: str = ""
    is_clock: bool = False
    is_reconnect: bool = False
    is_address: bool = False
    is_key: bool = False


# A code the table does not have may mean anything, an order that lives included.
UNLISTED = Code(Action.QUERY, "not documented", "none")


class CodeTable:
    """A venue's codes. Read-only; lookups take codes as numbers or as text.

    Parameters
    ----------
    venue : str
    rows : dict
        Code -> row; 0 is success and has none.
    """

    def __init__(self, venue: str, rows: dict[int, Code]) -> None:
        self.venue = venue
        self._rows = dict(sorted(rows.items()))

    def __iter__(self) -> Iterator[tuple[int, Code]]:
        return iter(self._rows.items())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, code: object) -> bool:
        return isinstance(code, int | str) and _number(code) in self._rows

    def of(self, code: int | str | None) -> Code:
        """Return a code's row, or the row of codes that nobody documented."""
        return self._rows.get(_number(code), UNLISTED)

    def action(self, code: int | str | None) -> Action:
        """Return what to do about a code."""
        return self.of(code).action

    def having(self, action: Action) -> frozenset[int]:
        """Return every code with an action."""
        return frozenset(code for code, row in self if row.action is action)

    def said(self, code: int | str | None, text: str) -> str:
        """Return the venue's words with our advice behind them."""
        advice = self.of(code).advice
        return f"{text}; {advice}" if advice and advice not in text else text


def _number(code: int | str | None) -> int:
    try:
        return int(code) if code is not None else 0
    except ValueError:
        return 0
