"""Depth frames to measure with: a seeded market's whole book and the deltas to it."""

from functools import cache

import numpy as np

__all__ = ["DEPTHS", "Frames", "frames"]

DEPTHS = {"bybit": 50, "okx": 400}
COUNT = 8192
# Mean changes a frame: of the recordings at hand Bybit's testnet shows 4 and OKX's mainnet 11.
CHANGES = {"bybit": 10, "okx": 11}
NEAR = {"bybit": 8, "okx": 60}  # levels from the best, mean of a geometric distance
TICK, MIDDLE = 10, 840_000  # prices are whole tenths
Frames = tuple[bytes, ...]
Side = dict[int, int]


def _text(px: int) -> str:
    return f"{px / TICK:.1f}"


def _levels(venue: str, changes: list[tuple[int, int]]) -> str:
    """Write levels; sizes are thousandths at Bybit, hundredths at OKX."""
    if venue == "bybit":
        return ",".join(f'["{_text(px)}","{qty / 1000:.3f}"]' for px, qty in changes)
    return ",".join(
        f'["{_text(px)}","{qty / 100:g}","0","{qty % 9 + 1 if qty else 0}"]' for px, qty in changes
    )


def _frame(venue: str, number: int, sides: list[list[tuple[int, int]]]) -> bytes:
    ms, name = 1_790_439_594_900 + 20 * number, "BTCUSDT" if venue == "bybit" else "BTC-USDT-SWAP"
    bids, asks = (_levels(venue, side) for side in sides)
    if venue == "bybit":
        kind = "delta" if number else "snapshot"
        return (
            f'{{"topic":"orderbook.50.{name}","type":"{kind}","ts":{ms},"data":{{"s":"{name}",'
            f'"b":[{bids}],"a":[{asks}],"u":{177_400_507 + number},'
            f'"seq":{66_544_703_342 + 7 * number}}},"cts":{ms - 3}}}'
        ).encode()
    kind, seq = "update" if number else "snapshot", 342_177_336_945 + 61 * number
    return (
        f'{{"arg":{{"channel":"books","instId":"{name}"}},"action":"{kind}","data":[{{'
        f'"asks":[{asks}],"bids":[{bids}],"ts":"{ms}","checksum":0,"seqId":{seq},'
        f'"prevSeqId":{seq - 61 if number else -1}}}]}}'
    ).encode()


def _change(rng: np.random.Generator, venue: str, book: Side, is_bid: bool, count: int) -> Side:
    """Change some levels near the best; keep the depth full, as the venues do."""
    ordered, changed = sorted(book, reverse=is_bid), {}
    for near in np.minimum(rng.geometric(1 / NEAR[venue], count) - 1, len(ordered) - 1):
        px, step = ordered[int(near)], -1 if is_bid else 1
        if rng.random() < 0.35:
            changed[px] = 0
        elif rng.random() < 0.5:
            changed[px] = int(rng.integers(1, 20_000))
        else:
            changed[px + step * int(rng.integers(1, 4))] = int(rng.integers(1, 20_000))
    after = {px: qty for px, qty in {**book, **changed}.items() if qty}
    kept = sorted(after, reverse=is_bid)
    for px in kept[DEPTHS[venue] :]:
        changed[px] = 0
    while len(kept) < DEPTHS[venue]:
        kept.append(kept[-1] + (-2 if is_bid else 2))
        changed[kept[-1]] = int(rng.integers(1, 20_000))
    # what came and went within this frame was never there
    return {px: qty for px, qty in changed.items() if qty or px in book}


@cache
def frames(venue: str) -> Frames:
    """Return one snapshot and the deltas that follow it."""
    rng, depth = np.random.default_rng(17), DEPTHS[venue]
    books: list[Side] = []
    for step in (-2, 2):
        grid = (MIDDLE + step // 2 + step * level for level in range(depth))
        books.append({px: int(rng.integers(1, 20_000)) for px in grid})
    made = [_frame(venue, 0, [sorted(books[0].items(), reverse=True), sorted(books[1].items())])]
    for number in range(1, COUNT):
        sides: list[list[tuple[int, int]]] = []
        for is_bid, book in zip((True, False), books, strict=True):
            changed = _change(rng, venue, book, is_bid, int(rng.poisson(CHANGES[venue] / 2)))
            book.update(changed)
            for px in [px for px, qty in changed.items() if not qty]:
                del book[px]
            sides.append(sorted(changed.items(), reverse=is_bid))
        made.append(_frame(venue, number, sides))
    return tuple(made)
