"""A real Chromium without a screen, and readers in it who take note of everything that goes wrong on the page."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from waiting import eventually

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]
"""Nothing leaves this machine: no name is looked up, and nobody is told of anything. Root has no sandbox to be in."""
PATIENCE = 60_000
"""Milliseconds for anything on the page: the machine may be busy."""
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser, which is ended afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """Somebody who looks at the page of a director. `faults` are what a browser complains of."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.faults: list[str] = []
        self.context: BrowserContext = browser.new_context(**{"viewport": WIDE, **options})
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._request)
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) =>"
            " console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
        )

    def open(self, query: str = "", *, scripted: bool = True) -> Page:
        """Open the page and wait until its script has taken over."""
        self.page.goto(f"{self.url}/{query}")
        if scripted:
            self.page.wait_for_selector("html.scripted .rows .row")
        return self.page

    def forgive(self, words: str) -> None:
        """Leave out the faults that a test brings about itself."""
        self.faults = [each for each in self.faults if words not in each]

    def inaccessible(self, *rules: str) -> list[str]:
        """Return what axe finds wrong with the page as it is, a line each; only by these rules where some are named."""
        found = (
            Axe()
            .run(self.page, options={"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})})
            .response["violations"]
        )
        return [
            f"{each['id']}: {node['html'][:200]}: {node['failureSummary']}" for each in found for node in each["nodes"]
        ]

    def rows(self) -> list[str]:
        """Return the names of the rows that are drawn, from the top."""
        return self.page.eval_on_selector_all(".rows .row .is-name b", "each => each.map((one) => one.textContent)")

    def row(self, name: str) -> Any:
        """Return the row of a server."""
        return self.page.locator(".rows .row", has=self.page.locator(f'.is-name b:text-is("{name}")'))

    def until(self, expression: str) -> None:
        """Wait until an expression holds on the page, whose policy lets nothing but its own script ask."""
        eventually(lambda: self.page.evaluate(expression), bool, deadline=PATIENCE / 1000, pause=0.1)

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.faults.append(f"a request to {request.url}")
