"""Request limits that the compiled sender heeds: so many in any window of so long."""

from libc.stdlib cimport free, malloc


cdef class RateBucket:
    """Hold tokens, each of which comes back one window after it was taken.

    Threads: one. Nothing waits: a request that finds no token is refused.

    Parameters
    ----------
    limit : int
        Requests allowed in any window, 1 to 4096.
    window_ms : int
        Length of the window, 1 to 600000 ms.
    reserve_percent : int
        Share of the limit that only urgent requests may use, 0 to 90.
    limit_max : int, optional
        Largest limit that the venue may yet name; 0 is the limit itself.

    Examples
    --------
    >>> bucket = RateBucket(limit=2, window_ms=1000)
    >>> [bucket.try_take(0), bucket.try_take(1), bucket.try_take(2), bucket.try_take(1_000_000_000)]
    [True, True, False, True]
    """

    def __cinit__(self):
        self.ptr = NULL

    def __init__(
        self, limit: int, window_ms: int, reserve_percent: int = 0, limit_max: int = 0
    ) -> None:
        cdef uint32_t capacity
        if not 1 <= limit <= ARB_RATE_LIMIT_MAX or not 0 <= limit_max <= ARB_RATE_LIMIT_MAX:
            raise ValueError(
                f"limit was {limit} and limit_max {limit_max}; at most {ARB_RATE_LIMIT_MAX} fit"
            )
        if not 1 <= window_ms <= 600_000 or not 0 <= reserve_percent <= 90:
            raise ValueError(
                f"window_ms was {window_ms} and reserve_percent {reserve_percent}; "
                "accepted are 1 to 600000 ms and 0 to 90 %"
            )
        if self.ptr != NULL:
            raise RuntimeError("a RateBucket is set up once")
        capacity = arb_rate_bucket_capacity(max(limit, limit_max))
        self.ptr = <arb_rate_bucket_t *>malloc(arb_rate_bucket_bytes(capacity))
        if self.ptr == NULL:
            raise MemoryError()
        arb_rate_bucket_init(self.ptr, capacity, limit, reserve_percent, window_ms * 1_000_000)

    def __dealloc__(self):
        free(self.ptr)

    @property
    def limit(self) -> int:
        """Requests allowed in any window now."""
        return self.ptr.limit

    @property
    def reserve(self) -> int:
        """Tokens for urgent requests alone."""
        return self.ptr.reserve

    @property
    def refused_count(self) -> int:
        """Requests that found no token."""
        return self.ptr.refused_count

    def left(self, now_ns: int) -> int:
        """Return the tokens there are, the reserve included."""
        return arb_rate_left(self.ptr, now_ns)

    def used(self, now_ns: int) -> int:
        """Return the tokens that are out, without touching the bucket: any thread may look."""
        return arb_rate_used(self.ptr, now_ns)

    def try_take(self, now_ns: int, is_urgent: bool = False) -> bool:
        """Take a token; urgent requests may use the reserve and pass a pause."""
        if not arb_rate_may(self.ptr, now_ns, is_urgent):
            return False
        arb_rate_take(self.ptr, now_ns)
        return True

    def wait_ns(self, now_ns: int, is_urgent: bool = False) -> int:
        """Return how long until `try_take` would succeed, nothing else being taken; 0: now."""
        return arb_rate_wait_ns(self.ptr, now_ns, is_urgent)

    def told(self, now_ns: int, limit: int, left: int, reset_ns: int = 0) -> None:
        """Heed what the venue said: its limit, the tokens left, and until when (0: not said)."""
        if limit > 0 and 0 <= left <= limit:
            arb_rate_told(self.ptr, now_ns, min(limit, ARB_RATE_LIMIT_MAX),
                          min(left, ARB_RATE_LIMIT_MAX), reset_ns)

    def pause(self, until_ns: int) -> None:
        """Hold back what is not urgent until then."""
        arb_rate_pause(self.ptr, until_ns)
