"""SymbolMap against a dict: names of every length, every bound, clear errors."""

import random

import pytest

from arbitrage.core.symbols import SymbolMap


def test_rows_and_names_both_ways() -> None:
    symbols = SymbolMap(16)
    assert symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}) == 0
    assert symbols.add("ETHUSDT", {"okx": "ETH-USDT-SWAP"}) == 1
    assert symbols.row("bybit", "BTCUSDT") == 0
    assert symbols.row("okx", b"BTC-USDT-SWAP") == 16
    assert symbols.row("okx", "ETH-USDT-SWAP") == 17
    assert symbols.canonical(17) == "ETHUSDT"
    assert symbols.canonical(1) == "ETHUSDT"
    assert symbols.venue_symbol("okx", 0) == "BTC-USDT-SWAP"
    assert symbols.index("ETHUSDT") == 1
    assert list(symbols) == ["BTCUSDT", "ETHUSDT"]
    assert len(symbols) == 2
    assert "BTCUSDT" in symbols
    assert "BTC" not in symbols


def test_a_venue_that_does_not_list_the_symbol_says_so() -> None:
    symbols = SymbolMap(4)
    symbols.add("ETHUSDT", {"okx": "ETH-USDT-SWAP"})
    with pytest.raises(KeyError, match="bybit does not list ETHUSDT"):
        symbols.venue_symbol("bybit", 0)
    with pytest.raises(KeyError, match="bybit symbol 'ETHUSDT' is not in the map"):
        symbols.row("bybit", "ETHUSDT")


@pytest.mark.parametrize("length", range(1, 29))
def test_every_length_is_found_and_its_neighbours_are_not(length: int) -> None:
    symbols = SymbolMap(2)
    name = "".join(random.Random(length).choices("ABCDEFGHIJ-", k=length))
    symbols.add("X", {"bybit": name})
    assert symbols.row("bybit", name) == 0
    for position in range(length):
        other = name[:position] + "z" + name[position + 1 :]
        with pytest.raises(KeyError):
            symbols.row("bybit", other)
    for other in (name[:-1], name + "A", name + "\0"):
        with pytest.raises(KeyError):
            symbols.row("bybit", other)
    with pytest.raises(KeyError):
        symbols.row("okx", name)


def test_full_size_map_agrees_with_a_dict() -> None:
    rng = random.Random(5)
    symbols = SymbolMap(2000)
    expected: dict[tuple[str, str], int] = {}
    for index in range(2000):
        names = {}
        for venue_index, venue in enumerate(("bybit", "okx")):
            name = f"{rng.randrange(10**12):d}"[: rng.randint(1, 12)] + f"-{index}"
            names[venue] = name
            expected[venue, name] = venue_index * 2000 + index
        assert symbols.add(f"C{index}", names) == index
    assert all(symbols.row(*key) == row for key, row in expected.items())
    with pytest.raises(ValueError, match="the map is full: 2000 symbols"):
        symbols.add("ONEMORE", {})


def test_refused_additions_change_nothing() -> None:
    symbols = SymbolMap(4)
    symbols.add("BTCUSDT", {"bybit": "BTCUSDT"})
    refused: list[tuple[str, dict[str, str], str]] = [
        ("BTCUSDT", {}, "already in the map"),
        ("X", {"okx": "NEW", "bybit": "BTCUSDT"}, "already in the map"),
        ("X", {"okx": "N" * 29}, "1 to 28 bytes"),
        ("X", {"okx": ""}, "1 to 28 bytes"),
        ("", {}, "1 to 28 bytes"),
        ("X", {"binance": "X"}, "venue was 'binance'; accepted are bybit, okx"),
    ]
    for canonical, names, reason in refused:
        with pytest.raises(ValueError, match=reason):
            symbols.add(canonical, names)
    assert list(symbols) == ["BTCUSDT"]
    with pytest.raises(KeyError):
        symbols.row("okx", "NEW")


@pytest.mark.parametrize("capacity", [0, -1, 2049])
def test_capacity_is_bounded(capacity: int) -> None:
    with pytest.raises(ValueError, match="1 to 2048 symbols are accepted"):
        SymbolMap(capacity)


def test_rows_not_in_use_are_named() -> None:
    symbols = SymbolMap(4)
    symbols.add("BTCUSDT", {"bybit": "BTCUSDT"})
    for row in (1, 5, 8, -1, 10**6):
        with pytest.raises(KeyError):
            symbols.canonical(row)
    for index in (-1, 1, 4):
        with pytest.raises(KeyError):
            symbols.venue_symbol("bybit", index)
