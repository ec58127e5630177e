"""Who may look at the monitor with a token: programs by the header, browsers by a cookie."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar, web
from aiohttp.test_utils import TestServer

from arbitrage.cold import web_guard
from arbitrage.cold.web_guard import HEADERS, Sessions, guard_app
from arbitrage.secret import Secret

TOKEN = "sesame-sesame-sesame"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
Step = Callable[[ClientSession, str], Awaitable[None]]


def with_server(step: Step, token: str | None = TOKEN) -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="the page")

    async def body() -> None:
        app = guard_app(None if token is None else Secret(token))
        for path in ("/", "/events", "/static/deck.css"):
            app.router.add_get(path, page, allow_head=False)
        server = TestServer(app, host="127.0.0.1")
        async with server, ClientSession(cookie_jar=DummyCookieJar()) as session:
            await step(session, f"http://127.0.0.1:{server.port}")

    asyncio.run(body())


async def ask(session: ClientSession, url: str, **options: Any) -> tuple[int, dict[str, str], str]:
    method = options.pop("method", "GET")
    async with session.request(method, url, allow_redirects=False, **options) as answer:
        return answer.status, dict(answer.headers), await answer.text()


def test_a_browser_logs_in_and_the_cookie_is_not_the_token() -> None:
    async def step(session: ClientSession, root: str) -> None:
        status, headers, _ = await ask(session, root, headers=BROWSER)
        assert (status, headers["Location"]) == (303, "/login")
        status, _, text = await ask(session, f"{root}/login")
        assert status == 200
        assert 'type="password"' in text
        status, headers, text = await ask(
            session, f"{root}/login", method="POST", data={"token": f" {TOKEN}\n"}
        )
        assert (status, headers["Location"], text) == (303, "/", "")
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Secure" not in cookie
        assert TOKEN not in cookie
        name, _, word = cookie.partition(";")[0].partition("=")
        assert name == f"arb_monitor_{root.rpartition(':')[2]}"
        for given, wanted in ((word, 200), (word[:-1], 401), (TOKEN, 401), ("", 401)):
            status, _, _ = await ask(session, root, headers={"Cookie": f"{name}={given}"})
            assert status == wanted, given
        _, headers, _ = await ask(
            session,
            f"{root}/login",
            method="POST",
            data={"token": TOKEN},
            headers={"X-Forwarded-Proto": "https"},
        )
        assert "Secure" in headers["Set-Cookie"]

    with_server(step)


def test_what_is_open_without_the_token_and_what_is_not() -> None:
    async def step(session: ClientSession, root: str) -> None:
        for path, wanted in (("/static/deck.css", 200), ("/events", 401), ("/metrics", 401)):
            status, headers, text = await ask(session, root + path, headers=BROWSER)
            assert status == wanted, path
            assert (text == "token needed\n") is (wanted == 401)
            assert HEADERS.items() <= headers.items(), path
        status, _, text = await ask(session, root)  # a program, which a form would not help
        assert (status, text) == (401, "token needed\n")
        status, _, _ = await ask(session, root, headers={"Authorization": f"Bearer {TOKEN}"})
        assert status == 200

    with_server(step)


def test_a_wrong_token_is_told_waits_and_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_guard, "WRONG_WAIT_S", 0.2)

    async def step(session: ClientSession, root: str) -> None:
        for given in ("wrong", "", TOKEN[:-1]):
            status, headers, text = await ask(
                session, f"{root}/login", method="POST", data={"token": given}
            )
            assert status == 401
            assert "That is not the token." in text
            assert "Set-Cookie" not in headers
            assert HEADERS.items() <= headers.items()
        tries = [
            ask(session, f"{root}/login", method="POST", data={"token": str(number)})
            for number in range(3 * web_guard.WRONG_AT_ONCE_MAX)
        ]
        told = [status for status, _, _ in await asyncio.gather(*tries)]
        assert set(told) == {401, 429}
        status, _, _ = await ask(
            session, f"{root}/login", method="POST", data={"token": "x" * 10_000}
        )
        assert status == 413

    with_server(step)


@pytest.mark.parametrize("token", [TOKEN, None])
def test_nothing_else_is_posted(token: str | None) -> None:
    async def step(session: ClientSession, root: str) -> None:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
            for path in ("/", "/events", "/logout", "/login"):
                if (token, method, path) == (TOKEN, "POST", "/login"):
                    continue
                status, headers, _ = await ask(session, root + path, method=method)
                is_form = token is not None and path == "/login"
                assert (status, headers["Allow"]) == (405, "GET, POST" if is_form else "GET")

    with_server(step, token)


def test_sessions_end_and_are_not_many(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    sessions = Sessions(lambda: now_s[0])
    first = sessions.begin()
    assert sessions.knows(first)
    now_s[0] = web_guard.SESSION_S - 1
    assert sessions.knows(first)
    now_s[0] = web_guard.SESSION_S
    assert not sessions.knows(first)
    words = [sessions.begin() for _ in range(web_guard.SESSIONS_MAX + 1)]
    assert [sessions.knows(word) for word in words] == [False] + [True] * web_guard.SESSIONS_MAX
    assert not sessions.knows("")
