"""Files of typed records: what is written is read, gaps show, and damage has a name."""

import gzip
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.cold import part_file
from arbitrage.cold.part_file import RecordsWriter
from arbitrage.errors import ConfigError
from arbitrage.record_files import DECISIONS, Block, RecordFile, pieces_of

SESSION: dict[str, Any] = {"trader": "t", "run": 1}
SIZE = 64


def records(first: int, count: int) -> bytes:
    return b"".join(struct.pack("<q56x", number) for number in range(first, first + count))


def write(path: Path, pieces: list[tuple[int, int]], *, compress: str = "none") -> None:
    file = RecordsWriter(path, compress, SIZE, SESSION)
    for first, count in pieces:
        file.write(first, records(first, count), first)
    file.close()


def read(path: Path) -> list[Block]:
    with RecordFile(path) as file:
        assert (file.session, file.record_bytes) == (SESSION, SIZE)
        return list(file.blocks())


PIECES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(PIECES, st.sampled_from(["none", "gzip"]), st.integers(1, 12))
def test_blocks_hold_what_came_without_a_gap(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int]], form: str, most: int
) -> None:
    path = tmp_path_factory.mktemp("records") / "decisions.ticks"
    before, part_file.BLOCK_RECORDS = part_file.BLOCK_RECORDS, most
    told, following = [], 5
    try:
        for skipped, count in pieces:
            told.append((following + skipped, count))
            following += skipped + count
        write(path, told, compress=form)
    finally:
        part_file.BLOCK_RECORDS = before
    blocks = read(path)
    numbers = [number for first, count in told for number in range(first, first + count)]
    assert b"".join(block.records for block in blocks) == b"".join(
        records(number, 1) for number in numbers
    )
    assert [
        number for block in blocks for number in range(block.first, block.first + block.count)
    ] == numbers
    assert all(block.records == records(block.first, block.count) for block in blocks)


def test_uncompressed_records_lie_on_lines(tmp_path: Path) -> None:
    path = tmp_path / "decisions.ticks"
    write(path, [(0, 3), (9, 2)])
    content = path.read_bytes()
    assert len(content) % SIZE == 0
    assert content.index(records(9, 2)) % SIZE == 0


@pytest.mark.parametrize(
    ("place", "byte", "said"),
    [
        (0, b"X", "is no file of recorded decisions or opportunities"),
        (8, b"\x09", "has version 9; this release reads 1"),
        (70, b"X", "is damaged: its header does not have its checksum"),
        (128, b"X", "is damaged: block 0 has no head"),
        (136, b"\x07", "is damaged: block 0, records 7 to 11, does not have its checksum"),
        (250, b"X", "is damaged: block 0, records 0 to 4, does not have its checksum"),
    ],
)
def test_damage_has_a_name(tmp_path: Path, place: int, byte: bytes, said: str) -> None:
    path = tmp_path / "decisions.ticks"
    write(path, [(0, 5)])
    content = bytearray(path.read_bytes())
    content[place : place + 1] = byte
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read(path)
    assert str(caught.value).startswith(f"record file {path} ")


def test_any_cut_of_a_part_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole, part = tmp_path / "decisions.ticks", tmp_path / "decisions.0001.ticks.part"
    write(whole, [(0, 2), (5, 2), (9, 2)])
    content = whole.read_bytes()
    blocks = read(whole)
    begin = len(content) - 3 * (SIZE + 2 * SIZE)
    for cut in range(begin, len(content), 7):
        part.write_bytes(content[:cut])
        assert read(part) == blocks[: (cut - begin) // (3 * SIZE)]
        whole.write_bytes(content[:cut])
        if (cut - begin) % (3 * SIZE):
            with pytest.raises(ConfigError, match="ends in the middle of a block"):
                read(whole)
    part.write_bytes(gzip.compress(content)[:-40])
    assert read(part) == blocks[: len(read(part))]
    whole.write_bytes(gzip.compress(content)[:-40])
    with pytest.raises(ConfigError, match="ends in the middle of its gzip data"):
        read(whole)


def test_pieces_come_in_order(tmp_path: Path) -> None:
    names = ["decisions.0002.ticks.gz", "decisions.0010.ticks.part", "decisions.0001.ticks"]
    for name in [*names, "opportunities.0001.events", "decisions.notes", "bybit.0001.frames"]:
        (tmp_path / name).touch()
    assert [path.name for path in pieces_of(tmp_path, DECISIONS)] == [
        "decisions.0001.ticks", "decisions.0002.ticks.gz", "decisions.0010.ticks.part",
    ]  # fmt: skip


def test_what_is_flushed_can_be_read_at_once(tmp_path: Path) -> None:
    file = RecordsWriter(tmp_path / "decisions.ticks.gz", "gzip", SIZE, SESSION)
    file.write(4, records(4, 3), 17)
    file.flush()
    (block,) = read(file.part)
    assert (block.first, block.count, block.first_mono_ns, block.last_mono_ns) == (4, 3, 17, 17)
    file.write(7, records(7, 1), 18)
    file.abandon()
    assert read(file.part) == [block]
    assert not file.path.exists()
