"""What the machine took from a program: the only thing that a bound on its time is given more.

A bound such as "within two seconds" is the product's word on a machine that lets it run. A machine
that stands still, or makes a thread that could run wait, breaks it without the product's doing;
a product that sleeps, waits for an answer or works too long has nobody to blame. Three witnesses,
in a process of their own that does nothing else, tell the two apart:

    this process sleeps, and is woken late           everybody stood still
    a thread of a watched program could run, waited  the kernel counts that by thread (schedstat)
    a processor was taken from this machine          the kernel counts that by processor (steal)

What was lost at one go is known as an interval of CLOCK_MONOTONIC, and shorter than `WORTH_NS` it
is no excuse. A bound of some time is given what was lost *within that time*, not more.
"""

import os
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Stalls"]

SLEEP_S = 0.02
WORTH_NS = 20_000_000
CHILDREN_EVERY_S = 0.25
ANSWER_S = 60.0
INTERVAL = struct.Struct("<qq")
TICK_NS = 10_000_000  # the kernel's unit of stolen time


# ---- for tests -----------------------------------------------------------------------------------


class Stalls:
    """Watch the machine and some programs; say how much of a time was lost.

    Parameters
    ----------
    bare : bool
        Nothing is ever excused: the bounds of a long run, on a machine that is left to it.
    """

    def __init__(self, *, bare: bool = False) -> None:
        self.bare = bare
        self._lost: list[tuple[int, int]] = []
        self._told = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - it appends where we read
        self._witness: subprocess.Popen[bytes] | None = None
        if not bare:
            self._witness = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__],
                stdin=subprocess.PIPE,
                stdout=self._told,
            )

    def __enter__(self) -> "Stalls":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def watch(self, *pids: int) -> None:
        """Watch programs, and all that they start."""
        if self._witness is not None and self._witness.stdin is not None:
            self._witness.stdin.write("".join(f"{pid}\n" for pid in pids).encode())
            self._witness.stdin.flush()

    def stop(self) -> None:
        """Look no more; what was seen stays known."""
        if self._witness is not None and self._witness.stdin is not None:
            self._catch_up(time.monotonic_ns())
            self._witness.stdin.close()
            self._witness.wait(ANSWER_S)
            self._witness = None

    def lost_ns(self, from_mono_ns: int, to_mono_ns: int) -> int:
        """Return how much of a time the machine took."""
        if self.bare:
            return 0
        self._catch_up(to_mono_ns)
        total_ns, end_ns = 0, from_mono_ns
        for lost_from_ns, lost_to_ns in self._lost:  # by their beginnings
            begin_ns = max(lost_from_ns, end_ns)
            end_ns = max(end_ns, min(lost_to_ns, to_mono_ns))
            total_ns += max(0, end_ns - begin_ns)
        return total_ns

    def lost_wall_ns(self, from_wall_ns: int, to_wall_ns: int) -> int:
        """Return the same for times of the wall clock."""
        ahead_ns = time.time_ns() - time.monotonic_ns()
        return self.lost_ns(from_wall_ns - ahead_ns, to_wall_ns - ahead_ns)

    @contextmanager
    def within(self, limit_s: float, what: str) -> Iterator[None]:
        """Hold what is done inside to a limit, but for what the machine takes meanwhile."""
        from_ns = time.monotonic_ns()
        yield
        to_ns = time.monotonic_ns()
        lost_s = self.lost_ns(from_ns, to_ns) / 1e9
        took_s = (to_ns - from_ns) / 1e9
        assert took_s - lost_s <= limit_s, f"{what}: {took_s:.3f} s, {lost_s:.3f} s of them lost"

    def _catch_up(self, until_mono_ns: int) -> None:
        """Read on, until the witness has looked once after a moment."""
        end_s = time.monotonic() + ANSWER_S
        while True:
            self._told.seek(0)
            told = self._told.read()
            looks = list(INTERVAL.iter_unpack(told[: len(told) // INTERVAL.size * INTERVAL.size]))
            self._lost = sorted((begin, end) for begin, end in looks if end > begin)
            if self._witness is None or (looks and looks[-1][1] >= until_mono_ns):
                return
            assert self._witness.poll() is None, "the witness of stalls has ended"
            assert time.monotonic() < end_s, "the witness of stalls says nothing"
            time.sleep(SLEEP_S / 2)


# ---- the witness ---------------------------------------------------------------------------------


def _children(pid: int) -> list[int]:
    """Return a process and all that it and its children have started."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            words = Path(f"/proc/{pid}/task/{task}/children").read_bytes().split()
            for child in words:
                found += _children(int(child))
    except OSError:  # it has ended
        pass
    return found


class _Waits:
    """How long the threads of some processes could run and waited."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, str], int] = {}
        self._waited_ns: dict[tuple[int, str], int] = {}

    def follow(self, roots: set[int]) -> None:
        """Open what is new."""
        for root in roots:
            for pid in _children(root):
                try:
                    tasks = os.listdir(f"/proc/{pid}/task")
                except OSError:
                    continue
                for task in tasks:
                    if (pid, task) not in self._files:
                        self._open(pid, task)

    def _open(self, pid: int, task: str) -> None:
        try:
            file = os.open(f"/proc/{pid}/task/{task}/schedstat", os.O_RDONLY)
        except OSError:
            return
        self._files[pid, task] = file
        waited_ns = self._read(file)
        if waited_ns is not None:
            self._waited_ns[pid, task] = waited_ns

    @staticmethod
    def _read(file: int) -> int | None:
        try:
            words = os.pread(file, 100, 0).split()
        except OSError:
            return None
        return int(words[1]) if len(words) == 3 else None

    def grown(self) -> int:
        """Return what the thread that waited most has waited since the last look."""
        most_ns = 0
        for key, file in list(self._files.items()):
            waited_ns = self._read(file)
            if waited_ns is None:
                os.close(self._files.pop(key))
                self._waited_ns.pop(key, None)
                continue
            most_ns = max(most_ns, waited_ns - self._waited_ns.get(key, waited_ns))
            self._waited_ns[key] = waited_ns
        return most_ns


def _stolen() -> list[int]:
    """Return the stolen time of each processor, in ns."""
    try:
        lines = Path("/proc/stat").read_bytes().splitlines()
    except OSError:
        return []
    cores = [line.split() for line in lines if line.startswith(b"cpu") and line[3:4].isdigit()]
    return [int(words[8]) * TICK_NS for words in cores if len(words) > 8]


def _witness() -> None:
    """Look until the one who started us has gone."""
    roots: set[int] = set()
    waits = _Waits()
    stolen, asked, follow_ns = _stolen(), b"", 0
    while True:
        asleep_ns = time.monotonic_ns()
        if select.select([0], [], [], SLEEP_S)[0]:
            more = os.read(0, 4096)
            if not more:
                return
            *whole, asked = (asked + more).split(b"\n")
            roots |= {int(line) for line in whole}
            follow_ns = 0
        now_ns = time.monotonic_ns()
        late_ns = now_ns - asleep_ns - int(SLEEP_S * 1e9)
        if now_ns >= follow_ns:
            waits.follow(roots)
            follow_ns = now_ns + int(CHILDREN_EVERY_S * 1e9)
        before, stolen = stolen, _stolen()
        taken = [now - then for now, then in zip(stolen, before, strict=False)]
        lost_ns = max(late_ns, waits.grown(), *taken, 0)
        begin_ns = now_ns - lost_ns if lost_ns >= WORTH_NS else now_ns
        os.write(1, INTERVAL.pack(begin_ns, now_ns))


if __name__ == "__main__":
    _witness()
