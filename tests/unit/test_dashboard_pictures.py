"""What the terminal dashboard looks like, as pictures that a person has looked at.

`DRAW_PICTURES=1` draws them anew; look at them before they are kept. Only what is seen is compared:
words, places, colours.
"""

import asyncio
import difflib
import os
import re
from pathlib import Path

import pytest
from dashboard_rig import FakeCommands
from deck_rig import fake_deck, gone_deck, killed_deck
from textual.widgets import Input

from arbitrage.cold.dashboard import Dashboard
from arbitrage.cold.deck import Deck

PICTURES = Path(__file__).parents[1] / "pictures"
STEPS = 40
SMALL, WIDE = (80, 24), (150, 46)
# name -> (size, theme, last deck, keys)
SHOTS: dict[str, tuple[tuple[int, int], str, Deck, tuple[str, ...]]] = {
    "wide-dark": (WIDE, "dark", fake_deck(STEPS), ()),
    "wide-light": (WIDE, "light", fake_deck(STEPS), ()),
    "small-pairs": (SMALL, "dark", fake_deck(STEPS), ()),
    "small-latency": (SMALL, "dark", fake_deck(STEPS), ("4",)),
    "small-pnl-light": (SMALL, "light", fake_deck(STEPS), ("6",)),
    "small-incidents": (SMALL, "dark", fake_deck(STEPS), ("8", "z")),
    "small-filter": (SMALL, "dark", fake_deck(STEPS), ("slash", "e", "t", "h")),
    "killed": (SMALL, "dark", killed_deck(STEPS), ()),
    "gone": (SMALL, "dark", gone_deck(), ()),
    "late": (WIDE, "dark", fake_deck(STEPS, board_age_s=4.0, heartbeat_age_s=4.1), ()),
    "kill": (SMALL, "dark", fake_deck(STEPS), ("k", "k", "i", "l", "enter")),
    "kill-flatten": (SMALL, "light", fake_deck(STEPS), ("k", "tab", "space")),
    "help": (SMALL, "light", fake_deck(STEPS), ("question_mark",)),
    "venue-details": (SMALL, "light", fake_deck(STEPS), ("3", "down", "enter")),
    "details": (SMALL, "dark", fake_deck(STEPS), ("down", "enter")),
}


def draw(size: tuple[int, int], theme: str, last: Deck, keys: tuple[str, ...]) -> str:
    """Return the picture after some decks and keys."""
    decks = [*(fake_deck(step) for step in range(STEPS)), last]

    async def body() -> str:
        queue = iter(decks)
        app = Dashboard(
            lambda: next(queue),
            FakeCommands(),  # type: ignore[arg-type]
            look_s=None,
            theme=theme,
        )
        async with app.run_test(size=size) as pilot:
            for _ in decks:
                await app.refresh_deck()
            await pilot.pause()
            await pilot.press(*keys)
            for typed in app.screen.query(Input):
                typed.cursor_blink = False
                typed._cursor_visible = True
            await pilot.pause()
            return app.export_screenshot()

    return asyncio.run(body())


def seen(svg: str) -> list[str]:
    """Return what a person sees of a picture: no font, no generated name."""
    styles = dict(re.findall(r"\.terminal-\d+-(r\d+) \{([^}]*)\}", svg))
    found = []
    for kind, rest in re.findall(r"<(rect|text)([^>]*(?:>[^<]*</text)?)>", svg):
        rest = re.sub(r"terminal-\d+-(?:line-\d+|clip[\w-]*)", "", rest)
        rest = re.sub(r'class="terminal-\d+-(r\d+)"', lambda m: styles.get(m[1], ""), rest)
        found.append(f"{kind} {re.sub(r'terminal-[0-9]+', '', rest).strip()}")
    return found


@pytest.mark.parametrize("name", SHOTS)
def test_it_looks_as_a_person_wanted_it(name: str) -> None:
    path = PICTURES / f"dashboard-{name}.svg"
    svg = draw(*SHOTS[name])
    if os.environ.get("DRAW_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        path.write_text(svg, encoding="utf-8")
    wanted = seen(path.read_text(encoding="utf-8"))
    assert len(wanted) > 40
    lines = list(difflib.unified_diff(wanted, seen(svg), lineterm="", n=0))
    assert lines == [], f"{name} looks otherwise; draw with DRAW_PICTURES=1 and look at {path.name}"


def test_the_comparison_sees_a_word_a_colour_and_a_place() -> None:
    svg = (PICTURES / "dashboard-killed.svg").read_text(encoding="utf-8")
    assert seen(svg.replace("KILLED", "KILLD")) != seen(svg)
    assert seen(re.sub(r"fill: #[0-9a-f]{6}", "fill: #123456", svg)) != seen(svg)
    assert seen(svg.replace('x="12.2"', 'x="24.4"')) != seen(svg)
    assert seen(re.sub(r"terminal-\d+", "terminal-7", svg)) == seen(svg)
