"""Pools of frames for the load generator: whole WebSocket frames with room for their numbers.

Texts are those of `benchmarks.frames_data` (a recorded day, or the simulator's market), or made
here: two calm markets in which, every now and then, one venue leaves the other's price for a
while, at a price that says which time it is. The sequence number and the times of every frame are
written by the generator when it sends it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arbitrage.sim.instruments import CANONICAL_SYMBOLS, Instrument, listed
from benchmarks.frames_data import frames

__all__ = [
    "CROSS_EVERY", "FRAME", "PAIR_EVERY", "PAIR_SYMBOLS", "SEQ_FIRST", "Pool", "crossing_of",
    "filled", "opening_places", "pair_places", "pools", "quote_of", "records_of",
]  # fmt: skip

FRAME = np.dtype(
    {
        "names": ["offset", "bytes", "seq_at", "seq_digits", "ts_at", "other_ts_at"],
        "formats": ["u8", "u4", "u2", "u2", "u2", "u2"],
        "offsets": [0, 8, 12, 14, 16, 18],
        "itemsize": 24,
    }
)  # load_frame_t of load_wire.c
SEQ_FIRST = {"bybit": 6_000_000_000_000, "okx": 70_000_000_000}
_SEQ = {"bybit": re.compile(rb'"seq":(\d+)'), "okx": re.compile(rb'"seqId":(\d+)')}
_TS = {"bybit": re.compile(rb'"ts":(\d{13})'), "okx": re.compile(rb'"ts":"(\d{13})')}
_OTHER_TS = {"bybit": re.compile(rb'"cts":(\d{13})'), "okx": None}

CROSS_EVERY = 20  # frames of a venue: so often its price is away, the venues in turn
AWAY_FRAMES = 8  # and stays there for so many
PAIR_EVERY = 100  # the same of ``pairs``, where one frame is away
PAIR_SYMBOLS = CANONICAL_SYMBOLS[:8]
AWAY_SHARE = 0.01
ROOM_USD = 100_000.0
BASE_PX, AWAY_PX, STEP_PX = 60_000.0, 300.0, 0.1


@dataclass(frozen=True)
class Pool:
    """Frames of one venue: their bytes one after another, and where their numbers stand."""

    venue: str
    data: bytearray
    frames: NDArray[np.void]

    @property
    def frame_bytes_max(self) -> int:
        return int(self.frames["bytes"].max())


def server_frame(payload: bytes) -> bytes:
    """Return an unmasked text frame."""
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def pool_of(venue: str, texts: Iterable[bytes]) -> Pool:
    """Make a pool of payloads, each with a sequence number of the same width."""
    data, rows = bytearray(), []
    first = str(SEQ_FIRST[venue]).encode()
    other = _OTHER_TS[venue]
    for text in texts:
        seq = _SEQ[venue].search(text)
        assert seq is not None, text
        whole = server_frame(text[: seq.start(1)] + first + text[seq.end(1) :])
        found = [pattern.search(whole) if pattern else None for pattern in (_TS[venue], other)]
        places = [match.start(1) if match else 0 for match in found]
        again = _SEQ[venue].search(whole)
        assert again is not None
        rows.append((len(data), len(whole), again.start(1), len(first), *places))
        data += whole
    return Pool(venue, data, np.array(rows, FRAME))


def filled(pool: Pool, seq: int, wall_ns: int, period_ns: int) -> Iterator[bytes]:
    """Yield a pool's frames once, numbers and times written as the generator would write them."""
    for place, row in enumerate(pool.frames):
        begin = int(row["offset"])
        frame = pool.data[begin : begin + int(row["bytes"])]
        wall = b"%d" % ((wall_ns + place * period_ns) // 1_000_000)
        at, digits = int(row["seq_at"]), int(row["seq_digits"])
        frame[at : at + digits] = b"%0*d" % (digits, seq + place)
        for name in ("ts_at", "other_ts_at"):
            if row[name]:
                frame[int(row[name]) : int(row[name]) + len(wall)] = wall
        yield bytes(frame)


def records_of(venue: str, texts: Iterable[bytes]) -> Pool:
    """Make a pool of texts in which nothing is left to write."""
    data, rows = bytearray(), []
    for text in texts:
        rows.append((len(data), len(text), 0, 0, 0, 0))
        data += text
    return Pool(venue, data, np.array(rows, FRAME))


def market(venue: str, count: int) -> list[bytes]:
    """Return recorded or simulated quotes of BTCUSDT and ETHUSDT."""
    return [text for _, text in frames(venue)[:count]]


def away_bid(crossing: int) -> float:
    """Return the bid of a venue that has left for the `crossing`-th time."""
    return BASE_PX + AWAY_PX + crossing * STEP_PX


def crossing_of(bid_px: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return which crossing a venue's bid tells of; below 0: none."""
    found = (np.asarray(bid_px) - BASE_PX - AWAY_PX) / STEP_PX
    return np.where(found > -0.5, np.rint(found), -1).astype(np.int64)


def crossings(venue: str, count: int) -> list[bytes]:
    """Return `count` quotes of BTCUSDT; which of them begin a crossing says `opening_places`.

    The last turn is calm: nothing stays open behind it.
    """
    here = ("bybit", "okx").index(venue)
    last = (count - 1) // CROSS_EVERY
    made = []
    for number in range(count):
        turn, place = divmod(number, CROSS_EVERY)
        is_away = turn % 2 == here and place >= CROSS_EVERY - AWAY_FRAMES and turn < last
        bid = away_bid(turn) if is_away else BASE_PX + number % 7 / 10
        made.append(quote(venue, bid, number))
    return made


def opening_places(frames_sent: int) -> NDArray[np.int64]:
    """Return where, in the frames of the venue whose turn it is, each crossing begins."""
    turns = np.arange((frames_sent - 1) // CROSS_EVERY)
    return turns * CROSS_EVERY + CROSS_EVERY - AWAY_FRAMES


def pair_places(count: int) -> NDArray[np.int64]:
    """Return (turn, venue, symbol, place) of each opening among `count` frames of ``pairs``."""
    turns = np.arange((count - 1) // PAIR_EVERY)
    symbols = turns // 2 % len(PAIR_SYMBOLS)
    from_here = turns * PAIR_EVERY + PAIR_EVERY // 2
    places = from_here + (symbols - from_here) % len(PAIR_SYMBOLS)
    return np.stack([turns, turns % 2, symbols, places], axis=1)


def pairs(venue: str, count: int) -> list[bytes]:
    """Return quotes of all PAIR_SYMBOLS in turn; every PAIR_EVERY frames one is a chance."""
    here = ("bybit", "okx").index(venue)
    away = {int(place) for _, at, _, place in pair_places(count) if at == here}
    items = listed(venue, PAIR_SYMBOLS)
    made = []
    for number in range(count):
        item = items[number % len(items)]
        px = item.base_px * (1.0 + (AWAY_SHARE if number in away else 0.0))
        made.append(quote_of(venue, item, px, number))
    return made


def quote_of(venue: str, item: Instrument, px: float, number: int = 0, half: float = 0.0) -> bytes:
    """Return a contract's quote around a price, `half` its half width, with room for orders."""
    ticks = [round(px * (1 - half) / item.tick_float), round(px * (1 + half) / item.tick_float) + 1]
    lots = int(ROOM_USD / px / float(item.contract_value * item.lot)) + number % 90
    sides = [[item.px_text(side), item.qty_text(lots)] for side in ticks]
    if venue == "bybit":
        text = (
            f'{{"topic":"orderbook.1.{item.name}","type":"snapshot","ts":1723161254000,"data":{{'
            f'"s":"{item.name}","b":[["{sides[0][0]}","{sides[0][1]}"]],"a":[["{sides[1][0]}",'
            f'"{sides[1][1]}"]],"u":{number + 2},"seq":1}},"cts":1723161254000}}'
        )
    else:
        text = (
            f'{{"arg":{{"channel":"bbo-tbt","instId":"{item.name}"}},"data":[{{"asks":[['
            f'"{sides[1][0]}","{sides[1][1]}","0","3"]],"bids":[["{sides[0][0]}",'
            f'"{sides[0][1]}","0","2"]],"ts":"1723161254000","seqId":1}}]}}'
        )
    return text.encode()


def quote(venue: str, bid: float, number: int) -> bytes:
    """Return one quote with room on both sides; its numbers are written when it is sent."""
    bid_qty, ask_qty = 900 + number % 89, 900 + number % 83
    if venue == "bybit":
        text = (
            '{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1723161254000,"data":{"s":'
            f'"BTCUSDT","b":[["{bid:.2f}","{bid_qty}.507"]],"a":[["{bid + 0.1:.2f}",'
            f'"{ask_qty}.522"]],"u":{number + 2},"seq":1}},"cts":1723161254000}}'
        )
    else:
        text = (
            '{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":'
            f'[["{bid + 0.1:.1f}","{ask_qty}83.5","0","3"]],"bids":[["{bid:.1f}",'
            f'"{bid_qty}89","0","2"]],"ts":"1723161254000","seqId":1}}]}}'
        )
    return text.encode()


def pools(kind: str, count: int) -> Sequence[Pool]:
    """Return the pools of both venues: ``crossings``, ``pairs`` or ``market``."""
    make = {"crossings": crossings, "pairs": pairs, "market": market}[kind]
    return [pool_of(venue, make(venue, count)) for venue in ("bybit", "okx")]
