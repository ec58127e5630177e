"""Journal: what the trader meant to do and what came of it, in files that outlive the process."""

import os
from collections import namedtuple

from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcpy
from posix.mman cimport MS_SYNC, msync
from posix.unistd cimport _SC_PAGESIZE, sysconf

from arbitrage.core.clock cimport arb_mono_ns, arb_wall_ns
from arbitrage.core.journal_parts cimport (
    keep_writable, make_part, map_part, part_t, ready_part, unmap_part,
)
from arbitrage.core.memory cimport AlignedMemory

TYPE_NAMES = ("EMPTY", "RUN", "INTENT", "EXEC", "PAIR", "KILL", "CONTRACT", "FILL", "FUNDING",
              "POSITION", "ADOPTED", "TAKEN")
CAPACITY_MAX = 1 << 26
HEADER_BYTES, RECORD_BYTES = ARB_JOURNAL_HEADER_BYTES, ARB_JOURNAL_RECORD_BYTES

JournalRecord = namedtuple("JournalRecord", "sequence wall_ns mono_ns run type payload")
JournalReport = namedtuple("JournalReport", "valid torn stray")

cdef size_t page_bytes = sysconf(_SC_PAGESIZE)


cdef int flush_record(const arb_journal_record_t *record) noexcept nogil:
    cdef uintptr_t page = <uintptr_t>record & ~<uintptr_t>(page_bytes - 1)
    return msync(<void *>page, page_bytes, MS_SYNC)


cdef object as_record(const arb_journal_record_t *record):
    size = min(record.payload_bytes, ARB_JOURNAL_PAYLOAD_BYTES)
    name = TYPE_NAMES[record.type] if record.type < ARB_JOURNAL_TYPE_COUNT else "UNKNOWN"
    # a journal is read by the million: without the call of the tuple's own __new__
    return tuple.__new__(JournalRecord, (record.sequence, record.wall_ns, record.mono_ns,
                                         record.run, name, (<const char *>record.payload)[:size]))


def whole_records(block: bytes, run: int, sequence: int) -> list[JournalRecord]:
    """Return the records that a piece of a journal's file begins with, up to the first not whole.

    Who follows a journal that is written reads its file: of one that its writer closes, and cuts
    to what it holds, a mapping must not be touched behind the cut.

    Parameters
    ----------
    block : bytes
        From the beginning of a record on.
    run : int
        Run number of the journal.
    sequence : int
        Of the first record.
    """
    cdef arb_journal_record_t record
    cdef const char *data = block
    found = []
    for place in range(len(block) // ARB_JOURNAL_RECORD_BYTES):
        memcpy(&record, data + <uint64_t>place * ARB_JOURNAL_RECORD_BYTES, sizeof(record))
        if not arb_journal_record_valid(&record, run, sequence + place):
            break
        found.append(as_record(&record))
    return found


cdef class Journal:
    """Append fixed records to memory-mapped files, pages touched ahead; read one after a crash.

    A run's journal is a chain of parts, each a file. Where :meth:`tend` is called now and then the
    chain grows as it fills; else it ends with its first part.

    Threads: one appender (the strategy; :meth:`append` is for tests and before the threads start);
    one cold thread for :meth:`tend` and :meth:`sync`. Any thread or process may open a part
    read-only meanwhile. Appending costs no system call, unless made `durable`.
    Make one with :meth:`create` or :meth:`open_readonly`.

    Examples
    --------
    >>> journal = Journal.create("/tmp/orders-7-0000.journal", 1024, run=7)
    >>> journal.verify().valid
    1
    """

    def __cinit__(self):
        self.filling.mapping = self.spare.mapping = NULL

    def __init__(self) -> None:
        raise TypeError("use Journal.create(path, capacity_records, run) or Journal.open_readonly")

    def __dealloc__(self):
        unmap_part(&self.filling)
        unmap_part(&self.spare)

    @staticmethod
    def create(
        path: str | os.PathLike[str], capacity_records: int, run: int, *, durable: bool = False
    ) -> Journal:
        """Create the first part of a run's journal and write its RUN record.

        Parameters
        ----------
        path : path
            Must not exist; the file gets mode 0600 and its full size at once.
        capacity_records : int
            Records of 128 bytes in each part.
        run : int
            Run number of the client ids, 28 bits.
        durable : bool
            Each intent is on the disk before its append returns: one disk write an order.
        """
        if not 1 <= capacity_records <= CAPACITY_MAX:
            raise ValueError(f"capacity_records was {capacity_records}; accepted values are 1 to "
                             f"{CAPACITY_MAX}")
        if not 0 <= run < 1 << 28:
            raise ValueError(f"run was {run}; accepted values are 0 to {(1 << 28) - 1}")
        cdef Journal self = Journal.__new__(Journal)
        cdef arb_journal_run_t started
        self.path = os.fspath(path)
        make_part(&self.filling, self.path, capacity_records, run, 1, 0)
        self.handle.records = part_records(&self.filling)
        self.handle.capacity = capacity_records
        self.handle.run = run
        if durable:
            self.handle.flush = flush_record
        self.refresh_wall_offset()
        started.started_wall_ns = self.header().created_wall_ns
        started.started_mono_ns = arb_mono_ns()
        started.pid = os.getpid()
        arb_journal_append(&self.handle, ARB_JOURNAL_RUN, &started, sizeof(started),
                           started.started_mono_ns)
        return self

    @staticmethod
    def private(capacity_records: int, run: int) -> Journal:
        """Make a journal in this process's own memory, without a file (backtests).

        It has two parts of `capacity_records`; who drives it offers them again in turn.
        """
        cdef Journal self = Journal.__new__(Journal)
        cdef uint64_t capacity = capacity_records
        cdef AlignedMemory memory = AlignedMemory(2 * capacity * ARB_JOURNAL_RECORD_BYTES)
        self.memory, self.path = memory, "private"
        self.handle.records = <arb_journal_record_t *>memory.ptr
        self.handle.capacity = capacity
        self.handle.run = run
        arb_journal_offer(&self.handle, self.handle.records + capacity, capacity)
        return self

    @staticmethod
    def open_readonly(path: str | os.PathLike[str]) -> Journal:
        """Map one part of an existing journal for reading.

        Raises
        ------
        ValueError
            When the file is no journal of this version, or shorter than it says.
        """
        cdef Journal self = Journal.__new__(Journal)
        cdef arb_journal_header_t header
        self.read_only = True
        self.path = os.fspath(path)
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            byte_count = os.fstat(file).st_size
            if byte_count < ARB_JOURNAL_HEADER_BYTES:
                raise ValueError(f"{self.path} is no journal: it has only {byte_count} bytes")
            map_part(&self.filling, file, byte_count, False)
        finally:
            os.close(file)
        header = self.header()
        if header.magic != ARB_JOURNAL_MAGIC or header.record_bytes != ARB_JOURNAL_RECORD_BYTES:
            raise ValueError(f"{self.path} is no journal: its first bytes are not a journal's")
        if header.version != ARB_JOURNAL_VERSION:
            raise ValueError(f"{self.path} is a journal of version {header.version}; this program "
                             f"reads version {ARB_JOURNAL_VERSION}: see with the program that "
                             "wrote it that nothing of it is open, then move it away")
        self.handle.records = part_records(&self.filling)
        held = (byte_count - ARB_JOURNAL_HEADER_BYTES) // ARB_JOURNAL_RECORD_BYTES
        self.handle.capacity = min(<uint64_t>header.capacity, <uint64_t>held)
        self.handle.base = header.first_sequence - 1
        self.handle.run = header.run
        return self

    cdef arb_journal_header_t header(self) noexcept:
        cdef arb_journal_header_t header
        memcpy(&header, self.filling.mapping, sizeof(header))
        return header

    @property
    def capacity(self) -> int:
        """Records that this part has room for."""
        return self.handle.capacity

    @property
    def room(self) -> int:
        """Records that can surely be appended now."""
        return arb_journal_room(&self.handle)

    @property
    def count(self) -> int:
        """Records of the run that the parts up to this one hold whole."""
        if self.read_only:
            return self.handle.base + len(self)
        return self.handle.count

    @property
    def first_sequence(self) -> int:
        """Sequence of this part's first record; 1 for a run's first part."""
        return self.header().first_sequence if self.filling.mapping != NULL else 0

    @property
    def part(self) -> int:
        """Which part of the run's journal this is, from 0."""
        return self.header().part if self.filling.mapping != NULL else 0

    @property
    def created_wall_ns(self) -> int:
        """When this part was made, UTC epoch."""
        return self.header().created_wall_ns if self.filling.mapping != NULL else 0

    @property
    def refused(self) -> int:
        """Appends that did not reach the journal, or not the disk where that is asked for."""
        return self.handle.refused

    @property
    def run(self) -> int:
        """Run number of the client ids."""
        return self.handle.run

    def refresh_wall_offset(self) -> None:
        """Follow changes of the wall clock; call it every few seconds. Any thread."""
        self.handle.wall_offset_ns = arb_wall_ns() - arb_mono_ns()

    @property
    def wall_offset_ns(self) -> int:
        """UTC epoch of the zero of the clock that records are stamped with."""
        return self.handle.wall_offset_ns

    @wall_offset_ns.setter
    def wall_offset_ns(self, offset_ns: int) -> None:
        self.handle.wall_offset_ns = offset_ns

    def append(self, type: int, payload: bytes, now_mono_ns: int | None = None) -> bool:
        """Append one record; False when there is no room. Only while no strategy thread does."""
        self._check_open()
        if not 0 < type < ARB_JOURNAL_TYPE_COUNT:
            raise ValueError(f"type was {type}; accepted values are 1 to "
                             f"{ARB_JOURNAL_TYPE_COUNT - 1}")
        if len(payload) > ARB_JOURNAL_PAYLOAD_BYTES:
            raise ValueError(f"payload had {len(payload)} bytes; at most "
                             f"{ARB_JOURNAL_PAYLOAD_BYTES} fit a record")
        now = arb_mono_ns() if now_mono_ns is None else now_mono_ns
        return arb_journal_append(&self.handle, type, <const char *>payload, len(payload), now)

    def tend(self, path_of_part) -> bool:
        """Let go of a part that is full; have the next one ready when the present is half full.

        Of the present part the pages that come next are made ready, and full ones given back; what
        will be appended next is kept writable, so that an append is no page fault.
        Cold thread only. Call it often enough that half a part cannot fill in between.

        Parameters
        ----------
        path_of_part : callable
            Takes a part's number, returns where its file is to lie.

        Returns
        -------
        bool
            Whether a part was made.

        Raises
        ------
        OSError
            The next file cannot be made: no room, no right. The present part goes on.
        """
        cdef arb_journal_header_t header
        cdef uint64_t appended
        self._check_open()
        if self.spare.mapping != NULL and arb_journal_wants_part(&self.handle):
            unmap_part(&self.filling)
            self.filling = self.spare
            self.path = self.spare_path
            self.spare.mapping = NULL
        appended = self.handle.count - self.handle.base
        with nogil:
            # else the appender has just gone on to the next part
            if self.filling.mapping != NULL and appended <= self.handle.capacity:
                ready_part(&self.filling,
                           ARB_JOURNAL_HEADER_BYTES + appended * ARB_JOURNAL_RECORD_BYTES)
                keep_writable(&self.filling, appended)
            if self.spare.mapping != NULL:
                keep_writable(&self.spare, 0)
        if self.spare.mapping != NULL or 2 * appended < self.handle.capacity:
            return False
        header = self.header()
        path = os.fspath(path_of_part(header.part + 1))
        make_part(&self.spare, path, header.capacity, header.run,
                  header.first_sequence + header.capacity, header.part + 1)
        self.spare_path = path
        arb_journal_offer(&self.handle, part_records(&self.spare), header.capacity)
        return True

    def sync(self) -> None:
        """Write the pages to the disk and wait for it. For the cold thread; releases the GIL."""
        self._check_open()
        cdef int failed
        with nogil:
            failed = msync(self.filling.mapping, self.filling.mapping_bytes, MS_SYNC)
            if self.spare.mapping != NULL:
                failed |= msync(self.spare.mapping, self.spare.mapping_bytes, MS_SYNC)
        if failed:
            raise OSError(f"{self.path} could not be written to its disk")

    def close(self) -> None:
        """Unmap the files; cut the last to the records it holds; later appends are refused.

        No strategy thread may use it any more, and no thread tends it.
        """
        if self.filling.mapping == NULL:
            return
        if self.spare.mapping != NULL and arb_journal_wants_part(&self.handle):
            unmap_part(&self.filling)
            self.filling, self.path, self.spare.mapping = self.spare, self.spare_path, NULL
        held = self.handle.count - self.handle.base
        self.handle.records = NULL
        self.handle.capacity = 0
        unmap_part(&self.filling)
        if self.read_only:
            return
        os.truncate(self.path, ARB_JOURNAL_HEADER_BYTES + held * ARB_JOURNAL_RECORD_BYTES)
        if self.spare.mapping != NULL:
            unmap_part(&self.spare)
            os.unlink(self.spare_path)

    def __iter__(self):
        """Yield this part's valid records in order; ends at the first that is not whole."""
        for index in range(len(self)):
            yield self[index]

    def __len__(self) -> int:
        self._check_open()
        return arb_journal_valid_count(self.handle.records, self.handle.capacity, self.handle.run,
                                       self.handle.base + 1)

    def __getitem__(self, index: int) -> JournalRecord:
        """Return one record, valid or not, by its place from 0."""
        self._check_open()
        if not 0 <= index < self.handle.capacity:
            raise IndexError(f"index was {index}; this journal has {self.handle.capacity} places")
        return as_record(self.handle.records + <uint64_t>index)

    def verify(self) -> JournalReport:
        """Check every record of this part.

        Returns
        -------
        JournalReport
            `valid`: records up to the part's end; `torn`: the record at the end is there but
            not whole; `stray`: whole records behind the end, which a healthy file never has.
        """
        self._check_open()
        cdef arb_journal_record_t *records = self.handle.records
        cdef uint64_t capacity = self.handle.capacity, index, valid, stray
        cdef uint64_t first = self.handle.base + 1
        cdef char *end
        while True:
            valid = arb_journal_valid_count(records, capacity, self.handle.run, first)
            stray = 0
            with nogil:
                for index in range(valid + 1, capacity):
                    stray += arb_journal_record_valid(records + index, self.handle.run,
                                                      first + index)
            # a writer may have gone on meanwhile: then the end that we saw is none any more
            if stray == 0 or not arb_journal_record_valid(records + valid, self.handle.run,
                                                          first + valid):
                break
        torn = False
        if valid < capacity:
            end = <char *>(records + valid)
            torn = any(end[:ARB_JOURNAL_RECORD_BYTES])
        return JournalReport(valid, torn, stray)

    def _check_open(self) -> None:
        if self.filling.mapping == NULL:
            raise ValueError(f"the journal {self.path} is closed")

    def __repr__(self) -> str:
        return f"Journal({self.path!r}, run={self.run}, {self.count} records)"


cdef arb_journal_record_t *part_records(part_t *part) noexcept:
    return <arb_journal_record_t *>(part.mapping + ARB_JOURNAL_HEADER_BYTES)
