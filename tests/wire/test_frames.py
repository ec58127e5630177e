"""The frame parsers against the oracle: samples, fixtures, real data, generated and broken ones."""

import gzip
import itertools
import json
import random
import re

import oracle
import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import FIXTURES, HAS_DAY, REAL

from arbitrage.core.frames import FrameBatch, parse_frame, parse_many


def check(venue: str, frame: bytes) -> oracle.Fields | str:
    assert oracle.agree(venue, frame), (
        f"{frame!r}\noracle {oracle.read(venue, frame)}\nparser {oracle.ours(venue, frame)}"
    )
    return oracle.ours(venue, frame)


@pytest.mark.parametrize(("venue", "frame"), samples.ALL)
def test_samples_agree_with_the_oracle(venue: str, frame: bytes) -> None:
    found = check(venue, frame)
    quotes = samples.BYBIT_QUOTES + samples.OKX_QUOTES
    assert isinstance(found, tuple) == (frame in quotes)


def test_quote_fields() -> None:
    quote = parse_frame("bybit", samples.BYBIT_QUOTES[4])
    assert repr(quote) == (
        "Quote(venue='bybit', symbol='BTCUSDT', kind='delta', bid_px=nan, ask_px=32499.27, "
        "bid_qty=nan, ask_qty=0.011534, exch_wall_ns=1699764797519000000, seq=1253141792, "
        "update_id=873489)"
    )
    assert quote == parse_frame("bybit", samples.BYBIT_QUOTES[4])
    assert hash(quote) == hash(parse_frame("bybit", samples.BYBIT_QUOTES[4]))
    assert quote != parse_frame("bybit", samples.BYBIT_QUOTES[0])


@pytest.mark.parametrize(
    ("venue", "good", "old", "new", "status"),
    [("bybit", samples.BYBIT_GOOD, *case) for case in samples.BYBIT_SPOILED]
    + [("okx", samples.OKX_GOOD, *case) for case in samples.OKX_SPOILED],
)
def test_one_spoiled_field_is_named(
    venue: str, good: bytes, old: bytes, new: bytes, status: str
) -> None:
    frame = good.replace(old, new)
    assert frame != good
    assert check(venue, frame) == "malformed"
    with pytest.raises(
        ValueError, match=rf"malformed at byte \d+ of {len(frame)}: .* \({status}\)"
    ):
        parse_frame(venue, frame)
    assert parse_many(venue, [frame]) == {status: 1}


def test_errors_are_one_clear_line() -> None:
    for venue, frame, text in (
        ("bybit", b"", "bybit frame was malformed at byte 0 of 0: it ended inside a value"),
        ("bybit", samples.BYBIT_OTHER[0], "bybit frame was of another topic"),
        ("okx", b"pong", "okx frame was a control frame"),
        ("kraken", b"{}", "venue was 'kraken'; accepted are bybit, okx"),
    ):
        with pytest.raises(ValueError, match=text):
            parse_frame(venue, frame)
    with pytest.raises(TypeError, match="expected bytes, got str"):
        parse_frame("okx", "pong")  # type: ignore[arg-type]


@pytest.mark.parametrize(("venue", "frame"), samples.ALL)
def test_every_truncation(venue: str, frame: bytes) -> None:
    for cut in range(len(frame.rstrip())):
        assert not isinstance(check(venue, frame[:cut]), tuple)


def test_every_single_byte_mutation_agrees() -> None:
    rng = random.Random(11)
    for venue, frame in samples.ALL:
        for position in range(len(frame)):
            for byte in {*rng.sample(range(256), 6), *b'0"'}:
                check(venue, frame[:position] + bytes([byte]) + frame[position + 1 :])
            check(venue, frame[:position] + frame[position + 1 :])
            check(
                venue,
                frame[:position] + rng.choice(b'0159."[]{},: -e').to_bytes() + frame[position:],
            )


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no fixtures beside the repository")
def test_fixture_frames_agree_with_the_oracle() -> None:
    kinds: dict[str, int] = {}
    for venue in ("bybit", "okx"):
        for path in sorted((FIXTURES / venue).glob("*")):
            if not path.name.startswith(("ws_", "stream_")):
                continue
            text = path.read_bytes()
            for frame in text.splitlines() if path.suffix == ".jsonl" else [text.rstrip(b"\n")]:
                found = check(venue, frame)
                kind = "quote" if isinstance(found, tuple) else found
                kinds[kind] = kinds.get(kind, 0) + 1
    assert kinds["quote"] >= 15
    assert "malformed" not in kinds


@pytest.mark.skipif(not HAS_DAY, reason="no recorded day: ARB_REAL_DATA")
@pytest.mark.parametrize(("venue", "count"), [("bybit", 120_081), ("okx", 52_117)])
def test_real_frames_equal_the_oracle(venue: str, count: int) -> None:
    with gzip.open(REAL / f"{venue}.frames.gz") as lines:
        frames = [line.rstrip(b"\n").split(b"\t", 1)[1] for line in lines]
    batch, sums = FrameBatch(venue, frames), set()
    for way in ("best", "baseline", "scanner"):
        assert batch.parse(way=way) == {"quote": count}
        sums.add(batch.checksum)
    assert len(sums) == 1
    with pytest.raises(ValueError, match="way was 'fast'; accepted are best, baseline, scanner"):
        batch.parse(way="fast")
    for frame in frames:
        quote = parse_frame(venue, frame)
        top = json.loads(frame)
        if venue == "bybit":
            data = top["data"]
            wanted = (data["s"], data["b"], data["a"], top["cts"], data["seq"], data["u"])
        else:
            data = top["data"][0]
            wanted = (
                top["arg"]["instId"], data["bids"], data["asks"], int(data["ts"]), data["seqId"],
                data["seqId"],
            )  # fmt: skip
        symbol, bids, asks, wall_ms, seq, update_id = wanted
        assert (quote.symbol, quote.bid_px, quote.bid_qty, quote.ask_px, quote.ask_qty) == (
            symbol, *map(float, bids[0][:2]), *map(float, asks[0][:2])
        )  # fmt: skip
        assert (quote.exch_wall_ns, quote.seq, quote.update_id) == (wall_ms * 10**6, seq, update_id)


# ---- generated frames ---------------------------------------------------------------------------

SPACE = st.sampled_from(["", "", "", " ", "\n", "\t \r"])
DIGITS = st.text("0123456789", min_size=1, max_size=24)
EXPONENT = st.sampled_from(["e3", "E-7", "e+30", "e-320"])
NUMBER = st.one_of(
    st.builds(lambda a, b: f"{a}.{b[:6]}", st.integers(0, 10**6), DIGITS),
    st.builds(lambda a, b: f"{a.lstrip('0') or '0'}.{b}", DIGITS, DIGITS),
    st.builds(lambda a, e: f"{a.lstrip('0') or '0'}{e}", DIGITS, EXPONENT),
    st.sampled_from(["0", "0.0", "1e309", "-1", "", "1.", "00.1", "5e-324", "9007199254740993"]),
)  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(-1e30, 1e30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
).map(json.dumps)  # fmt: skip


def level(extras: bool) -> st.SearchStrategy[str]:
    tail = ',"0","3"' if extras else ""
    return st.builds(lambda px, qty: f'["{px}","{qty}"{tail}]', NUMBER, NUMBER)


def side(extras: bool) -> st.SearchStrategy[str]:
    return st.lists(level(extras), max_size=3).map(lambda levels: f"[{','.join(levels)}]")


def members(draw: st.DrawFn, required: dict[str, str]) -> str:
    """The members in any order, junk between, space anywhere, escapes in a key now and then."""
    pairs = list(required.items())
    if draw(st.integers(0, 9)) == 0:
        pairs.pop(draw(st.integers(0, len(pairs) - 1)))
    if draw(st.integers(0, 9)) == 0:
        pairs.append(draw(st.sampled_from(list(required.items()))))
    if draw(st.booleans()):
        pairs.append((draw(st.sampled_from(["x", "new", "é", 'q"', "checksum"])), draw(JUNK)))
    if draw(st.booleans()):
        pairs = draw(st.permutations(pairs))
    texts = []
    for key, value in pairs:
        name = json.dumps(key)
        if draw(st.integers(0, 19)) == 0:
            name = '"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"'
        texts.append(f"{draw(SPACE)}{name}{draw(SPACE)}:{draw(SPACE)}{value}{draw(SPACE)}")
    return "{" + ",".join(texts) + "}"


@st.composite
def bybit_frames(draw: st.DrawFn) -> bytes:
    symbol = draw(st.sampled_from(["BTCUSDT", "X", "1000000BABYDOGEUSDT-26SEP25X"]))
    whole = st.integers(0, 2**49).map(str)
    data = members(draw, {
        "s": f'"{symbol}"', "b": draw(side(False)), "a": draw(side(False)), "u": draw(whole),
        "seq": draw(whole),
    })  # fmt: skip
    fields = {
        "topic": f'"orderbook.1.{symbol}"',
        "type": draw(st.sampled_from(['"snapshot"', '"delta"'])),
        "ts": draw(st.integers(0, 2 * 10**12).map(str)), "data": data,
    }  # fmt: skip
    if draw(st.booleans()):
        fields["cts"] = draw(st.integers(0, 2 * 10**12).map(str))
    return members(draw, fields).encode()


@st.composite
def okx_frames(draw: st.DrawFn) -> bytes:
    data = members(draw, {
        "asks": draw(side(True)), "bids": draw(side(True)),
        "ts": '"' + draw(st.integers(0, 2 * 10**12).map(str)) + '"',
        "seqId": draw(st.integers(0, 2**49).map(str)),
    })  # fmt: skip
    arg = members(draw, {"channel": '"bbo-tbt"', "instId": '"BTC-USDT-SWAP"'})
    return members(draw, {"arg": arg, "data": f"[{data}]"}).encode()


@settings(max_examples=600, deadline=None)
@given(bybit_frames())
def test_generated_bybit_frames_agree(frame: bytes) -> None:
    check("bybit", frame)


@settings(max_examples=600, deadline=None)
@given(okx_frames())
def test_generated_okx_frames_agree(frame: bytes) -> None:
    check("okx", frame)


def test_numbers_in_the_usual_frame_equal_float() -> None:
    """Every shape of price and quantity in the text that the fast way expects."""
    rng = random.Random(3)
    checked = 0
    for whole, fraction in itertools.product(range(1, 20), range(0, 20)):
        for _ in range(8):
            price = str(rng.randrange(10 ** (whole - 1), 10**whole))
            if fraction:
                price += "." + "".join(rng.choices("0123456789", k=fraction))
            for venue, good in (("bybit", samples.BYBIT_GOOD), ("okx", samples.OKX_GOOD)):
                name = b"3.323" if venue == "bybit" else b"570.27"
                frame = good.replace(name, price.encode())
                assert parse_frame(venue, frame).bid_qty == float(price), price
                checked += 1
    assert checked == 19 * 20 * 8 * 2


def test_names_of_fields_are_not_found_inside_strings() -> None:
    frame = re.sub(rb"^{", rb'{"x":"\\"topic\\":\\"orderbook.1.ETHUSDT\\"",', samples.BYBIT_GOOD)
    assert parse_frame("bybit", frame).symbol == "BTCUSDT"
