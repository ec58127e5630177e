"""The processors: are the cores that threads are pinned to left alone, quick, and not shared?"""

from collections.abc import Iterator

from arbitrage.doctor.findings import Finding, HostFiles, cpu_list, ok, shown, skip, warn
from arbitrage.doctor.wanted import Wanted

__all__ = ["check_cores"]

AREA = "host"
CPU = "/sys/devices/system/cpu"
PAGE = "docs/thread_pinning.md"


def check_cores(files: HostFiles, wanted: Wanted) -> Iterator[Finding]:
    """Look at everything that takes time away from a pinned thread."""
    if wanted.pinned:
        yield from _isolation(files, wanted.pinned)
        yield _interrupts(files, wanted.pinned)
        yield _siblings(files, wanted)
    elif wanted.spins:
        yield warn(
            AREA, "isolated cores", "threads spin, but none is pinned to a core of its own",
            "set DETECTOR_CORE, STRATEGY_CORE and WEBSOCKET_CORES, or ARB_WAIT=adaptive and "
            "ARB_LOOP_MODE=adaptive",
        )
    else:
        yield ok(AREA, "isolated cores", "none wanted: no thread is pinned, none spins")
    yield _governor(files, wanted.pinned)
    yield _turbo(files)
    yield _quota(files)


def _parameter(files: HostFiles, name: str) -> set[int]:
    """Return the processors of a parameter of the kernel's command line."""
    for word in (files.read("/proc/cmdline") or "").split():
        key, _, text = word.partition("=")
        if key == name:
            return cpu_list(text)
    return set()


def _isolation(files: HostFiles, pinned: set[int]) -> Iterator[Finding]:
    for check, found, why in (
        (
            "isolated cores",
            cpu_list(files.read(f"{CPU}/isolated") or "") | _parameter(files, "isolcpus"),
            "the scheduler puts other programs there",
        ),
        (
            "nohz_full",
            cpu_list(files.read(f"{CPU}/nohz_full") or "") | _parameter(files, "nohz_full"),
            "the timer interrupts them up to a thousand times a second",
        ),
        ("rcu_nocbs", _parameter(files, "rcu_nocbs"), "the kernel's clean-up work runs there"),
    ):
        missing = pinned - found
        if not missing:
            yield ok(AREA, check, f"covers the pinned cores {shown(pinned)}")
            continue
        name = "isolcpus" if check == "isolated cores" else check
        yield warn(
            AREA, check, f"cores {shown(missing)} are pinned but not covered: {why}",
            f"add {name}={shown(pinned)} to the kernel's command line and reboot: {PAGE}",
        )


def _interrupts(files: HostFiles, pinned: set[int]) -> Finding:
    hit = []
    for path in files.glob("/proc/irq/*/smp_affinity_list"):
        text = files.read(str(path.relative_to(files.root))) or ""
        effective = files.read(
            str((path.parent / "effective_affinity_list").relative_to(files.root))
        )
        if cpu_list(effective or text) & pinned:
            hit.append(path.parent.name)
    if not hit:
        return ok(AREA, "interrupts", f"none is sent to the pinned cores {shown(pinned)}")
    names = ", ".join(sorted(hit, key=lambda name: (len(name), name))[:6])
    more = f" and {len(hit) - 6} others" if len(hit) > 6 else ""
    return warn(
        AREA, "interrupts", f"interrupts {names}{more} may go to the pinned cores",
        f"stop irqbalance, or give it these cores as IRQBALANCE_BANNED_CPULIST; write the other "
        f"cores into /proc/irq/N/smp_affinity_list: {PAGE}",
    )


def _siblings(files: HostFiles, wanted: Wanted) -> Finding:
    shared = set()
    for core in sorted(wanted.pinned):
        text = files.read(f"{CPU}/cpu{core}/topology/thread_siblings_list") or ""
        both = (cpu_list(text) & wanted.pinned) - {core}
        shared |= {core} | both if both else set()
    if not shared:
        return ok(AREA, "hyperthreads", "no two pinned cores are one")
    return warn(
        AREA, "hyperthreads", f"cores {shown(shared)} are hyperthreads of one another",
        "pin one thread to a physical core: lscpu -e shows which are one; or switch SMT off with "
        f"echo off > {CPU}/smt/control",
    )


def _governor(files: HostFiles, pinned: set[int]) -> Finding:
    found: dict[str, set[int]] = {}
    for path in files.glob(f"{CPU}/cpu[0-9]*/cpufreq/scaling_governor"):
        core = int(path.parts[-3].removeprefix("cpu"))
        if not pinned or core in pinned:
            name = files.read(str(path.relative_to(files.root))) or "?"
            found.setdefault(name, set()).add(core)
    if not found:
        return ok(AREA, "governor", "the host does not say; of a virtual machine its owner decides")
    slow = {name: cores for name, cores in found.items() if name != "performance"}
    if not slow:
        return ok(AREA, "governor", "performance")
    told = ", ".join(f"{name} on {shown(cores)}" for name, cores in sorted(slow.items()))
    return warn(
        AREA, "governor", f"{told}: clocks fall while nothing comes, and rise too late",
        "cpupower frequency-set -g performance",
    )


def _turbo(files: HostFiles) -> Finding:
    intel = files.read(f"{CPU}/intel_pstate/no_turbo")
    boost = files.read(f"{CPU}/cpufreq/boost")
    if intel is None and boost is None:
        return ok(AREA, "turbo", "the host does not say")
    is_on = intel == "0" if intel is not None else boost == "1"
    if is_on:
        return ok(AREA, "turbo", "on: faster, though clocks move with the load of other cores")
    where = f"echo 0 > {CPU}/intel_pstate/no_turbo" if intel is not None else (
        f"echo 1 > {CPU}/cpufreq/boost"
    )
    return warn(
        AREA, "turbo", "off: every core stays at its base clock, steadier and slower",
        f"{where}, unless a steady clock is what you want",
    )


def _quota(files: HostFiles) -> Finding:
    """Look for a container's share of processor time: beyond it every thread is stopped."""
    line = next(
        (line for line in (files.read("/proc/self/cgroup") or "").splitlines()
         if line.startswith("0::")),
        "",
    )
    if not line:
        return skip(AREA, "processor quota", "no unified control groups here")
    group = line.removeprefix("0::").strip("/")
    while True:
        quota = files.read(f"/sys/fs/cgroup/{group}/cpu.max") or "max"
        if not quota.startswith("max"):
            used, _, period = quota.partition(" ")
            share = int(used) / int(period or 100_000)
            return warn(
                AREA, "processor quota",
                f"this group may use {share:g} cores; beyond it all threads stand still up to "
                "100 ms",
                "give the container whole cores (--cpuset-cpus) instead of a quota (--cpus), or "
                "leave CPUQuota out of the unit",
            )
        if not group:
            return ok(AREA, "processor quota", "none")
        group = group.rpartition("/")[0]
