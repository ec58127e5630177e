"""Depth frames as the venues write them, and streams of them that go wrong."""

import json
import random
from typing import Any

WALL_MS = 1_790_439_594_900
Changes = list[tuple[str, str]]


def bybit(
    bids: Changes, asks: Changes, u: int, seq: int = 7, kind: str = "delta",
    symbol: str = "BTCUSDT", wall_ms: int = WALL_MS,
) -> dict[str, Any]:  # fmt: skip
    data = {"s": symbol, "b": bids, "a": asks, "u": u, "seq": seq}
    topic = f"orderbook.50.{symbol}"
    return {"topic": topic, "type": kind, "ts": wall_ms, "data": data, "cts": wall_ms - 3}


def okx(
    bids: Changes, asks: Changes, seq: int, prev: int | None, action: str | None = "update",
    channel: str = "books", symbol: str = "BTC-USDT-SWAP", wall_ms: int = WALL_MS,
) -> dict[str, Any]:  # fmt: skip
    sides = [[[px, qty, "0", "3"] for px, qty in side] for side in (asks, bids)]
    book: dict[str, Any] = {"asks": sides[0], "bids": sides[1], "ts": str(wall_ms)}
    top: dict[str, Any] = {"arg": {"channel": channel, "instId": symbol}}
    if channel == "books5":
        book = {**book, "instId": symbol, "seqId": seq}
    else:
        top["action"] = action
        book |= {"checksum": 0, "seqId": seq} | ({} if prev is None else {"prevSeqId": prev})
    return {**top, "data": [book]}


def text(frame: dict[str, Any], rng: random.Random | None = None) -> bytes:
    """Write a frame compactly; with rng: keys in any order, sometimes with space."""
    if rng is None or rng.random() < 0.5:
        return json.dumps(frame, separators=(",", ":")).encode()

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shuffled(value[key]) for key in rng.sample(list(value), len(value))}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    mixed = shuffled(frame)
    return json.dumps(mixed, indent=rng.choice([None, 1])).encode()


def number(rng: random.Random, units: int) -> str:
    """Write tenths, sometimes with zeros behind."""
    return f"{units / 10:.{rng.choice([1, 1, 2, 9])}f}"


def changes(rng: random.Random, is_bid: bool, count: int, gone: float) -> Changes:
    """Make changes on a small grid, so that known and unknown prices are both met."""
    prices = sorted(rng.sample(range(1, 41), min(count, 40)), reverse=is_bid)
    if rng.random() < 0.1:
        rng.shuffle(prices)
    if rng.random() < 0.03 and prices:
        prices.append(prices[0])
    made = []
    for px in prices:
        qty = 0 if rng.random() < gone else rng.randrange(1, 50)
        made.append((number(rng, px), rng.choice(["0", "0.00"]) if qty == 0 else number(rng, qty)))
    return made


def sides(rng: random.Random, most: int, gone: float) -> tuple[Changes, Changes]:
    counts = [rng.randrange(most + 1) if rng.random() < 0.7 else 0 for _ in range(2)]
    return changes(rng, True, counts[0], gone), changes(rng, False, counts[1], gone)


def bybit_stream(rng: random.Random, length: int, most: int) -> list[bytes]:
    """Return deltas in order, with snapshots, restarts and other symbols in between."""
    frames, u = [], rng.randrange(2, 1000)
    for index in range(length):
        draw, wall_ms = rng.random(), WALL_MS + 20 * index
        kind, symbol = "delta", "BTCUSDT"
        u += 1
        if index == 0 or draw < 0.04:
            kind, u = "snapshot", u + rng.randrange(3)
        elif draw < 0.07:
            kind, u = rng.choice(["snapshot", "delta"]), 1
        elif draw < 0.09:
            symbol, u = "ETHUSDT", u - 1
        bids, asks = sides(rng, most, 0.1 if kind == "snapshot" or u == 1 else 0.4)
        frames.append(text(bybit(bids, asks, u, 5 * u, kind, symbol, wall_ms), rng))
    return frames


def okx_stream(rng: random.Random, length: int, most: int, channel: str) -> list[bytes]:
    """Return updates in order, with snapshots, keep-alives and resets in between."""
    frames, seq = [], rng.randrange(10_000, 20_000)
    for index in range(length):
        draw, wall_ms, prev = rng.random(), WALL_MS + 100 * index, seq
        action = "update"
        seq += rng.randrange(1, 50)
        bids, asks = sides(rng, most, 0.4)
        if index == 0 or draw < 0.04:
            action, prev = "snapshot", -1
        elif draw < 0.09:
            bids, asks, seq = [], [], prev
        elif draw < 0.12:
            seq = rng.randrange(1, 20)
        frame = okx(bids, asks, seq, prev, action, channel, wall_ms=wall_ms)
        if rng.random() < 0.2 and "checksum" in frame["data"][0]:
            del frame["data"][0]["checksum"]
        frames.append(text(frame, rng))
    return frames


def disturbed(rng: random.Random, frames: list[bytes], rate: float) -> list[bytes]:
    """Lose, repeat, delay and cut frames."""
    found = list(frames)
    for _ in range(round(len(frames) * rate)):
        at = rng.randrange(len(found))
        what = rng.randrange(5)
        if what == 0 and len(found) > 1:
            del found[at]
        elif what == 1:
            found.insert(min(len(found), at + rng.randrange(1, 4)), found[at])
        elif what == 2:
            found.insert(rng.randrange(len(found)), found.pop(at))
        elif what == 3:
            found[at] = found[at][: rng.randrange(len(found[at]) + 1)]
        else:
            found.insert(at, rng.choice([b"pong", b'{"op":"pong"}', b"", b"{}"]))
    return found


def spoiled(rng: random.Random, frame: bytes) -> bytes:
    """Change, add, lose or double a few bytes."""
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(frame))
        byte = bytes([rng.choice(b'0159."[]{},: -eE\\u1')])
        piece = frame[at : at + rng.randrange(1, 40)]
        put, skip = rng.choice([(byte, 1), (byte, 0), (b"", 1), (piece, 0)])
        frame = frame[:at] + put + frame[at + skip :]
    return frame
