"""The runs of a sweep as tasks: plain data that travels by path, each with a key of its own.

A key is a hash over everything that decides what comes out: all settings, what of the data is
looked at, the data's files by name, size and time, the file of a strategy of one's own, and this
package's code. Equal keys, equal results; so a run that is there already need not be done again.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.axes import Value
from arbitrage.research.sweeps.grid import Grid, Slice

__all__ = ["Task", "code_version", "make_tasks", "source_version"]

Entry = tuple[str, int, str]  # name, bytes, time

_ROOT = Path(__file__).parents[2]
# What a backtest is made of: the headers and declarations beside the built modules, and Python.
_TEXTS = ("core/*.h", "core/*.pxd", "trading/*.py", "research/*.py", "*.py")


@dataclass(frozen=True)
class Task:
    """One run: plain data, small to send.

    Attributes
    ----------
    key : str
        Hash of everything that decides the result.
    labels : dict
        Day, symbols and the changed settings, as they stand in the table.
    settings : dict
        All settings of the run, the fixed ones among them.
    source : dict
        What ``arbitrage.open_data`` opens in the worker.
    version : str
        `source_version` of who asks: a worker with another code refuses.
    slice_key : str
        Hash of what of the data is looked at: runs with the same read the same records.
    keep_bytes : int
        So much of a slice's records a worker may keep for its next run.
    """

    key: str
    labels: Mapping[str, Value]
    settings: Mapping[str, Value]
    source: Mapping[str, Any]
    version: str
    slice_key: str = ""
    keep_bytes: int = 0


@cache
def source_version() -> str:
    """Return a hash of the code that is the same wherever the same version is installed."""
    digest = hashlib.sha256()
    for pattern in _TEXTS:
        for path in sorted(_ROOT.glob(pattern)):
            digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def code_version() -> str:
    """Return a hash of the code and of the modules built from it, here."""
    digest = hashlib.sha256(source_version().encode())
    for path in sorted(_ROOT.glob("core/*.so")):
        with path.open("rb") as module:
            digest.update(hashlib.file_digest(module, "sha256").digest())
    return digest.hexdigest()[:16]


def make_tasks(grid: Grid, data: Any, keep_bytes: int = 0) -> Iterator[Task]:
    """Yield the runs of a grid over `data`, slice by slice."""
    files: dict[str, list[Entry]] = {}  # looked at once a sweep: the next may find others
    strategies: dict[str, str] = {}
    for one in grid.slices(data):
        source = _source(data, one)
        fingerprint = _fingerprint(source, one, files)
        slice_key = hashlib.sha256(_canonical([source, fingerprint])).hexdigest()[:32]
        for changed in grid.sets():
            settings = {**grid.fixed, **changed}
            key = hashlib.sha256(
                _canonical(
                    {
                        "settings": settings,
                        "source": source,
                        "data": fingerprint,
                        "strategy": _strategy_text(settings, strategies),
                        "code": code_version(),
                    }
                )
            ).hexdigest()[:32]
            labels = {"day": one.day, "symbols": ",".join(one.symbols), **changed}
            yield Task(key, labels, settings, source, source_version(), slice_key, keep_bytes)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()


def _source(data: Any, one: Slice) -> dict[str, Any]:
    part = data.select(symbols=one.symbols, start=one.start_ns, end=one.end_ns)
    source = dict(part.source)
    try:
        json.dumps(source)
    except TypeError as error:
        raise ConfigError(f"the data cannot travel by its path: {error}") from None
    return source


def _strategy_text(settings: Mapping[str, Value], known: dict[str, str]) -> dict[str, str]:
    """Hash the files of strategies of one's own: ``file.py:Class`` and ``package.module:Class``."""
    found: dict[str, str] = {}
    for name in str(settings.get("strategy", "")).split(","):
        where = name.rpartition(":")[0]
        if not where:
            continue
        if name in known:
            found[name] = known[name]
            continue
        path = Path(where).expanduser()
        if path.suffix != ".py":
            spec = find_spec(where)
            path = Path(spec.origin) if spec is not None and spec.origin else path
        try:
            found[name] = known[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"strategy {name} cannot be read: {error.strerror}") from None
    return found


# ---- files ---------------------------------------------------------------------------------------


def _fingerprint(source: Mapping[str, Any], one: Slice, known: dict[str, list[Entry]]) -> str:
    digest = hashlib.sha256()
    for name in ("path", "okx", "instruments"):
        where = source.get(name)
        if isinstance(where, str):
            if where not in known:
                known[where] = sorted(_files(where))
            for entry in known[where]:
                if _concerns(entry[0], one):
                    digest.update(repr((name, *entry)).encode())
    return digest.hexdigest()


def _files(where: str) -> Iterator[Entry]:
    """Yield (name, bytes, time) of a file, or of all files in a folder; also behind a URL."""
    if "://" in where:
        import fsspec

        system, path = fsspec.core.url_to_fs(where)
        there = system.find(path, detail=True)
        for name, info in there.items():
            told = info.get("ETag") or info.get("mtime") or ""
            yield name, int(info.get("size") or 0), str(told)
        return
    root = Path(where)
    files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    for path in files:
        yield str(path.relative_to(root)), path.stat().st_size, str(path.stat().st_mtime_ns)


def _concerns(name: str, one: Slice) -> bool:
    """Tell whether a file of a partitioned data set can hold records of a slice."""
    for part in name.split("/"):
        key, equals, value = part.partition("=")
        if equals and key == "day" and one.day not in ("all", value):
            return False
        if equals and key == "symbol" and value not in one.symbols:
            return False
    return True
