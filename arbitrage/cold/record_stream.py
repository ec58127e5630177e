"""What a recorder asks of each of its streams, and where their files lie."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arbitrage.cold.part_file import PartFile
from arbitrage.errors import ConfigError
from arbitrage.frame_files import SUFFIXES

__all__ = ["GAPS_MAX", "Place", "Stream", "not_recordable"]

GAPS_MAX = 1_000  # listed one by one


def not_recordable(name: str) -> ConfigError:
    """Say that a trader keeps nothing for recorders, and how it would."""
    return ConfigError(f"trader {name!r} keeps nothing to record; start it with ARB_TAP_MB=64")


@dataclass(frozen=True)
class Place:
    """Where files go, and how: the same for all streams of a recording."""

    folder: Path
    compress: str
    rotates: bool
    wall_offset_ns: int  # wall clock less the trader's clock

    def path(self, name: str, ending: str, piece: int) -> Path:
        """Return a file's whole name."""
        number = f".{piece:04d}" if self.rotates else ""
        return self.folder / f"{name}{number}.{ending}{SUFFIXES[self.compress]}"


class Stream(ABC):
    """One kind of what is recorded, in files of its own.

    Threads: the recorder's.
    """

    @property
    @abstractmethod
    def files(self) -> Sequence[PartFile]:
        """Files that are being written."""

    @property
    @abstractmethod
    def whole_bytes(self) -> int:
        """Size of the files that are whole."""

    @abstractmethod
    def open_files(self, piece: int) -> None:
        """Begin new files."""

    @abstractmethod
    def close_files(self) -> None:
        """Finish those that are being written, and give them their names."""

    @abstractmethod
    def turn(self) -> bool:
        """Take what waits; return whether anything did."""

    @abstractmethod
    def finish(self) -> None:
        """Write what was held back: nothing comes any more."""

    @abstractmethod
    def take_untold_loss(self) -> str:
        """Say in words what was lost since the last call; empty: nothing."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Return what the manifest says of it; after `close_files`."""
