"""What a recorded run's strategy was told at its start, in a file beside its journal.

A recording says what came in and what was decided; to decide the same again one needs the
settings, too. Written only where there is something to record (ARB_TAP_MB).
"""

from pathlib import Path
from typing import Self

import msgspec

from arbitrage.errors import ConfigError
from arbitrage.trading.runs import write_whole

__all__ = ["RunTold", "told_path"]


def told_path(folder: Path, run: int) -> Path:
    """Return where a run's file lies in a state folder."""
    return folder / f"told-{run:09d}.json"


class RunTold(msgspec.Struct, frozen=True, kw_only=True):
    """What the strategy of one run was told.

    Parameters
    ----------
    run : int
    placement : str
        Where the stages run: `arbitrage.core.stages.PLACEMENTS`.
    strategies : tuple of str
    settings : dict
        As `SpreadStrategy` takes them.
    lots : dict
        Symbol index -> base units of the common lot, and lots of each venue in it.
    day_result_usd : float
        What earlier runs of the UTC day had brought.
    """

    run: int
    placement: str
    strategies: tuple[str, ...]
    settings: dict[str, float]
    lots: dict[int, tuple[float, tuple[int, int]]]
    day_result_usd: float = 0.0

    def write(self, folder: Path) -> None:
        """Write it into the state folder, readable by nobody else."""
        write_whole(told_path(folder, self.run), msgspec.json.encode(self))

    @classmethod
    def read(cls, folder: Path, run: int) -> Self:
        """Read a run's file; ConfigError when it is not there or is none."""
        path = told_path(folder, run)
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            raise ConfigError(
                f"{path} is not there; a trader with ARB_TAP_MB writes it at its start"
            ) from None
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None
