"""A package outside ours cimports the core: headers and .pxd files come with the installation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import arbitrage

ROOT = Path(__file__).parents[2]

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
from arbitrage.core import get_include

setup(
    name="outside",
    ext_modules=cythonize(
        [Extension("outside", ["outside.pyx"], include_dirs=[get_include()])],
        compiler_directives={"language_level": 3},
    ),
)
"""

SOURCE = """
from libc.stdint cimport uint32_t
from arbitrage.core.ring cimport SpscRing, arb_spsc_depth, arb_spsc_try_push

def push_and_count(SpscRing ring, bytes payload):
    cdef const char *text = payload
    assert len(payload) == 56
    cdef bint pushed = arb_spsc_try_push(ring.ptr, text)
    cdef uint32_t depth = arb_spsc_depth(ring.ptr)
    return pushed, depth
"""

USE = """
import outside
from arbitrage import SpscRing
ring = SpscRing(4)
assert outside.push_and_count(ring, b"x" * 56) == (True, 1)
assert ring.depth == 1
print("counted")
"""


def build_and_use(python: str, folder: Path, package_root: str) -> None:
    """Build and run the outside package; `package_root` is put on its path ("": installed)."""
    (folder / "setup.py").write_text(SETUP)
    (folder / "outside.pyx").write_text(SOURCE)
    (folder / "use.py").write_text(USE)
    environment = {**os.environ, "CFLAGS": "-O0", "PYTHONPATH": package_root}
    for args in (["setup.py", "-q", "build_ext", "--inplace"], ["use.py"]):
        done = subprocess.run(
            [python, *args],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "counted\n"


def test_an_outside_package_builds_against_this_installation(tmp_path: Path) -> None:
    # the tree these tests run on may only be built in place
    build_and_use(sys.executable, tmp_path, str(Path(arbitrage.__path__[0]).parent))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_outside_package_builds_against_the_wheel(tmp_path: Path) -> None:
    wheels, venv = tmp_path / "dist", tmp_path / "venv"
    steps = [
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(wheels), str(ROOT)],
        [sys.executable, "-m", "venv", str(venv)],
    ]
    for step in steps:
        subprocess.run(step, check=True, capture_output=True, timeout=600)
    python = str(venv / "bin" / "python")
    wheel = next(wheels.glob("arbitrage-*.whl"))
    subprocess.run(
        [python, "-m", "pip", "install", "-q", str(wheel), "cython==3.3.1", "setuptools>=77"],
        check=True,
        capture_output=True,
        timeout=600,
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    build_and_use(python, outside, "")
