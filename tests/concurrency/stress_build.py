"""Compile a stress harness against the real headers, weakened or mutated headers, and run it."""

import functools
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
HEADERS = HERE.parents[1] / "cython_src" / "arbitrage" / "core"
THREAD_HARNESSES = (
    "spsc", "mpsc", "broadcast", "seqlock", "lane", "parker", "tap", "journal", "door", "board",
    "buffer",
)  # fmt: skip
HARNESSES = (*THREAD_HARNESSES, "takeover")  # takeover: processes that are killed
FORBIDDEN = 3  # exit code of a harness that saw a forbidden outcome
TSAN_REPORT = 66  # exit code of ThreadSanitizer when it reported a race


@dataclass(frozen=True)
class Site:
    """One acquire or release in a header: where it is spelled out."""

    header: str
    function: str
    operation: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.header}:{self.first}-{self.function}-{self.operation}"


@dataclass(frozen=True)
class Mutant:
    """A wrong algorithm: in a copy of the header each (old, new) is exchanged; or flags alone."""

    name: str
    harness: str
    header: str = ""
    changes: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()


def without_comments(text: str) -> str:
    """The same text with blanks for comments, so that offsets and lines stay."""
    return re.sub(
        r"/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.S
    )


def functions(text: str) -> list[tuple[int, str]]:
    """Offsets where the header's functions begin, with their names."""
    return [
        (match.start(), match.group(1))
        for match in re.finditer(r"^static inline [^;{]*?\b(\w+)\([^;{]*\)\s*\{", text, re.M)
    ]


def sites(header: str, operations: str) -> list[Site]:
    """Every call of the given atomics in a header, with the lines it spans."""
    text = (HEADERS / header).read_text()
    code = without_comments(text)
    found = []
    for match in re.finditer(rf"\b({operations})\(", code):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        inside = [name for start, name in functions(code) if start < match.start()]
        found.append(
            Site(
                header,
                inside[-1] if inside else "",
                match.group(1),
                code.count("\n", 0, match.start()) + 1,
                code.count("\n", 0, end) + 1,
            )
        )
    return found


def compile_harness(
    name: str, target: Path, *flags: str, headers: Path = HEADERS, optimise: str = "-O2"
) -> Path:
    command = ["gcc", "-std=gnu11", optimise, "-Wall", "-Wno-tsan", "-pthread", f"-I{headers}"]
    command += [*flags, str(HERE / f"{name}_stress.c"), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return target


def compile_mutant(mutant: Mutant, folder: Path) -> Path:
    """Compile a harness against a copy of all headers in which one place is wrong."""
    copy = folder / "headers"
    shutil.copytree(HEADERS, copy, ignore=shutil.ignore_patterns("*.p*"))
    for old, new in mutant.changes:
        text = (copy / mutant.header).read_text()
        if text.count(old) != 1:
            raise RuntimeError(f"{mutant.name}: {mutant.header} has {text.count(old)} such places")
        (copy / mutant.header).write_text(text.replace(old, new))
    return compile_harness(mutant.harness, folder / mutant.harness, *mutant.flags, headers=copy)


def run(binary: Path, operations: int, seed: int = 1, timeout: float = 100) -> tuple[int, str]:
    """Exit code and everything the harness printed; -1 when it did not end in time."""
    try:
        done = subprocess.run(
            [str(binary), str(operations), str(seed)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={"TSAN_OPTIONS": f"exitcode={TSAN_REPORT} halt_on_error=1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, "the harness did not end"
    return done.returncode, done.stdout + done.stderr


@functools.cache
def why_no_compiler() -> str:
    """Why harnesses cannot be built here; empty when they can."""
    return "" if shutil.which("gcc") else "gcc was not found: install it to run the harnesses"


@functools.cache
def why_no_tsan() -> str:
    """Why ThreadSanitizer cannot be used here; empty when it can."""
    if why_no_compiler():
        return why_no_compiler()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text("int main(void) { return 0; }\n")
        binary = Path(folder) / "probe"
        built = subprocess.run(
            ["gcc", "-fsanitize=thread", str(source), "-o", str(binary)],
            capture_output=True,
            check=False,
        )
        if built.returncode:
            return "gcc cannot link ThreadSanitizer here: install its runtime (libtsan)"
        if subprocess.run([str(binary)], capture_output=True, check=False).returncode:
            return "a ThreadSanitizer program does not start here (address space randomisation?)"
    return ""
