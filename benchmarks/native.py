"""Compile a question's C, or Cython, against the installed headers and load it."""

import ctypes
import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType

from arbitrage.core import get_include
from arbitrage.errors import ConfigError

__all__ = ["doubles", "load", "load_cython", "program"]

HERE = Path(__file__).parent
CACHE = HERE.parent / "build" / "benchmarks"
# the flags of the release build (setup.py), so that what is timed is what runs
FLAGS = ["-std=gnu11", "-O3", "-g0", "-DNDEBUG", "-fno-math-errno", "-Wall"]
FLAGS += ["-Wno-unused-function", "-fvisibility=hidden", "-pthread"]
LIBRARY = ["-fPIC", "-shared"]
CYTHON_FLAGS = ["-std=gnu11", "-O3", "-g0", "-DNDEBUG", "-Wno-unused-function"]


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
    return _compiled(name, [*FLAGS, "-g1", "-fno-var-tracking", "-fno-pie", "-no-pie"], ".bin")


def load_cython(name: str) -> ModuleType:
    """Return the extension module of ``benchmarks/NAME.pyx``, built when its sources changed."""
    source = HERE / f"{name}.pyx"
    folder = CACHE / f"{name}-{_digest(source, CYTHON_FLAGS)}"
    if not list(folder.glob(f"{name}.*.so")):
        _build_cython(name, source, folder)
    spec = importlib.util.spec_from_file_location(name, next(folder.glob(f"{name}.*.so")))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _build_cython(name: str, source: Path, folder: Path) -> None:
    try:
        from Cython.Build import cythonize
        from setuptools import Distribution, Extension  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError("Cython and setuptools are needed: pip install '.[test]'") from None
    made = folder.with_suffix(f".{os.getpid()}")
    extension = Extension(
        name, [str(source)], include_dirs=[get_include()], extra_compile_args=CYTHON_FLAGS
    )
    build_dir = str(made / "c")
    modules = cythonize(  # type: ignore[no-untyped-call]
        [extension], build_dir=build_dir, quiet=True
    )
    command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(made), str(made / "o")
    command.ensure_finalized()
    command.run()
    try:
        made.replace(folder)
    except OSError:  # another process was first
        if not folder.exists():
            raise


def doubles(count: int) -> "ctypes.Array[ctypes.c_double]":
    """Return room for so many samples."""
    return (ctypes.c_double * count)()
