"""What a segment counts, as Python values: counters, queues and the table of hot threads."""

from libc.stdint cimport uint32_t
from libc.string cimport memset, strncpy

from arbitrage.core.alloc_meter import process_allocations
from arbitrage.core.clock cimport arb_mono_ns
from arbitrage.core.segment_layout cimport (
    ARB_CLOSE_REASON_COUNT,
    ARB_FRAME_STATUS_COUNT,
    ARB_LINES_MAX,
    ARB_RISK_REASON_COUNT,
    ARB_SECTION_ALLOCATIONS,
    ARB_SECTION_DETECTOR_COUNTERS,
    ARB_SECTION_FEED_COUNTERS,
    ARB_SECTION_GATEWAY_COUNTERS,
    ARB_SECTION_LINES,
    ARB_SECTION_ROWS,
    ARB_SECTION_STRATEGY_COUNTERS,
    ARB_SECTION_SYMBOLS,
    ARB_SECTION_THREADS,
    ARB_THREADS_MAX,
    ARB_VENUES_MAX,
    arb_allocations_t,
    arb_section_t,
    arb_segment_block,
    arb_thread_entry_t,
)
from arbitrage.core.symbols cimport arb_symbol_map_t


cdef dict counters_of(const arb_segment_t *segment, tuple venues):
    feed, gateway = {}, {}
    for venue, name in enumerate(venues):
        feed[name] = feed_counters(segment, venue)
        feed[name]["lines"] = line_counters(segment, venue)
        feed[name]["rows"] = row_counters(segment, venue)
        gateway[name] = read_counters(segment, ARB_SECTION_GATEWAY_COUNTERS, venue,
                                      arb_gateway_counter_names(), NULL, 0)
    detector = read_counters(segment, ARB_SECTION_DETECTOR_COUNTERS, 0,
                             arb_detector_counter_names(), "close_reasons", ARB_CLOSE_REASON_COUNT)
    strategy = read_counters(segment, ARB_SECTION_STRATEGY_COUNTERS, 0,
                             arb_strategy_counter_names(), "risk_reasons", ARB_RISK_REASON_COUNT)
    return {"feed": feed, "detector": detector, "strategy": strategy, "gateway": gateway}


cdef dict feed_counters(const arb_segment_t *segment, uint32_t venue):
    # one venue's counters of all lanes together
    cdef uint32_t lane
    total = {}
    for lane in range(segment.spec.lane_count):
        part = read_counters(segment, ARB_SECTION_FEED_COUNTERS, lane * ARB_VENUES_MAX + venue,
                             arb_feed_counter_names(), "by_status", ARB_FRAME_STATUS_COUNT)
        if lane == 0:
            total = part
            continue
        statuses = [a + b for a, b in zip(total["by_status"], part["by_status"])]
        total = {name: total[name] + value for name, value in part.items() if name != "by_status"}
        total["by_status"] = statuses
    return total


cdef list line_counters(const arb_segment_t *segment, uint32_t venue):
    # one venue's parallel connections by number, those that were ever open
    cdef uint32_t lane, block
    cdef int line
    found = []
    for line in range(ARB_LINES_MAX):
        total = {}
        for lane in range(segment.spec.lane_count):
            block = (lane * ARB_VENUES_MAX + venue) * ARB_LINES_MAX + line
            part = read_counters(segment, ARB_SECTION_LINES, block, arb_line_counter_names(),
                                 NULL, 0)
            total = {name: total.get(name, 0) + value for name, value in part.items()}
        if any(total.values()):
            found.append({"line": line, **total})
    return found


cdef dict row_counters(const arb_segment_t *segment, uint32_t venue):
    # one venue's symbols, a list a counter: by symbol, those that are in use
    cdef const arb_symbol_map_t *symbols = <const arb_symbol_map_t *>arb_segment_block(
        segment, ARB_SECTION_SYMBOLS, 0)
    cdef const uint64_t *words = <const uint64_t *>arb_segment_block(segment, ARB_SECTION_ROWS, 0)
    cdef const char *const *names = arb_row_counter_names()
    cdef uint32_t width = 0, index, name
    while names[width] != NULL:
        width += 1
    words += <uint64_t>venue * segment.spec.symbol_capacity * width
    return {
        names[name].decode(): [words[index * width + name] for index in range(symbols.symbol_count)]
        for name in range(width)
    }


cdef dict read_counters(const arb_segment_t *segment, arb_section_t section, uint32_t block,
                        const char *const *names, const char *tail_name, uint32_t tail_count):
    # a block is one word a name, then possibly an array of words: its tail
    cdef uint64_t *words = <uint64_t *>arb_segment_block(segment, section, block)
    cdef uint32_t count = 0, index
    counters = {}
    while names[count] != NULL:
        counters[names[count].decode()] = words[count]
        count += 1
    if tail_name != NULL:
        counters[tail_name.decode()] = [words[count + index] for index in range(tail_count)]
    return counters


cdef dict queues_of(const arb_segment_t *segment):
    cdef arb_queue_meter_t market
    cdef arb_queue_meter_t order
    arb_meter_ticks(segment, &market)
    arb_meter_orders(segment, &order)
    return {"market": dict(market), "order": dict(order)}


cdef list threads_of(const arb_segment_t *segment):
    cdef arb_thread_entry_t *entry
    cdef int index
    rows = []
    for index in range(ARB_THREADS_MAX):
        entry = thread_entry(segment, index)
        if entry.tid == 0:
            continue
        known = entry.allocations_known != 0
        rows.append({
            "role": entry.role.decode(),
            "tid": entry.tid,
            "core": None if entry.core < 0 else entry.core,
            "turns": entry.turns,
            "work": entry.work,
            "allocations_c": entry.allocations_c if known else None,
            "allocations_python": entry.allocations_python if known else None,
        })
    return rows


cdef int enter_thread(const arb_segment_t *segment, str role, int64_t tid, int core) except -1:
    cdef bytes name = role.encode("ascii", "replace")
    cdef arb_thread_entry_t *entry
    cdef int index
    for index in range(ARB_THREADS_MAX):
        entry = thread_entry(segment, index)
        if entry.tid == 0:
            memset(entry, 0, sizeof(arb_thread_entry_t))
            strncpy(entry.role, name, sizeof(entry.role) - 1)
            entry.core = core
            entry.started_mono_ns = arb_mono_ns()
            entry.tid = tid
            return index
    raise OSError(f"the thread table is full ({ARB_THREADS_MAX} threads)")


cdef void leave_thread(const arb_segment_t *segment, int place):
    thread_entry(segment, place).tid = 0


cdef arb_thread_entry_t *thread_entry(const arb_segment_t *segment, int place) noexcept:
    return <arb_thread_entry_t *>arb_segment_block(segment, ARB_SECTION_THREADS, place)


cdef object allocations_of(const arb_segment_t *segment):
    # of all processes that count together; None where none does
    cdef arb_allocations_t *entry
    cdef uint32_t place
    known, total = False, [0, 0, 0]
    for place in range(1 + segment.spec.lane_count):
        entry = <arb_allocations_t *>arb_segment_block(segment, ARB_SECTION_ALLOCATIONS, place)
        if entry.known:
            known = True
            total = [total[0] + entry.hot, total[1] + entry.warm, total[2] + entry.cold]
    return dict(zip(("hot", "warm", "cold"), total)) if known else None


cdef object put_allocations(const arb_segment_t *segment, uint32_t place):
    cdef arb_allocations_t *entry
    counted = process_allocations()
    if counted is None:
        return
    if place > segment.spec.lane_count:
        raise IndexError(f"place was {place}; there are {segment.spec.lane_count + 1}")
    entry = <arb_allocations_t *>arb_segment_block(segment, ARB_SECTION_ALLOCATIONS, place)
    entry.hot, entry.warm, entry.cold = counted
    entry.known = 1
