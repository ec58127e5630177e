"""Who may import whom: core is fast, venues talk, trading decides, runtime starts, cold watches.

Each row says what a part of the house may import of ours. `from x import y` inside a function and
under TYPE_CHECKING count too: a dependency is a dependency.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BASE = {"errors", "config", "config_values", "fees", "frame_files", "hosts", "instruments", "keys"}
BASE |= {"board", "closing", "control", "fills", "secret", "settings", "wording"}
BASE |= {"exact_ranges", "log_lines", "record_files"}
PROGRAMS = {"cli", "trader", "monitor", "demo", "doctor"}
ROOMS = {"core", "venues", "trading", "sim", "research", "cold", "runtime"}
MAY_IMPORT: dict[str, set[str]] = {
    "core": {"core"},
    "venues": {"core", "venues"} | BASE,
    "trading": {"core", "trading"} | BASE,
    "sim": {"core", "sim"} | BASE,
    # the built-in contracts; looking back runs the trader's own settings and strategy host
    "research": {"core", "research", "sim", "trading"} | BASE,
    "cold": {"core", "cold"} | BASE,
    "runtime": {"core", "venues", "trading", "research", "cold", "runtime"} | BASE,
} | dict.fromkeys(PROGRAMS, ROOMS | PROGRAMS | BASE | {"__init__", "entry"})
# The base knows nothing but itself; the public list leads to what a user works with by hand.
MAY_IMPORT |= dict.fromkeys(BASE, BASE)
MAY_IMPORT["entry"] = {"cli"}
MAY_IMPORT["__init__"] = {"core", "research", "runtime", "trading"}


def part_of(module: str) -> str:
    """Return the part of the house that a dotted name belongs to."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def python_imports(path: Path) -> Iterator[str]:
    package = list(path.relative_to(ROOT).with_suffix("").parts)
    if package[-1] == "__init__":
        package.pop()
    else:
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                start = package[: len(package) - node.level + 1]
                yield ".".join([*start, node.module] if node.module else start)
            elif node.module == "arbitrage":
                homes = {"__version__"}
                for alias in node.names:
                    is_part = (ROOT / "arbitrage" / alias.name).exists() or (
                        ROOT / "arbitrage" / f"{alias.name}.py"
                    ).exists()
                    if is_part and alias.name not in homes:
                        yield f"arbitrage.{alias.name}"
                    else:
                        yield "arbitrage"
            elif node.module:
                yield node.module


def cython_imports(path: Path) -> Iterator[str]:
    for match in re.finditer(
        r"^\s*(?:from\s+(arbitrage[\w.]*)\s+c?import|c?import\s+(arbitrage[\w.]*))",
        path.read_text(encoding="utf-8"),
        re.MULTILINE,
    ):
        yield match[1] or match[2]


def sources() -> list[Path]:
    found = [*(ROOT / "arbitrage").rglob("*.py"), *(ROOT / "arbitrage").rglob("*.pyi")]
    for suffix in ("*.pyx", "*.pxd"):
        found += (ROOT / "cython_src").rglob(suffix)
    return sorted(path for path in found if path.is_file())


def breaches(path: Path) -> list[str]:
    inside = path.relative_to(ROOT)
    names = inside.with_suffix("").parts
    names = names[1:] if names[0] == "cython_src" else names
    part = part_of(".".join(names))
    imports = cython_imports if path.suffix in {".pyx", ".pxd"} else python_imports
    allowed = MAY_IMPORT.get(part)
    if allowed is None:
        return [f"{inside}: part {part!r} has no row in MAY_IMPORT"]
    return [
        f"{inside}: {part} may not import {module}"
        for module in imports(path)
        if module.split(".")[0] == "arbitrage" and part_of(module) not in allowed
    ]


def test_every_import_keeps_to_its_layer() -> None:
    found = [breach for path in sources() for breach in breaches(path)]
    assert found == []


def test_there_is_something_to_check() -> None:
    assert len(sources()) > 40


@pytest.mark.parametrize(
    ("part", "line", "is_breach"),
    [
        ("core", "from arbitrage.errors import ConfigError", True),
        ("venues", "from arbitrage.trading import legs", True),
        ("trading", "def f():\n    import arbitrage.venues.okx.rest", True),
        ("cold", "from arbitrage import attach", True),
        ("cold", "from ..runtime import engine", True),
        ("runtime", "from arbitrage.venues.okx.rest import OkxRest", False),
        ("venues", "from . import base", False),
    ],
)
def test_the_check_finds_what_it_looks_for(
    part: str, line: str, is_breach: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "arbitrage" / part
    package.mkdir(parents=True)
    (package / "probe.py").write_text(line)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert bool(breaches(package / "probe.py")) is is_breach


def test_headers_include_only_core() -> None:
    core = ROOT / "cython_src" / "arbitrage" / "core"
    own = {path.name for path in core.glob("*.h")}
    for header in sorted(core.glob("*.h")):
        for name in re.findall(r'#include "([^"]+)"', header.read_text()):
            assert name in own, f"{header.name} includes {name}, which is not a header of core"
        assert "Python.h" not in header.read_text(), f"{header.name} knows of Python"
