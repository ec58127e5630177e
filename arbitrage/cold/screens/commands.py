"""What the dashboard tells a trader: pause, resume, kill; always through its control socket."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arbitrage.control import ControlClient, confirm_cancels
from arbitrage.errors import ControlError, NoTraderError, TraderSilentError

__all__ = ["Commands"]

BY = "dashboard"
# (state folder, close what is open too, why, process that is shown; 0: none) -> what was left
# behind for the trader, in words
Fallback = Callable[[Path, bool, str, int], str]


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


class Commands:
    """Send one command at a time to the trader of a state folder.

    Threads: any; every call blocks until the trader has answered, or the time is up. A line is made
    for each command, so that a trader may come and go.

    Parameters
    ----------
    folder : Path
        State folder of the trader.
    name : str
        Its name. A trader of another name in that folder is told nothing.
    fallback : callable
        Leaves a kill for a trader that does not listen or does not answer.
    timeout_s : float
        How long to wait for an answer.
    """

    def __init__(
        self, folder: Path, name: str, fallback: Fallback, timeout_s: float = 5.0
    ) -> None:
        self._folder, self._name, self._fallback = folder, name, fallback
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """The trader that is meant."""
        return self._name

    def _line(self) -> ControlClient:
        client = ControlClient(self._folder, by=BY, timeout_s=self._timeout_s)
        try:
            found = client.call("status")["name"]
        except BaseException:
            client.close()
            raise
        if found != self._name:
            client.close()
            raise ControlError(
                f"the trader of {self._folder} is {found!r}, this shows {self._name!r}; nothing "
                "was told: start with --state-dir FOLDER of the one that is shown"
            )
        return client

    def pause(self, symbol: str) -> str:
        """Let no pair of a symbol open, or of ``all``; return what came of it in words."""
        with self._line() as line:
            line.call("pause", symbols=[symbol])
        return f"{symbol} paused: no pair opens, open ones close as usual"

    def resume(self, symbol: str) -> str:
        """Let pairs of a symbol open again, or of ``all``; return what came of it in words."""
        with self._line() as line:
            done = line.call("resume", symbols=[symbol])
        left = done["paused"].get(symbol)
        if left:
            return f"{symbol} stays paused: {', '.join(left)}"
        if done["killed"]:
            return f"{symbol} resumed, but the kill switch stands: arb kill --clear"
        if done["flatten"]:
            return f"{symbol} resumed, but every pair is being closed: resume all ends that"
        return f"{symbol} resumed"

    def kill(self, why: str, *, flatten: bool = False) -> dict[str, Any]:
        """Trip the kill switch; return the trader's own answer, once no order can leave any more.

        Raises
        ------
        ControlError
            It was refused, or not answered in time.
        """
        with self._line() as line:
            return line.call("kill", why=why, flatten=flatten)

    def kill_surely(self, *, flatten: bool = False, shown_pid: int = 0) -> tuple[str, bool]:
        """Trip it, or, where no trader answers, leave the word for when it looks.

        Returns what came of it in words, and whether a trader has said that it is killed.
        `shown_pid` is the process that is looked at; 0: none runs.

        Raises
        ------
        ControlError
            Nothing was killed, nor will be.
        """
        why = f"typed into the dashboard by {_who()}"
        try:
            done = self.kill(why, flatten=flatten)
        except NoTraderError:
            return self._fallback(self._folder, flatten, why, shown_pid), False
        except TraderSilentError as error:
            return f"{error}; {self._fallback(self._folder, flatten, why, shown_pid)}", False
        first = "it was killed already" if done["was_killed"] else "killed"
        leaves = "only reducing orders leave" if done.get("flatten") else "no order leaves any more"
        return f"{first}: {leaves}, seen after {done['acknowledged_ms']:g} ms", True

    def confirm(self) -> str:
        """Wait until both venues say that no order is open; return that in words.

        Raises
        ------
        ControlError
            They have not said so in time.
        """
        with self._line() as line:
            return confirm_cancels(line)
