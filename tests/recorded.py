"""Recorded material that a machine may hold: a real day of frames, and the venues' own payloads."""

import os
from pathlib import Path

DAY = "real-2024-08-08"
ROOT = Path(__file__).resolve().parents[1]
_BESIDE = ROOT.parent


def _find_day() -> Path:
    """The recorded day: under ARB_REAL_DATA, else in a data folder beside the repository."""
    named = os.environ.get("ARB_REAL_DATA")
    places = [Path(named), Path(named) / DAY] if named else sorted(_BESIDE.glob(f"*/data/{DAY}"))
    found = [place for place in places if (place / "okx.frames.gz").is_file()]
    return next(iter(found), _BESIDE / "data" / DAY)


def _find_fixtures() -> Path:
    """One JSON file a payload: under ARB_FIXTURES, else in a folder beside the repository."""
    named = os.environ.get("ARB_FIXTURES")
    beside = sorted(_BESIDE.glob("*/protocol/fixtures"))
    return Path(named) if named else next(iter(beside), _BESIDE / "protocol" / "fixtures")


REAL = _find_day()
FIXTURES = _find_fixtures()
HAS_DAY = (REAL / "bybit.frames.gz").is_file()
