REASONS: tuple[str, ...]
LIMITS: dict[str, tuple[float, float, float]]

def settings(
    table: dict[str, tuple[float, float, float]], given: dict[str, float]
) -> dict[str, float]: ...

class RiskGate:
    kill: bool
    opening_off: bool
    def __init__(self, **limits: float) -> None: ...
    def pause(self, symbol_index: int, on: bool = True) -> None: ...
    @property
    def gross_usd(self) -> float: ...
    def exposure_usd(self, row: int) -> float: ...
    def set_exposure(self, row: int, micro_usd: int) -> None: ...
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
    ) -> str: ...
    def take(self) -> None: ...
