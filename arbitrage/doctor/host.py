"""The host beside its processors: clocks, limits, memory, and what else runs."""

from collections.abc import Iterator

from arbitrage.doctor.findings import Finding, HostFiles, bad, ok, shown, skip, warn
from arbitrage.doctor.wanted import Wanted

__all__ = ["check_host"]

AREA = "host"
FILES_MIN = 256
FILES_GOOD = 1024
STEAL_WARN_PERCENT = 0.5
STEAL_BAD_PERCENT = 5.0
BUSY_PERCENT = 10.0
LOAD_PER_CORE = 0.7
SAMPLE_S = 1.0
CLOCK_ERROR_US = 100_000
GOOD_CLOCKS = {"tsc", "arch_sys_counter"}
TRADER_BYTES = 256 << 20  # of memory beside the segment: twice what one takes
BOOKED = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def check_host(files: HostFiles, wanted: Wanted, *, trader_runs: bool) -> Iterator[Finding]:
    """Look at clocks, limits and memory, then for a second at what runs."""
    yield _clock_source(files)
    yield _wall_clock(files)
    yield from _limits(files)
    yield _shared_memory(files, wanted)
    yield _memory(files, wanted)
    yield _huge_pages(files)
    yield _swap(files)
    yield from _load(files, wanted, trader_runs)


def size(count: float) -> str:
    """Write a number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"


# ---- clocks -------------------------------------------------------------------------------------


def _clock_source(files: HostFiles) -> Finding:
    folder = "/sys/devices/system/clocksource/clocksource0"
    now = files.read(f"{folder}/current_clocksource")
    if now is None:
        return skip(AREA, "clock source", "the host does not say")
    if now in GOOD_CLOCKS:
        return ok(AREA, "clock source", f"{now}: read in some 20 ns")
    others = (files.read(f"{folder}/available_clocksource") or "").split()
    if "tsc" in others:
        advice = f"echo tsc > {folder}/current_clocksource, and clocksource=tsc on the kernel's " \
                 "command line"
    else:
        advice = "see in dmesg why tsc was given up; a machine with an invariant tsc has it"
    return warn(
        AREA, "clock source", f"{now}: every stamp of a frame asks the kernel or the hypervisor",
        advice,
    )


def _wall_clock(files: HostFiles) -> Finding:
    clock = files.kernel_clock()
    if clock is None:
        return skip(AREA, "time synchronisation", "the kernel does not say")
    if not clock.is_synced:
        return warn(
            AREA, "time synchronisation", "nothing keeps this machine's clock",
            "run chrony or systemd-timesyncd: timedatectl set-ntp true; requests carry the "
            "venues' own time, but journals, funding and days are told by this clock",
        )
    if clock.max_error_us > CLOCK_ERROR_US:
        return warn(
            AREA, "time synchronisation",
            f"the clock may be wrong by {clock.max_error_us / 1000:.0f} ms",
            "ask chronyc tracking, or timedatectl timesync-status, whether a server answers",
        )
    return ok(
        AREA, "time synchronisation", f"kept, to {clock.max_error_us / 1000:.1f} ms at worst"
    )


# ---- limits -------------------------------------------------------------------------------------


def _limit(files: HostFiles, name: str) -> float | None:
    """Return the soft limit of this process."""
    for line in (files.read("/proc/self/limits") or "").splitlines():
        if line.startswith(name):
            text = line[len(name) :].split()[0]
            return float("inf") if text == "unlimited" else float(text)
    return None


def _limits(files: HostFiles) -> Iterator[Finding]:
    count = _limit(files, "Max open files")
    advice = f"LimitNOFILE={FILES_GOOD * 4} in the unit, or ulimit -n {FILES_GOOD * 4}"
    if count is None:
        yield skip(AREA, "open files", "the host does not say")
    elif count < FILES_MIN:
        yield bad(AREA, "open files", f"only {count:.0f}: connections and journals need more",
                  advice)
    elif count < FILES_GOOD:
        yield warn(AREA, "open files", f"{count:.0f}: little for many watchers", advice)
    else:
        yield ok(AREA, "open files", f"{count:.0f}" if count < float("inf") else "unlimited")
    locked = _limit(files, "Max locked memory")
    if locked is None:
        yield skip(AREA, "locked memory", "the host does not say")
    else:
        told = "unlimited" if locked == float("inf") else size(locked)
        yield ok(AREA, "locked memory", f"{told}; the trader locks none, see swap")
    core = _limit(files, "Max core file size")
    if core:
        yield warn(
            AREA, "core dumps", "on: the memory of a trader that crashes, keys included, is "
            "written to a file",
            "LimitCORE=0 in the unit, or ulimit -c 0",
        )
    elif core is not None:
        yield ok(AREA, "core dumps", "off")


# ---- memory -------------------------------------------------------------------------------------


def _shared_memory(files: HostFiles, wanted: Wanted) -> Finding:
    free = files.free_bytes(files.path("/dev/shm"))
    if free is None:
        return bad(AREA, "shared memory", "there is no /dev/shm", "mount a tmpfs there")
    need = wanted.shm_bytes
    told = f"{size(free)} free, these settings take {size(need)}"
    advice = (
        "mount -o remount,size=1G /dev/shm, docker run --shm-size=1g, or smaller queues and "
        "ARB_TAP_MB"
    )
    if free < need:
        return bad(AREA, "shared memory", told, advice)
    if free < 2 * need:
        return warn(AREA, "shared memory", f"{told}: a second trader has no room", advice)
    return ok(AREA, "shared memory", told)


def _memory(files: HostFiles, wanted: Wanted) -> Finding:
    for line in (files.read("/proc/meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            free, need = int(line.split()[1]) * 1024, TRADER_BYTES + wanted.shm_bytes
            if free < need:
                return warn(
                    AREA, "memory", f"{size(free)} available, a trader may take {size(need)}",
                    "stop something else: the kernel kills what it needs the memory of",
                )
            return ok(AREA, "memory", f"{size(free)} available")
    return skip(AREA, "memory", "the host does not say")


def _huge_pages(files: HostFiles) -> Finding:
    text = files.read("/sys/kernel/mm/transparent_hugepage/enabled")
    if text is None:
        return ok(AREA, "transparent huge pages", "the kernel has none")
    if "[always]" in text:
        return warn(
            AREA, "transparent huge pages",
            "always: the kernel moves pages together while threads wait for them",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        )
    return ok(AREA, "transparent huge pages", text[text.find("[") + 1 : text.find("]")])


def _swap(files: HostFiles) -> Finding:
    devices = (files.read("/proc/swaps") or "").splitlines()[1:]
    if not devices:
        return ok(AREA, "swap", "off")
    return warn(
        AREA, "swap", f"on ({devices[0].split()[0]}): a page of the trader may have to be read "
        "from a disk",
        "swapoff -a, or MemorySwapMax=0 in the unit",
    )


# ---- what else runs -----------------------------------------------------------------------------


def _sample(files: HostFiles) -> dict[str, list[int]]:
    """Return processor -> booked ticks, ``cpu`` for all together."""
    found = {}
    for line in (files.read("/proc/stat") or "").splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu"):
            found[name] = [int(text) for text in ticks[: len(BOOKED)]]
    return found


def _load(files: HostFiles, wanted: Wanted, trader_runs: bool) -> Iterator[Finding]:
    before = _sample(files)
    if not before:
        yield skip(AREA, "other load", "the host does not say")
        return
    files.pause(SAMPLE_S)
    after = _sample(files)
    share: dict[str, dict[str, float]] = {}
    for name, ticks in after.items():
        grown = [now - was for now, was in zip(ticks, before.get(name, ticks), strict=True)]
        total = sum(grown) or 1
        share[name] = dict(zip(BOOKED, (100 * each / total for each in grown), strict=False))
    yield _steal(share.get("cpu", {}).get("steal", 0.0))
    yield _busy(share, wanted, trader_runs)
    text = files.read("/proc/loadavg")
    cores = max(1, len(after) - 1)
    load = float(text.split()[0]) if text else 0.0
    if load > LOAD_PER_CORE * cores and not trader_runs:
        yield warn(
            AREA, "load", f"{load:.1f} on {cores} cores in the last minute",
            "see with top what runs; give the trader cores of its own",
        )
    else:
        yield ok(AREA, "load", f"{load:.1f} on {cores} cores in the last minute")


def _steal(percent: float) -> Finding:
    if percent <= STEAL_WARN_PERCENT:
        return ok(AREA, "steal", f"{percent:.1f} %")
    remedy = "rent dedicated cores, or another machine: nothing inside this one helps"
    told = f"the hypervisor took {percent:.1f} % of the time in the last second"
    made = bad if percent > STEAL_BAD_PERCENT else warn
    return made(AREA, "steal", told, remedy)


def _busy(share: dict[str, dict[str, float]], wanted: Wanted, trader_runs: bool) -> Finding:
    if not wanted.pinned:
        return ok(AREA, "other load", "no core is the trader's alone")
    if trader_runs:
        return skip(AREA, "other load", "a trader of this name runs on the pinned cores now")
    busy = {
        core
        for core in wanted.pinned
        if (found := share.get(f"cpu{core}"))
        and 100 - found["idle"] - found["iowait"] > BUSY_PERCENT
    }
    if not busy:
        return ok(AREA, "other load", f"the pinned cores {shown(wanted.pinned)} are idle")
    return warn(
        AREA, "other load", f"something already runs on the pinned cores {shown(busy)}",
        "find it with top -H (f, then P, shows the core) and move it: taskset -cp CORES PID",
    )
