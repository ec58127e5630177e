"""The risk gate built from a copy of its headers, behind the names of RiskGate."""

import ctypes
import shutil
import subprocess
from ctypes import c_bool, c_int64, c_uint8, c_uint16, c_uint32, c_uint64
from pathlib import Path
from typing import Any

from risk_world import UNITS

from arbitrage.core.risk import REASONS

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "cython_src" / "arbitrage" / "core"
HEADERS = ("risk.h", "risk_words.h", "atomics.h", "cacheline.h", "counters.h", "records.h")
OFF = (2**63 - 1) // 4
WORDS = (
    "order", "position", "symbol", "venue", "gross", "one_sided_symbol", "one_sided", "day_loss",
    "entry_band", "exit_band", "basis", "signal_age", "cost", "burst", "kept", "book_age_0",
    "book_age_1", "book_age_2", "book_age_3",
)  # fmt: skip


class OrderC(ctypes.Structure):
    """arb_risk_order_t."""

    _fields_ = [
        ("notional", c_int64), ("limit", c_int64), ("mids", c_int64 * 2), ("average", c_int64),
        ("book_ns", c_int64), ("signal_ns", c_int64), ("wall_ns", c_int64), ("row", c_uint32),
        ("symbol", c_uint16), ("venue", c_uint8), ("state", c_uint8), ("side", c_uint8),
        ("reduce_only", c_bool), ("completes", c_bool),
    ]  # fmt: skip


def build(folder: Path, changed: str | None = None) -> ctypes.CDLL:
    """Compile the gate, with another risk.h if one is given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in HEADERS:
        shutil.copy(CORE / name, folder)
    if changed is not None:
        (folder / "risk.h").write_text(changed)
    target = folder / "gate.so"
    command = ["gcc", "-std=gnu11", "-O0", "-w", "-shared", "-fPIC", f"-I{folder}"]
    subprocess.run([*command, str(HERE / "risk_gate.c"), "-o", str(target), "-lm"], check=True)
    library = ctypes.CDLL(str(target))
    library.gate_new.restype = ctypes.c_void_p
    library.gate_kill.restype = c_uint64
    library.gate_pico.restype = library.gate_micro.restype = c_int64
    return library


class LibraryGate:
    """One gate of a library."""

    def __init__(self, library: ctypes.CDLL, limits: dict[str, int]) -> None:
        self.library, self.values = library, dict(limits)
        self.handle = ctypes.c_void_p(library.gate_new(self.words()))
        self.raised = {"kill": 0, "opening_off": 0, "flatten": 0}

    def close(self) -> None:
        self.library.gate_free(self.handle)

    def words(self) -> Any:
        """Return the limits as the gate's words."""
        units = {UNITS[name]: value for name, value in self.values.items()}
        known = {name: value * unit or OFF for (name, unit), value in units.items()}
        known["cost"] = 10**9 // self.values["max_orders_per_s"]
        return (c_int64 * len(WORDS))(*(known.get(name, OFF) for name in WORDS))

    def set_limit(self, name: str, value: int) -> None:
        self.values[name] = value
        self.library.gate_limits(self.handle, self.words())

    def raise_word(self, name: str, value: int) -> None:
        self.raised["kill"] = self.kill
        self.raised[name] = int(value)
        self.library.gate_words(self.handle, *map(c_uint64, self.raised.values()))

    @property
    def kill(self) -> int:
        return int(self.library.gate_kill(self.handle))

    @kill.setter
    def kill(self, reason: int) -> None:
        self.raise_word("kill", reason)

    opening_off = property(lambda self: self.raised["opening_off"])
    flatten = property(lambda self: self.raised["flatten"])
    opening_off = opening_off.setter(lambda self, on: self.raise_word("opening_off", on))
    flatten = flatten.setter(lambda self, on: self.raise_word("flatten", on))

    def pause(self, symbol: int, on: bool) -> None:
        self.library.gate_pause(self.handle, symbol, on)

    def pair_begin(self, symbol: int) -> None:
        self.library.gate_pair(self.handle, symbol, 1)

    def pair_end(self, symbol: int) -> None:
        self.library.gate_pair(self.handle, symbol, 0)

    def set_exposure(self, row: int, venue: int, symbol: int, micro: int) -> None:
        self.library.gate_exposure(self.handle, row, venue, symbol, c_int64(micro))

    def set_one_sided(self, symbol: int, micro: int) -> None:
        self.library.gate_one_sided(self.handle, symbol, c_int64(micro))

    def begin_day(self, result_usd: int, wall_ns: int) -> None:
        self.library.gate_day(self.handle, c_int64(result_usd * 10**6), c_int64(wall_ns))

    def note_result(self, pnl_micro: int, wall_ns: int) -> None:
        self.library.gate_result(self.handle, c_int64(pnl_micro), c_int64(wall_ns))

    def take(self) -> None:
        self.library.gate_take(self.handle)

    def check(
        self, now: int, row: int, symbol: int, venue: int, notional: int, **more: int
    ) -> str:
        order = OrderC(
            notional, more["limit_pico"], (more["own_mid_pico"], more["other_mid_pico"]),
            more["basis_average_ppm"], more["book_recv_mono_ns"], more["signal_mono_ns"],
            more["wall_ns"], row, symbol, venue, more["row_state"], more["side"],
            more["reduce_only"], more["completes"],
        )  # fmt: skip
        told = self.library.gate_check(
            self.handle, ctypes.byref(order), c_int64(more["other_micro"]),
            c_int64(more["orders"]), c_int64(now),
        )  # fmt: skip
        return REASONS[told] if told < len(REASONS) else f"reason {told}"
