"""A real browser for tests: headless Chromium, spoken to in its own protocol over two pipes. No port, no driver, no download.

The protocol: https://chromedevtools.github.io/devtools-protocol, here as JSON messages that end in a zero byte
(`--remote-debugging-pipe` reads them from descriptor 3 and writes to 4).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Browser:
    """One tab. `noise` collects what the page's console, its errors and its requests beyond the page itself say."""

    def __init__(self, profile: Path) -> None:
        found = [path for name in NAMES if (path := shutil.which(name))]
        assert found, "no Chromium here: apt-get install chromium"
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]  # not 3 or 4 themselves
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, end, place) for end, place in zip(ends, (3, 4), strict=True)]
        actions += [(os.POSIX_SPAWN_OPEN, place, os.devnull, os.O_WRONLY, 0) for place in (1, 2)]
        arguments = [found[0], *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        self._process = os.posix_spawn(found[0], arguments, os.environ, file_actions=actions)
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._write, self._read = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self._number, self._rest, self._events = 0, b"", list[dict[str, Any]]()
        self._session: str | None = None
        target = next(found for found in self.send("Target.getTargets")["targetInfos"] if found["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._read.fileno(), 1 << 16)
            assert part, "the browser ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def show(self, page: Path, width: int, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Load a page at a width in pixels and wait until it is there."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(self._next())

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and let go a key."""
        down = {"key": key, "code": key if len(key) > 1 else "", "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **down)
        self.send("Input.dispatchKeyEvent", type="keyUp", **down)

    def point(self, x: float, y: float, press: bool = False) -> None:
        """Move the mouse, and press its button there."""
        for kind in ("mouseMoved", *(("mousePressed", "mouseReleased") if press else ())):
            self.send(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if press else "none", clickCount=int(press)
            )

    def noise(self) -> list[str]:
        """Return messages of the console, exceptions, and requests of anything but the page and what it holds."""
        said = []
        for event in self._events:
            params = event.get("params", {})
            if event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                said.append(json.dumps(params))
            if event.get("method") == "Network.requestWillBeSent" and params["type"] != "Document":
                said += [] if params["request"]["url"].startswith("data:") else [params["request"]["url"]]
        return said

    def screenshot(self, file: Path) -> None:
        """Save the whole page as PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, file: Path) -> None:
        """Save the page as it is printed."""
        file.write_bytes(base64.b64decode(self.send("Page.printToPDF")["data"]))

    def close(self) -> None:
        """End the browser and wait for it."""
        self.send("Browser.close")
        os.waitpid(self._process, 0)
        self._write.close()
        self._read.close()
