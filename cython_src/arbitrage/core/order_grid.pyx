"""A venue's price or quantity step, as the encoder counts in it."""

from decimal import Decimal


cdef arb_grid_t grid_of(object step) except *:
    cdef arb_grid_t grid
    value = Decimal(step)
    if not value.is_finite() or value <= 0:
        raise ValueError(f"grid step was {step}; it must be finite and above zero")
    _, digits, exponent = value.normalize().as_tuple()
    mantissa = int("".join(map(str, digits)))
    if exponent > 0:
        mantissa, exponent = mantissa * 10 ** exponent, 0
    if -exponent > ARB_ORDER_DECIMALS_MAX or mantissa >= 1 << 62:
        raise ValueError(f"grid step was {step}; at most {ARB_ORDER_DECIMALS_MAX} decimals fit")
    grid.mantissa = mantissa
    grid.decimals = -exponent
    return grid


cdef bytes grid_text(int64_t count, arb_grid_t grid):
    cdef char text[48]
    cdef uint32_t text_bytes = arb_write_grid(text, count, grid)
    return text[:text_bytes]
