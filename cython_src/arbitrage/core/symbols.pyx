"""Symbol map: (venue, venue symbol) to row and back; the Python face of symbol_map.h."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport free

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t size)

__all__ = ["SymbolMap"]

cdef tuple VENUES = ("bybit", "okx")


cdef int venue_index(object venue) except -1:
    if isinstance(venue, str):
        if venue in VENUES:
            return VENUES.index(venue)
    elif isinstance(venue, int) and 0 <= venue < ARB_VENUE_COUNT:
        return venue
    raise ValueError(f"venue was {venue!r}; accepted are {', '.join(VENUES)}")


cdef bytes name_bytes(object name, str what):
    if not isinstance(name, str):
        raise TypeError(f"{what} was {type(name).__name__}; str is needed")
    cdef bytes text = name.encode()
    if not 1 <= len(text) <= ARB_NAME_BYTES_MAX or 0 in text:
        raise ValueError(f"{what} was {name!r}; 1 to {ARB_NAME_BYTES_MAX} bytes are accepted")
    return text


cdef class SymbolMap:
    """Map each venue's symbols to dense rows and canonical symbols.

    Threads     add before other threads look; look-ups from anywhere, wait-free in C.
    Parameters  capacity: canonical symbols there is room for, 1 to 2048.
                row = venue * capacity + symbol index.
    Errors      ValueError: capacity, names, duplicates, full; KeyError: unknown symbol.
    Example     symbols = SymbolMap(16); symbols.add("BTCUSDT", {"bybit": "BTCUSDT"})
                symbols.row("bybit", "BTCUSDT")
    """

    def __cinit__(self) -> None:
        self.ptr = NULL
        self.memory = NULL

    def __init__(self, capacity: int) -> None:
        if self.ptr != NULL:
            raise ValueError("this SymbolMap is already in use; make another one")
        if not 1 <= capacity <= ARB_SYMBOLS_MAX:
            raise ValueError(
                f"capacity was {capacity}; 1 to {ARB_SYMBOLS_MAX} symbols are accepted")
        self.memory = aligned_alloc(128, arb_symbol_map_bytes(capacity))
        if self.memory == NULL:
            raise MemoryError(f"no memory for a map of {capacity} symbols")
        self.ptr = <arb_symbol_map_t *>self.memory
        self.writable = True
        arb_symbol_map_init(self.ptr, capacity)

    def __dealloc__(self) -> None:
        free(self.memory)

    @property
    def capacity(self) -> int:
        """Canonical symbols there is room for."""
        return self.ptr.capacity

    def __len__(self) -> int:
        return self.ptr.symbol_count

    def __iter__(self):
        return iter([self.name(index) for index in range(self.ptr.symbol_count)])

    def __contains__(self, canonical: object) -> bool:
        return canonical in list(self)

    def __repr__(self) -> str:
        names = ", ".join(self)
        return f"SymbolMap({self.ptr.symbol_count} of {self.ptr.capacity} symbols: {names})"

    def add(self, canonical: str, venue_symbols: dict[str, str]) -> int:
        """Add a canonical symbol with its name at each venue that lists it; return its index."""
        cdef uint32_t index = self.ptr.symbol_count
        cdef bytes text = name_bytes(canonical, "canonical symbol")
        if not self.writable:
            raise ValueError("this SymbolMap is read-only: it belongs to another process or owner")
        if canonical in self:
            raise ValueError(f"symbol {canonical!r} is already in the map")
        if index == self.ptr.capacity:
            raise ValueError(
                f"the map is full: {self.ptr.capacity} symbols; {canonical!r} was not added")
        names = []
        for venue, symbol in venue_symbols.items():
            venue_id = venue_index(venue)
            name = name_bytes(symbol, f"symbol of {VENUES[venue_id]}")
            if self.find(venue_id, name) != ARB_ROW_NONE:
                raise ValueError(f"{VENUES[venue_id]} symbol {symbol!r} is already in the map")
            if any(venue_id == other for other, _ in names):
                raise ValueError(f"venue {VENUES[venue_id]} was named twice for {canonical!r}")
            names.append((venue_id, name))
        if arb_symbol_map_add(
            self.ptr, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &index
        ) != ARB_SYMBOL_OK:
            raise ValueError(f"symbol {canonical!r} could not be added")
        for venue_id, name in names:
            self.insert(venue_id, name, index)
        return index

    cdef int insert(self, uint32_t venue, bytes name, uint32_t index) except -1:
        if arb_symbol_map_insert(
            self.ptr, venue, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
            venue * self.ptr.capacity + index,
        ) != ARB_SYMBOL_OK:
            raise ValueError(f"symbol {name.decode()!r} could not be added")
        return 0

    cdef uint32_t find(self, uint32_t venue, bytes name) noexcept:
        return arb_symbol_map_find(self.ptr, venue, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))

    cdef str name(self, uint32_t index):
        cdef arb_symbol_name_t *held = arb_symbol_canonical(self.ptr, index)
        return held.text[:held.bytes].decode()

    def row(self, venue: str | int, venue_symbol: str | bytes) -> int:
        """Return the row of a venue's symbol; KeyError when it is not held."""
        cdef int venue_id = venue_index(venue)
        cdef bytes name = venue_symbol if isinstance(venue_symbol, bytes) else venue_symbol.encode()
        cdef uint32_t row = self.find(venue_id, name)
        if row == ARB_ROW_NONE:
            raise KeyError(
                f"{VENUES[venue_id]} symbol {name.decode(errors='replace')!r} is not in the map")
        return row

    def index(self, canonical: str) -> int:
        """Return the index of a canonical symbol; KeyError when it is not held."""
        for index, name in enumerate(self):
            if name == canonical:
                return index
        raise KeyError(f"symbol {canonical!r} is not in the map")

    def canonical(self, row: int) -> str:
        """Return the canonical symbol of a row; KeyError when the row is not in use."""
        if not 0 <= row < self.ptr.capacity * ARB_VENUE_COUNT:
            raise KeyError(f"row {row} is outside the map of {self.ptr.capacity} symbols a venue")
        index = row % self.ptr.capacity
        if index >= self.ptr.symbol_count:
            raise KeyError(f"row {row} is not in use")
        return self.name(index)

    def venue_symbol(self, venue: str | int, index: int) -> str:
        """Return a venue's own name of the symbol with this index; KeyError when it lists none."""
        cdef uint32_t venue_id = venue_index(venue)
        if not 0 <= index < self.ptr.symbol_count:
            raise KeyError(f"symbol index {index} is not in use")
        cdef arb_symbol_name_t *held = arb_symbol_venue_name(
            self.ptr, venue_id * self.ptr.capacity + <uint32_t>index)
        if held.bytes == 0:
            raise KeyError(f"{VENUES[venue_id]} does not list {self.name(index)}")
        return held.text[:held.bytes].decode()


cdef SymbolMap SymbolMap_wrap(arb_symbol_map_t *ptr, object owner, bint writable=False):
    cdef SymbolMap symbols = SymbolMap.__new__(SymbolMap)
    symbols.ptr = ptr
    symbols.owner = owner
    symbols.writable = writable
    return symbols
