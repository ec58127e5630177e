"""What readers of a trader say they have and have lost, held against what the trader published.

Positions in the trader's broadcasts and taps are the trader's own: what lies between two of them
must be written or counted as lost, to the last record.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError
from benchmarks.cold_programs import ColdSide

__all__ = ["Account", "frames_account", "mirror_accounts", "typed_accounts"]

STREAMS = ("opportunities", "pairs")
QUIET_S = 60.0


@dataclass(frozen=True)
class Account:
    """One stream of one reader, from where it began to where it ended."""

    reader: str
    stream: str
    begin: int  # of the trader's own numbers
    end: int
    end_max: int  # the same as `end` where the end is known exactly
    written: int
    lost: int
    kind: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all is written or counted as lost."""
        return self.begin + self.written + self.lost in range(self.end, self.end_max + 1)

    @property
    def text(self) -> str:
        """Say it in a line."""
        verdict = "all" if self.is_whole else "NOT all"
        told = self.end - self.begin
        return (
            f"{self.kind}: {self.reader} {self.stream}: {self.written:,} written + "
            f"{self.lost:,} counted as lost = {verdict} of {told:,}"
        )


def mirror_accounts(cold: ColdSide, segment: Segment, since: list[Account] | None) -> list[Account]:
    """Hold the mirror's counts in Redis against where it stands in the trader's broadcasts.

    While it drops, its counts are ahead of where it stands: this waits until it has come through
    what the trader has published by now and both agree; without `since` they begin there.
    """
    rings = {"opportunities": segment.opportunities, "pairs": segment.pair_events}
    wanted = {stream: ring.pushed for stream, ring in rings.items()}
    end_s = time.monotonic() + QUIET_S
    found: list[Account] = []
    while time.monotonic() < end_s:
        held = cold.mirrored()
        found = [_mirrored(held, stream, since) for stream in STREAMS]
        is_through = all(one.end >= wanted[one.stream] or not one.end for one in found)
        if held and is_through and all(one.is_whole for one in found):
            return found
        time.sleep(0.05)
    if since is None:
        raise ArbitrageError(f"arb mirror did not catch up in {QUIET_S:g} s: {found}")
    return found


def _mirrored(held: dict[str, int], stream: str, since: list[Account] | None) -> Account:
    end = held.get(f"{stream}_position", 0)
    written, lost = (held.get(f"{stream}_{what}", 0) for what in ("published", "lost"))
    # without an earlier account the first position is what the counts say: only later ones prove
    begin = end - written - lost
    if since is not None:
        begin = next(one.begin for one in since if one.stream == stream)
        if not end:
            end = begin
    return Account("mirror", stream, begin, end, end, written, lost)


def typed_accounts(manifest: dict[str, Any], segment: Segment) -> list[Account]:
    """Hold a manifest's typed streams against the numbers of their first and last records."""
    found = []
    for stream in ("opportunities", "decisions"):
        said = manifest[stream]
        end = max(row["to_record"] for row in said["files"])
        named = sum(gap["records"] for gap in said["gaps"])
        lost = named if not said["gaps_not_listed"] else said["lost_records"]
        written = sum(row["records"] for row in said["files"])
        found.append(Account("recorder", stream, said["records_before"], end, end, written, lost))
    return found


def frames_account(manifest: dict[str, Any], least: Sequence[int], most: Sequence[int]) -> Account:
    """Hold a manifest's frames against the taps' own counts right before and after its end."""
    said = manifest["frames"]
    named = sum(gap["frames"] for gap in said["gaps"]) + said["too_long_frames"]
    lost = named if not said["gaps_not_listed"] else said["lost_frames"]
    written = sum(said["frames"].values())
    begin = sum(said["frames_before"])
    return Account("recorder", "frames", begin, sum(least), sum(most), written, lost)
