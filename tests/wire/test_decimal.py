"""parse_decimal against float(): each text of the grammar gives the same double."""

import math
import os
import random
import re
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core.frames import parse_decimal

ROOT = Path(__file__).resolve().parents[2]
GRAMMAR = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


def check(text: str) -> None:
    expected = float(text)
    if math.isinf(expected):
        with pytest.raises(ValueError, match="not a JSON number that a double can hold"):
            parse_decimal(text.encode())
        return
    found = parse_decimal(text.encode())
    assert struct.pack("d", found) == struct.pack("d", expected), text


@settings(max_examples=1500, deadline=None)
@given(st.from_regex(GRAMMAR, fullmatch=True))
def test_every_json_number_equals_float(text: str) -> None:
    check(text)


@settings(max_examples=1500, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_comes_back(value: float) -> None:
    check(repr(value))
    check(f"{value:.17e}")
    if abs(value) < 1e300:
        check(f"{value:.30f}")


@settings(max_examples=1000, deadline=None)
@given(st.text("0123456789.eE+-xnaif _", max_size=12))
def test_nothing_else_is_a_number(text: str) -> None:
    if GRAMMAR.fullmatch(text):
        check(text)
    else:
        with pytest.raises(ValueError, match="not a JSON number"):
            parse_decimal(text.encode())


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", ".5", "5.", "01", "-", "1e", "1e+", "NaN", "nan", "inf",
             "Infinity", "0x10", "1_000", "1,5", "1.5.2", "--1", "1e5.0", "1\0", "\u0661"],
)  # fmt: skip
def test_refused_texts(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON number"):
        parse_decimal(text.encode())


def exact_decimal(value: Fraction) -> str:
    """All digits of a fraction whose denominator is a power of two."""
    power = value.denominator.bit_length() - 1
    digits = str(value.numerator * 5**power).rjust(power + 1, "0")
    return digits[: len(digits) - power] + ("." + digits[len(digits) - power :] if power else "")


def test_midpoints_between_doubles_round_to_even_and_their_neighbours_do_not() -> None:
    rng = random.Random(7)
    for _ in range(400):
        bits = (
            rng.randrange(1, 0x7FE0_0000_0000_0000)
            if rng.random() < 0.7
            else rng.randrange(1, 2**53)
        )
        low, high = (struct.unpack("d", struct.pack("Q", bits + step))[0] for step in (0, 1))
        middle = exact_decimal((Fraction(low) + Fraction(high)) / 2)
        point = "" if "." in middle else "."
        for text in (middle, middle + point + "0" * 900 + "1", middle + point + "0" * 900):
            check(text)
        check(middle[:-1] + str(int(middle[-1]) - 1) + "9" * 30 if middle[-1] != "0" else middle)


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "0.0e999999999999", "0e-99999999999999999999", "5e-324", "2.4703282292062327e-324",
     "2.4703282292062328e-324", "2.2250738585072011e-308", "1.7976931348623157e308",
     "1.7976931348623158e308", "1.7976931348623159e308", "1e309", "1e99999999999999999999",
     "9007199254740992", "9007199254740993", "9007199254740993.0000000000000000000001", "1e22",
     "1e23", "123456789012345678", "18446744073709551615", "18446744073709551616",
     "0." + "0" * 400 + "1e400", "1" + "0" * 400 + "e-400", "1" * 800 + "e-800",
     "9" * 5000 + "e-5000",
     "0." + "0" * 30000 + "1e30001", "1" + "0" * 30000 + "e-30001"],
)  # fmt: skip
def test_edges(text: str) -> None:
    check(text)


def test_the_locale_has_no_say(tmp_path: Path) -> None:
    """strtod reads the locale's decimal point; a German process must read the same numbers."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef to make a locale with a decimal comma")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")],
        capture_output=True, check=False,
    )  # fmt: skip
    if not (tmp_path / "de_DE.UTF-8").exists():
        pytest.skip(f"localedef made nothing: {made.stderr.decode()[:200]}")
    code = (
        "import locale\n"
        "from arbitrage.core.frames import parse_decimal\n"
        "locale.setlocale(locale.LC_ALL, 'de_DE.UTF-8')\n"
        "assert locale.localeconv()['decimal_point'] == ','\n"
        "for text in ('0.12345678901234567890123', '1.5', '3.5e-320', '1e23'):\n"
        "    assert parse_decimal(text.encode()) == float(text), text\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "LOCPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
