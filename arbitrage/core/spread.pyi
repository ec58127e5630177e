from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

@overload
def spread_bps(
    bid_a: float, ask_a: float, bid_b: float, ask_b: float, out: None = None
) -> tuple[float, float]: ...
@overload
def spread_bps(
    bid_a: ArrayLike,
    ask_a: ArrayLike,
    bid_b: ArrayLike,
    ask_b: ArrayLike,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]: ...
def find_spreads(
    bid_a: ArrayLike,
    ask_a: ArrayLike,
    bid_b: ArrayLike,
    ask_b: ArrayLike,
    min_gross_bps: float,
) -> NDArray[np.void]: ...
def has_avx2() -> bool: ...
