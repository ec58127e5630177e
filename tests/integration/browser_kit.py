"""Debian's Chromium, driven over its own protocol (CDP) through a WebSocket: nothing to install.

Calls are plain functions; the socket lives on an event loop in a thread of its own, which also
serves the page where a test brings its own looks.
"""

import asyncio
import base64
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from patience import LIMIT_S, Patience

NAMES = ("chromium", "chromium-browser", "google-chrome")
PR_SET_PDEATHSIG = 1
KEY_CODES = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27}
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--mute-audio"),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),
    *("--disable-backgrounding-occluded-windows", "--hide-scrollbars", "--password-store=basic"),
    *("--force-color-profile=srgb", "--font-render-hinting=none"),
    # the network is this machine: any other name leads nowhere, whatever the browser wants
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class BrowserError(Exception):
    """The browser refused a call, or something on the page did not happen in time."""


def find_browser() -> str | None:
    """Return the path of a Chromium; None where none is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class LoopThread:
    """An event loop in a thread of its own, for callers without one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, body: Coroutine[Any, Any, Any], timeout_s: float = LIMIT_S) -> Any:
        """Run a coroutine there; return what it returns."""
        return asyncio.run_coroutine_threadsafe(body, self.loop).result(timeout_s)

    def close(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5.0)
        self.loop.close()


class Browser:
    """One Chromium, with any number of pages."""

    def __init__(self, program: str, folder: Path, loop: LoopThread) -> None:
        self._loop = loop
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._pages: dict[str, Page] = {}
        ask = ctypes.CDLL(None).prctl
        with (folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, *FLAGS, f"--user-data-dir={folder}", "--remote-debugging-port=0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: ask(PR_SET_PDEATHSIG, signal.SIGKILL),
            )
        try:
            loop.run(self._connect(self._address(folder / "DevToolsActivePort")))
        except BaseException:
            self._kill()
            raise

    def _address(self, path: Path) -> str:
        patience = Patience()
        while self._process.poll() is None and not patience.is_over():
            with suppress(FileNotFoundError, ValueError):
                port, place = path.read_text().split("\n")[:2]
                return f"ws://127.0.0.1:{int(port)}{place}"
            time.sleep(0.02)
        raise BrowserError(f"Chromium did not start; see {path.parent / 'chromium.log'}")

    async def _connect(self, url: str) -> None:
        self._session = ClientSession()
        self._socket: ClientWebSocketResponse = await self._session.ws_connect(url, max_msg_size=0)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            told = message.json()
            waiting = self._waiting.pop(told.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(told)
            elif (page := self._pages.get(told.get("sessionId", ""))) is not None:
                page.take(told["method"], told["params"])

    async def _ask(self, method: str, params: dict[str, Any], session: str) -> Any:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        body = {"id": number, "method": method, "params": params}
        await self._socket.send_json(body | ({"sessionId": session} if session else {}))
        answer = await asyncio.wait_for(self._waiting[number], LIMIT_S)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def call(self, method: str, session: str = "", **params: Any) -> Any:
        """Call a method of the protocol; return its result."""
        return self._loop.run(self._ask(method, params, session), LIMIT_S + 5.0)

    @contextmanager
    def page(
        self, width: int = 1366, height: int = 768, scheme: str = "light", scale: float = 1.0
    ) -> Iterator["Page"]:
        """Open an empty page in a profile of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        joined = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, joined["sessionId"])
        self._pages[page.session] = page
        try:
            for domain in ("Page", "Runtime", "Network", "Log", "Accessibility", "DOM"):
                page.call(f"{domain}.enable")
            page.resize(width, height, scale)
            page.prefer(scheme=scheme)
            yield page
        finally:
            del self._pages[page.session]
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def close(self) -> None:
        """End the browser."""

        async def leave() -> None:
            await self._socket.close()
            self._reading.cancel()
            await self._session.close()

        self._loop.run(leave())
        self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10.0)


class Page:
    """One page.

    Attributes
    ----------
    errors : list of str
        What its console complained of.
    requests : list of str
        Addresses it asked for.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self.session = session
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._browser = browser

    def take(self, method: str, params: dict[str, Any]) -> None:
        """Take an event of the protocol."""
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            told = details.get("exception", {}).get("description") or details["text"]
            self.errors.append(told)
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning"}:
            self.errors.append(" ".join(str(part.get("value")) for part in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def foreign_requests(self, root: str) -> list[str]:
        """Return the addresses of other origins that it asked for."""
        mine = urlsplit(root).netloc
        parts = [(address, urlsplit(address)) for address in self.requests]
        return [address for address, part in parts if part.scheme != "data" and part.netloc != mine]

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol on this page."""
        return self._browser.call(method, self.session, **params)

    def resize(self, width: int, height: int, scale: float = 1.0) -> None:
        """Give it the size of a screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )

    def prefer(self, scheme: str = "light", motion: str = "reduce") -> None:
        """Set what the system prefers: colours and motion."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        """Open an address and wait until its document is read."""
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")
        self.wait("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression yields, a promise's value included."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Wait until an expression is true; return its value."""
        patience = Patience()
        while not patience.is_over():
            with suppress(BrowserError):  # the page is changing
                # a timer, because a page in the background draws nothing
                if found := self.value(
                    f"""new Promise((done) => {{
                        let looks = 0;
                        const look = () => {{
                            const found = ({condition});
                            looks += 1;
                            if (found || looks > 8) done(found instanceof Node || found || null);
                            else setTimeout(look, 25);
                        }};
                        look();
                    }})"""
                ):
                    return found
        told = self.value("document.body ? document.body.innerText.slice(0, 600) : ''")
        raise BrowserError(f"never true: {condition}\nthe page says:\n{told}")

    def text(self, selector: str) -> str:
        """Return the text of the first element that fits."""
        return str(self.value(f"document.querySelector({selector!r})?.innerText ?? ''"))

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key and let it go."""
        code = KEY_CODES[key]
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"Enter": "\r", " ": " "}.get(key)
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **common, **down)
        self.call("Input.dispatchKeyEvent", **common, type="keyUp")

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def names(self) -> list[dict[str, str]]:
        """Return role and name of everything in the accessibility tree."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            {
                "role": str(node.get("role", {}).get("value", "")),
                "name": str(node.get("name", {}).get("value", "")),
            }
            for node in nodes
            if not node.get("ignored")
        ]

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of what is seen, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
