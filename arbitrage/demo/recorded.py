"""A demo that is recorded: the recorder beside its trader, and what the trader ordered."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from arbitrage.config import load_settings
from arbitrage.core.segment import Segment
from arbitrage.demo.processes import Child
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.record_files import SUMMARY

__all__ = ["STATE", "DemoRecorder"]

STATE = "state"  # the run's journals, beside what was recorded
TAP_MB = "64"
END_TIMEOUT_S = 30.0


class DemoRecorder:
    """Start `arb record` as soon as there is a trader, and keep the run's journals with it.

    Parameters
    ----------
    name : str
        Of the trader's segment.
    out : Path or None
        Where the recording goes; None: nothing is recorded.
    folder : Path
        The demo's own; its ``state`` is the trader's.

    Raises
    ------
    ConfigError
        The folder holds something already.
    """

    def __init__(self, name: str, out: Path | None, folder: Path) -> None:
        self._name, self._out, self._folder = name, out, folder
        self._child: Child | None = None
        if out is not None and ((out / SUMMARY).exists() or (out / STATE).exists()):
            raise ConfigError(
                f"--record was {str(out)!r}, which holds a recording; name another folder"
            )

    def settings(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return what the trader must be told so that its every turn can be decided again."""
        if self._out is None:
            return {}
        found = {}
        if environ.get("ARB_TAP_MB", "").strip() in ("", "0"):
            found["ARB_TAP_MB"] = TAP_MB
        stages = environ.get("ARB_STAGES", "").strip()
        if not stages and load_settings(needs_keys=False).placed_stages == "split":
            found["ARB_STAGES"] = "fused"  # a strategy on a thread of its own tells no turns
        return found

    def look(self) -> None:
        """Begin as soon as there is something to record."""
        if self._out is None or self._child is not None:
            return
        try:
            Segment.attach(self._name).close()
        except (ArbitrageError, OSError, ValueError):
            return  # not there yet
        args = ["-m", "arbitrage.cli", "record", self._name, "--out", str(self._out)]
        self._child = Child("the recorder", args, os.environ, self._folder)

    def finish(self) -> None:
        """Wait for the recorder's end, and put the journals beside what it wrote."""
        if self._out is None or self._child is None:
            return
        code = self._child.wait(END_TIMEOUT_S)
        if code is None:
            raise ArbitrageError(f"{self._child.title} did not end in time")
        if code != 0:
            raise ArbitrageError(self._child.obituary(code))
        target = self._out / STATE
        target.mkdir(mode=0o700, exist_ok=True)
        for pattern in ("orders-*.journal", "account-*.journal", "told-*.json"):
            for path in sorted((self._folder / "state").glob(pattern)):
                shutil.copy2(path, target / path.name)

    def close(self) -> None:
        """End the recorder, whatever became of the trader."""
        if self._child is not None:
            self._child.stop()
