"""A browser without a window, in which a test clicks and looks: Chromium by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--mute-audio",
    "--autoplay-policy=user-gesture-required",
    "--remote-debugging-port=0",
)


@attrs.define(eq=False)
class Page:
    """A tab; what it wants to fetch, and what goes wrong in it but for what is expected to, is kept."""

    socket: aiohttp.ClientWebSocketResponse
    requests: list[str] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    expected: str | None = None
    _last: int = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the tab for something, and wait for the answer."""
        self._last += 1
        await self.socket.send_json({"id": self._last, "method": method, "params": parameters})
        return await self._until(lambda message: message.get("id") == self._last)

    async def _until(self, is_it: Any) -> dict[str, Any]:
        while True:
            message = await self.socket.receive_json(timeout=20)
            self._note(message)
            if is_it(message):
                assert "error" not in message, message
                return message.get("result", {})  # type: ignore[no-any-return]

    def _note(self, message: dict[str, Any]) -> None:
        told = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                if not told["request"]["url"].startswith("data:"):  # the icons of the browser's own controls
                    self.requests.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(told["exceptionDetails"]))
            case "Log.entryAdded" if told["entry"]["text"] != self.expected:
                self.problems.append(told["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self.problems.append("a dialog: " + told["message"])

    async def open(self, address: str) -> None:
        """Go to a page, and wait until all of it is there."""
        for part in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{part}.enable")
        await self.socket.send_json({"id": 0, "method": "Page.navigate", "params": {"url": address}})
        await self._until(lambda message: message.get("method") == "Page.loadEventFired")

    async def run(self, script: str) -> Any:
        """Give what an expression is, awaited, as if the user had just clicked."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def picture(self, to: Path, width: int, height: int, *, dark: bool = False) -> None:
        """Make a picture of the page on a screen of some size."""
        await self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        taken = await self.call("Page.captureScreenshot", format="png")
        to.write_bytes(base64.b64decode(taken["data"]))

    async def size(self, width: int, height: int = 900) -> None:
        """Give the page another screen."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )


@contextlib.asynccontextmanager
async def browsing(profile: Path) -> AsyncIterator[Page]:
    """Start a browser with an empty tab, and end it."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *OPTIONS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        port = await _port(process.stderr)
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = await answer.json()
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with http.ws_connect(address, max_msg_size=0) as socket:
                yield Page(socket)
                await socket.send_json({"id": -1, "method": "Browser.close"})
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _port(stderr: asyncio.StreamReader) -> int:
    while line := await asyncio.wait_for(stderr.readline(), 20):
        _, is_it, address = line.decode(errors="replace").partition("DevTools listening on ws://127.0.0.1:")
        if is_it:
            return int(address.partition("/")[0])
    raise AssertionError("the browser has ended")
