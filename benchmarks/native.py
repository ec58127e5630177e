"""Compile a question's C against the installed headers and load it."""

import ctypes
import hashlib
import os
import subprocess
from pathlib import Path

from arbitrage.core import get_include
from arbitrage.errors import ConfigError

__all__ = ["doubles", "load", "program"]

HERE = Path(__file__).parent
CACHE = HERE.parent / "build" / "benchmarks"
# the flags of the release build (setup.py), so that what is timed is what runs
FLAGS = ["-std=gnu11", "-O3", "-g0", "-DNDEBUG", "-fno-math-errno", "-Wall"]
FLAGS += ["-Wno-unused-function", "-fvisibility=hidden", "-pthread"]
LIBRARY = ["-fPIC", "-shared"]


def _digest(source: Path, flags: list[str]) -> str:
    digest = hashlib.sha256(" ".join(flags).encode())
    beside = sorted(HERE.glob("*.[ch]"))
    for path in [source, *beside, *sorted(Path(get_include()).glob("*.h"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _compiled(name: str, flags: list[str], suffix: str) -> Path:
    """Return what ``benchmarks/NAME.c`` compiles to; made when sources or flags have changed."""
    source = HERE / f"{name}.c"
    target = CACHE / f"{name}-{_digest(source, flags)}{suffix}"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = target.with_suffix(f".{os.getpid()}")
        compiler = os.environ.get("CC", "gcc")
        command = [compiler, *flags, f"-I{get_include()}", f"-I{HERE}", str(source)]
        try:
            done = subprocess.run(
                [*command, "-o", str(made), "-lrt", "-lm"], capture_output=True, text=True
            )
        except FileNotFoundError:
            raise ConfigError(
                f"compiler {compiler!r} was not found; the benchmarks need gcc"
            ) from None
        if done.returncode:
            raise ConfigError(f"{source.name} did not compile: {done.stderr.splitlines()[0]}")
        made.replace(target)
    return target


def load(name: str) -> ctypes.CDLL:
    """Return the library of ``benchmarks/NAME.c``."""
    return ctypes.CDLL(str(_compiled(name, [*FLAGS, *LIBRARY], ".so")))


def program(name: str) -> Path:
    """Return the program of ``benchmarks/NAME.c``, with its line numbers for a profiler."""
    return _compiled(name, [*FLAGS, "-g", "-fno-pie", "-no-pie"], ".bin")


def doubles(count: int) -> "ctypes.Array[ctypes.c_double]":
    """Return room for so many samples."""
    return (ctypes.c_double * count)()
