"""Build only: find the compiled modules, pick flags by ARB_BUILD, copy .pxd/.h beside them.

ARB_BUILD = release (default) | debug | asan | tsan | coverage | annotate
"""

import os
import shutil
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # an old pip runs this file all the same
    sys.exit(
        "arbitrage needs Python 3.11 or newer; this is "
        f"{sys.version_info.major}.{sys.version_info.minor}. Install a newer Python and try again."
    )

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
SOURCE = Path("cython_src/arbitrage/core")
TARGET = Path("arbitrage/core")
SHIM_SOURCE = Path("cython_src/preload/alloc_shim.c")

COMMON_FLAGS = ["-std=gnu11", "-Wall", "-Wno-unused-function", "-fno-math-errno"]
# No -march=native anywhere: vector code sits behind run-time dispatch, so one wheel runs
# everywhere. No -ffast-math: NaN marks a missing price, and results must equal the scalar
# specification bit for bit.
BUILDS = {
    "release": (["-O3", "-g0", "-DNDEBUG"], []),
    "debug": (["-O1", "-g3", "-UNDEBUG"], []),
    "asan": (
        ["-O1", "-g", "-UNDEBUG", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"],
        ["-fsanitize=address,undefined"],
    ),
    "tsan": (["-O1", "-g", "-UNDEBUG", "-fsanitize=thread"], ["-fsanitize=thread"]),
    "coverage": (["-O0", "-g", "-DCYTHON_TRACE_NOGIL=1", "--coverage"], ["--coverage"]),
    "annotate": (["-O3", "-g0", "-DNDEBUG"], []),
}


def build_mode() -> str:
    mode = os.environ.get("ARB_BUILD", "release")
    if mode not in BUILDS:
        sys.exit(f"ARB_BUILD was {mode!r}; accepted values are {', '.join(BUILDS)}.")
    return mode


def directives(mode: str) -> dict[str, object]:
    checked = mode in {"debug", "asan"}
    return {
        "language_level": 3,
        "binding": True,
        "embedsignature": False,
        "auto_pickle": False,
        "boundscheck": checked,
        "wraparound": False,
        "cdivision": not checked,
        "initializedcheck": checked,
        "linetrace": mode == "coverage",
        "freethreading_compatible": True,
    }


def extensions(mode: str) -> list[Extension]:
    compile_flags, link_flags = BUILDS[mode]
    headers = [str(path) for path in SOURCE.glob("*.h")]
    return [
        Extension(
            f"arbitrage.core.{source.stem}",
            [str(source)],
            include_dirs=[str(SOURCE)],
            depends=headers,
            libraries=["rt", "pthread"] if sys.platform == "linux" else [],
            extra_compile_args=COMMON_FLAGS + compile_flags,
            extra_link_args=link_flags,
        )
        for source in sorted(SOURCE.glob("*.pyx"))
    ]


class BuildExt(build_ext):
    """Build the modules and ship their .pxd/.h, so that an outside package can cimport them."""

    def run(self) -> None:
        self.parallel = self.parallel or os.cpu_count()
        # time stamps do not tell a debug object from a release one
        last_mode = Path("build/last_mode")
        if not last_mode.exists() or last_mode.read_text() != MODE:
            self.force = True
        super().run()
        last_mode.parent.mkdir(exist_ok=True)
        last_mode.write_text(MODE)
        package = TARGET if self.inplace else Path(self.build_lib) / TARGET
        package.mkdir(parents=True, exist_ok=True)
        for declaration in [*SOURCE.glob("*.pxd"), *SOURCE.glob("*.h")]:
            shutil.copy2(declaration, package / declaration.name)
        self.build_shim(package / "alloc_shim.so")

    def build_shim(self, target: Path) -> None:
        """Build the preload library: plain C, no Python in it, never sanitised."""
        if target.exists() and target.stat().st_mtime > SHIM_SOURCE.stat().st_mtime:
            return
        compiler = self.compiler.compiler_so[0]
        flags = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall"]
        self.spawn([compiler, *flags, "-o", str(target), str(SHIM_SOURCE)])

    def build_extensions(self) -> None:
        compiler = self.compiler.compiler_so[0]
        if shutil.which(compiler) is None:
            sys.exit(
                f"arbitrage needs a C compiler to build and {compiler!r} was not found. "
                "Install one (Debian: apt-get install gcc; Fedora: dnf install gcc) and try again."
            )
        super().build_extensions()


MODE = build_mode()
os.chdir(ROOT)
setup(
    ext_modules=cythonize(
        extensions(MODE),
        include_path=["cython_src"],
        compiler_directives=directives(MODE),
        annotate=MODE == "annotate",
        build_dir=f"build/cython-{MODE}",  # the generated C differs with the directives
        nthreads=os.cpu_count() or 1,
    ),
    cmdclass={"build_ext": BuildExt},
)
