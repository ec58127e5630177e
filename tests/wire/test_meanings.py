"""Every kind of frame and answer of both venues is read, and means what it says.

The frames of `told/` are typed for this project after the venues' documentation and published
captures; beneath each stands what the connector that would receive it makes of it.
"""

from pathlib import Path

import meanings
import pytest
from recorded import FIXTURES

# What we send, not what we receive: see test_order_frames and the simulator's forms.
SENT = {"ws_trade_order_create_request", "ws_order_request"}
CASES = [
    pytest.param(path.name.partition("_")[0], *case, id=f"{path.stem}-{case[0]}")
    for path in sorted(meanings.FOLDER.glob("*.txt"))
    for case in meanings.told(path.name)
]


@pytest.mark.parametrize(("venue", "kind", "frames", "said"), CASES)
def test_meaning(venue: str, kind: str, frames: list[bytes], said: list[str]) -> None:
    assert said, "a frame without a meaning asserts nothing"
    assert meanings.meaning(venue, kind, frames) == said


def test_the_kinds_are_all_here() -> None:
    assert len(CASES) == 209
    assert len({(case.values[0], case.values[1]) for case in CASES}) == 209


def captures() -> list[tuple[str, Path]]:
    return [
        (venue, path)
        for venue in ("bybit", "okx")
        for path in sorted((FIXTURES / venue).glob("[rw]*"))
        if path.stem not in SENT
    ]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no fixtures beside the repository")
def test_captures_are_read_and_have_their_frame_here() -> None:
    known = {(case.values[0], case.values[1]) for case in CASES}
    found = captures()
    assert len(found) >= 200
    for venue, path in found:
        assert (venue, path.stem) in known
        assert meanings.meaning(venue, path.stem, [path.read_bytes().rstrip(b"\n")])
