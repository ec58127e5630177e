"""The book in C under the sanitizers, beside a plain list: no bytes may break it."""

import random
import shutil
import subprocess
from pathlib import Path

import book_frames as make
import pytest
from test_fuzz import BUILDS, COMPILER, compile_fuzzer

from arbitrage.core.book import REFUSALS, RESULTS
from arbitrage.core.spread import has_avx2

REFUSED = 16  # the first of the parser's reasons
pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason="no C compiler")


def corpus() -> list[bytes]:
    """Make small frames that shuffle a book, wide ones that fill and empty it, and others."""
    rng = random.Random(3)
    frames = make.bybit_stream(rng, 12, 8) + make.okx_stream(rng, 10, 8, "books")
    frames += make.okx_stream(rng, 4, 5, "books5")
    for count in (30, 60, 120):
        prices = [(f"{units / 10:.1f}", f"{units}.5") for units in range(500, 500 + count)]
        gone = [(px, "0") for px, _ in prices]
        frames.append(make.text(make.bybit(prices[::-1], prices, 5)))
        frames.append(make.text(make.okx(prices[::-1], prices, 5, 4)))
        frames.append(make.text(make.bybit(gone[::-1], gone, 5)))
        frames.append(make.text(make.okx(gone[::-1], gone, 5, 4)))
    full = [(f"{units / 10:.1f}", "2") for units in range(4000, 4400)]
    frames.append(make.text(make.okx(full[::-1], full, 5, -1, "snapshot")))
    frames += [make.text(make.okx([], [], 9, 9)), b"pong", b'{"op":"subscribe"}']
    frames.append(b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot"}')
    return [frame.replace(b"\n", b" ") for frame in frames]


def usual() -> list[bytes]:
    """Make frames in the venues' own text, of widths and numbers of levels that change."""
    rng, frames = random.Random(5), []
    for depth in (1, 2, 3, 5, 8):
        for digits in (0, 1, 2, 7):
            step, middle = 10**-digits, rng.randrange(10, 900)
            sides = [
                [(f"{middle + sign * step * (n + 1):.{digits}f}", f"{rng.randrange(900) / 10:g}")
                 for n in range(depth)]
                for sign in (-1, 1)
            ]  # fmt: skip
            bids, asks = (",".join(f'["{px}","{qty}"]' for px, qty in side) for side in sides)
            kind = rng.choice(["delta", "snapshot"])
            frames.append(
                f'{{"topic":"orderbook.50.BTCUSDT","type":"{kind}","ts":1790134712130,"data":{{'
                f'"s":"BTCUSDT","b":[{bids}],"a":[{asks}],"u":173678160,"seq":814547787693}},'
                f'"cts":1790134712126}}'.encode()
            )
            bids, asks = (
                ",".join(f'["{px}","{qty}","0","{rng.randrange(200)}"]' for px, qty in side)
                for side in sides
            )
            for channel, action, inner, tail in (
                ("books5", "", ',"instId":"BTC-USDT-SWAP"', ""),
                ("books", '"action":"update",', "", ',"prevSeqId":342177337800'),
            ):
                frames.append(
                    f'{{"arg":{{"channel":"{channel}","instId":"BTC-USDT-SWAP"}},{action}"data":[{{'
                    f'"asks":[{asks}],"bids":[{bids}]{inner},"ts":"1786541241006",'
                    f'"seqId":333794734980{tail}}}]}}'.encode()
                )
    return frames


@pytest.fixture(scope="module", params=list(BUILDS))
def fuzzer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("fuzz_book")
    built = compile_fuzzer("fuzz_book.c", BUILDS[request.param], folder / request.param)
    (folder / "samples.txt").write_bytes(b"".join(frame + b"\n" for frame in corpus() + usual()))
    return [str(built), str(folder / "samples.txt")]


def fuzz(fuzzer: list[str], count: int, seed: int) -> dict[int, int]:
    done = subprocess.run(
        [*fuzzer, str(count), str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    pairs = (line.split() for line in done.stdout.splitlines())
    return {-1 if name == "wide" else int(name): int(count) for name, count in pairs}


def test_mutated_frames(fuzzer: list[str]) -> None:
    """Nothing is read or written outside, all ways agree, the book equals the plain list."""
    counts = fuzz(fuzzer, 100_000, 1)
    assert (counts.pop(-1) > 30_000) == (
        has_avx2() and Path(fuzzer[0]).name in {"vectors", "guarded"}
    )
    assert sum(counts.values()) == 4 * 100_000
    named = {RESULTS[number]: count for number, count in counts.items() if number < REFUSED}
    assert set(named) == set(RESULTS) - {"other_symbol"}
    assert named["applied"] > 25_000
    assert named["snapshot"] > 5_000
    assert len([number for number in counts if number >= REFUSED]) >= len(REFUSALS) - 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
def test_mutated_frames_for_long(fuzzer: list[str], seed: int) -> None:
    fuzz(fuzzer, 4_000_000 if fuzzer[0].endswith("guarded") else 1_000_000, seed)
