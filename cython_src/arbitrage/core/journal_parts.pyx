"""The files that a journal consists of: made whole before they get their name, mapped, let go."""

import errno
import os

from libc.string cimport memcpy, memset
from posix.mman cimport (
    MADV_DONTNEED, MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, madvise, mmap, munmap,
)
from posix.unistd cimport _SC_PAGESIZE, sysconf

from arbitrage.core.clock cimport arb_wall_ns
from arbitrage.core.journal cimport (
    ARB_JOURNAL_HEADER_BYTES, ARB_JOURNAL_MAGIC, ARB_JOURNAL_RECORD_BYTES, ARB_JOURNAL_VERSION,
    arb_journal_header_t,
)

cdef extern from *:
    """
    #include <stdint.h>
    /* Write what is there: atomic, so that nothing of an appender's is lost. */
    static void arb_rewrite_word(char *place)
    {
        uint64_t *word = (uint64_t *)(void *)place;
        uint64_t held = __atomic_load_n(word, __ATOMIC_RELAXED);
        __atomic_compare_exchange_n(word, &held, held, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    """
    void arb_rewrite_word(char *place) nogil

cdef enum:
    WRITABLE_PAGES = 8  # the present one and those behind it: 256 records
    LINE_BYTES = 64


cdef void keep_writable(part_t *part, uint64_t index) noexcept nogil:
    """Let the appends from record `index` on meet pages that may be written at once.

    The kernel makes a page read-only when it has written it to the disk, some 30 s after its last
    change or with a sync, and the next write to it is a fault, which may even wait for the file
    system. Here the cold thread takes it instead. It writes the last line of each page, the one
    that an append comes to last.
    """
    cdef size_t page = ARB_JOURNAL_HEADER_BYTES  # the header has a page of its own
    cdef size_t place = ARB_JOURNAL_HEADER_BYTES + index * ARB_JOURNAL_RECORD_BYTES
    cdef int _each
    place -= place % page
    for _each in range(WRITABLE_PAGES):
        if place + page > part.mapping_bytes:
            return
        arb_rewrite_word(part.mapping + place + page - LINE_BYTES)
        place += page


cdef enum:
    # Of a part so much is resident: some 4,000 records, the present one among them. Who appends
    # more between two looks of the cold thread meets page faults, and loses nothing.
    READY_BYTES = 1 << 19

cdef size_t page_bytes = sysconf(_SC_PAGESIZE)


cdef void ready_part(part_t *part, size_t written_bytes) noexcept nogil:
    """Touch the pages that are written next; let the kernel have those that are full.

    Any thread, while another one appends.
    """
    cdef size_t end = min(written_bytes + READY_BYTES, part.mapping_bytes)
    cdef size_t begin = written_bytes & ~(page_bytes - 1)
    while part.ready_end < end:
        arb_rewrite_word(part.mapping + part.ready_end)
        part.ready_end += page_bytes
    if begin >= part.ready_begin + READY_BYTES:
        # what they hold is the file's: nothing is lost, and who reads it finds it
        madvise(part.mapping + part.ready_begin, begin - part.ready_begin, MADV_DONTNEED)
        part.ready_begin = begin


cdef void unmap_part(part_t *part) noexcept:
    if part.mapping != NULL:
        munmap(part.mapping, part.mapping_bytes)
        part.mapping = NULL


cdef int map_part(part_t *part, int file, size_t byte_count, bint writable) except -1:
    cdef int protection = PROT_READ | PROT_WRITE if writable else PROT_READ
    cdef void *mapping = mmap(NULL, byte_count, protection, MAP_SHARED, file, 0)
    if mapping == MAP_FAILED:
        raise OSError(f"a journal of {byte_count} bytes could not be mapped into memory")
    part.mapping = <char *>mapping
    part.mapping_bytes = byte_count
    part.ready_begin = part.ready_end = 0
    return 0


cdef int make_part(part_t *part, str path, uint64_t capacity, uint32_t run,
                   uint64_t first_sequence, uint32_t number) except -1:
    """Create, reserve and map one part, touch its begin; nothing is left of it when that fails.

    It gets its name last: a process killed meanwhile leaves no file that is no journal.
    """
    cdef arb_journal_header_t header
    cdef part_t made
    byte_count = ARB_JOURNAL_HEADER_BYTES + capacity * ARB_JOURNAL_RECORD_BYTES
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    unfinished = path + ".new"
    file = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # blocks are reserved now, so that a full disk is an error here and no bus error later
        os.posix_fallocate(file, 0, byte_count)
        map_part(&made, file, byte_count, True)
    except BaseException:
        os.unlink(unfinished)
        raise
    finally:
        os.close(file)
    ready_part(&made, 0)
    memset(&header, 0, sizeof(header))
    header.magic = ARB_JOURNAL_MAGIC
    header.version = ARB_JOURNAL_VERSION
    header.record_bytes = ARB_JOURNAL_RECORD_BYTES
    header.capacity = capacity
    header.first_sequence = first_sequence
    header.created_wall_ns = arb_wall_ns()
    header.run = run
    header.part = number
    memcpy(made.mapping, &header, sizeof(header))
    os.rename(unfinished, path)
    part[0] = made
    sync_folder(path)
    return 0


def sync_folder(str path) -> None:
    """Bring a new file's name to the disk."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
