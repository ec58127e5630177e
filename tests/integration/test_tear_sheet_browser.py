"""The tear sheet in Debian's Chromium: it asks for nothing, complains of nothing and fits."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_kit import Browser, LoopThread, find_browser
from results_rig import make_backtest


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        said = "no Chromium here; Debian: apt-get install --no-install-recommends chromium"
        if os.environ.get("NEEDS_CHROMIUM"):  # .ci/run says so: there this is a failure
            pytest.fail(said)
        pytest.skip(said)
    loop = LoopThread()
    running = Browser(program, tmp_path, loop)
    yield running
    running.close()
    loop.close()


def test_it_is_one_file_for_any_screen_and_either_ground(browser: Browser, tmp_path: Path) -> None:
    path = make_backtest().report(tmp_path / "report.html")
    grounds = {}
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        with browser.page(width, 900, scheme=scheme) as page:
            page.go(path.resolve().as_uri())
            assert page.errors == []
            asked = [each for each in page.requests if not each.startswith("data:")]
            assert asked == [path.resolve().as_uri()]
            assert page.value("document.documentElement.scrollWidth") <= width
            look = "getComputedStyle(document.querySelector('svg text'))"
            colour = page.value(f"{look}.fill")
            ground = page.value(
                "getComputedStyle(document.querySelector('.panel')).backgroundColor"
            )
            grounds[scheme] = ground
            assert colour != ground
            names = {each["name"] for each in page.names() if each["role"] in {"image", "img"}}
            assert {"profit from gross to net", "what a latency leaves"} <= names
    assert grounds["light"] != grounds["dark"]
