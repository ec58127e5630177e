"""What a reader copies from documents, messages and shipped files exists, and is ours."""

import re
import subprocess
from functools import cache
from pathlib import Path

from arbitrage.config import variables

ROOT = Path(__file__).parents[2]
PLACES = ("README.md", "CONTRIBUTING.md", ".env.example", "Makefile")
FOLDERS = ("arbitrage", "bin", "docs", "examples")
ENDINGS = {"", ".example", ".html", ".js", ".md", ".py", ".service", ".toml"}
# `pip install arbitrage` in any form: the name at the package index is not this package
STRANGER = re.compile(r"pip install(?:\s+-\S+)*\s+['\"]?arbitrage(?![/\w.-])")
VARIABLE = re.compile(
    r"(?<![A-Za-z0-9_])(?:ARB_[A-Z0-9_]*[A-Z0-9]|[A-Z0-9_]+_(?:QUEUE_SIZE|CORES?))(?![A-Za-z0-9_*])"
)
# of the build, of the tests, and a constant of the doctor
OTHERS = {"ARB_BUILD", "ARB_REAL_DATA", "LOAD_PER_CORE"}


@cache
def texts() -> dict[str, str]:
    names = subprocess.run(
        ["git", "ls-files", "--", *PLACES, *FOLDERS],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    paths = [ROOT / name for name in names]
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in paths
        if path.suffix in ENDINGS and path.is_file()
    }


def constants_of_headers() -> set[str]:
    """Names of the C headers, which documents explain too."""
    found: set[str] = set()
    for path in (ROOT / "cython_src").rglob("*.h"):
        found |= set(re.findall(r"\bARB_[A-Z0-9_]+\b", path.read_text(encoding="utf-8")))
    return found


def test_nobody_is_told_to_install_a_strangers_package() -> None:
    assert STRANGER.search("pip install 'arbitrage[zstd]'")
    assert STRANGER.search("python -m pip install -U arbitrage")
    assert not STRANGER.search("pip install '.[zstd]' in a clone of arbitrage")
    wrong = {name: found.group() for name, text in texts().items()
             if (found := STRANGER.search(text))}  # fmt: skip
    assert wrong == {}, "say pip install '.[EXTRA]' in the clone"


def test_every_variable_that_is_named_exists() -> None:
    known = {*variables(), *OTHERS, *constants_of_headers()}
    named = {
        (place, name) for place, text in texts().items() for name in VARIABLE.findall(text)
    }
    assert len({name for _, name in named}) > 60
    assert {pair for pair in named if pair[1] not in known} == set()
