"""The board: written whole by the trader, read whole by others, trimmed to its page."""

import os
import uuid
from collections.abc import Iterator

import msgspec
import pytest

import arbitrage
from arbitrage.board import (
    Board,
    IncidentLine,
    KillLine,
    LimitLine,
    MoneyLine,
    PairLine,
    RateLine,
    decode_board,
    encode_board,
)
from arbitrage.core.board import BOARD_BYTES_MAX
from arbitrage.core.segment import Segment


@pytest.fixture
def owner() -> Iterator[Segment]:
    segment = Segment.create(f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    yield segment
    segment.close()


def a_board(incidents: list[IncidentLine] | None = None) -> Board:
    return Board(
        wall_ns=5,
        strategy="spread",
        opening="killed",
        killed=KillLine(reason="loss", by="the risk gate", since_wall_ns=4, why="too much"),
        pairs=[
            PairLine(
                pair=3, symbol="BTCUSDT", kind="spread", phase="open", buy_venue="okx",
                sell_venue="bybit", buy_qty=0.1, sell_qty=0.1, opened_wall_ns=2,
            )
        ],
        money=[MoneyLine(venue="okx", realised_usd=1.5)],
        day_result_usd=-2.25,
        limits=[LimitLine(name="max_gross_usd", used=5.0, limit=10.0, unit="USD")],
        refusals={"stale": 2},
        rates=[RateLine(venue="okx", what="orders", used=1.0, allowed=60.0)],
        incidents=incidents or [],
        paused={"ETHUSDT": ["operator"]},
    )  # fmt: skip


def incident(number: int, *, is_open: bool = False) -> IncidentLine:
    return IncidentLine(
        number=number, began_wall_ns=1, last_wall_ns=2, kind="venue", text="x" * 200,
        is_open=is_open,
    )  # fmt: skip


def test_a_reader_sees_what_the_trader_wrote_last(owner: Segment) -> None:
    reader = arbitrage.attach(owner.name)
    assert reader.board is None
    for size in (1, 7, 8, 9, 1000, BOARD_BYTES_MAX - 1, BOARD_BYTES_MAX, 3):
        text = os.urandom(size)
        owner.write_board(text)
        assert reader.board == text
        assert owner.board == text


def test_only_the_trader_writes_and_only_what_fits(owner: Segment) -> None:
    owner.write_board(b"kept")
    with pytest.raises(PermissionError, match="only its trader"):
        arbitrage.attach(owner.name).write_board(b"x")
    with pytest.raises(ValueError, match=f"{BOARD_BYTES_MAX + 1} bytes; a page holds"):
        owner.write_board(b"x" * (BOARD_BYTES_MAX + 1))
    with pytest.raises(ValueError, match="empty"):
        owner.write_board(b"")
    assert owner.board == b"kept"


def test_a_board_survives_the_way(owner: Segment) -> None:
    board = a_board([incident(1, is_open=True)])
    owner.write_board(encode_board(board, BOARD_BYTES_MAX))
    text = arbitrage.attach(owner.name).board
    assert text is not None
    assert decode_board(text) == board


def test_old_incidents_that_are_over_make_room_first() -> None:
    told = [incident(1, is_open=True), *(incident(number) for number in range(2, 1000))]
    board = a_board(told)
    text = encode_board(board, BOARD_BYTES_MAX)
    assert BOARD_BYTES_MAX - 600 < len(text) <= BOARD_BYTES_MAX
    kept = [line.number for line in decode_board(text).incidents]
    assert kept[0] == 1
    assert kept[1:] == list(range(1000 - len(kept) + 1, 1000))
    assert len(board.incidents) == 999


def test_a_board_without_room_for_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes; 100 fit"):
        encode_board(a_board([incident(1)]), 100)


def test_another_form_is_an_error() -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_board(b'{"version":1}')
    with pytest.raises(msgspec.MsgspecError):
        decode_board(b"\x00")


def test_pairs_that_do_not_fit_are_left_out_and_that_is_said() -> None:
    board = a_board([incident(1, is_open=True)])
    board.pairs = board.pairs * 2000
    found = decode_board(encode_board(board, BOARD_BYTES_MAX))
    assert 100 < len(found.pairs) < 2000
    assert (found.is_cut, found.incidents, len(board.pairs)) == (True, [], 2000)
