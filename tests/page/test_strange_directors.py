"""The page of directors that are not as they should be: none of what they say harms the reader."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.page.browser import Reader
from tests.page.scene import Scene, pool, real_server, snapshot

NAME = "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
EVIL = f"{NAME}\u202e\x1b"
Read = Callable[..., Reader]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    shown = Scene(snapshot([]))
    yield shown
    shown.close()


@pytest.fixture
def url(scene: Scene) -> str:
    return scene.url


def test_hostile_names_and_reasons_are_inert(scene: Scene, read: Read) -> None:
    evil = snapshot([pool(f"shop{NAME}", [real_server(f"web{NAME}", 1, up=False, reason=EVIL)])], name=f"lb{EVIL}")
    table = replace(evil.director.table, in_sync=False, failing=(f"add {EVIL}",))
    scene.current = replace(evil, director=replace(evil.director, table=table, warnings=(EVIL,)))
    reader = read()
    page = reader.open()
    page.click(".rows .row.server")
    page.wait_for_selector(".drawer:not([hidden])")
    for text in (
        page.locator(".rows").inner_text(),
        page.locator(".own").inner_text(),
        page.locator(".drawer").inner_text(),
    ):
        assert "<script>window.hacked=2</script>" in text
        assert not {"\u202e", "\x1b"} & set(text)
    assert page.evaluate("window.hacked") is None
    assert page.locator("body img, body script").count() == 0
    assert page.locator("link[rel=icon]").get_attribute("data-level") == "bad"
    assert "not in sync" in page.locator(".director").inner_text()


def test_a_director_without_virtual_servers_says_so(scene: Scene, read: Read) -> None:
    scene.current = snapshot([])
    reader = read()
    reader.page.goto(reader.url)
    reader.page.wait_for_selector("html.scripted .empty:not([hidden])")
    assert "no virtual servers" in reader.page.locator(".empty").inner_text()
    # It may have been shown, for a moment, those that there were before.
    reader.forgive("404 (Not Found)")


def test_virtual_servers_that_come_and_go_do_so_on_the_page(scene: Scene, read: Read) -> None:
    scene.current = snapshot([pool("shop", [real_server("web1", 1), real_server("web2", 2)])])
    reader = read()
    page = reader.open("?open=shop/web2")
    page.wait_for_selector(".drawer .check")
    scene.current = snapshot([pool("mail", [real_server("mail1", 3)], 1), pool("shop", [real_server("web1", 1)])])
    reader.until(
        "[...document.querySelectorAll('.rows b')].map((each) => each.textContent).join() === 'mail,mail1,shop,web1'"
    )
    assert "not in the configuration any more" in page.locator(".drawer").inner_text()
    reader.forgive("404 (Not Found)")
