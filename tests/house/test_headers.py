"""Every header of the core compiles alone, without a warning, as plain C11."""

import os
import subprocess
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "cython_src" / "arbitrage" / "core"
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c"]


@pytest.mark.parametrize("header", sorted(CORE.glob("*.h")), ids=lambda path: path.name)
def test_header_compiles_alone(header: Path) -> None:
    done = subprocess.run(
        [os.environ.get("CC", "gcc"), *FLAGS, str(header)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
