"""Frames of both venues with quotes, books and funding, as lines of a recording."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

START_NS = 1_790_439_594_900_000_000
NAMES = {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}
Side = list[tuple[str, str]]


def _text(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def quote(
    venue: str, bid: str | None, ask: str | None, seq: int, ms: int,
    kind: str = "snapshot", symbol: str | None = None,
) -> bytes:  # fmt: skip
    """A frame of the best bid and ask: price and quantity as ``100.5@2``."""
    name = symbol or NAMES[venue]
    sides = [[] if text is None else [text.split("@")] for text in (bid, ask)]
    if venue == "bybit":
        data = {"s": name, "b": sides[0], "a": sides[1], "u": seq, "seq": seq}
        head = {"topic": f"orderbook.1.{name}", "type": kind, "ts": ms}
        return _text({**head, "data": data, "cts": ms})
    levels = [[[*level, "0", "1"] for level in side] for side in sides]
    data = {"asks": levels[1], "bids": levels[0], "ts": str(ms), "seqId": seq}
    return _text({"arg": {"channel": "bbo-tbt", "instId": name}, "data": [data]})


def book(
    venue: str, bids: Side, asks: Side, seq: int, prev: int, ms: int, kind: str = "delta"
) -> bytes:
    """A frame of the book's channel; `seq` is Bybit's u, too."""
    name = NAMES[venue]
    if venue == "bybit":
        data: dict[str, Any] = {"s": name, "b": bids, "a": asks, "u": seq, "seq": seq}
        return _text({"topic": f"orderbook.50.{name}", "type": kind, "ts": ms, "data": data,
                      "cts": ms})  # fmt: skip
    sides = [[[*level, "0", "1"] for level in side] for side in (asks, bids)]
    data = {"asks": sides[0], "bids": sides[1], "ts": str(ms), "checksum": 0, "seqId": seq,
            "prevSeqId": prev}  # fmt: skip
    action = "snapshot" if kind == "snapshot" else "update"
    return _text({"arg": {"channel": "books", "instId": name}, "action": action, "data": [data]})


def funding(venue: str, rate: str, next_ms: int, hours: int, ms: int) -> bytes:
    """A frame that tells the funding rate."""
    name = NAMES[venue]
    if venue == "bybit":
        said = {"symbol": name, "lastPrice": "1", "nextFundingTime": str(next_ms),
                "fundingRate": rate, "fundingIntervalHour": str(hours)}  # fmt: skip
        return _text({"topic": f"tickers.{name}", "type": "snapshot", "data": said, "cs": 1,
                      "ts": ms})  # fmt: skip
    row = {"fundingRate": rate, "fundingTime": str(next_ms), "instId": name,
           "nextFundingTime": str(next_ms + hours * 3_600_000), "ts": str(ms)}  # fmt: skip
    return _text({"arg": {"channel": "funding-rate", "instId": name}, "data": [row]})


def lines(frames: list[tuple[int, bytes]]) -> bytes:
    """The file that a recorder makes of (recv_ns, frame)."""
    return b"".join(b"%d\t%s\n" % each for each in frames)


def write(folder: Path, **files: list[tuple[int, bytes]]) -> Path:
    """Write ``VENUE.frames.gz`` of each; a `__` in a name stands for a dot, a `_` for a dash."""
    folder.mkdir(exist_ok=True)
    for name, frames in files.items():
        path = folder / f"{name.replace('__', '.').replace('_', '-')}.frames.gz"
        path.write_bytes(gzip.compress(lines(frames), 1))
    return folder


def made_day(
    seed: int, count: int, *, has_books: bool = True
) -> dict[str, list[tuple[int, bytes]]]:
    """Make a random stream of both venues: quotes, books with their chains, funding."""
    rng = random.Random(seed)
    found: dict[str, list[tuple[int, bytes]]] = {"bybit": [], "okx": []}
    held: dict[str, dict[str, set[int]]] = {}
    seqs = {"bybit": 5, "okx": 5}
    now_ns = START_NS
    for _ in range(count):
        now_ns += rng.choice((0, 1, 7_000, 3_000_000))
        venue, ms = rng.choice(("bybit", "okx")), now_ns // 1_000_000
        what, prev = rng.random(), seqs[venue]
        if what < 0.05:
            frame = funding(venue, f"0.000{rng.randrange(3)}", 1_790_440_000_000, 8, ms)
        elif what < 0.5 or not has_books:
            bid = rng.choice((None, f"{rng.randrange(900, 1000) / 10}@{rng.randrange(1, 9)}"))
            ask = rng.choice((None, f"{rng.randrange(1001, 1100) / 10}@{rng.randrange(1, 9) / 7}"))
            frame = quote(venue, bid, ask, prev, ms)
        else:
            is_new = venue not in held or rng.random() < 0.05
            sides = held[venue] = {"b": set(), "a": set()} if is_new else held[venue]
            seqs[venue] += 1
            changes: list[Side] = []
            for side, low in (("b", 900), ("a", 1001)):
                prices = rng.sample(range(low, low + 45), rng.randrange(1, 6))
                gone = rng.sample(sorted(sides[side]), min(len(sides[side]), rng.randrange(3)))
                new = set(prices) - set(gone)
                both = sorted(new | set(gone), reverse=side == "b")
                sides[side] = sides[side] - set(gone) | new
                changes.append([
                    (f"{px / 10}", f"{rng.randrange(1, 99) / 8}" if px in new else "0")
                    for px in both
                ])  # fmt: skip
            kind = "snapshot" if is_new else "delta"
            frame = book(venue, *changes, seqs[venue], -1 if is_new else prev, ms, kind)
        found[venue].append((now_ns, frame))
    return found
