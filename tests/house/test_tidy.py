"""What a machine can see of the style: words, lines, prints, excepts, clocks and views."""

import ast
import re
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLUMNS = 100
FILE_LINES_AIM = 400
FUNCTION_LINES_AIM = 70
# Written apart, so that this file does not find itself.
BANNED_WORDS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")
BANNED_PATHS = ("/wo" + "rk", "sha" + "red/")
CODE = {".py", ".pyi", ".pyx", ".pxd", ".h", ".c", ".sh"}
TEXT = CODE | {".md", ".toml", ".yml", ".yaml", ".cfg", ".txt", ".example", ""}
# Programs whose stdout is their result.
PRINTERS = ("arbitrage/cli", "arbitrage/core/shim.py", "arbitrage/sim/launch.py")


def tracked() -> list[Path]:
    """Return the repository's files: those git knows, else all outside build folders."""
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        names = done.stdout.splitlines()
    else:
        skip = {".venv", "build", "dist", ".git"}
        names = [
            str(path.relative_to(ROOT))
            for path in ROOT.rglob("*")
            if not skip & set(path.relative_to(ROOT).parts)
        ]
    paths = [ROOT / name for name in names]
    return sorted(path for path in paths if path.is_file() and path.suffix in TEXT)


def lines_of(suffixes: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (place, line) of the repository's own files."""
    for path in tracked():
        if path.suffix in suffixes:
            text = path.read_text(encoding="utf-8")
            for number, line in enumerate(text.splitlines(), 1):
                yield f"{path.relative_to(ROOT)}:{number}", line


def python_files(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for path in tracked():
        name = str(path.relative_to(ROOT))
        if path.suffix == ".py" and name.startswith(folders):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def test_nothing_unfinished() -> None:
    pattern = re.compile(rf"\b({'|'.join(BANNED_WORDS)})\b")
    assert [place for place, line in lines_of(TEXT) if pattern.search(line)] == []


def test_no_path_of_somebodys_machine() -> None:
    found = [place for place, line in lines_of(TEXT) if any(text in line for text in BANNED_PATHS)]
    assert found == []


def test_lines_fit() -> None:
    assert [place for place, line in lines_of(CODE) if len(line) > COLUMNS] == []


def test_no_trailing_space_and_a_last_newline() -> None:
    assert [place for place, line in lines_of(CODE) if line != line.rstrip()] == []
    for path in tracked():
        text = path.read_text(encoding="utf-8")
        assert not text or text.endswith("\n"), f"{path.relative_to(ROOT)} has no last newline"


def test_only_programs_print() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in python_files("arbitrage/")
        if not name.startswith(PRINTERS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and not any(word.arg == "file" for word in node.keywords)
    ]
    assert found == [], "stdout belongs to reports; say it on stderr, or log it"


def test_no_bare_except_and_nothing_swallowed() -> None:
    found = []
    for name, tree in python_files("arbitrage/", "tests/", "benchmarks/"):
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name)
                    and node.type.id in {"Exception", "BaseException"}
                )
                silent = all(isinstance(item, ast.Pass) for item in node.body)
                if node.type is None or (broad and silent):
                    found.append(f"{name}:{node.lineno}")
    assert found == []


def test_core_has_no_typed_memoryviews() -> None:
    pattern = re.compile(r"\b(double|float|int|long|u?int\d+_t|char)\s*\[\s*:")
    core = [
        place
        for place, line in lines_of({".pyx", ".pxd"})
        if place.startswith("cython_src/") and pattern.search(line.split("#")[0])
    ]
    assert core == [], "a module with one costs a megabyte; use pointers and the buffer protocol"


def test_hot_path_headers_are_pure() -> None:
    banned = re.compile(r"\b(malloc|calloc|realloc|free|printf|fprintf|puts)\s*\(")
    found = [
        place
        for place, line in lines_of({".h"})
        if place.startswith("cython_src/") and banned.search(line.split("/*")[0])
    ]
    assert found == [], "headers allocate nothing and do no output"


def test_sequentially_consistent_orders_say_why() -> None:
    found = []
    before: list[str] = []
    for place, line in lines_of({".h", ".pyx", ".pxd"}):
        before = [*before[-4:], line]
        explained = re.search(r"seq_cst:|sequentially consistent", " ".join(before))
        if "__ATOMIC_SEQ_CST" in line and place.startswith("cython_src/") and not explained:
            found.append(place)
    assert found == [], "say above it why release and acquire are not enough"


def test_first_comment_of_every_header_says_what_it_is() -> None:
    for path in sorted((ROOT / "cython_src/arbitrage/core").glob("*.h")):
        text = path.read_text()
        first = text[: text.index("#ifndef")] if "#ifndef" in text else ""
        assert first.startswith("/*"), f"{path.name} does not begin with its purpose"
        assert len(first.split()) >= 10, f"{path.name}: its first comment says little"


def test_wall_clock_is_not_subtracted_from_the_monotonic_one() -> None:
    pattern = re.compile(r"\w*mono_ns\w*\s*-\s*\w*wall_ns|\w*wall_ns\w*\s*-\s*\w*mono_ns")
    assert [place for place, line in lines_of(CODE) if pattern.search(line.split("#")[0])] == []


def test_long_files_and_functions_are_named() -> None:
    """An aim, not a limit: what is beyond it is said aloud."""
    long_files, long_functions = [], []
    for path in tracked():
        if path.suffix in {".py", ".pyx", ".h"}:
            count = len(path.read_text(encoding="utf-8").splitlines())
            if count > FILE_LINES_AIM:
                long_files.append(f"{path.relative_to(ROOT)} ({count})")
    for name, tree in python_files("arbitrage/"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > FUNCTION_LINES_AIM:
                    long_functions.append(f"{name}:{node.name} ({count})")
    for title, found in (("files", long_files), ("functions", long_functions)):
        if found:
            warnings.warn(f"long {title}: {', '.join(found)}", stacklevel=1)
    assert [item for item in long_functions if int(item.rsplit("(", 1)[1][:-1]) > 120] == []
