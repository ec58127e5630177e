"""The page in Debian's Chromium: what it shows, what it refuses to show, and for whom it works."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from browser_kit import Browser, LoopThread, Page, find_browser
from deck_fixture import WALL_NS, FixedReader, deck_facts, gone_facts
from trader_kit import Trader, venues

from arbitrage.cold.web_app import mount_page
from arbitrage.cold.web_guard import guard_app
from arbitrage.demo.processes import Child
from arbitrage.secret import Secret

CHECKS = (Path(__file__).parent / "page_checks.js").read_text()
NAMED_ROLES = {
    *("button", "checkbox", "image", "img", "link", "meter", "navigation", "region", "searchbox"),
    *("table", "textbox"),
}
SOME_ROWS = "document.querySelectorAll('#opportunity-table tbody tr:not(.empty)')"
LAPTOP, PHONE, NARROW = (1366, 768), (390, 844), (320, 640)


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture(scope="module")
def browser(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        said = "no Chromium here; Debian: apt-get install --no-install-recommends chromium"
        if os.environ.get("NEEDS_CHROMIUM"):  # .ci/run says so: there this is a failure
            pytest.fail(said)
        pytest.skip(said)
    running = Browser(program, tmp_path_factory.mktemp("chromium"), loop)
    yield running
    running.close()


@contextmanager
def served(loop: LoopThread, *readers: FixedReader, token: str | None = None) -> Iterator[str]:
    """Serve the page of some readers; give its address."""

    async def start() -> tuple[web.AppRunner, int]:
        app = guard_app(None if token is None else Secret(token))
        mount_page(app, {reader.name: reader for reader in readers}, 0.2)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, int(runner.addresses[0][1])

    runner, port = loop.run(start())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.run(runner.cleanup())


def is_live(page: Page) -> None:
    page.wait("document.body.dataset.feed === 'live'")


def is_quiet(page: Page, root: str) -> None:
    """Nothing on the console, and no request to anybody else."""
    assert page.errors == []
    assert page.requests
    assert page.foreign_requests(root) == []


def column(page: Page, table: str, number: int) -> list[str]:
    found = page.value(
        f"[...document.querySelectorAll('#{table} tbody tr')]"
        f".map((row) => row.children[{number}].textContent)"
    )
    return list(found)


# ---- for whom it works ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_and_fit_on_every_screen(
    browser: Browser, loop: LoopThread, scheme: str
) -> None:
    reader = FixedReader(deck_facts(opening="the clock of okx is 3 s off"))
    with served(loop, reader) as root, browser.page(*LAPTOP, scheme) as page:
        page.go(root)
        is_live(page)
        page.value(CHECKS)
        for size in (LAPTOP, PHONE, NARROW):
            page.resize(*size)
            assert page.value("checks.wide()") == [], size
            assert page.value("checks.cutOff()") == [], size
            assert size == NARROW or page.value("checks.sideways()") == [], size
            told = page.value("checks.contrast()")
            assert told["found"] == [], size
            assert told["texts"] > 250
        killed = {"reason": "day_loss", "by": "trader", "since_wall_ns": 1, "why": "lost 500 USD"}
        for facts, feed in ((deck_facts(killed=killed), "live"), (gone_facts(), "gone")):
            reader.facts = facts
            page.wait(f"document.body.dataset.feed === '{feed}'")
            page.wait("document.querySelector('#banner').innerText")
            assert page.value("checks.contrast().found") == []
            assert page.value("checks.wide()") == []
        is_quiet(page, root)


def test_everything_has_a_name_and_tables_are_tables(browser: Browser, loop: LoopThread) -> None:
    with served(loop, FixedReader()) as root, browser.page() as page:
        page.go(root)
        is_live(page)
        for size in (LAPTOP, PHONE):  # on a phone rows are cards, and still rows of a table
            page.resize(*size)
            nodes = page.names()
            nameless = [node for node in nodes if node["role"] in NAMED_ROLES and not node["name"]]
            assert nameless == []
            roles = [node["role"] for node in nodes]
            assert roles.count("table") == 6
            assert roles.count("columnheader") >= 20
            assert roles.count("rowheader") >= 24
            assert roles.count("meter") == 9
            assert {"banner", "main", "navigation", "contentinfo"} <= set(roles)
        title = {"role": "RootWebArea", "name": "Trading · +141.73 USD · 4 pairs · arbitrage"}
        assert nodes[0] == title


def test_all_of_it_by_keyboard(browser: Browser, loop: LoopThread) -> None:
    with served(loop, FixedReader()) as root, browser.page() as page:
        page.go(root)
        is_live(page)
        page.value(CHECKS)
        wanted = page.value("checks.focusable()")
        reached = []
        for _ in range(len(wanted) + 3):
            page.press("Tab")
            told = page.value("checks.focused()")
            if told is None:
                break
            assert told["isRinged"], told
            assert told["isSeen"], told
            reached.append(told["number"])
        assert reached == wanted  # in the order of the document, and nothing is a trap
        assert len(wanted) > 40

        page.value("document.querySelector('a.skip').focus()")
        page.press("Enter")
        assert page.value("document.activeElement.id") == "opportunities"

        sort = "document.querySelectorAll('#opportunity-table .sort')[4]"  # gross
        cell = f"{sort}.parentElement.getAttribute('aria-sort')"
        before = column(page, "opportunity-table", 4)
        page.value(f"{sort}.focus()")
        for key, order in (("Enter", "descending"), (" ", "ascending"), ("Enter", None)):
            page.press(key)
            assert page.value(cell) == order
            now = column(page, "opportunity-table", 4)
            open_ones, others = now[:6], now[6:]
            if order is None:
                assert now == before
            else:
                falling = order == "descending"
                assert open_ones == sorted(before[:6], key=float, reverse=falling)
                assert others == sorted(before[6:], key=float, reverse=falling)
            assert page.value(f"document.activeElement === {sort}")  # rows move, the focus stays

        page.value("document.querySelector('#filter').focus()")
        page.type("sol")
        assert set(column(page, "opportunity-table", 0)) == {"SOLUSDT"}
        assert column(page, "pair-table", 0) == ["SOLUSDT"]
        page.type("x")
        assert column(page, "pair-table", 0) == ["None fits the filter."]
        page.value("document.querySelector('#filter').value = ''")
        page.value("document.querySelector('#filter').dispatchEvent(new Event('input'))")
        page.value("document.querySelector('#open-only').focus()")
        page.press(" ")
        assert column(page, "opportunity-table", 10) == ["open"] * 6
        page.value("document.querySelectorAll('#stage-table button')[5].focus()")
        page.press("Enter")
        page.wait("document.querySelector('#latency-caption').innerText.startsWith('Order')")


def test_themes_and_motion(browser: Browser, loop: LoopThread) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    moves = "getComputedStyle(document.querySelector('.dot')).animationName"
    with served(loop, FixedReader()) as root, browser.page(scheme="dark") as page:
        page.go(root)
        is_live(page)
        dark = page.value(ground)
        assert page.value(moves) == "none"
        page.prefer("dark", motion="no-preference")
        assert page.value(moves) == "beat"
        page.value("document.querySelector('#theme').click()")
        light = page.value(ground)
        assert (light, page.text("#theme")) != (dark, "Theme: auto")
        page.go(root)  # it is remembered, and stands before the first paint
        assert page.value(ground) == light
        page.value("document.querySelector('#theme').click()")
        assert (page.value(ground), page.text("#theme")) == (dark, "Theme: dark")
        page.value("document.querySelector('#theme').click()")
        page.prefer("light")
        assert (page.value(ground), page.text("#theme")) == (light, "Theme: auto")


# ---- what it shows and refuses to show -----------------------------------------------------------


def test_states_are_said_and_figures_held_only_while_they_are_marked(
    browser: Browser, loop: LoopThread
) -> None:
    reader = FixedReader()
    with served(loop, reader) as root, browser.page() as page:
        page.go(root)
        is_live(page)
        assert page.text("#banner") == ""
        assert page.text("#state") == "trading"
        assert len(figures(page)) > 1000
        page.value("document.querySelector('#hold').click()")
        assert "Held at" in page.text("#notice")
        assert page.text("#pairs .mark").startswith("held ")
        reader.facts = deck_facts(pairs=[])
        page.wait("document.title.includes('0 pairs')")  # the title goes on, the figures wait
        assert len(column(page, "pair-table", 0)) == 4
        page.value("document.querySelector('#hold').click()")
        page.wait("document.querySelectorAll('#pair-table tbody tr').length === 1")
        assert page.text("#pairs .mark") == ""

        reader.facts = deck_facts(board_age_s=7.5)
        page.wait("document.querySelector('#pairs .mark').innerText.startsWith('as of')")
        assert page.text("#opportunities .mark") == ""  # that is not of the board
        reader.facts = deck_facts(opening="okx: its clock is 3 s off")
        page.wait("document.querySelector('#state').innerText === 'no new pairs'")
        assert page.text("#notice") == "No new pairs: okx: its clock is 3 s off."
        reader.facts = deck_facts(heartbeat_age_s=3.2)
        page.wait("document.querySelector('#banner').innerText.includes('heartbeat is 3.2 s old')")
        killed = {"reason": "day_loss", "by": "", "since_wall_ns": 10**18, "why": "500 USD lost"}
        reader.facts = deck_facts(killed=killed)
        page.wait("document.querySelector('#banner').innerText.startsWith('Kill switch: day loss')")
        assert page.value("document.title").startswith("KILLED · ")

        page.value("document.querySelector('#hold').click()")
        reader.facts = gone_facts()
        page.wait("document.body.dataset.feed === 'gone'")  # nothing is held of what is gone
        assert any(node["role"] == "alert" for node in page.names())
        assert page.text("#hold") == "Hold"
        assert page.value("document.querySelector('#hold').getAttribute('aria-pressed')") == "false"
        assert figures(page) == ""
        is_quiet(page, root)


def figures(page: Page) -> str:
    """Return every digit that stands in the page's figures."""
    places = "main tbody td, main tbody th, main dd, main .figure, main svg text, main li, .paused"
    texts = f"[...document.querySelectorAll({places!r})].map((node) => node.textContent).join('')"
    return str(page.value(f"{texts}.replace(/[^0-9]/g, '')"))


def test_figures_that_come_late_are_not_shown_as_fresh(
    browser: Browser, loop: LoopThread
) -> None:
    reader = FixedReader()
    with served(loop, reader) as root, browser.page() as page:
        page.go(root)
        is_live(page)
        streams = sum(address.endswith("/events") for address in page.requests)
        reader.stand_still()
        # both at one look: the page asks anew at once, and is live again soon
        said = page.wait(
            "document.body.dataset.feed === 'cut' && document.querySelector('#banner').innerText"
            " + ' | ' + document.querySelector('#venues .mark').innerText"
        )
        assert "figures come" in said
        assert "s late" in said
        assert " | as of " in said
        # what is on its way is old: a new stream begins with the newest
        page.wait("document.body.dataset.feed === 'live'")
        assert sum(address.endswith("/events") for address in page.requests) > streams


CURVES = ([], [0.0], [0.0, 0.0], [-3.0, -3.0, -3.0], [5e9, -2e-9, 5e9], [1e-12, 2e-12])


def test_curves_of_every_form(browser: Browser, loop: LoopThread) -> None:
    reader = FixedReader()
    with served(loop, reader) as root, browser.page() as page:
        page.go(root)
        for run, curve in enumerate(CURVES, 300):  # each run begins a curve of its own
            points = [(WALL_NS + number * 10**9, usd) for number, usd in enumerate(curve)]
            reader.facts = deck_facts(pnl=points, run=run)
            page.wait(f"document.querySelector('#facts').innerText.includes('run {run} ')")
            page.wait(
                f"document.querySelectorAll('#pnl-chart .line').length === {len(curve) > 1:d}"
            )
            assert page.text("#pnl-caption").startswith("Since" if curve else "Result over time")
        is_quiet(page, root)  # a figure that is none would be told here


def test_what_a_venue_says_is_text(browser: Browser, loop: LoopThread) -> None:
    evil = "<img src=x onerror='document.title=1'><script>document.title=2</script>"
    incident = deck_facts()["incidents"][0] | {"text": evil, "venue": evil, "number": 9}
    facts = deck_facts(opening=evil, strategy=evil, incidents=[incident], paused={evil: [evil]})
    with served(loop, FixedReader(facts)) as root, browser.page() as page:
        page.go(root)
        is_live(page)
        assert page.value("document.querySelectorAll('main img, main script').length") == 0
        assert page.text("#notice") == f"No new pairs: {evil}."
        assert page.value("document.title").startswith("Holding · ")
        is_quiet(page, root)


def test_a_person_logs_in(browser: Browser, loop: LoopThread) -> None:
    token = "sesame-sesame-sesame"
    with served(loop, FixedReader(), token=token) as root, browser.page(*PHONE) as page:
        page.go(root)
        assert page.value("location.pathname") == "/login"
        page.value(CHECKS)
        assert page.value("checks.contrast().found") == []
        assert page.value("checks.wide()") == []
        assert page.value("document.activeElement.id") == "token"
        page.type("not the token")
        page.press("Enter")
        page.wait("document.querySelector('[role=alert]')?.innerText === 'That is not the token.'")
        page.wait("document.readyState === 'complete' && document.activeElement.id === 'token'")
        page.type(token)
        page.press("Enter")
        page.wait("location.pathname === '/'")
        is_live(page)
        assert page.value("document.cookie") == ""  # no script can read it
        assert token not in page.value("document.documentElement.outerHTML")


def test_several_traders(browser: Browser, loop: LoopThread) -> None:
    readers = [FixedReader(deck_facts(name="east")), FixedReader(deck_facts(name="west", pairs=[]))]
    with served(loop, *readers) as root, browser.page() as page:
        page.go(root)
        is_live(page)
        assert page.value("document.title").endswith("4 pairs · east")
        page.value("document.querySelectorAll('#traders a')[1].click()")
        page.wait("document.title.endsWith('0 pairs · west')")
        assert page.text("#traders a[aria-current=page]") == "west"


# ---- a trader that really runs -------------------------------------------------------------------


class Monitor:
    """`arb-monitor` as the program it is."""

    def __init__(self, folder: Path, name: str, port: int = 0) -> None:
        args = ["-m", "arbitrage.monitor", "--name", name, "--port", str(port)]
        environment = {**os.environ, "LOG_LEVEL": "INFO"}
        self.child = Child(f"monitor {uuid.uuid4().hex[:4]}", args, environment, folder)

    def port(self, page: Page) -> int:
        """Wait for its first words; return the port."""
        lines: list[str] = []
        while not any("serving http" in line for line in lines):
            self.child.check()
            lines = self.child.log_lines()
            page.value("new Promise((done) => setTimeout(done, 20))")
        line = next(line for line in lines if "serving http" in line)
        return int(line.partition("127.0.0.1:")[2].partition("/")[0])


def begin(folder: Path, environment: dict[str, str], name: str) -> Trader:
    running = Trader(folder, environment, ARB_NAME=name)
    running.name = name
    return running


@pytest.mark.timeout(300)
def test_a_real_trader_lives_dies_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    name = f"page-{os.getpid()}"
    children: list[Any] = []
    with venues(tmp_path, rate=400) as sims, browser.page() as page:
        try:
            monitor = Monitor(tmp_path, name)
            children.append(monitor.child)
            port = monitor.port(page)
            root = f"http://127.0.0.1:{port}"
            page.go(root)
            page.wait("document.body.dataset.feed === 'gone'")
            assert f"no trader named '{name}' runs here" in page.text("#banner")
            assert figures(page) == ""

            trader = begin(tmp_path, sims.environment(), name)
            children.append(trader.child)
            trader.attach()
            is_live(page)
            page.wait(f"{SOME_ROWS}.length > 3")
            page.wait("document.querySelector('#venue-table').innerText.includes('3 LIVE')")
            page.wait("document.querySelectorAll('#latency-chart path').length > 0")
            assert page.text("#banner") == ""
            assert f"pid {trader.child.pid}" in page.text("#facts")
            first = page.text("#asof")
            page.wait(f"document.querySelector('#asof').innerText !== '{first}'")
            is_quiet(page, root)

            trader.child.signal(signal.SIGKILL)
            page.wait("document.body.dataset.feed === 'gone'")
            assert "No trader:" in page.text("#banner")
            assert page.value("document.title").startswith("GONE")
            assert figures(page) == ""

            trader = begin(tmp_path, sims.environment(), name)
            children.append(trader.child)
            trader.attach()
            is_live(page)
            page.wait(f"{SOME_ROWS}.length > 3")
            assert page.text("#banner") == ""
            assert f"pid {trader.child.pid}" in page.text("#facts")
            is_quiet(page, root)

            monitor.child.signal(signal.SIGSTOP)  # the line stays, and nothing comes
            page.wait("document.body.dataset.feed === 'cut'")
            monitor.child.signal(signal.SIGCONT)
            is_live(page)
            assert page.text("#banner") == ""

            monitor.child.signal(signal.SIGKILL)
            page.wait("document.body.dataset.feed === 'cut'")
            assert "The stream is cut" in page.text("#banner")
            assert page.text("#opportunities .mark").startswith("as of ")
            assert page.value("document.title").startswith("CUT")
            page.value(CHECKS)
            assert page.value("checks.contrast().found") == []
            assert figures(page) != ""
            page.value("{ const now = Date.now; Date.now = () => now() + 60000; }")
            page.wait("document.querySelectorAll('#opportunity-table tr.over').length === 0")
            assert figures(page) == ""  # a minute old, they are worth nothing
            page.value("{ const now = Date.now; Date.now = () => now() - 60000; }")
            monitor.child.wait(10.0)
            monitor = Monitor(tmp_path, name, port)
            children.append(monitor.child)
            is_live(page)
            assert page.text("#banner") == ""
            assert page.text("#opportunities .mark") == ""
        finally:
            for child in reversed(children):
                child.stop()
