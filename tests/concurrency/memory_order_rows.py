"""Write the table of docs/memory_order.md from the headers and the comments beside their atomics.

    python tests/concurrency/memory_order_rows.py

A comment that begins with an order ("release: makes the payload visible; pairs with FILE:FUNCTION")
speaks for the operations of that order that follow it in the same function. What stands above the
table's first row in the document is kept.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "cython_src" / "arbitrage" / "core"
DOCUMENT = ROOT / "docs" / "memory_order.md"
HEAD = "| file | function | operation | order | pairs with | why |\n|---|---|---|---|---|---|\n"
COMMENT = re.compile(r"/\*.*?\*/", re.S)
FUNCTION = re.compile(r"^[A-Za-z_][\w\s\*]*?\b(\w+)\s*\([^;{]*\)\s*\{", re.M)
ATOMIC = re.compile(
    r"\b(arb_(?:load|store|fetch_\w+?|exchange|compare_exchange)_(relaxed|acquire|release|acq_rel)"
    r"|arb_fence_(\w+)|__atomic_\w+)\s*\("
)
SAID = re.compile(r"^(relaxed|acquire|release|acq_rel|seq_cst)\b[^:]*?: (.*)$", re.S)
OWN_LOAD = "reads this thread's own word, or a meter's: no order is needed"
OWN_STORE = "a word with one writer: readers need it whole, not in an order"


def prose(comment: str) -> str:
    """The words of a comment without its marks."""
    lines = comment.removeprefix("/*").removesuffix("*/").splitlines()
    return " ".join(line.strip().removeprefix("*").strip() for line in lines).strip()


def order_of(match: re.Match[str], text: str) -> str:
    if match[1].startswith("__atomic"):
        arguments = text[match.end() : text.index(";", match.end())]
        orders = re.findall(r"__ATOMIC_(\w+)", arguments)
        return orders[0].lower() if orders else "macro"
    return match[2] or match[3]


def rows_of(path: Path) -> list[str]:
    text = path.read_text()
    code = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    starts = [(match.start(), match[1]) for match in FUNCTION.finditer(code)]
    comments = [(match.start(), prose(match[0])) for match in COMMENT.finditer(text)]
    rows = []
    for match in ATOMIC.finditer(code):
        line = code[code.rfind("\n", 0, match.start()) + 1 : match.start()]
        if line.lstrip().startswith("#define") or (path.name == "atomics.h" and "\\" in line):
            continue
        inside = [(start, name) for start, name in starts if start < match.start()]
        if not inside:
            continue
        start, name = inside[-1]
        order = order_of(match, code)
        why = ""
        for place, words in comments:
            said = SAID.match(words)
            if start < place < match.start() and said and said[1] == order:
                why = said[2]
        if not why:
            why = OWN_LOAD if "load" in match[1] else OWN_STORE
        why, _, partner = why.partition("pairs with ")
        partner = partner.split(";")[0].strip()
        cells = [f"`{path.name}`", f"`{name}`", f"`{match[1]}`", order, partner or "-"]
        rows.append("| " + " | ".join([*cells, why.strip(" ;,.").replace("|", "\\|")]) + " |")
    return rows


def main() -> int:
    rows = [row for path in sorted(CORE.glob("*.h")) for row in rows_of(path)]
    above = DOCUMENT.read_text().partition(HEAD)[0] if DOCUMENT.exists() else ""
    DOCUMENT.write_text(above + HEAD + "\n".join(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
