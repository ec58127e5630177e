"""Whatever a crash leaves of a journal's file: it is read to its last whole record, never further.

Cut at every length there is, and torn as a disk tears: some sectors of what was written last are
there, others still hold what they held before (nothing, or another run's records), one is half new.
"""

import random
from pathlib import Path

import pytest

from arbitrage.core.journal import Journal
from arbitrage.core.messages import Order
from arbitrage.errors import JournalError
from arbitrage.trading.history import History
from arbitrage.trading.run_journal import RunJournal

HEADER, RECORD, SECTOR, INTENT = 4096, 128, 512, 2
CAPACITY = 24
TORN, BLOCKS, BLOCK_TORN = 1_500, 20, 5_000


def intent(number: int) -> bytes:
    return Order(**dict.fromkeys(Order._fields, 0) | {"client_id": number}).pack()


def write(path: Path, count: int, run: int = 3) -> bytes:
    """Write a journal of one file; return its bytes as a killed process leaves them."""
    journal = Journal.create(path, CAPACITY, run=run)
    for number in range(1, count):
        assert journal.append(INTENT, intent(number), number)
    data = path.read_bytes()
    journal.close()
    return data


def read(path: Path) -> tuple[list[int], int]:
    """Return the numbers of the intents that a recovery reads, and how many records are whole."""
    with RunJournal([path]) as journal:
        numbers = [
            Order.unpack(record.payload).client_id
            for record in journal
            if record.type == "INTENT"
        ]
        assert [order.client_id for order in History.read(journal).open_orders] == numbers
        return numbers, journal.verify().valid


def test_a_file_cut_at_any_length_gives_its_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    data = write(path, 8)
    lengths = [*range(0, HEADER, 61), *range(HEADER, HEADER + 9 * RECORD + 1), len(data)]
    for length in lengths:
        path.write_bytes(data[:length])
        if length < HEADER:
            with pytest.raises((JournalError, ValueError), match="no journal"):
                read(path)
            continue
        whole = min(8, (length - HEADER) // RECORD)
        assert read(path) == (list(range(1, whole)), whole), f"cut at {length}"
    assert len(lengths) > 9 * RECORD


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_the_last_of_many_files_cut_at_any_length(tmp_path: Path, kept: int) -> None:
    journal = Journal.create(tmp_path / "part-000", 8, run=3)
    for number in range(1, 24):
        journal.tend(lambda part: tmp_path / f"part-{part:03d}")
        assert journal.append(INTENT, intent(number))
    journal.close()
    paths = sorted(tmp_path.iterdir())
    data = paths[kept].read_bytes()
    for length in range(HEADER, len(data) + 1):
        paths[kept].write_bytes(data[:length])
        with RunJournal(paths[: kept + 1]) as held:
            whole = 8 * kept + (length - HEADER) // RECORD
            assert held.verify().valid == whole
            assert [record.sequence for record in held] == list(range(1, whole + 1))


def tear(rng: random.Random, data: bytes, before: bytes, count: int) -> bytes:
    """Return the file as a disk may hold it when the power goes while some records are written."""
    torn = bytearray(data)
    first = rng.randrange(HEADER // SECTOR, (HEADER + count * RECORD) // SECTOR + 1)
    for sector in range(first, len(data) // SECTOR):
        fate = rng.random()
        start = sector * SECTOR
        if fate < 0.4:
            continue  # it came to the disk
        begin = start + rng.randrange(SECTOR) if fate < 0.6 else start  # half of it did
        torn[begin : start + SECTOR] = before[begin : start + SECTOR]
        if fate > 0.97:
            torn[start : start + SECTOR] = rng.randbytes(SECTOR)
    if rng.random() < 0.2:
        torn = torn[: rng.randrange(HEADER, len(torn) + 1)]
    return bytes(torn)


def check_torn(folder: Path, seed: int, times: int) -> int:
    """Tear so many files; each must be read to the last record before the first changed one."""
    rng = random.Random(seed)
    path, shorter = folder / "journal", 0
    written = {count: write(folder / f"own-{count}", count) for count in range(1, CAPACITY + 1)}
    others = [write(folder / f"other-{run}", CAPACITY, run=run) for run in (2, 4)]
    for _ in range(times):
        count = rng.randint(1, CAPACITY)
        data = written[count]
        before = rng.choice((bytes(len(data)), others[0], others[1]))
        torn = tear(rng, data, before[: len(data)].ljust(len(data), b"\0"), count)
        path.write_bytes(torn)
        whole = 0
        while whole < count and torn[HEADER + whole * RECORD : HEADER + (whole + 1) * RECORD] == (
            data[HEADER + whole * RECORD : HEADER + (whole + 1) * RECORD]
        ):
            whole += 1
        assert read(path) == (list(range(1, whole)), whole), f"seed {seed}"
        shorter += whole < count
    assert shorter > times // 3, "most of them were damaged"
    return shorter


def test_torn_writes_leave_a_valid_prefix(tmp_path: Path) -> None:
    check_torn(tmp_path, 11, TORN)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_hundred_thousand_torn_writes(tmp_path: Path, block: int) -> None:
    shorter = check_torn(tmp_path, 100 + block, BLOCK_TORN)
    print(f"{BLOCK_TORN} files torn, {shorter} of them in what was written")
