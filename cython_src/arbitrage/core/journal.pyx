"""Journal: what the trader meant to do and what came of it, in a file that outlives the process."""

import os
from collections import namedtuple

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset
from posix.mman cimport (
    MAP_FAILED, MAP_SHARED, MS_SYNC, PROT_READ, PROT_WRITE, mmap, msync, munmap,
)

from arbitrage.core.messages import Execution, Order

cdef extern from "clock.h" nogil:
    int64_t arb_mono_ns() noexcept
    int64_t arb_wall_ns() noexcept

TYPE_NAMES = ("EMPTY", "RUN", "INTENT", "EXEC", "PAIR", "KILL")
_TERMINAL = (2, 4)  # ARB_EXEC_REJECT, ARB_EXEC_DONE

JournalRecord = namedtuple("JournalRecord", "sequence wall_ns mono_ns run type payload")
JournalReport = namedtuple("JournalReport", "valid torn stray")
OpenIntent = namedtuple("OpenIntent", "order wall_ns filled_lots timed_out")


cdef class Journal:
    """Append fixed records to a memory-mapped, pre-faulted file; read them back after a crash.

    Threads: one appender (the strategy; :meth:`append` is for tests and before the threads start).
    Any thread or process may open the file read-only meanwhile. Appending costs no system call.
    Make one with :meth:`create` or :meth:`open_readonly`.

    Examples
    --------
    >>> journal = Journal.create("/tmp/orders-7.journal", 1024, run=7)
    >>> journal.verify().valid
    1
    """

    def __init__(self) -> None:
        raise TypeError("use Journal.create(path, capacity_records, run) or Journal.open_readonly")

    def __dealloc__(self):
        if self.mapping != NULL:
            munmap(self.mapping, self.mapping_bytes)

    @staticmethod
    def create(path: str | os.PathLike[str], capacity_records: int, run: int) -> Journal:
        """Create a journal of a run and write its RUN record.

        Parameters
        ----------
        path : path
            Must not exist; the file gets mode 0600 and its full size at once.
        capacity_records : int
            Records of 128 bytes; when they are used up no order may leave.
        run : int
            Run number of the client ids, 28 bits.
        """
        if not 1 <= capacity_records <= 1 << 26:
            raise ValueError(f"capacity_records was {capacity_records}; accepted values are 1 to "
                             f"{1 << 26}")
        if not 0 <= run < 1 << 28:
            raise ValueError(f"run was {run}; accepted values are 0 to {(1 << 28) - 1}")
        cdef Journal self = Journal.__new__(Journal)
        cdef arb_journal_header_t header
        cdef arb_journal_run_t started
        byte_count = ARB_JOURNAL_HEADER_BYTES + capacity_records * ARB_JOURNAL_RECORD_BYTES
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # blocks are reserved now, so that a full disk is an error here and no bus error later
            os.posix_fallocate(file, 0, byte_count)
            _map(self, file, byte_count, True)
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(file)
        self.path = os.fspath(path)
        memset(self.mapping, 0, self.mapping_bytes)  # touches every page: no fault while trading
        memset(&header, 0, sizeof(header))
        header.magic = ARB_JOURNAL_MAGIC
        header.version = ARB_JOURNAL_VERSION
        header.record_bytes = ARB_JOURNAL_RECORD_BYTES
        header.capacity = capacity_records
        header.created_wall_ns = arb_wall_ns()
        header.run = run
        memcpy(self.mapping, &header, sizeof(header))
        self.handle.records = <arb_journal_record_t *>(self.mapping + ARB_JOURNAL_HEADER_BYTES)
        self.handle.capacity = capacity_records
        self.handle.run = run
        self.refresh_wall_offset()
        started.started_wall_ns = header.created_wall_ns
        started.started_mono_ns = arb_mono_ns()
        started.pid = os.getpid()
        arb_journal_append(&self.handle, ARB_JOURNAL_RUN, &started, sizeof(started),
                           started.started_mono_ns)
        return self

    @staticmethod
    def open_readonly(path: str | os.PathLike[str]) -> Journal:
        """Map an existing journal for reading.

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
            _map(self, file, byte_count, False)
        finally:
            os.close(file)
        header = self.header()
        if header.magic != ARB_JOURNAL_MAGIC or header.record_bytes != ARB_JOURNAL_RECORD_BYTES:
            raise ValueError(f"{self.path} is no journal: its first bytes are not a journal's")
        if header.version != ARB_JOURNAL_VERSION:
            raise ValueError(f"{self.path} is a journal of version {header.version}; this program "
                             f"reads version {ARB_JOURNAL_VERSION}")
        self.handle.records = <arb_journal_record_t *>(self.mapping + ARB_JOURNAL_HEADER_BYTES)
        held = (byte_count - ARB_JOURNAL_HEADER_BYTES) // ARB_JOURNAL_RECORD_BYTES
        self.handle.capacity = min(<uint64_t>header.capacity, <uint64_t>held)
        self.handle.run = header.run
        self.handle.count = self.handle.capacity  # nothing may be appended
        return self

    cdef arb_journal_header_t header(self) noexcept:
        cdef arb_journal_header_t header
        memcpy(&header, self.mapping, sizeof(header))
        return header

    @property
    def capacity(self) -> int:
        """Records the file has room for."""
        return self.handle.capacity

    @property
    def count(self) -> int:
        """Records appended by this object, or held whole by a file opened for reading."""
        if self.read_only:
            return arb_journal_valid_count(self.handle.records, self.handle.capacity,
                                           self.handle.run)
        return self.handle.count

    @property
    def refused(self) -> int:
        """Appends refused because the file was full."""
        return self.handle.refused

    @property
    def run(self) -> int:
        """Run number of the client ids."""
        return self.handle.run

    def refresh_wall_offset(self) -> None:
        """Follow changes of the wall clock; call it every few seconds. Any thread."""
        self.handle.wall_offset_ns = arb_wall_ns() - arb_mono_ns()

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

    def sync(self) -> None:
        """Write the pages to the disk and wait for it. For a cold thread; releases the GIL."""
        self._check_open()
        cdef int failed
        with nogil:
            failed = msync(self.mapping, self.mapping_bytes, MS_SYNC)
        if failed:
            raise OSError(f"{self.path} could not be written to its disk")

    def close(self) -> None:
        """Unmap the file and cut it to the records it holds; later appends are refused.

        No strategy thread may use it any more.
        """
        if self.mapping == NULL:
            return
        held = ARB_JOURNAL_HEADER_BYTES + self.handle.count * ARB_JOURNAL_RECORD_BYTES
        self.handle.records = NULL
        self.handle.capacity = 0
        munmap(self.mapping, self.mapping_bytes)
        self.mapping = NULL
        if not self.read_only:
            os.truncate(self.path, held)

    def __iter__(self):
        """Yield the valid records in order; ends at the first that is not whole."""
        for index in range(self.count):
            yield self[index]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> JournalRecord:
        """Return one record, valid or not, by its place from 0."""
        self._check_open()
        if not 0 <= index < self.handle.capacity:
            raise IndexError(f"index was {index}; this journal has {self.handle.capacity} places")
        cdef arb_journal_record_t *record = self.handle.records + <uint64_t>index
        size = min(record.payload_bytes, ARB_JOURNAL_PAYLOAD_BYTES)
        name = TYPE_NAMES[record.type] if record.type < ARB_JOURNAL_TYPE_COUNT else "UNKNOWN"
        return JournalRecord(record.sequence, record.wall_ns, record.mono_ns, record.run, name,
                             (<char *>record.payload)[:size])

    def verify(self) -> JournalReport:
        """Check every record.

        Returns
        -------
        JournalReport
            `valid`: records up to the journal's end; `torn`: the record at the end is there but
            not whole; `stray`: whole records behind the end, which a healthy file never has.
        """
        self._check_open()
        cdef arb_journal_record_t *records = self.handle.records
        cdef uint64_t capacity = self.handle.capacity, index
        cdef uint64_t valid = arb_journal_valid_count(records, capacity, self.handle.run)
        cdef uint64_t stray = 0
        cdef char *end
        torn = False
        if valid < capacity:
            end = <char *>(records + valid)
            torn = any(end[:ARB_JOURNAL_RECORD_BYTES])
        with nogil:
            for index in range(valid + 1, capacity):
                stray += arb_journal_record_valid(records + index, self.handle.run, index + 1)
        return JournalReport(valid, torn, stray)

    def open_intents(self) -> list[OpenIntent]:
        """Return the intents without a terminal execution: what to ask the venues about.

        Returns
        -------
        list of OpenIntent
            In journal order: the `order`, when it was journaled, what is known to be filled, and
            whether it had timed out.
        """
        intents = {}
        for record in self:
            if record.type == "INTENT":
                order = Order.unpack(record.payload)
                intents[order.client_id] = [order, record.wall_ns, 0, False]
            elif record.type == "EXEC":
                told = Execution.unpack(record.payload)
                known = intents.get(told.client_id)
                if known is None:
                    continue
                if told.kind in _TERMINAL:
                    del intents[told.client_id]
                elif told.kind == 3:
                    known[2] = max(known[2] + told.last_qty_lots, told.cum_qty_lots)
                elif told.kind == 5:
                    known[3] = True
        return [OpenIntent(*known) for known in intents.values()]

    def _check_open(self) -> None:
        if self.mapping == NULL:
            raise ValueError(f"the journal {self.path} is closed")

    def __repr__(self) -> str:
        return f"Journal({self.path!r}, run={self.run}, {self.count} of {self.capacity} records)"


cdef int _map(Journal journal, int file, size_t byte_count, bint writable) except -1:
    cdef int protection = PROT_READ | PROT_WRITE if writable else PROT_READ
    cdef void *mapping = mmap(NULL, byte_count, protection, MAP_SHARED, file, 0)
    if mapping == MAP_FAILED:
        raise OSError(f"a journal of {byte_count} bytes could not be mapped into memory")
    journal.mapping = <char *>mapping
    journal.mapping_bytes = byte_count
    return 0
