REASONS: tuple[str, ...]
REASON_TEXTS: dict[str, str]
PAUSES: dict[str, int]
KILLS: tuple[str, ...]
LIMITS: dict[str, tuple[float, float, float]]

def settings(
    table: dict[str, tuple[float, float, float]], given: dict[str, float]
) -> dict[str, float]: ...

class RiskGate:
    kill: int
    flatten: bool
    opening_off: bool
    def __init__(self, **limits: float) -> None: ...
    @property
    def limits(self) -> dict[str, float]: ...
    def set_limit(self, name: str, value: float) -> None: ...
    def pause(self, symbol_index: int, on: bool = True) -> None: ...
    def begin_day(self, result_usd: float, wall_ns: int) -> None: ...
    def note_result(self, pnl_micro: int, wall_ns: int) -> None: ...
    @property
    def day_result_usd(self) -> float: ...
    @property
    def gross_usd(self) -> float: ...
    @property
    def one_sided_usd(self) -> float: ...
    def exposure_usd(self, row: int) -> float: ...
    def set_exposure(
        self, row: int, venue: int, symbol_index: int, micro_usd: int
    ) -> None: ...
    def set_one_sided(self, symbol_index: int, micro_usd: int) -> None: ...
    def pair_begin(self, symbol_index: int) -> None: ...
    def pair_end(self, symbol_index: int) -> None: ...
    def check(
        self,
        now_mono_ns: int,
        row: int,
        symbol_index: int,
        venue: int,
        notional_micro: int,
        *,
        row_state: int = 2,
        book_recv_mono_ns: int = 0,
        signal_mono_ns: int = 0,
        reduce_only: bool = False,
        other_micro: int = 0,
        orders: int = 1,
        wall_ns: int = 0,
        side: int = 0,
        limit_pico: int = ...,
        own_mid_pico: int = ...,
        other_mid_pico: int = ...,
        basis_average_ppm: int = 0,
        completes: bool = False,
    ) -> str: ...
    def take(self) -> None: ...
