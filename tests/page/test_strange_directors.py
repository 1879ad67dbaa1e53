"""The page of directors that are not as they should be: none of what they say harms the reader."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from healthlb.model.vrrp_status import PairStatus
from made_up_pair import FAULT, MASTER
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
        page.locator(".own:not(.vrrp)").inner_text(),
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


def test_a_virtual_server_that_comes_back_is_no_longer_said_to_be_gone(scene: Scene, read: Read) -> None:
    both = snapshot([pool("mail", [real_server("mail1", 3)], 1), pool("shop", [real_server("web1", 1)])])
    scene.current = both
    reader = read()
    page = reader.open("?open=shop")
    page.wait_for_selector(".drawer:not([hidden])")
    reader.until("document.querySelector('.drawer-state').textContent.includes('198.51.100.1')")
    before = page.locator(".drawer-state").inner_text()
    scene.current = replace(both, virtual_servers=both.virtual_servers[:1])
    reader.until("document.querySelector('.drawer-state').textContent.includes('not in the configuration any more')")
    scene.current = both
    reader.until("document.querySelectorAll('.rows .row').length === 4")
    reader.until(f"document.querySelector('.drawer-state').innerText === {before!r}")
    reader.forgive("404 (Not Found)")


def test_no_server_is_shown_with_what_was_seen_of_the_one_before_it(scene: Scene, read: Read) -> None:
    servers = [real_server(f"web{number}", number, reason=f"seen of web{number}.") for number in range(8)]
    scene.current = snapshot([pool("shop", servers)])
    reader = read()
    page = reader.open()
    reader.until("document.querySelectorAll('.rows').item(0).textContent.includes('seen of web7')")
    page.evaluate("""() => {
        window.mixed = [];
        new MutationObserver(() => {
            for (const row of document.querySelectorAll('.rows .row.server')) {
                const [name, why] = ['.is-name b', '.is-why'].map((each) => row.querySelector(each).textContent);
                if (why.includes('seen of') && !why.includes(`seen of ${name}.`)) window.mixed.push(`${name}: ${why}`);
            }
        }).observe(document.querySelector('.rows'), {subtree: true, childList: true, characterData: true});
    }""")
    scene.current = snapshot([pool("shop", servers[2:])])
    reader.until("document.querySelectorAll('.rows .row').length === 7")
    reader.until("document.querySelectorAll('.rows .row.server .is-why')[0].textContent.includes('seen of web2.')")
    assert page.evaluate("window.mixed") == []
    reader.forgive("404 (Not Found)")


def test_a_browser_that_lets_the_address_be_changed_no_more_keeps_the_page_usable(scene: Scene, read: Read) -> None:
    scene.current = snapshot([pool("shop", [real_server("web1", 1), real_server("mail1", 2)])])
    reader = read()
    page = reader.open()
    # As Firefox and Safari do after 100 or 200 changes within some seconds, which a key that is held down makes.
    page.evaluate("""() => {
        const change = history.replaceState.bind(history);
        history.replaceState = () => { throw new DOMException('The operation is insecure.', 'SecurityError'); };
        window.again = () => { history.replaceState = change; };
    }""")
    page.fill("#filter", "web")
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    page.click(".rows .row.server")
    page.wait_for_selector(".drawer:not([hidden])")
    page.evaluate("window.again()")
    reader.until("location.search === '?filter=web&open=shop%2Fweb1'")
    reader.forgive("404 (Not Found)")


def test_an_overview_that_comes_slowly_over_a_phone_is_waited_for(scene: Scene, read: Read) -> None:
    scene.current = snapshot([pool("shop", [real_server("web1", 1)])])
    reader = read()
    # Each piece comes 10 s after the one before it, and the page's timer looks in between.
    reader.page.add_init_script("""(() => {
        const [now, ask, every] = [performance.now.bind(performance), fetch, setInterval];
        let later = 0;
        let timer = () => {};
        window.cut = 0;
        performance.now = () => now() + later;
        window.setInterval = (call, period) => { timer = call; return every(call, period); };
        window.fetch = async (path, options) => {
            const answer = await ask(path, options);
            if (!path.endsWith('overview')) return answer;
            const bytes = new Uint8Array(await answer.arrayBuffer());
            const size = Math.ceil(bytes.length / 4);
            let from = 0;
            return new Response(new ReadableStream({
                start(into) {
                    options.signal.addEventListener('abort', () => { window.cut += 1; into.error(new Error('cut')); });
                },
                pull(into) {
                    later += 10_000;
                    timer();
                    if (options.signal.aborted) return;
                    if (from >= bytes.length) into.close();
                    else into.enqueue(bytes.slice(from, (from += size)));
                },
            }, {highWaterMark: 0}));
        };
    })()""")
    reader.open()
    reader.until("document.querySelectorAll('.rows .row').length === 2")
    assert reader.page.evaluate("window.cut") == 0
    assert reader.rows() == ["shop", "web1"]
    reader.forgive("404 (Not Found)")


NARROW = {"width": 320, "height": 568}


def test_beside_a_scroll_bar_a_server_is_seen_whole_on_320_pixels(scene: Scene, read: Read) -> None:
    scene.current = snapshot([pool("shop", [real_server(f"web{number}", number) for number in range(20)])])
    reader = read(viewport=NARROW, has_touch=True)
    page = reader.open()
    page.locator(".rows .row.server").first.click()
    page.wait_for_selector(".drawer:not([hidden]) .check")
    assert page.evaluate("document.querySelector('.drawer').getBoundingClientRect().left") >= 0
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    reader.forgive("404 (Not Found)")


def test_without_scripts_no_word_of_a_heading_is_broken_on_320_pixels(scene: Scene, read: Read) -> None:
    scene.current = snapshot([pool("shop", [real_server("web1", 1), real_server("web2", 2, up=False)])])
    page = read(viewport=NARROW, java_script_enabled=False).open(scripted=False)
    # Nothing is evaluated where scripts are off; a heading of one word on one line is as high as its letters.
    for heading in page.get_by_role("columnheader").all():
        assert (heading.bounding_box() or {})["height"] < 60
    assert page.locator("main").bounding_box()["width"] <= NARROW["width"]


def test_an_instance_that_changes_hands_does_so_on_the_page(scene: Scene, read: Read) -> None:
    one = snapshot([pool("shop", [real_server("web1", 1)])])
    evil = replace(MASTER, name=EVIL, addresses=(NAME,))
    scene.current = replace(one, pair=PairStatus((evil,)))
    reader = read()
    page = reader.open()
    # For a moment it may be shown the director of before.
    reader.until("document.querySelector('.director').textContent.includes('role MASTER')")
    row = page.locator(".vrrp tbody tr")
    assert [each in row.inner_text() for each in ("MASTER", "90 of 150", "this director", NAME)] == [True] * 4
    assert page.evaluate("window.hacked") is None
    scene.current = replace(one, pair=PairStatus((replace(FAULT, name=EVIL),)))
    reader.until("document.querySelector('.vrrp tbody .state.down')?.textContent === 'FAULT'")
    reader.until("document.querySelector('.director').textContent.includes('role FAULT')")
    assert "eth1 is down" in page.locator(".own:not(.vrrp)").inner_text()
    assert reader.inaccessible() == []
    page.emulate_media(color_scheme="dark")
    assert reader.inaccessible("color-contrast") == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    scene.current = one
    reader.until("document.querySelector('.vrrp').hidden")
    reader.forgive("404 (Not Found)")
