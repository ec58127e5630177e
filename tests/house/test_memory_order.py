"""Every atomic operation of the headers has its row in docs/memory_order.md; no row is stale."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "cython_src" / "arbitrage" / "core"
TABLE = ROOT / "docs" / "memory_order.md"
ATOMIC = re.compile(
    r"\b(arb_(?:load|store|fetch_\w+?|exchange|compare_exchange)_"
    r"(?:relaxed|acquire|release|acq_rel)|arb_fence_\w+|__atomic_\w+)\s*\("
)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
FUNCTION = re.compile(r"^[A-Za-z_][\w\s\*]*?\b(\w+)\s*\([^;{]*\)\s*\{", re.MULTILINE)
# Where the words are defined that everything else is written in.
WORDS = "atomics.h"


def without_comments(text: str) -> str:
    """Blank comments out, so that positions stay."""
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def uses() -> Counter[tuple[str, str]]:
    """Count atomic operations by (file, function)."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(CORE.glob("*.h")):
        text = without_comments(path.read_text())
        starts = [(match.start(), match[1]) for match in FUNCTION.finditer(text)]
        for match in ATOMIC.finditer(text):
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            if line.lstrip().startswith("#define") or (path.name == WORDS and "\\" in line):
                continue
            inside = [name for start, name in starts if start < match.start()]
            if inside:
                found[path.name, inside[-1]] += 1
    return found


def rows() -> Counter[tuple[str, str]]:
    """Count the table's rows by (file, function); the first two columns name them."""
    found: Counter[tuple[str, str]] = Counter()
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip().strip("`").removesuffix("()") for cell in line.split("|")[1:-1]]
        if len(cells) >= 3 and cells[0].endswith(".h"):
            found[cells[0], cells[1]] += 1
    return found


def test_every_atomic_operation_has_its_row() -> None:
    assert TABLE.is_file(), "docs/memory_order.md is missing"
    used, written = uses(), rows()
    missing = {f"{file}:{name}": count for (file, name), count in (used - written).items()}
    stale = {f"{file}:{name}": count for (file, name), count in (written - used).items()}
    assert missing == {}, "operations without a row"
    assert stale == {}, "rows without an operation"


def test_the_count_sees_what_is_there() -> None:
    used = uses()
    assert sum(used.values()) > 50
    assert any(file == "spsc_ring.h" for file, _ in used)
