"""One browser and one director a file, and readers whose browsers must have had nothing to complain of."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.page.browser import Reader, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def read(browser: Browser, url: str) -> Iterator[Callable[..., Reader]]:
    """Return a function that opens a browser window; a fault that its page has fails the test."""
    readers: list[Reader] = []

    def start(**options: Any) -> Reader:
        readers.append(Reader(browser, url, **options))
        return readers[-1]

    yield start
    faults = [fault for reader in readers for fault in reader.faults]
    for reader in readers:
        reader.context.close()
    assert faults == []
