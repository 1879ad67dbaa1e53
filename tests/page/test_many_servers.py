"""The page with 10,000 real servers: rows exist only while they are on the screen."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.page.browser import Reader
from tests.page.scene import Scene, pool, real_server, snapshot

POOLS, SERVERS = 100, 100
MOST_ROWS = 80
"""Rows that may exist at once on a screen of 900 pixels, with those that are drawn ahead."""
Read = Callable[..., Reader]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    pools = [
        pool(
            f"shop{number}",
            [real_server(f"web{number}-{each}", 100 * number + each) for each in range(SERVERS)],
            number,
        )
        for number in range(POOLS)
    ]
    shown = Scene(snapshot(pools))
    yield shown
    shown.close()


@pytest.fixture
def url(scene: Scene) -> str:
    return scene.url


def count(reader: Reader) -> Any:
    return reader.page.locator(".rows .row").count()


def test_ten_thousand_servers_are_drawn_as_far_as_they_are_seen(read: Read) -> None:
    reader = read()
    page = reader.open()
    assert "10,000 real servers" in page.locator(".shown").inner_text()
    assert page.locator("h1").inner_text().endswith("All is well")
    reader.until("performance.getEntriesByName('rows-drawn').length === 1")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    drawn = page.evaluate("performance.getEntriesByName('rows-drawn')[0].startTime")
    print(f"\n10,000 real servers: first paint after {painted:.0f} ms, live rows after {drawn:.0f} ms")
    page.focus(".rows .row")
    for _ in range(3):
        page.keyboard.press("End")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("End")
    reader.until("document.activeElement.querySelector('b')?.textContent === 'web99-99'")
    assert 0 < count(reader) <= MOST_ROWS
    assert page.locator(".grid").get_attribute("aria-rowcount") == str(1 + POOLS + SERVERS)
    assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == str(1 + POOLS + SERVERS)


def test_all_of_them_opened_still_make_few_rows(read: Read) -> None:
    reader = read()
    page = reader.open("?filter=web")
    assert page.locator(".grid").get_attribute("aria-rowcount") == str(1 + POOLS + POOLS * SERVERS)
    assert count(reader) <= MOST_ROWS
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    reader.until("/^web(49|50)-/.test(document.querySelector('.rows .row:nth-child(20) b').textContent)")
    assert count(reader) <= MOST_ROWS


def test_one_of_ten_thousand_is_found_by_its_name(read: Read) -> None:
    reader = read()
    page = reader.open()
    page.fill("#filter", "web73-42")
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    assert reader.rows() == ["shop73", "web73-42"]


def test_one_that_fails_comes_to_the_top_and_what_is_looked_at_stays_where_it_is(scene: Scene, read: Read) -> None:
    reader, other = read(), read()
    page, top = other.open("?filter=web"), reader.open()
    page.evaluate("scrollTo(0, 100000)")
    first = "[...document.querySelectorAll('.rows .row')].find((row) => row.getBoundingClientRect().top >= 60)"
    other.until(f"{first} !== undefined")
    before = page.evaluate(f"[{first}.dataset.key, {first}.getBoundingClientRect().top]")
    scene.turn(90, real_server("web90-99", 9099, up=False, reason="connection refused"))
    try:
        top.wait_for_selector('.rows .row[data-kind="bad"]')
        assert reader.rows()[:2] == ["shop90", "web90-99"]
        assert top.locator("h1").inner_text().endswith("1 problem")
        other.until("document.querySelector('h1').textContent.endsWith('1 problem')")
        assert page.evaluate(f"[{first}.dataset.key, {first}.getBoundingClientRect().top]") == before
    finally:
        scene.turn(90, real_server("web90-99", 9099))
    reader.until("document.querySelector('h1').textContent.endsWith('All is well')")


def test_print_says_how_many_rows_it_leaves_out(read: Read) -> None:
    page = read().open("?filter=web")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".cut").inner_text().startswith("9,100 more rows are not printed")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
