"""The page of a real director in a real browser."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.page.browser import PHONE, Reader
from tests.page.director import Director

SICK = "sick"
Read = Callable[..., Reader]


@pytest.fixture(scope="module")
def director(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Director]:
    running = Director(Path(tmp_path_factory.mktemp("page")))
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def url(director: Director) -> str:
    return director.url


@pytest.fixture
def reader(read: Read) -> Reader:
    return read()


def test_the_page_says_first_what_is_wrong_and_where_since_when_and_why(reader: Reader) -> None:
    page = reader.open()
    assert page.locator("h1").inner_text().endswith("1 problem")
    assert page.title() == "1 problem · lb1 · healthlb"
    assert page.locator("link[rel=icon]").get_attribute("data-level") == "warning"
    assert "no VRRP" in page.locator(".director").inner_text()
    assert reader.rows() == ["shop", SICK, "web1", "web2", "mail", "mail1"]
    shop, sick = reader.row("shop"), reader.row(SICK)
    assert shop.locator(".is-state").inner_text() == "◆degraded"
    assert shop.locator(".is-weight").inner_text() == "3 / 6"
    assert sick.locator(".is-state").inner_text() == "✖down"
    assert re.fullmatch(r"\d+ (s|min \d+ s|min)", sick.locator(".is-since").inner_text())
    assert "status 503, expected 200-299" in sick.locator(".is-why").inner_text()
    assert sick.locator(".is-weight").inner_text() == "3 → 0"


def test_ages_go_on_and_probes_come_in(reader: Reader) -> None:
    page = reader.open()
    before = reader.row("web1").locator(".is-since").inner_text()
    reader.until(f"[...document.querySelectorAll('.row .is-since')].every((each) => each.textContent !== {before!r})")
    page.wait_for_selector(".row .strip[aria-label^='0 of the last']")
    assert "200 OK" in reader.row("web1").locator(".is-why").inner_text()


def test_a_killed_server_turns_on_the_page_by_itself_and_back_again(director: Director, reader: Reader) -> None:
    page = reader.open()
    director.web[1].stop()
    try:
        reader.until("document.querySelector('.counts .count[data-kind=down] b').textContent === '0'")
        page.wait_for_selector('.row[data-kind="bad"] .is-name b:text-is("web2")')
        reader.until("document.querySelector('.row.pool .is-weight').textContent === '2 / 6'")
        assert "refused" in reader.row("web2").locator(".is-why").inner_text()
        assert reader.rows()[:4] == ["shop", "web2", SICK, "web1"]
    finally:
        director.web[1].start()
    page.wait_for_selector('.row[data-kind="good"] .is-name b:text-is("web2")')


def test_when_all_servers_of_a_pool_fail_title_and_icon_are_as_bad(director: Director, reader: Reader) -> None:
    page = reader.open()
    for each in director.web:
        each.stop()
    try:
        page.wait_for_selector("link[rel=icon][data-level=bad]", state="attached")
        reader.until("document.title.startsWith('2 problems')")
        reader.until("document.querySelector('.row.pool .is-state').textContent.includes('down')")
    finally:
        for each in director.web:
            each.start()
    reader.until("document.title.startsWith('1 problem ')")
    page.wait_for_selector("link[rel=icon][data-level=warning]", state="attached")


def test_the_filter_leaves_what_matches_and_the_address_keeps_it(reader: Reader) -> None:
    page = reader.open()
    page.fill("#filter", "web1")
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    assert reader.rows() == ["shop", "web1"]
    assert "1 of 4" in page.locator(".shown").inner_text()
    assert page.url.endswith("?filter=web1")
    page.reload()
    page.wait_for_selector("html.scripted .rows .row")
    assert reader.rows() == ["shop", "web1"]
    page.fill("#filter", "shop 503")
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    assert reader.rows() == ["shop", SICK]
    page.fill("#filter", "nothing of the kind")
    page.wait_for_selector(".empty:not([hidden])")
    page.keyboard.press("Escape")
    reader.until("document.querySelectorAll('.rows .row').length === 6")
    assert page.url.endswith("/")


def test_the_counts_filter_by_their_state(reader: Reader) -> None:
    page = reader.open()
    page.click("[aria-label='Real servers'] .count[data-kind=down]")
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    assert reader.rows() == ["shop", SICK]


def test_problems_only_is_a_key_and_part_of_the_address(reader: Reader) -> None:
    page = reader.open()
    page.keyboard.press("p")
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    assert reader.rows() == ["shop", SICK]
    assert page.url.endswith("?problems=1")


def test_an_opened_server_shows_why_it_has_its_weight_and_what_its_probes_saw(reader: Reader) -> None:
    page = reader.open()
    reader.row(SICK).click()
    page.wait_for_selector(".drawer .check")
    assert page.locator(".drawer h2").inner_text() == SICK
    chain = page.locator(".drawer .chain").inner_text()
    assert chain.startswith("configured: 3")
    assert "0 (down)" in chain
    assert "in the kernel: 0" in chain
    seen = page.locator(".drawer .check .evidence")
    assert "GET /healthz" in seen.inner_text()
    assert "503" in seen.inner_text()
    event = page.locator(".timeline li", has_text="is DOWN").first
    event.locator("summary").click()
    assert "GET /healthz" in event.locator(".evidence").inner_text()
    assert "open=shop%2Fsick" in page.url


def test_what_is_open_is_open_after_a_reload_and_evidence_stays_open_while_probes_come_in(reader: Reader) -> None:
    page = reader.open("?open=shop/web1")
    page.wait_for_selector(".drawer .check")
    assert page.locator(".drawer h2").inner_text() == "web1"
    page.click(".timeline li summary >> nth=0")
    took = page.locator(".drawer .check p").first.inner_text()
    reader.until(f"document.querySelector('.drawer .check p').innerText !== {took!r}")
    assert page.locator(".timeline details[open]").count() == 1


def test_an_opened_pool_shows_what_it_is_and_what_happened_to_all_of_it(reader: Reader) -> None:
    page = reader.open("?open=shop")
    page.wait_for_selector(".drawer dl")
    assert "quorum 1" in page.locator(".drawer dl").first.inner_text()
    assert "web1" in page.locator(".timeline").inner_text()


def test_everything_is_reached_by_keys(reader: Reader) -> None:
    page = reader.open()
    focused = "document.activeElement.querySelector('.is-name b')?.textContent"
    for key, name in [
        ("j", "shop"),
        ("j", SICK),
        ("ArrowDown", "web1"),
        ("k", SICK),
        ("End", "mail1"),
        ("Home", "shop"),
    ]:
        page.keyboard.press(key)
        reader.until(f"{focused} === {name!r}")
    page.keyboard.press("ArrowLeft")
    reader.until("document.querySelectorAll('.rows .row').length === 3")
    assert reader.row("shop").get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    reader.until(f"{focused} === {SICK!r}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".drawer .check")
    reader.until("document.activeElement.id === 'drawer-title'")
    page.keyboard.press("j")
    reader.until("document.activeElement.textContent === 'web1'")
    page.keyboard.press("Escape")
    reader.until(f"{focused} === 'web1'")
    assert page.locator(".drawer").is_hidden()
    assert "open=" not in page.url
    page.keyboard.press("/")
    page.keyboard.type("mail")
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    page.keyboard.press("Enter")
    reader.until(f"{focused} === 'mail'")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")


def test_what_servers_send_is_text_and_never_markup(reader: Reader) -> None:
    page = reader.open(f"?open=shop/{SICK}")
    page.wait_for_selector(".drawer .check")
    for summary in page.locator(".drawer summary").all():
        if summary.locator("xpath=..").get_attribute("open") is None:
            summary.click()
    assert "<script>window.hacked" in page.locator(".drawer").inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.locator("body script, body img, .is-name b b").count() == 0
    assert "\x1b" not in page.content()


def test_without_a_script_the_page_is_read_and_filtered_all_the_same(read: Read) -> None:
    page = read(java_script_enabled=False).open(scripted=False)
    assert page.title() == "1 problem · lb1 · healthlb"
    assert "status 503, expected 200-299" in page.locator("#problems").inner_text()
    page.fill("#filter", "mail")
    page.click("#filter-form button")
    assert "mail1" in page.locator("main").inner_text()
    assert "web1" not in page.locator("#virtual-servers").inner_text()
    page.goto(f"{page.url.partition('?')[0]}?open=shop/web1")
    assert "GET /healthz" in page.locator("main").inner_text() or "200 OK" in page.locator("main").inner_text()


@pytest.mark.parametrize("query", ["", "?open=shop/web1", "?open=shop"])
def test_a_phone_shows_it_without_scrolling_sideways(read: Read, query: str) -> None:
    reader = read(viewport=PHONE, has_touch=True, is_mobile=True)
    page = reader.open(query)
    if query:
        page.wait_for_selector(".timeline")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert reader.row(SICK).locator(".is-why").is_visible()


@pytest.mark.parametrize("what", ["list", "server", "pool", "phone", "help", "no script"])
def test_axe_finds_nothing_wrong_in_light_and_in_dark(read: Read, what: str) -> None:
    reader = read(color_scheme="light", **({"viewport": PHONE} if what == "phone" else {}))
    query = {"server": f"?open=shop/{SICK}", "pool": "?open=shop"}.get(what, "")
    if what == "no script":
        reader.page.route("**/page.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page = reader.open(query, scripted=what != "no script")
    if query:
        page.wait_for_selector(".timeline")
    if what == "help":
        page.keyboard.press("?")
    assert reader.inaccessible() == []
    page.emulate_media(color_scheme="dark")
    assert reader.inaccessible("color-contrast") == []


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_is_as_light_or_dark_as_its_reader_wants(read: Read, scheme: str, dark: bool) -> None:
    page = read(color_scheme=scheme).open()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 3 * 64) is dark


def test_print_has_all_rows_one_below_the_other_and_the_screen_is_as_before(reader: Reader) -> None:
    page = reader.open()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (
        page.evaluate("[...document.querySelectorAll('.rows .row')].map((row) => getComputedStyle(row).position)")
        == ["static"] * 6
    )
    assert page.locator(".filter").is_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert page.evaluate("getComputedStyle(document.querySelector('.rows .row')).position") == "absolute"


def test_a_page_that_gets_no_stream_says_so_and_follows_all_the_same(director: Director, reader: Reader) -> None:
    full = '{"error": "There are too many streams; try again later."}'
    reader.page.route("**/live?*", lambda route: route.fulfill(status=503, body=full, content_type="application/json"))
    page = reader.open()
    page.wait_for_selector(".banner:not([hidden])")
    assert "too many streams" in page.locator(".banner").inner_text()
    director.web[1].stop()
    try:
        page.wait_for_selector('.row[data-kind="bad"] .is-name b:text-is("web2")')
    finally:
        director.web[1].start()
    page.wait_for_selector('.row[data-kind="good"] .is-name b:text-is("web2")')
    page.unroute("**/live?*")
    page.wait_for_selector(".live[data-live=yes]")
    assert page.locator(".banner").is_hidden()
    reader.forgive("503 (Service Unavailable)")


def test_a_director_that_falls_silent_is_said_to_be_lost_and_found_again(director: Director, reader: Reader) -> None:
    reader.page.clock.install()
    page = reader.open()
    page.wait_for_selector(".live[data-live=yes]")
    director.tell(signal.SIGSTOP)
    try:
        page.clock.fast_forward(16_000)
        page.wait_for_selector(".banner:not([hidden])")
        assert "nothing was heard for 15 s" in page.locator(".banner").inner_text()
        assert page.title().startswith("connection lost")
    finally:
        director.tell(signal.SIGCONT)
    page.wait_for_selector(".banner", state="hidden")
    assert page.title() == "1 problem · lb1 · healthlb"
    reader.forgive("net::ERR")


def test_a_killed_director_is_said_to_be_lost_at_once_and_a_new_one_is_taken_up(
    director: Director, reader: Reader
) -> None:
    page = reader.open("?filter=shop&open=shop/web1")
    page.wait_for_selector(".live[data-live=yes]")
    director.kill()
    page.wait_for_selector(".banner:not([hidden])")
    assert "Connection lost" in page.locator(".banner").inner_text()
    assert "stale" in (page.locator("html").get_attribute("class") or "")
    assert page.locator("link[rel=icon]").get_attribute("data-level") == "lost"
    assert reader.inaccessible() == []
    director.start()
    page.wait_for_selector(".live[data-live=yes]")
    page.wait_for_selector(".banner", state="hidden")
    reader.until("document.title === '1 problem · lb1 · healthlb'")
    assert reader.rows() == ["shop", SICK, "web1", "web2"]
    assert page.locator(".drawer h2").inner_text() == "web1"
    reader.forgive("net::ERR")
