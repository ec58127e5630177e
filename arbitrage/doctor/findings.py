"""What a check found, and the host's files it found it in.

Everything of the host is read through `HostFiles`, whose root is a folder: tests lay out one of
their own, and each finding can be made to appear.
"""

import ctypes
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

__all__ = ["Finding", "HostFiles", "KernelClock", "bad", "cpu_list", "ok", "shown", "skip", "warn"]

Status = Literal["ok", "warn", "bad", "skip"]
TIMEX_BYTES = 256  # more than any kernel's struct timex
STA_UNSYNC = 0x40


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report.

    ``ok``: as it should be. ``warn``: it works, and costs time or safety. ``bad``: it will not
    work, or money is at risk. ``skip``: not looked at, and why.
    """

    area: str
    check: str
    status: Status
    reason: str
    remedy: str = ""


def ok(area: str, check: str, reason: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(area=area, check=check, status="ok", reason=reason)


def skip(area: str, check: str, reason: str) -> Finding:
    """Return a finding of what was not looked at."""
    return Finding(area=area, check=check, status="skip", reason=reason)


def warn(area: str, check: str, reason: str, remedy: str) -> Finding:
    """Return a finding that costs time or safety, with what to do."""
    return Finding(area=area, check=check, status="warn", reason=reason, remedy=remedy)


def bad(area: str, check: str, reason: str, remedy: str) -> Finding:
    """Return a finding that stops or endangers trading, with what to do."""
    return Finding(area=area, check=check, status="bad", reason=reason, remedy=remedy)


def cpu_list(text: str) -> set[int]:
    """Read the kernel's way to write processors, such as ``0-3,8``; what is no number is left."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.strip().partition("-")
        last = last.partition(":")[0] or first
        if first.isdigit() and last.isdigit():
            found |= set(range(int(first), int(last) + 1))
    return found


def shown(cores: set[int] | tuple[int, ...]) -> str:
    """Write processors the kernel's way: ``2-5,8``."""
    parts: list[list[int]] = []
    for core in sorted(cores):
        if parts and parts[-1][-1] == core - 1:
            parts[-1].append(core)
        else:
            parts.append([core])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)


class KernelClock(NamedTuple):
    """How the kernel's clock is kept."""

    is_synced: bool
    max_error_us: int


class HostFiles:
    """The files of a host below a root, read only.

    Parameters
    ----------
    root : Path
        ``/``, or a folder of a test.
    pause : callable
        Waits so many seconds between two samples.
    """

    def __init__(
        self, root: Path = Path("/"), *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self.root = root
        self.pause = pause

    def path(self, name: str) -> Path:
        """Return where a file of the host is, by its absolute name."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """Return a file's text without blanks around it; None where it cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def glob(self, pattern: str) -> list[Path]:
        """Return the files that fit a pattern, sorted."""
        return sorted(self.root.glob(pattern.lstrip("/")))

    def free_bytes(self, path: Path) -> int | None:
        """Return how much may still be written where a path is, or would be."""
        while not path.exists() and path != path.parent:
            path = path.parent
        try:
            room = os.statvfs(path)
        except OSError:
            return None
        return room.f_bavail * room.f_frsize

    def kernel_clock(self) -> KernelClock | None:
        """Ask the kernel whether its clock is disciplined; None where it does not tell."""
        try:
            adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
        except (OSError, AttributeError):
            return None
        timex = ctypes.create_string_buffer(TIMEX_BYTES)  # modes 0: changes nothing
        if adjtimex(timex) < 0:
            return None
        # modes, offset, freq, maxerror, esterror, status
        _, _, _, max_error_us, _, status = struct.unpack_from("@Illlli", timex.raw)
        return KernelClock(not status & STA_UNSYNC, max_error_us)
