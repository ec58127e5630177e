"""The terminal dashboard through its own keys: what it shows, sorts and filters."""

import asyncio

import pytest
from dashboard_rig import SMALL, WIDE, FakeCommands, run, symbols, text_of, until
from deck_rig import fake_deck, gone_deck, killed_deck
from textual.pilot import Pilot

from arbitrage.cold.dashboard import THEMES, Dashboard
from arbitrage.cold.deck import Deck
from arbitrage.cold.screens.dialogs import Details, Help

# ---- what is shown -------------------------------------------------------------------------------


def test_a_small_window_shows_two_panels_and_keys_choose_them() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        titles = ["Opportunities", "Pairs", "Venues", "Latency", "Queues", "PnL", "Limits"]
        for number, title in enumerate([*titles, "Incidents"], 1):
            await pilot.press(str(number))
            await pilot.pause()
            shown = "\n".join(text_of(app))
            assert f"╭─ {number} {title}" in shown
            assert "╭─ 1 Opportunities" in shown
            assert shown.count("╭─") == 2
            assert app.focused is app.panels.box(PANEL_NAMES[number - 1]).grid

    run(step)


PANEL_NAMES = (
    *("opportunities", "pairs", "venues", "latency", "queues", "money", "limits", "incidents"),
)


def test_a_wide_window_shows_everything_at_once() -> None:
    async def step(app: Dashboard, _pilot: Pilot[None]) -> None:
        shown = "\n".join(text_of(app))
        assert shown.count("╭─") == 8
        for told in (
            *("PAPER", "spread", "run 12", "1:02:03", "TRADING", "data 0.3 s old"),
            *("5 of 6 LIVE", "one leg", "opp. to order", "25,012.41", "total +8.98 USD"),
            *("max day loss", "refused: signal age", "pair 91 stands on one leg", "edge gone"),
        ):
            assert told in shown, told

    run(step, size=WIDE)


def test_zoom_gives_one_panel_the_window_and_takes_it_back() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("8", "z")
        await pilot.pause()
        shown = text_of(app)
        assert sum("╭─" in line for line in shown) == 1
        assert "8 Incidents" in shown[2]
        await pilot.press("3")
        await pilot.pause()
        assert "3 Venues" in text_of(app)[2]
        await pilot.press("z")
        await pilot.pause()
        assert sum("╭─" in line for line in text_of(app)) == 2

    run(step)


@pytest.mark.parametrize("size", [(20, 6), (40, 10), (81, 23), (300, 90)])
def test_no_size_is_too_small_or_too_large(size: tuple[int, int]) -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("6", "z", "z", "question_mark", "escape", "k", "escape", "tab")
        await pilot.pause()
        assert len(text_of(app)) == size[1]

    run(step, commands=FakeCommands(), size=size)


def test_a_trader_that_is_gone_leaves_a_banner_and_no_number() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        assert "988" in "\n".join(text_of(app))
        await app.refresh_deck()
        await pilot.pause()
        shown = "\n".join(text_of(app))
        assert "NO TRADER: the trader (pid 4242) has ended" in shown
        assert "GONE" in shown
        assert "no data" in shown
        for number in ("988", "25,012", "TRADING", "USDT", "run 12", "total", "Opportunities ·"):
            assert number not in shown, number
        await app.refresh_deck()  # another run
        await pilot.pause()
        shown = "\n".join(text_of(app))
        assert "NO TRADER" not in shown
        assert "run 13" in shown
        assert app.panels.trends["seen"] == [fake_deck(9).latency[2].p99_ns]

    run(step, [fake_deck(), gone_deck(), fake_deck(9, run=13, pid=4343)], size=WIDE)


def test_what_the_main_thread_last_told_is_dim_and_says_its_age() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        for name in ("pairs", "money", "limits", "incidents"):
            box = app.panels.box(name)
            assert str(box.border_subtitle) == "7 s old"
            assert all(row.is_dim for row in box.grid.shown)
        for name in ("venues", "latency", "queues"):
            assert str(app.panels.box(name).border_subtitle) == ""
        assert "NO HEARTBEAT for 7 s" in "\n".join(text_of(app))

    run(step, [fake_deck(board_age_s=7.0)], size=WIDE)


def test_a_look_that_fails_is_told_and_the_next_one_shows_again() -> None:
    calls = iter([fake_deck(), OSError("no room"), fake_deck(1)])

    def look() -> Deck:
        found = next(calls)
        if isinstance(found, OSError):
            raise found
        return found

    async def body() -> None:
        app = Dashboard(look, None, look_s=None)
        async with app.run_test(size=SMALL) as pilot:
            for told in ("TRADING", "CANNOT READ: OSError: no room", "TRADING"):
                await app.refresh_deck()
                await pilot.pause()
                assert told in "\n".join(text_of(app))

    asyncio.run(body())


def test_it_looks_by_itself() -> None:
    async def body() -> None:
        steps = iter(range(1_000_000))
        app = Dashboard(lambda: fake_deck(min(5, next(steps))), None, look_s=0.01)
        async with app.run_test(size=SMALL) as pilot:
            await until(pilot, lambda: "1:02:08" in text_of(app)[0])

    asyncio.run(body())


def test_foreign_text_is_shown_and_not_obeyed() -> None:
    incidents = fake_deck().incidents
    incidents[-1].text = "[bold red]\x1b[2J\x07refused[/] by \u202e"
    decks = [fake_deck(incidents=incidents, opening="[link=x]because\x1b]0;")]

    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("8", "enter")
        await pilot.pause()
        shown = "\n".join(text_of(app))
        assert "[bold red] [2J refused[/] by" in shown
        assert "\x1b" not in shown
        await pilot.press("escape")
        await pilot.pause()
        assert "no new pairs: [link=x]because ]0;" in "\n".join(text_of(app))

    run(step, decks)


# ---- moving, sorting, filtering ------------------------------------------------------------------


def test_the_cursor_stays_on_its_line_while_lines_come_and_go() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        grid = app.panels.box("opportunities").grid
        await pilot.press("down", "down", "down")
        chosen = grid.selected
        assert chosen is grid.shown[3]
        await pilot.press("s", "s", "s")
        assert grid.selected is not None
        assert grid.selected.key == chosen.key
        lines = fake_deck().opportunities
        app._look = lambda: fake_deck(opportunities=lines[2:])
        await app.refresh_deck()
        assert grid.selected.key == chosen.key
        app._look = lambda: fake_deck(opportunities=[])
        await app.refresh_deck()
        assert grid.selected is None
        await pilot.press("down", "enter", "end")
        app._look = lambda: fake_deck(opportunities=lines)
        await app.refresh_deck()
        assert grid.selected is not None

    run(step)


def test_the_line_under_the_cursor_is_always_in_the_window() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        for key in ("end", "home", "pagedown", "pagedown", "pageup"):
            await pilot.press(key)
            await pilot.pause()
            row = app.panels.selected
            assert row is not None
            cells = [cell.text for cell in row.cells[1:6]]
            assert any(all(cell in line for cell in cells) for line in text_of(app)), key

    run(step)


def test_sorting_goes_through_the_columns_and_turns() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        grid = app.panels.box("opportunities").grid
        told = [row.key for row in grid.shown]
        titles = [column.title for column in grid._columns]
        for _ in range(titles.index("net") + 1):
            await pilot.press("s")
        assert grid.order == "net ▼"
        nets = [float(row.cells[8].text) for row in grid.shown]
        assert nets == sorted(nets, reverse=True)
        await pilot.press("S")
        assert [float(row.cells[8].text) for row in grid.shown] == sorted(nets)
        assert "net ▲" in "\n".join(text_of(app))
        while grid.order:
            await pilot.press("s")
        assert [row.key for row in grid.shown] == told
        await pilot.press("s", "s")
        assert symbols(app) == sorted(symbols(app))

    run(step)


def test_a_click_on_a_title_sorts_and_on_a_line_chooses() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        grid = app.panels.box("opportunities").grid
        await pilot.click(grid, offset=(4, 0))
        assert grid.order == "symbol ▼"
        await pilot.click(grid, offset=(4, 0))
        assert grid.order == "symbol ▲"
        await pilot.click(grid, offset=(10, 3))
        assert grid.selected is grid.shown[2]

    run(step)


def test_a_filter_wants_every_word_and_escape_ends_it() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        every = len(symbols(app))
        await pilot.press("slash", *"btc", "space", *"gone")
        assert set(symbols(app)) == {"BTCUSDT"}
        rows = app.panels.box("opportunities").grid.shown
        assert 0 < len(rows) < every
        assert all("edge gone" in row.cells[-1].text for row in rows)
        assert f"{len(rows)} of {every}" in "\n".join(text_of(app))
        await pilot.press("enter")
        assert app.focused is app.panels.box("opportunities").grid
        assert len(app.panels.box("pairs").grid.shown) == 0
        await app.refresh_deck()
        assert set(symbols(app)) == {"BTCUSDT"}
        await pilot.press("slash", *"zzz")
        await pilot.pause()
        assert "nothing matches the filter" in "\n".join(text_of(app))
        await pilot.press("escape")
        assert len(symbols(app)) == every

    run(step)


# ---- the rest ------------------------------------------------------------------------------------


def test_help_and_details_open_and_close() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        assert isinstance(app.screen, Help)
        assert "trip the kill switch" in "\n".join(text_of(app))
        await pilot.press("q")
        assert app.screen is app.panels
        await pilot.press("enter")
        assert isinstance(app.screen, Details)
        shown = "\n".join(text_of(app))
        assert "less slippage" in shown
        await pilot.press("escape")
        assert app.screen is app.panels

    run(step)


def test_the_theme_turns() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        assert app.theme == THEMES["light"]
        await pilot.press("t")
        assert app.theme == THEMES["dark"]
        await pilot.press("t")
        assert app.theme == THEMES["light"]

    run(step, theme="light")


def test_q_leaves() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("q")
        assert app._exit

    run(step, [killed_deck()])
