"""Who may ask the monitor, what for, and what its answers let a browser do.

Nothing the monitor serves changes anything at a trader. Without a token only this machine's own
names are answered, so that a page of somebody else cannot reach it under another name (DNS
rebinding). With a token a program sends it as ``Authorization: Bearer TOKEN``; a browser cannot,
so a person types it once into the form at ``/login`` and gets a cookie instead. That form is the
one thing that is posted, and all it changes is who may look.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

from aiohttp import web

from arbitrage.secret import Secret

__all__ = ["HEADERS", "Sessions", "guard_app"]

SESSION_S = 12 * 3600.0
SESSIONS_MAX = 64
WRONG_WAIT_S = 0.5
WRONG_AT_ONCE_MAX = 8
LOGIN_BYTES_MAX = 4096
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Everything comes from here, and no script or style stands in a page itself: text of a venue that
# ended up in one could do nothing.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Sessions:
    """Browsers that have shown the token, each by a random word that is not the token.

    Parameters
    ----------
    clock : callable
        Seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_s: dict[str, float] = {}

    def begin(self) -> str:
        """Return the word of a new session; with too many the oldest ends."""
        while len(self._ends_s) >= SESSIONS_MAX:
            del self._ends_s[next(iter(self._ends_s))]
        word = secrets.token_urlsafe(32)
        self._ends_s[word] = self._clock() + SESSION_S
        return word

    def knows(self, word: str) -> bool:
        """Tell whether a session goes on; one that is too old is forgotten."""
        end_s = self._ends_s.get(word)
        if end_s is not None and self._clock() >= end_s:
            del self._ends_s[word]
            end_s = None
        return end_s is not None


class _Door:
    """The token's two ways in: the header of a program, the cookie of a browser."""

    def __init__(self, token: Secret) -> None:
        self._token = token
        self._sessions = Sessions()
        self._wrong = 0
        page = resources.files("arbitrage.cold") / "web" / "login.html"
        self._page = page.read_text(encoding="utf-8")

    def lets_in(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        wanted = f"Bearer {self._token.reveal()}"
        if hmac.compare_digest(given.encode(), wanted.encode()):
            return True
        return self._sessions.knows(request.cookies.get(_cookie_name(request), ""))

    def form(self, said: str = "", status: int = 200) -> web.Response:
        """Return the form, with one line about the last try."""
        alert = f'<p class="said" role="alert">{said}</p>' if said else ""
        text = self._page.replace("<!-- said -->", alert)
        return web.Response(status=status, text=text, content_type="text/html")

    async def login(self, request: web.Request) -> web.Response:
        """Take the token from the form; a wrong one costs time."""
        if (request.content_length or 0) > LOGIN_BYTES_MAX:
            return web.Response(status=413, text="too long\n")
        given = (await request.post()).get("token", "")
        if isinstance(given, str) and hmac.compare_digest(
            given.strip().encode(), self._token.reveal().encode()
        ):
            answer = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(
                _cookie_name(request),
                self._sessions.begin(),
                path="/",
                max_age=int(SESSION_S),
                httponly=True,
                samesite="Strict",
                # only a proxy in front of it speaks TLS
                secure=request.headers.get("X-Forwarded-Proto") == "https",
            )
            return answer
        if self._wrong >= WRONG_AT_ONCE_MAX:
            return self.form("Too many tries at once. Wait a moment.", 429)
        self._wrong += 1
        try:
            await asyncio.sleep(WRONG_WAIT_S)
        finally:
            self._wrong -= 1
        return self.form("That is not the token.", 401)


def _bound_port(request: web.Request) -> int | None:
    bound = request.transport.get_extra_info("sockname") if request.transport else None
    return int(bound[1]) if bound else None


def _cookie_name(request: web.Request) -> str:
    """Return the cookie's name: cookies do not tell the ports of a host apart, so it does."""
    return f"arb_monitor_{_bound_port(request)}"


def _allowed_hosts(port: int) -> set[str]:
    names = ("127.0.0.1", "localhost", "[::1]")
    return {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())


def _is_of_this_machine(request: web.Request) -> bool:
    port = _bound_port(request)
    return port is not None and request.headers.get("Host", "").lower() in _allowed_hosts(port)


def _answer_stranger(request: web.Request) -> web.Response:
    """Send a person to the form, and tell a program what is needed."""
    if request.path == "/" and "text/html" in request.headers.get("Accept", ""):
        return web.Response(status=303, headers={"Location": "/login"})
    return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"}, text="token needed\n")


def guard_app(token: Secret | None) -> web.Application:
    """Return an application that refuses who may not look and whatever is not looking.

    Parameters
    ----------
    token : Secret, optional
        What strangers need; None trusts this machine.
    """
    door = None if token is None else _Door(token)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_login = door is not None and request.path == "/login"
        methods = ("GET", "POST") if is_login else ("GET",)
        if request.method not in methods:
            allowed = ", ".join(methods)
            return web.Response(status=405, headers={"Allow": allowed}, text=f"only {allowed}\n")
        if door is None:
            if not _is_of_this_machine(request):
                return web.Response(status=421, text="this Host is not served here\n")
        elif is_login:
            return await door.login(request) if request.method == "POST" else door.form()
        elif not request.path.startswith("/static/") and not door.lets_in(request):
            return _answer_stranger(request)
        return await handler(request)

    async def add_headers(_request: web.Request, response: Any) -> None:
        response.headers.update(HEADERS)

    app = web.Application(middlewares=[guard], client_max_size=LOGIN_BYTES_MAX)
    app.on_response_prepare.append(add_headers)  # before a stream's first byte, and on errors too
    return app
