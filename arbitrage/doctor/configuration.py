"""The configuration: every value, the cores it names, the state folder, the files with keys."""

import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from arbitrage.config import load_settings
from arbitrage.doctor.findings import Finding, HostFiles, bad, cpu_list, ok, shown, skip, warn
from arbitrage.doctor.host import size
from arbitrage.doctor.wanted import wanted_of
from arbitrage.errors import ConfigError
from arbitrage.keys import SECRET_VARIABLES
from arbitrage.settings import Settings

__all__ = ["check_configuration", "read_settings"]

AREA = "configuration"
CORES_MAX = 1024
WRONG_MAX = 32
DISK_WARN_BYTES = 1 << 30
DISK_BAD_BYTES = 64 << 20
UNFIT = {
    "tmpfs": "its journals are gone after a restart of the machine",
    "ramfs": "its journals are gone after a restart of the machine",
    "nfs": "a server that is away stops the journal",
    "nfs4": "a server that is away stops the journal",
    "cifs": "a server that is away stops the journal",
}


class _Warnings(logging.Handler):
    """Keep what is warned of while the settings are read."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def read_settings(
    environ: Mapping[str, str], dotenv: Path, overrides: Mapping[str, str]
) -> tuple[Settings | None, list[Finding]]:
    """Read the settings as a trader would, and go on after a value that is wrong.

    The cores stay as they were written, whether or not they exist. Settings are None where
    something else than a variable is wrong.
    """
    found: list[Finding] = []
    values = {**environ, **overrides}
    settings, needs_keys = None, True
    for _ in range(WRONG_MAX):
        heard, log = _Warnings(), logging.getLogger("arbitrage.config")
        log.addHandler(heard)
        propagates, log.propagate = log.propagate, False
        try:
            settings = load_settings(
                values, dotenv=dotenv, cores=tuple(range(CORES_MAX)), needs_keys=needs_keys
            )
            break
        except ConfigError as error:
            found.append(bad(AREA, "settings", str(error), "correct it: see .env.example"))
            names = _set_names(values, dotenv)
            wrong = _variables_of(str(error)) & names
            if not wrong and not needs_keys:
                break
            needs_keys = needs_keys and bool(wrong)
            values |= dict.fromkeys(wrong, "")  # as if not set; wins over the file
        finally:
            log.removeHandler(heard)
            log.propagate = propagates
    found += [warn(AREA, "settings", text, "see .env.example") for text in heard.texts]
    if settings is not None:
        settings = msgspec.structs.replace(settings, cores=_usable())
        if not found:
            found.append(ok(AREA, "settings", f"mode {settings.mode}, {_count(settings)}"))
    return settings, found


def _usable() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0)))


def _count(settings: Settings) -> str:
    return f"{len(settings.symbols)} symbols, stages {settings.placed_stages}"


def _variables_of(text: str) -> set[str]:
    """Return the variables to leave out: those an error begins with, or the rest of their set."""
    head, _, rest = text.partition(" was empty while ")
    told = rest or re.split(r" (?:was|is|named|holds|needs)\b", head, maxsplit=1)[0]
    return set(re.findall(r"[A-Z][A-Z0-9_]{3,}", told))


def _set_names(values: Mapping[str, str], dotenv: Path) -> set[str]:
    names = {name for name, text in values.items() if text.strip()}
    if dotenv.is_file():
        from dotenv import dotenv_values

        kept = {name for name, text in dotenv_values(dotenv).items() if text}
        names |= kept - set(values)
    return names


def check_configuration(
    files: HostFiles, settings: Settings, dotenv: Path
) -> Iterator[Finding]:
    """Look at what the settings point to."""
    yield from _cores(files, settings)
    yield from _state_folder(files, settings)
    yield _key_file(dotenv)


# ---- cores --------------------------------------------------------------------------------------


def _cores(files: HostFiles, settings: Settings) -> Iterator[Finding]:
    wanted = wanted_of(settings)
    asked = {core for core in (settings.detector_core, settings.strategy_core) if core is not None}
    asked |= set(settings.websocket_cores)
    online = cpu_list(files.read("/sys/devices/system/cpu/online") or "") or set(settings.cores)
    if not asked:
        yield ok(AREA, "cores", f"none is named; {len(online)} are there")
        return
    missing = asked - online
    if missing:
        yield bad(
            AREA, "cores", f"cores {shown(missing)} are named, but {shown(online)} are there",
            "name cores that exist: lscpu -e lists them",
        )
    outside = (asked & online) - set(settings.cores)
    if outside:
        yield bad(
            AREA, "cores", f"cores {shown(outside)} are closed to this process",
            "leave them in AllowedCPUs= of the unit, --cpuset-cpus of the container or taskset",
        )
    yield _overlap(settings, wanted.cores)
    if 0 in asked:
        yield warn(
            AREA, "core 0", "a thread is pinned to core 0, where the kernel does its own work",
            "choose another core",
        )
    unused = asked - wanted.pinned
    if unused:
        yield warn(
            AREA, "cores", f"core {shown(unused)} is named, but no thread goes there with stages "
            f"{settings.placed_stages}",
            "ARB_STAGES=split, or leave the variable empty",
        )
    if not missing and not outside:
        yield ok(AREA, "cores", f"{shown(asked)} exist and may be used")


def _overlap(settings: Settings, stages: Mapping[str, int]) -> Finding:
    roles = [*stages.items(), *(("a feed", core) for core in settings.websocket_cores)]
    holders: dict[int, list[str]] = {}
    for role, core in roles:
        holders.setdefault(core, []).append(role)
    shared = {core: who for core, who in holders.items() if len(who) > 1}
    if not shared:
        return ok(AREA, "core lists", "no core is named twice")
    told = "; ".join(f"core {core}: {' and '.join(who)}" for core, who in sorted(shared.items()))
    made = bad if wanted_of(settings).spins else warn
    return made(
        AREA, "core lists", f"{told} share a core, where each waits for the other",
        "give each its own: DETECTOR_CORE, STRATEGY_CORE, WEBSOCKET_CORES",
    )


# ---- files --------------------------------------------------------------------------------------


def _state_folder(files: HostFiles, settings: Settings) -> Iterator[Finding]:
    folder = settings.state_path
    check = "state folder"
    if folder.exists() and not folder.is_dir():
        yield bad(AREA, check, f"{folder} is no folder", "set ARB_STATE_DIR to another")
        return
    place = folder
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        yield bad(
            AREA, check, f"{place} cannot be written by this user",
            f"chown {os.getuid()} {place}, or set ARB_STATE_DIR to a folder of this user",
        )
    elif place != folder:
        yield ok(AREA, check, f"{folder} is made at the first start")
    else:
        told = folder.stat()
        mode = stat.S_IMODE(told.st_mode)
        if told.st_uid != os.geteuid():
            yield warn(AREA, check, f"{folder} belongs to user {told.st_uid}",
                       f"chown {os.geteuid()} {folder}")
        elif mode & 0o077:
            yield warn(
                AREA, check, f"{folder} has mode {mode:04o}: others may read what was traded, or "
                "reach the control socket", f"chmod 700 {folder}",
            )
        else:
            yield ok(AREA, check, f"{folder}, mode {mode:04o}")
    kind = _file_system(files, folder)
    if kind in UNFIT:
        yield warn(AREA, "state folder's disk", f"{kind}: {UNFIT[kind]}",
                   "set ARB_STATE_DIR to a folder on a local disk")
    yield _disk(files, place)


def _file_system(files: HostFiles, folder: Path) -> str:
    """Return the kind of file system that a folder is on."""
    best, kind = "", ""
    for line in (files.read("/proc/mounts") or "").splitlines():
        _, point, found = line.split()[:3]
        point = point.encode().decode("unicode_escape")
        inside = folder.is_absolute() and folder.is_relative_to(point)
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind


def _disk(files: HostFiles, place: Path) -> Finding:
    free = files.free_bytes(place)
    advice = "free some: the trader opens nothing more when its journal has no room"
    if free is None:
        return skip(AREA, "disk", f"{place} does not say")
    if free < DISK_BAD_BYTES:
        return bad(AREA, "disk", f"{size(free)} free at {place}", advice)
    if free < DISK_WARN_BYTES:
        return warn(AREA, "disk", f"{size(free)} free at {place}", advice)
    return ok(AREA, "disk", f"{size(free)} free at {place}")


def _key_file(dotenv: Path) -> Finding:
    if not dotenv.is_file():
        return ok(AREA, "key file", f"there is no {dotenv}")
    from dotenv import dotenv_values

    try:
        told = dotenv.stat()
        holds = any(text for name, text in dotenv_values(dotenv).items() if name in
                    SECRET_VARIABLES)
    except (OSError, UnicodeDecodeError) as error:
        return bad(AREA, "key file", f"{dotenv} cannot be read: {type(error).__name__}",
                   f"chown {os.geteuid()} {dotenv}; chmod 600 {dotenv}")
    mode = stat.S_IMODE(told.st_mode)
    if not holds:
        return ok(AREA, "key file", f"{dotenv} holds no keys")
    if mode & 0o077:
        return bad(
            AREA, "key file", f"{dotenv} holds keys and has mode {mode:04o}: others may read it",
            f"chmod 600 {dotenv}, and make new keys if others use this machine",
        )
    return ok(AREA, "key file", f"{dotenv} holds keys, mode {mode:04o}")
