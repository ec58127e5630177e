"""`arb doctor` on hosts laid out as folders: a good one, and one for each finding."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from arbitrage.config import load_settings
from arbitrage.core.segment import Segment
from arbitrage.doctor.configuration import check_configuration, read_settings
from arbitrage.doctor.cores import check_cores
from arbitrage.doctor.findings import Finding, HostFiles, KernelClock, cpu_list, shown
from arbitrage.doctor.host import check_host, size
from arbitrage.doctor.wanted import Wanted, segment_bytes, wanted_of
from arbitrage.errors import ConfigError
from arbitrage.runtime.wiring import make_segment

CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max core file size        {core}                    unlimited            bytes
Max open files            {files}                 524288               files
Max locked memory         8388608              8388608              bytes
"""
STAT = "cpu {all} 0 0\ncpu2 {two} 0 0\ncpu3 {three} 0 0\nintr 5\n"
IDLE = "0 0 0 1000 0 0 0 0"
WANTED = Wanted({"detector": 2, "strategy": 3}, (4,), spins=True, shm_bytes=5 << 20)

GOOD = {
    f"{CPU}/isolated": "2-4",
    f"{CPU}/nohz_full": "2-4",
    f"{CPU}/online": "0-7",
    "proc/cmdline": "quiet rcu_nocbs=2-4",
    "proc/irq/24/smp_affinity_list": "0-7",
    "proc/irq/24/effective_affinity_list": "1",
    "proc/irq/25/smp_affinity_list": "0-1",
    **{f"{CPU}/cpu{n}/topology/thread_siblings_list": f"{n},{n + 8}" for n in range(8)},
    **{f"{CPU}/cpu{n}/cpufreq/scaling_governor": "performance" for n in range(8)},
    f"{CPU}/intel_pstate/no_turbo": "0",
    "proc/self/cgroup": "0::/system.slice/arb.service",
    "sys/fs/cgroup/system.slice/arb.service/cpu.max": "max 100000",
    f"{CLOCK}/current_clocksource": "tsc",
    f"{CLOCK}/available_clocksource": "tsc hpet",
    "proc/self/limits": LIMITS.format(core=0, files=65536),
    "proc/meminfo": "MemTotal: 9999999 kB\nMemAvailable: 8000000 kB\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "proc/swaps": "Filename Type Size Used Priority\n",
    "proc/stat": STAT.format(all=IDLE, two=IDLE, three=IDLE),
    "proc/loadavg": "0.10 0.10 0.10 1/100 5",
    "proc/mounts": "/dev/sda1 / ext4 rw 0 0\n",
}


class FakeHost(HostFiles):
    """A host that is a folder; what its samples show the second time is given."""

    def __init__(self, root: Path, changed: dict[str, str | None], later: dict[str, str]) -> None:
        super().__init__(root, pause=lambda _seconds: self.lay(later))
        self.clock: KernelClock | None = KernelClock(True, 900)
        self.room: int | None = 1 << 34
        self.lay(GOOD | changed)
        for name, text in changed.items():
            if text is None:
                (root / name).unlink()

    def lay(self, files: dict[str, str | None] | dict[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text or "")

    def free_bytes(self, path: Path) -> int | None:
        return self.room

    def kernel_clock(self) -> KernelClock | None:
        return self.clock


def later(**cpus: str) -> dict[str, str]:
    idle = "0 0 0 2000 0 0 0 0"
    return {"proc/stat": STAT.format(**({"all": idle, "two": idle, "three": idle} | cpus))}


def examine(host: FakeHost, wanted: Wanted = WANTED, *, runs: bool = False) -> list[Finding]:
    return [*check_cores(host, wanted), *check_host(host, wanted, trader_runs=runs)]


def one(found: list[Finding], check: str) -> Finding:
    (finding,) = [each for each in found if each.check == check]
    return finding


def test_a_good_host_has_nothing_to_say(tmp_path: Path) -> None:
    found = examine(FakeHost(tmp_path, {}, later()))
    assert [each for each in found if each.status != "ok"] == []
    assert len({each.check for each in found}) == len(found) >= 18


@pytest.mark.parametrize(
    ("name", "text", "check", "status", "reason", "remedy"),
    [
        (f"{CPU}/isolated", "2", "isolated cores", "warn", "cores 3-4 are pinned", "isolcpus=2-4"),
        (f"{CPU}/nohz_full", "", "nohz_full", "warn", "cores 2-4", "nohz_full=2-4"),
        ("proc/cmdline", "quiet", "rcu_nocbs", "warn", "cores 2-4", "rcu_nocbs=2-4"),
        ("proc/irq/25/smp_affinity_list", "0-7", "interrupts", "warn", "interrupts 25 may",
         "irqbalance"),
        (f"{CPU}/cpu2/topology/thread_siblings_list", "2-3", "hyperthreads", "warn", "cores 2-3",
         "lscpu -e"),
        (f"{CPU}/cpu3/cpufreq/scaling_governor", "powersave", "governor", "warn",
         "powersave on 3", "cpupower frequency-set -g performance"),
        (f"{CPU}/intel_pstate/no_turbo", "1", "turbo", "warn", "off", "no_turbo"),
        ("sys/fs/cgroup/system.slice/arb.service/cpu.max", "150000 100000", "processor quota",
         "warn", "1.5 cores", "CPUQuota"),
        (f"{CLOCK}/current_clocksource", "hpet", "clock source", "warn", "hpet", "echo tsc"),
        ("proc/self/limits", LIMITS.format(core=0, files=1000), "open files", "warn", "1000",
         "LimitNOFILE=4096"),
        ("proc/self/limits", LIMITS.format(core=0, files=64), "open files", "bad", "only 64",
         "ulimit -n"),
        ("proc/self/limits", LIMITS.format(core="unlimited", files=4096), "core dumps", "warn",
         "keys included", "LimitCORE=0"),
        ("proc/meminfo", "MemAvailable: 1000 kB", "memory", "warn", "1000 KiB available", "stop"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never",
         "transparent huge pages", "warn", "always", "echo madvise"),
        ("proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2", "swap", "warn", "/dev/sda2",
         "swapoff -a"),
        ("proc/loadavg", "9.00 1 1 1/1 1", "load", "warn", "9.0 on 2 cores", "top"),
    ],
)
def test_each_finding_appears_with_what_to_do(
    tmp_path: Path, name: str, text: str, check: str, status: str, reason: str, remedy: str
) -> None:
    found = examine(FakeHost(tmp_path, {name: text}, later()))
    finding = one(found, check)
    assert (finding.status, finding.area) == (status, "host")
    assert reason in finding.reason
    assert remedy in finding.remedy
    assert [each.check for each in found if each.status != "ok"] == [check]


def test_samples_show_steal_and_what_runs_on_pinned_cores(tmp_path: Path) -> None:
    stolen = later(all="0 0 0 1980 0 0 0 20")
    finding = one(examine(FakeHost(tmp_path, {}, stolen)), "steal")
    assert (finding.status, "2.0 %" in finding.reason) == ("warn", True)
    stolen = later(all="0 0 0 1900 0 0 0 100")
    assert one(examine(FakeHost(tmp_path, {}, stolen)), "steal").status == "bad"
    busy = later(three="500 0 0 1500 0 0 0 0")
    finding = one(examine(FakeHost(tmp_path, {}, busy)), "other load")
    assert (finding.status, "cores 3" in finding.reason) == ("warn", True)
    finding = one(examine(FakeHost(tmp_path, {}, busy), runs=True), "other load")
    assert finding.status == "skip"


def test_clock_and_shared_memory(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, {}, later())
    for clock, status in (
        (KernelClock(False, 0), "warn"), (KernelClock(True, 400_000), "warn"), (None, "skip")
    ):
        host.clock = clock
        assert one(examine(host), "time synchronisation").status == status
    for room, status in ((1 << 20, "bad"), (6 << 20, "warn"), (None, "bad")):
        host.room = room
        assert one(examine(host), "shared memory").status == status


def test_spinning_threads_want_cores_and_nothing_else_does(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, {}, later())
    assert one(examine(host, Wanted(spins=True)), "isolated cores").status == "warn"
    assert one(examine(host, Wanted()), "isolated cores").status == "ok"


def test_a_bare_host_is_looked_at_without_a_word_too_much(tmp_path: Path) -> None:
    host = HostFiles(tmp_path, pause=lambda _seconds: None)
    found = [*check_cores(host, Wanted()), *check_host(host, Wanted(), trader_runs=False)]
    told = {each.check for each in found if each.status in {"warn", "bad"}}
    assert told <= {"time synchronisation", "shared memory"}  # these ask the real kernel


def test_processors_are_read_and_written_as_the_kernel_does() -> None:
    for text, cores in (("0-3,8", {0, 1, 2, 3, 8}), ("", set()), ("5", {5}), ("x,1-y", set())):
        assert cpu_list(text) == cores
    assert shown({4, 2, 3, 9}) == "2-4,9"
    assert [size(n) for n in (12, 5 << 20, 3 << 30)] == ["12 B", "5.0 MiB", "3.0 GiB"]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"ARB_TAP_MB": "2", "ARB_FEED_MODE": "threads", "ARB_STAGES": "fused"},
        {"MARKET_QUEUE_SIZE": "60000", "ORDER_QUEUE_SIZE": "5000"},
        {"ARB_SYMBOLS": ",".join(f"C{n}USDT" for n in range(100))},
    ],
)
def test_the_segment_takes_no_more_than_is_said_and_not_much_less(changed: dict[str, str]) -> None:
    settings = load_settings(
        changed | {"ARB_NAME": f"doctor-{os.getpid()}"}, dotenv=None, cores=range(4)
    )
    segment: Segment = make_segment(settings, 1 if settings.feed_mode == "loop" else 2, 1)
    try:
        assert segment.total_bytes <= segment_bytes(settings) <= 2 * segment.total_bytes
    finally:
        segment.close()


# ---- the configuration ---------------------------------------------------------------------------


def configured(tmp_path: Path, host: FakeHost | None = None, **values: str) -> list[Finding]:
    values = {"ARB_STATE_DIR": str(tmp_path / "state")} | values
    settings, found = read_settings(values, tmp_path / ".env", {})
    assert settings is not None
    host = host or FakeHost(tmp_path / "host", {}, {})
    return [*found, *check_configuration(host, settings, tmp_path / ".env")]


def test_a_good_configuration(tmp_path: Path) -> None:
    found = configured(tmp_path, DETECTOR_CORE="2", STRATEGY_CORE="3", ARB_STAGES="split")
    # cores beyond those of the machine that runs this test are closed to it
    told = [each for each in found if each.status != "ok" and "closed to" not in each.reason]
    assert told == []
    assert not (tmp_path / "state").exists()


def test_every_wrong_value_is_told_at_once_and_none_hides_another(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARB_MAX_ORDER_USD=lots\nARB_SYMBOLL=BTCUSDT\n")
    (tmp_path / ".env").chmod(0o600)
    found = configured(
        tmp_path, ARB_WAIT="forever", LOG_LEVEL="LOUD", BYBIT_API_KEY="canary-key-1234"
    )
    wrong = [each.reason for each in found if each.status == "bad"]
    assert sorted(text.split()[0] for text in wrong) == [
        "ARB_MAX_ORDER_USD", "ARB_WAIT", "BYBIT_API_SECRET", "LOG_LEVEL"
    ]
    assert any("did you mean ARB_SYMBOLS" in each.reason for each in found)
    assert "canary" not in repr(found)


def test_a_mode_without_its_keys_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    found = configured(tmp_path, ARB_MODE="live")
    assert next(each.reason for each in found if each.status == "bad").startswith("mode live needs")
    assert one(found, "disk").status == "ok"


def test_a_file_that_is_no_dotenv_leaves_no_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARB_NAME\n")
    settings, found = read_settings({}, tmp_path / ".env", {})
    assert settings is None
    assert found[0].status == "bad"
    with pytest.raises(ConfigError):
        load_settings({}, dotenv=tmp_path / ".env")


@pytest.mark.parametrize(
    ("values", "check", "status", "reason"),
    [
        ({"DETECTOR_CORE": "9"}, "cores", "bad", "cores 9 are named, but 0-7 are there"),
        ({"DETECTOR_CORE": "0", "WEBSOCKET_CORES": "0"}, "core lists", "warn", "share a core"),
        ({"DETECTOR_CORE": "0", "STRATEGY_CORE": "0", "ARB_WAIT": "spin"}, "core lists", "bad",
         "detector and strategy"),
        ({"WEBSOCKET_CORES": "0"}, "core 0", "warn", "core 0"),
        ({"STRATEGY_CORE": "0", "ARB_STAGES": "fused"}, "cores", "warn", "no thread goes there"),
    ],
)
def test_cores(
    tmp_path: Path, values: dict[str, str], check: str, status: str, reason: str
) -> None:
    found = configured(tmp_path, **({"ARB_STAGES": "split"} | values))
    assert [
        each for each in found
        if (each.check, each.status) == (check, status) and reason in each.reason
    ], found


def _others_may_read(folder: Path) -> None:
    folder.chmod(0o755)


def _is_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.touch()


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (lambda _folder: None, "ok", "mode 0700"),
        (_others_may_read, "warn", "mode 0755"),
        (_is_a_file, "bad", "no folder"),
    ],
)
def test_the_state_folder(
    tmp_path: Path, change: Callable[[Path], None], status: str, reason: str
) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    change(folder)
    finding = one(configured(tmp_path), "state folder")
    assert (finding.status, reason in finding.reason) == (status, True)


def test_disk_and_file_system(tmp_path: Path) -> None:
    host = FakeHost(
        tmp_path / "host", {"proc/mounts": f"/dev/a / ext4 rw 0 0\ntmp {tmp_path} tmpfs rw\n"}, {}
    )
    for room, status in ((1 << 29, "warn"), (1 << 20, "bad"), (None, "skip")):
        host.room = room
        found = configured(tmp_path, host)
        assert one(found, "disk").status == status
        assert "tmpfs" in one(found, "state folder's disk").reason


def test_the_key_file_is_the_users_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("BYBIT_API_KEY=canary-key-1234\nBYBIT_API_SECRET=canary-secret-1\n")
    for mode, status in ((0o600, "ok"), (0o640, "bad"), (0o604, "bad")):
        path.chmod(mode)
        found = configured(tmp_path)
        assert one(found, "key file").status == status
        assert "canary" not in repr(found)
    path.write_text("ARB_NAME=a\n")
    assert one(configured(tmp_path), "key file").status == "ok"


def test_what_is_wanted_follows_the_stages() -> None:
    cores = SimpleNamespace(split={"detector": 2, "strategy": 3}, inline={})
    named = {"DETECTOR_CORE": "2", "STRATEGY_CORE": "3", "WEBSOCKET_CORES": "4"}
    for stages, wanted in (("split", cores.split), ("inline", cores.inline)):
        settings = load_settings(
            named | {"ARB_STAGES": stages, "ARB_WAIT": "spin"}, dotenv=None, cores=range(8)
        )
        found = wanted_of(settings)
        assert (found.cores, found.spins) == (wanted, stages == "split")
        assert found.pinned == {*wanted.values(), 4}
