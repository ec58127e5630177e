"""The journal's C functions and their owner. The strategy appends through `handle` directly."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from arbitrage.core.journal_parts cimport part_t

cdef extern from "journal.h" nogil:
    enum:
        ARB_JOURNAL_VERSION
        ARB_JOURNAL_HEADER_BYTES
        ARB_JOURNAL_RECORD_BYTES
        ARB_JOURNAL_PAYLOAD_BYTES
        ARB_JOURNAL_RUN
        ARB_JOURNAL_INTENT
        ARB_JOURNAL_EXEC
        ARB_JOURNAL_PAIR
        ARB_JOURNAL_KILL
        ARB_JOURNAL_CONTRACT
        ARB_JOURNAL_FILL
        ARB_JOURNAL_FUNDING
        ARB_JOURNAL_POSITION
        ARB_JOURNAL_TYPE_COUNT
    ctypedef enum arb_journal_type_t:
        pass
    uint64_t ARB_JOURNAL_MAGIC

    ctypedef struct arb_journal_header_t:
        uint64_t magic
        uint32_t version
        uint32_t record_bytes
        uint64_t capacity  # records
        uint64_t first_sequence
        int64_t created_wall_ns
        uint32_t run
        uint32_t part  # from 0

    ctypedef struct arb_journal_record_t:
        uint64_t checksum
        uint64_t sequence  # from 1 in a run
        int64_t wall_ns
        int64_t mono_ns
        uint32_t run
        uint16_t type
        uint16_t payload_bytes
        unsigned char *payload

    ctypedef struct arb_journal_run_t:
        int64_t started_wall_ns
        int64_t started_mono_ns
        int64_t pid

    ctypedef int (*arb_journal_flush_t)(const arb_journal_record_t *record) noexcept nogil

    ctypedef struct arb_journal_t:
        arb_journal_record_t *records  # NULL: closed
        uint64_t capacity  # of the part that fills
        uint64_t base  # records in the parts before it
        uint64_t count  # records in all parts
        uint64_t refused
        uint32_t run
        int64_t wall_offset_ns  # wall - mono
        arb_journal_flush_t flush  # NULL: no record is waited for

    bint arb_journal_append(arb_journal_t *journal, int type, const void *payload,
                            uint32_t payload_bytes, int64_t now_mono_ns) noexcept
    bint arb_journal_record_valid(const arb_journal_record_t *record, uint32_t run,
                                  uint64_t sequence) noexcept
    uint64_t arb_journal_valid_count(const arb_journal_record_t *records, uint64_t capacity,
                                     uint32_t run, uint64_t first_sequence) noexcept
    uint64_t arb_journal_room(const arb_journal_t *journal) noexcept
    bint arb_journal_wants_part(const arb_journal_t *journal) noexcept
    void arb_journal_offer(arb_journal_t *journal, arb_journal_record_t *records,
                           uint64_t capacity) noexcept


cdef class Journal:
    cdef arb_journal_t handle  # the strategy thread's while it runs
    cdef part_t filling        # or the one that is read
    cdef part_t spare          # offered to the strategy
    cdef readonly str path
    cdef str spare_path
    cdef readonly bint read_only
    cdef object memory         # of a private one: both parts, one behind the other
    cdef arb_journal_header_t header(self) noexcept
