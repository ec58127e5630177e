"""The stubs of the compiled modules say what the built modules hold."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "arbitrage" / "core"
# What every Cython module carries and no stub names.
ALLOWED = r"""
arbitrage\.core\.\w+\.__test__
arbitrage\.core\.\w+\.__pyx_capi__
arbitrage\.core\.\w+(\.\w+)*\.__reduce_cython__
arbitrage\.core\.\w+(\.\w+)*\.__setstate_cython__
"""
# A constructor without parameters shows the slot's own (*args, **kwargs) at run time.
SLOT = re.compile(r"\.__init__ is inconsistent, stub does not have \*args parameter")


def built() -> set[str]:
    return {path.name.split(".")[0] for path in CORE.glob("*.cpython-*.so")}


def test_every_module_has_a_stub() -> None:
    sources = {path.stem for path in (ROOT / "cython_src/arbitrage/core").glob("*.pyx")}
    assert sources <= built(), "build first: python setup.py build_ext --inplace"
    assert sources - {path.stem for path in CORE.glob("*.pyi")} == set()


def test_stubs_match_the_built_modules(tmp_path: Path) -> None:
    allow = tmp_path / "allow.txt"
    allow.write_text(ALLOWED)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "--allowlist",
            str(allow),
            "--ignore-unused-allowlist",
            "--ignore-disjoint-bases",
            "--ignore-positional-only",
            "--concise",
            *sorted(f"arbitrage.core.{name}" for name in built()),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=ROOT,
    )
    found = [line for line in done.stdout.splitlines() if line and not SLOT.search(line)]
    assert found == []
    assert done.returncode == 0 or done.stdout, done.stderr
