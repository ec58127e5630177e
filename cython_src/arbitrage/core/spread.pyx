"""Spreads between two venues in basis points: scalars, batches, and the pairs above a threshold."""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release
from cpython.buffer cimport PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport strcmp

from arbitrage.core.clock cimport arb_mono_ns


cdef extern from "spread.h" nogil:
    ctypedef struct arb_spread_columns_t:
        const double *bid_a
        const double *ask_a
        const double *bid_b
        const double *ask_b

    ctypedef struct arb_spread_hit_t:
        uint32_t index
        uint32_t buys_b
        double gross_bps

    int ARB_SPREAD_INDEX_SLACK

    double arb_spread_bps(double bid, double ask) noexcept
    double arb_spread_factor(double threshold_bps) noexcept
    bint arb_spread_may_pass(double bid, double ask, double factor) noexcept
    bint arb_cpu_has_avx2() noexcept
    void arb_spread_batch(const arb_spread_columns_t *columns, size_t count, double *buy_a,
                          double *buy_b) noexcept
    void arb_spread_batch_scalar(const arb_spread_columns_t *columns, size_t first, size_t count,
                                 double *buy_a, double *buy_b) noexcept
    size_t arb_spread_scan(const arb_spread_columns_t *columns, size_t count, double factor_a,
                           double factor_b, uint32_t *found) noexcept
    size_t arb_spread_scan_scalar(const arb_spread_columns_t *columns, size_t first, size_t count,
                                  double factor_a, double factor_b, uint32_t *found,
                                  size_t found_count) noexcept
    size_t arb_spread_find(const arb_spread_columns_t *columns, size_t count, double threshold_bps,
                           uint32_t *scratch, arb_spread_hit_t *hits) noexcept


cdef struct lease_t:
    # Buffers of the four columns and, last, of the output; released together.
    Py_buffer views[5]
    int held
    Py_ssize_t count

cdef object _numpy_empty = None


cdef int lend(lease_t *lease, object column, int flags) except -1:
    # Borrow one contiguous float64 array. 0: it is something else.
    cdef Py_buffer *view = &lease.views[lease.held]
    PyObject_GetBuffer(column, view, PyBUF_ND | PyBUF_FORMAT | flags)
    lease.held += 1
    return view.itemsize == 8 and view.format != NULL and strcmp(view.format, b"d") == 0


cdef int lend_columns(lease_t *lease, object bid_a, object ask_a, object bid_b,
                      object ask_b) except -1:
    # Borrow four columns of one length. 0: they need conversion first.
    cdef int index
    for column in (bid_a, ask_a, bid_b, ask_b):
        if not lend(lease, column, 0):
            return 0
    lease.count = lease.views[0].len // 8
    for index in range(4):
        if lease.views[index].ndim != 1 or lease.views[index].len // 8 != lease.count:
            return 0
    return 1


cdef void give_back(lease_t *lease) noexcept:
    while lease.held > 0:
        lease.held -= 1
        PyBuffer_Release(&lease.views[lease.held])


cdef inline arb_spread_columns_t columns_of(lease_t *lease) noexcept:
    cdef arb_spread_columns_t columns
    columns.bid_a = <const double *>lease.views[0].buf
    columns.ask_a = <const double *>lease.views[1].buf
    columns.bid_b = <const double *>lease.views[2].buf
    columns.ask_b = <const double *>lease.views[3].buf
    return columns


cdef tuple convert(tuple columns):
    # Anything NumPy understands to four contiguous float64 arrays, and the shape they broadcast to.
    import numpy

    arrays = numpy.broadcast_arrays(*(numpy.asarray(column, numpy.float64) for column in columns))
    return tuple(numpy.ascontiguousarray(array).reshape(-1) for array in arrays), arrays[0].shape


cdef object fill(object bid_a, object ask_a, object bid_b, object ask_b, object out):
    # The batch into out, a C-contiguous float64 array of 2 * count. None: columns need conversion.
    cdef lease_t lease
    cdef arb_spread_columns_t columns
    cdef double *results
    global _numpy_empty
    lease.held = 0
    try:
        if not lend_columns(&lease, bid_a, ask_a, bid_b, ask_b):
            return None
        if out is None:
            if _numpy_empty is None:
                import numpy
                _numpy_empty = numpy.empty
            out = _numpy_empty((2, lease.count))
        if not lend(&lease, out, PyBUF_WRITABLE) or lease.views[4].len != 16 * lease.count:
            raise ValueError("out does not fit the columns")
        columns = columns_of(&lease)
        results = <double *>lease.views[4].buf
        arb_spread_batch(&columns, <size_t>lease.count, results, results + lease.count)
        return out
    finally:
        give_back(&lease)


def spread_bps(bid_a, ask_a, bid_b, ask_b, out=None):
    """Compute both directed spreads between venues A and B, in basis points, before costs.

    ``(bid - ask) / ask * 1e4`` in this order of operations: the same double as Python, bit for bit.

    Threads: any; no shared state. Holds the interpreter lock (a thousand pairs take about 1 us).

    Parameters
    ----------
    bid_a, ask_a, bid_b, ask_b : float or array_like
        Prices in one quotation; NaN where there is none. Arrays broadcast. One-dimensional
        contiguous float64 arrays of one length are read in place.
    out : ndarray of float64, shape (2, n), optional
        Where to put the result of one-dimensional arrays instead of a new array.

    Returns
    -------
    tuple of float, or ndarray of shape (2, ...)
        First buy at A and sell at B, then buy at B and sell at A; it unpacks into the two.
        NaN where a price is NaN.

    Examples
    --------
    >>> spread_bps(100.0, 100.1, 100.3, 100.4)[0]
    19.980019980020266
    """
    cdef object result
    if isinstance(bid_a, (float, int)) and isinstance(ask_a, (float, int)) \
            and isinstance(bid_b, (float, int)) and isinstance(ask_b, (float, int)):
        return arb_spread_bps(bid_b, ask_a), arb_spread_bps(bid_a, ask_b)
    try:
        result = fill(bid_a, ask_a, bid_b, ask_b, out)
        if result is not None:
            return result
    except (TypeError, BufferError, ValueError):
        pass  # lists, strided arrays, pandas: converted below
    if out is not None:
        raise ValueError("out must be a contiguous float64 array of shape (2, n), for four "
                         "one-dimensional contiguous float64 arrays of length n")
    columns, shape = convert((bid_a, ask_a, bid_b, ask_b))
    result = fill(columns[0], columns[1], columns[2], columns[3], None)
    return result.reshape((2, *shape))


def find_spreads(bid_a, ask_a, bid_b, ask_b, double min_gross_bps):
    """Find the directed pairs whose gross spread reaches a threshold, nearly without divisions.

    Threads: any; no shared state.

    Parameters
    ----------
    bid_a, ask_a, bid_b, ask_b : array_like
        One-dimensional columns of prices in one quotation, one entry a symbol; NaN: no price.
    min_gross_bps : float
        Threshold in basis points.

    Returns
    -------
    ndarray
        Fields ``index`` (entry), ``buys_b`` (0: buy at A, sell at B; 1: the other way round) and
        ``gross_bps``, by index and then direction; empty when nothing reaches the threshold.
    """
    import numpy

    cdef lease_t lease
    cdef arb_spread_columns_t columns
    cdef uint32_t *scratch = NULL
    cdef arb_spread_hit_t *hits = NULL
    cdef size_t hit_count
    if min_gross_bps != min_gross_bps:
        raise ValueError("min_gross_bps was NaN; it must be a number")
    arrays, shape = convert((bid_a, ask_a, bid_b, ask_b))
    if len(shape) != 1 or shape[0] > 2 ** 31:
        raise ValueError(f"columns must be one-dimensional; their shape was {shape}")
    dtype = numpy.dtype([("index", "u4"), ("buys_b", "u4"), ("gross_bps", "f8")])
    lease.held = 0
    try:
        lend_columns(&lease, arrays[0], arrays[1], arrays[2], arrays[3])
        scratch = <uint32_t *>malloc((lease.count + ARB_SPREAD_INDEX_SLACK) * sizeof(uint32_t))
        hits = <arb_spread_hit_t *>malloc((2 * lease.count + 2) * sizeof(arb_spread_hit_t))
        if scratch == NULL or hits == NULL:
            raise MemoryError()
        columns = columns_of(&lease)
        hit_count = arb_spread_find(&columns, <size_t>lease.count, min_gross_bps, scratch, hits)
        if hit_count == 0:
            return numpy.empty(0, dtype)
        return numpy.frombuffer((<char *>hits)[:hit_count * sizeof(arb_spread_hit_t)], dtype).copy()
    finally:
        give_back(&lease)
        free(scratch)
        free(hits)


def has_avx2() -> bool:
    """Return whether the batch functions run their AVX2 versions on this machine."""
    return arb_cpu_has_avx2()


def _batch_scalar(bid_a, ask_a, bid_b, ask_b, out) -> None:
    # The scalar specification over arrays, for the tests of the vector version.
    cdef lease_t lease
    cdef arb_spread_columns_t columns
    cdef double *results
    lease.held = 0
    try:
        if not lend_columns(&lease, bid_a, ask_a, bid_b, ask_b) \
                or not lend(&lease, out, PyBUF_WRITABLE):
            raise ValueError("four contiguous float64 arrays and an output are needed")
        columns = columns_of(&lease)
        results = <double *>lease.views[4].buf
        arb_spread_batch_scalar(&columns, 0, <size_t>lease.count, results, results + lease.count)
    finally:
        give_back(&lease)


def _scan(bid_a, ask_a, bid_b, ask_b, double factor_a, double factor_b, bint scalar) -> list[int]:
    # Indices that may pass, by the vector or the scalar version.
    cdef lease_t lease
    cdef arb_spread_columns_t columns
    cdef uint32_t *found = NULL
    cdef size_t found_count, index
    lease.held = 0
    try:
        if not lend_columns(&lease, bid_a, ask_a, bid_b, ask_b):
            raise ValueError("four contiguous float64 arrays are needed")
        found = <uint32_t *>malloc((lease.count + ARB_SPREAD_INDEX_SLACK) * sizeof(uint32_t))
        if found == NULL:
            raise MemoryError()
        columns = columns_of(&lease)
        if scalar:
            found_count = arb_spread_scan_scalar(&columns, 0, <size_t>lease.count, factor_a,
                                                 factor_b, found, 0)
        else:
            found_count = arb_spread_scan(&columns, <size_t>lease.count, factor_a, factor_b, found)
        return [found[index] for index in range(found_count)]
    finally:
        give_back(&lease)
        free(found)


def _factor(double threshold_bps) -> float:
    return arb_spread_factor(threshold_bps)


def _bench_single(bid_a, ask_a, bid_b, ask_b, double threshold_bps, int sample_count) -> list[int]:
    # Nanoseconds of sample_count passes over the arrays (use 256 distinct entries), each entry one
    # update: both exact spreads and both questions. The timer is inside; subtract an empty pass.
    cdef lease_t lease
    cdef arb_spread_columns_t columns
    cdef double factor = arb_spread_factor(threshold_bps), total = 0.0
    cdef int64_t begun, passed = 0
    cdef Py_ssize_t index
    samples = []
    lease.held = 0
    try:
        if not lend_columns(&lease, bid_a, ask_a, bid_b, ask_b):
            raise ValueError("four contiguous float64 arrays are needed")
        columns = columns_of(&lease)
        for _ in range(sample_count):
            begun = arb_mono_ns()
            for index in range(lease.count):
                passed += arb_spread_may_pass(columns.bid_b[index], columns.ask_a[index], factor)
                passed += arb_spread_may_pass(columns.bid_a[index], columns.ask_b[index], factor)
                total += arb_spread_bps(columns.bid_b[index], columns.ask_a[index])
                total += arb_spread_bps(columns.bid_a[index], columns.ask_b[index])
            samples.append(arb_mono_ns() - begun)
    finally:
        give_back(&lease)
    if total == 0.5 and passed == -1:
        raise AssertionError("unreachable; keeps the loop alive")
    return samples


def _bench_batch(bid_a, ask_a, bid_b, ask_b, out, int repeat_count) -> int:
    # Nanoseconds of repeat_count batches over the same arrays, without Python in between.
    cdef lease_t lease
    cdef arb_spread_columns_t columns
    cdef double *results
    cdef int64_t begun
    lease.held = 0
    try:
        if not lend_columns(&lease, bid_a, ask_a, bid_b, ask_b) \
                or not lend(&lease, out, PyBUF_WRITABLE):
            raise ValueError("four contiguous float64 arrays and an output are needed")
        columns = columns_of(&lease)
        results = <double *>lease.views[4].buf
        begun = arb_mono_ns()
        for _ in range(repeat_count):
            arb_spread_batch(&columns, <size_t>lease.count, results, results + lease.count)
        return arb_mono_ns() - begun
    finally:
        give_back(&lease)


def _bench_scan(bid_a, ask_a, bid_b, ask_b, double factor, bint scalar, int repeat_count) -> int:
    # Nanoseconds of repeat_count scans over the same arrays, by the vector or the scalar version.
    cdef lease_t lease
    cdef arb_spread_columns_t columns
    cdef uint32_t *found = NULL
    cdef int64_t begun
    lease.held = 0
    try:
        if not lend_columns(&lease, bid_a, ask_a, bid_b, ask_b):
            raise ValueError("four contiguous float64 arrays are needed")
        found = <uint32_t *>malloc((lease.count + ARB_SPREAD_INDEX_SLACK) * sizeof(uint32_t))
        if found == NULL:
            raise MemoryError()
        columns = columns_of(&lease)
        begun = arb_mono_ns()
        for _ in range(repeat_count):
            if scalar:
                arb_spread_scan_scalar(&columns, 0, <size_t>lease.count, factor, factor, found, 0)
            else:
                arb_spread_scan(&columns, <size_t>lease.count, factor, factor, found)
        return arb_mono_ns() - begun
    finally:
        give_back(&lease)
        free(found)
