"""The page as a browser without a script gets it: true, complete, and inert whatever servers say."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.api.application import read_only_application
from healthlb.api.page.assets import assets
from healthlb.api.page.document import page
from healthlb.api.page.view import View
from healthlb.api.page.words import age, bytes_a_second, one_line, scaled, visible
from healthlb.api.server import serve
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import Evidence, SeenProbe
from healthlb.model.health import Health, Schedule
from healthlb.model.overrides import Override, Scope
from healthlb.model.snapshot import NotifierStatus, Snapshot

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
VOID = {"meta", "link", "input", "rect"}
HOSTILE = "</td><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\x00\u202e"
examples = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Page(HTMLParser):
    """What a browser makes of the page; it insists that every element is closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), tag
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a kind that have these."""
        named = {key.rstrip("_").replace("_", "-"): value for key, value in wanted.items()}
        return [each for name, each in self.elements if name == tag and named.items() <= each.items()]

    def text(self, tag: str = "") -> str:
        """Return all text, or that of the elements of a kind."""
        return " ".join(data for within, data in self.texts if not tag or within == tag)

    def links(self) -> list[str]:
        return [each["href"] or "" for each in self.all("a")]


def drawn(snapshot: Snapshot, view: View | None = None, events: Any = "") -> Page:
    return Page("".join(page(snapshot, view or View(), events)))


def fetch(source: Any, path: str, *, journal: Any = None, headers: Any = BROWSER) -> tuple[Any, str]:
    async def run() -> tuple[Any, str]:
        running = await serve(read_only_application(source, events=journal), Listener(Endpoint("127.0.0.1", 0)))
        try:
            async with (
                aiohttp.ClientSession(f"http://{running.listener}") as session,
                session.get(path, headers=headers) as response,
            ):
                return response, await response.text()
        finally:
            await running.close()

    return asyncio.run(run())


def with_server(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Return the snapshot with its second server changed."""
    pool = snapshot.virtual_servers[0]
    server = dataclasses.replace(pool.real_servers[1], **changes)
    pool = dataclasses.replace(pool, real_servers=(pool.real_servers[0], server))
    return dataclasses.replace(snapshot, virtual_servers=(pool,))


def with_check(snapshot: Snapshot, **changes: Any) -> Snapshot:
    check = snapshot.virtual_servers[0].real_servers[1].checks[0]
    return with_server(snapshot, checks=(dataclasses.replace(check, **changes),))


def with_director(snapshot: Snapshot, **changes: Any) -> Snapshot:
    return dataclasses.replace(snapshot, director=dataclasses.replace(snapshot.director, **changes))


def test_a_browser_gets_the_page_and_a_program_the_list_of_paths(source: Any) -> None:
    response, text = fetch(source, "/")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Vary"] == "Accept, Accept-Encoding"
    assert text.startswith("<!DOCTYPE html>")
    response, text = fetch(source, "/", headers={"Accept": "*/*"})
    assert json.loads(text)["name"] == "healthlb"
    assert response.headers["Vary"] == "Accept, Accept-Encoding"


def test_the_pages_policy_lets_in_nothing_from_elsewhere_and_nothing_that_is_written_into_it(source: Any) -> None:
    response, text = fetch(source, "/")
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert "script-src 'self'" in policy
    assert not any("unsafe" in each or "http" in each for each in policy)
    made = Page(text)
    assert [each["src"] for each in made.all("script")] == ["assets/page.js"]
    assert made.text("script") == ""
    assert made.all("style") == []
    assert not any(key == "style" or key.startswith("on") for _, each in made.elements for key in each)


def test_the_page_says_first_what_is_wrong_where_since_when_and_why(source: Any) -> None:
    made = drawn(source.current)
    assert made.text("title") == made.text("h1") == "1 problem · lb1 · healthlb"
    assert made.all("html", lang="en", data_level="warning")
    assert made.all("link", id_="icon", href="assets/icon-warning.svg")
    problems = "".join(text for _, text in made.texts)
    problems = problems[problems.index("Problems") : problems.index("Virtual servers")]
    for said in ("shop", "DEGRADED", "live weight 1 of 2", "web2", "DOWN", "1 min", "web: connection refused"):
        assert said in problems
    assert "11.197.141.110" not in problems


def test_a_director_without_a_problem_says_so_in_words_and_in_its_icon(source: Any) -> None:
    pool = source.current.virtual_servers[0]
    well = dataclasses.replace(pool, state="up", real_servers=pool.real_servers[:1])
    made = drawn(dataclasses.replace(source.current, virtual_servers=(well,)))
    assert made.text("title") == "no problem · lb1 · healthlb"
    assert "No problem" in made.text()
    assert made.all("link", id_="icon", href="assets/icon-ok.svg")
    assert made.all("section", id_="warnings") == []


@pytest.mark.parametrize("state", ["down", "panic"])
def test_a_virtual_server_that_is_out_makes_the_page_red(source: Any, state: str) -> None:
    pool = dataclasses.replace(source.current.virtual_servers[0], state=state)
    made = drawn(dataclasses.replace(source.current, virtual_servers=(pool,)))
    assert made.all("html", data_level="bad")
    assert state.upper() in made.text()


def test_the_directors_own_problems_come_before_those_of_servers(source: Any) -> None:
    director = source.current.director
    made = drawn(
        with_director(
            source.current,
            config=dataclasses.replace(director.config, refused="shop: there is no check web3"),
            table=dataclasses.replace(director.table, in_sync=False, failing=("add 127.0.0.2:80: not permitted",)),
            state=dataclasses.replace(director.state, failing="no space"),
            journal=dataclasses.replace(director.journal, failing="read-only"),
            notifiers=(NotifierStatus("oncall", "webhook", 3, 0, 0, 0, "no route"),),
            warnings=("ip_forward is 0",),
        )
    )
    assert made.text("h1").startswith("6 problems")
    told = [text for within, text in made.texts if within == "li"]
    for said in ("not permitted", "no check web3", "no space", "read-only", "3 waiting: no route"):
        assert any(said in each for each in told)
    assert made.text().index("no route") < made.text().index("connection refused")
    assert "ip_forward is 0" in made.text("li")


def test_the_page_has_landmarks_headings_and_tables_that_a_screen_reader_can_tell_of(source: Any) -> None:
    made = drawn(source.current, View(open="shop/web2"))
    assert len(made.all("h1")) == len(made.all("main")) == len(made.all("header")) == len(made.all("footer")) == 1
    assert made.all("form", role="search")
    assert made.all("meta", name="viewport")
    assert made.all("meta", name="color-scheme", content="light dark")
    assert made.elements[[tag for tag, _ in made.elements].index("body") + 1][1]["href"] == "#main"
    assert len(made.all("table")) == len(made.all("caption")) > 1
    assert all(each.get("scope") in {"col", "row"} for each in made.all("th"))
    assert all(each.get("aria-label") for each in made.all("meter"))
    labels = {each["for"] for each in made.all("label") if "for" in each}
    assert {each["id"] for each in made.all("input", type_="search")} == labels
    ids = [each["id"] for _, each in made.elements if "id" in each]
    assert len(ids) == len(set(ids))


def test_whatever_a_server_says_is_text_and_nothing_else(source: Any) -> None:
    last = dataclasses.replace(source.current.virtual_servers[0].real_servers[1].checks[0].last, reason=HOSTILE)
    seen = SeenProbe(1.0, HOSTILE, 0.1, Evidence(HOSTILE.encode(), HOSTILE.encode(), HOSTILE, HOSTILE))
    snapshot = with_check(
        source.current, name=HOSTILE, type=HOSTILE, last=last, last_failure=seen, last_pass=seen, warning=HOSTILE
    )
    pool = dataclasses.replace(snapshot.virtual_servers[0], name=HOSTILE)
    snapshot = dataclasses.replace(snapshot, virtual_servers=(pool,))
    snapshot = with_server(
        snapshot, name=HOSTILE, overrides=(Override(Scope(HOSTILE, "::1", 1), "drain", who=HOSTILE),)
    )
    snapshot = with_director(snapshot, name=HOSTILE, version=HOSTILE, warnings=(HOSTILE,))
    plain = drawn(source.current, View(open="shop/web2"))
    made = drawn(snapshot, View(open=f"{HOSTILE}/{HOSTILE}", filter=HOSTILE.split(maxsplit=1)[0]), HOSTILE)
    assert made.all("section", id_="server")
    assert len(made.all("script")) == len(plain.all("script")) == 1
    assert made.all("img") == []
    assert not any(key.startswith("on") for _, each in made.elements for key in each)
    for text in ("\x1b", "\x00", "\u202e"):
        assert text not in made.text()
        assert not any(text in (value or "") for _, each in made.elements for value in each.values())
    assert r"\x1b[31m\x00\u202e" in made.text()


@examples
@given(text=st.text(max_size=40))
def test_any_name_can_be_opened_by_its_link(source: Any, text: str) -> None:
    name = text.encode(errors="replace").decode()
    pool = dataclasses.replace(source.current.virtual_servers[0], name=f"{name}/vs")
    snapshot = with_server(dataclasses.replace(source.current, virtual_servers=(pool,)), name=name or "-")
    opens = [parse_qs(urlsplit(each).query).get("open", [""])[0] for each in drawn(snapshot).links()]
    opened = [View(open=each).opened(snapshot) for each in opens if each]
    assert any(found is not None and found[1] is not None and found[1].name == (name or "-") for found in opened)


def test_one_server_is_shown_with_its_checks_their_evidence_and_its_events(
    source: Any, journal: Callable[..., Any], happened: Callable[..., Any]
) -> None:
    saw = Evidence(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 503 no\r\n", "192.0.2.1:80", "ends in 6 days")
    source.current = with_check(
        source.current,
        last_failure=SeenProbe(1.0, "status 503", 0.25, saw),
        schedule=Schedule(2.0, 1.0, 2, 3, 0.5, 5.0),
        recent="1101" * 5,
        unsent_reason="no permission",
        warning="soon",
    )
    kept = journal()
    event = happened(4, "real_server_down", "shop", "web2")
    event = dataclasses.replace(event, details={"saw": {"sent": "PING", "received": "-ERR <b>", "peer": ""}})
    kept.events += [event, happened(3, "real_server_up", "shop", "web2"), happened(5, "real_server_up", "shop", "web9")]
    response, text = fetch(source, "/?open=shop%2Fweb2", journal=kept)
    made = Page(text)
    assert response.status == 200
    assert made.all("section", id_="server", data_virtual_server="shop", data_real_server="web2")
    said = made.text()
    for words in (
        "every 2 s, 1 s at most; up after 2 passes, down after 3 failures in a row",
        "The latest probe FAILED: connection refused",
        "Cannot be probed: no permission",
        r"GET / HTTP/1.1\r\n\r\n",
        r"HTTP/1.1 503 no\r\n",
        "ends in 6 days",
        "1 → 0 (down)",
        "-ERR <b>",
    ):
        assert words in said
    assert said.index("shop: web2 is down (4)") > said.index("shop: web2 is down (3)")
    assert "web9" not in said
    (strip,) = made.all("svg", class_="strip")
    assert strip["aria-label"] == "The latest 20 results: 15 passed, 5 failed"
    assert len(made.all("rect")) == 20


def test_a_server_without_events_or_a_journal_says_so(source: Any, journal: Callable[..., Any]) -> None:
    assert "Nothing since the journal began" in fetch(source, "/?open=shop/web2", journal=journal())[1]
    assert "keeps no events" in fetch(source, "/?open=shop/web2")[1]
    broken = journal()
    broken.fault = OSError("the disk is gone")
    assert "cannot be read: the disk is gone" in fetch(source, "/?open=shop/web2", journal=broken)[1]
    broken.fault = TimeoutError()
    assert "did not answer in time" in fetch(source, "/?open=shop/web2", journal=broken)[1]


@pytest.mark.parametrize("gone", ["shop/web9", "store", "/", "<script>"])
def test_a_server_that_is_gone_is_said_to_be(source: Any, gone: str) -> None:
    response, text = fetch(source, "/?open=" + quote(gone))
    assert response.status == 200
    assert "any more" in Page(text).text()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("web2", ["web2"]),
        ("WEB2 shop", ["web2"]),
        ("refused", ["web2"]),
        ("down tcp", ["web2"]),
        ("11.197.141", ["11.197.141.110:18089"]),
        ("shop", ["11.197.141.110:18089", "web2"]),
        ("degraded rr", ["11.197.141.110:18089", "web2"]),
        ("nothing of it", None),
    ],
)
def test_the_form_filters_by_words_without_a_script(source: Any, words: str, shown: list[str] | None) -> None:
    made = Page(fetch(source, "/?" + urlencode({"filter": words}))[1])
    listed = [each["data-real-server"] for each in made.all("tr") if "data-health" in each]
    assert listed == (shown or [])
    assert ("Nothing matches" in made.text()) == (shown is None)
    assert made.all("input", type_="search", value=words)


def test_problems_only_leaves_what_somebody_has_to_look_after(source: Any) -> None:
    made = Page(fetch(source, "/?problems=1")[1])
    assert [each["data-real-server"] for each in made.all("tr") if "data-health" in each] == ["web2"]
    assert "checked" in made.all("input", type_="checkbox")[0]


def test_links_keep_the_filter(source: Any) -> None:
    links = Page(fetch(source, "/?filter=web2&problems=1")[1]).links()
    assert "./?filter=web2&problems=1&open=shop%2Fweb2" in links


def test_ten_thousand_servers_are_a_page_of_a_few_hundred_rows_that_says_how_many_more(large: Any) -> None:
    made = drawn(large(1, 10_000))
    listed = [each for each in made.all("tr") if "data-health" in each]
    assert 100 <= len(listed) <= 300
    assert f"{10_000 - len(listed)} more servers" in made.text()
    assert f"./?open=shop&from={len(listed)}" in made.links()


def test_all_servers_of_a_large_virtual_server_can_be_seen_page_by_page(large: Any) -> None:
    snapshot = large(1, 1000)
    seen: list[str | None] = []
    view = View(open="shop")
    while True:
        made = drawn(snapshot, view)
        listed = [each["data-real-server"] for each in made.all("tr") if "data-health" in each]
        seen += listed
        more = [each for each in made.links() if "from=" in each]
        if not more:
            break
        view = View(open="shop", start=int(parse_qs(urlsplit(more[0]).query)["from"][0]))
    assert seen == [server.name for server in snapshot.virtual_servers[0].real_servers]


def test_a_thousand_virtual_servers_can_be_seen_page_by_page(large: Any) -> None:
    pool = large(1, 1).virtual_servers[0]
    many = tuple(dataclasses.replace(pool, name=f"pool-{number}") for number in range(1000))
    snapshot = dataclasses.replace(large(1, 1), virtual_servers=many)
    seen: list[str | None] = []
    view = View()
    while True:
        made = drawn(snapshot, view)
        seen += [each["data-virtual-server"] for each in made.all("section", class_="pool")]
        more = [each for each in made.links() if "from=" in each]
        if not more:
            break
        view = View(start=int(parse_qs(urlsplit(more[0]).query)["from"][0]))
    assert seen == [each.name for each in many]


def test_a_storm_of_problems_is_cut_and_says_so(large: Any) -> None:
    snapshot = large(1, 1000)
    pool = snapshot.virtual_servers[0]
    down = tuple(dataclasses.replace(server, health=Health.DOWN) for server in pool.real_servers)
    made = drawn(dataclasses.replace(snapshot, virtual_servers=(dataclasses.replace(pool, real_servers=down),)))
    listed = [each for each in made.all("tr") if "data-real-server" in each and "data-health" not in each]
    assert len(listed) < 110
    assert f"{1000 - len(listed)} more are not shown" in made.text()


@examples
@given(query=st.dictionaries(st.sampled_from(["filter", "problems", "open", "from", "x"]), st.text(max_size=20)))
def test_no_query_of_the_page_is_an_error(source: Any, query: dict[str, str]) -> None:
    clean = {key: value.encode(errors="replace").decode() for key, value in query.items()}
    response, text = fetch(source, "/?" + urlencode(clean))
    assert response.status == 200
    Page(text)


@pytest.mark.parametrize("name", ["icon-ok.svg", "icon-warning.svg", "icon-bad.svg"])
def test_an_asset_that_a_browser_has_is_not_sent_again(source: Any, name: str) -> None:
    response, text = fetch(source, f"/assets/{name}")
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.headers["Cache-Control"] == "no-cache"
    assert text.startswith("<svg")
    again, nothing = fetch(source, f"/assets/{name}", headers={"If-None-Match": f'"x", {response.headers["ETag"]}'})
    assert (again.status, nothing) == (304, "")
    assert again.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["none.js", "document.py", "..%2fdocument.py", "icon-ok.svg%00"])
def test_nothing_but_assets_is_served_as_one(source: Any, name: str) -> None:
    response, text = fetch(source, f"/assets/{name}", headers={})
    assert response.status == 404
    assert "error" in json.loads(text)
    assert all(each.rpartition(".")[2] in {"css", "js", "svg"} for each in assets())


def test_the_rows_on_the_screen_are_told_in_the_order_of_the_overview(source: Any) -> None:
    rows = json.loads(fetch(source, "/api/v1/rows?virtual_server=shop")[1])
    whole = json.loads(fetch(source, "/api/v1/overview")[1])
    assert rows["generation"] == whole["generation"]
    assert [row[-1] for row in rows["rows"]] == [row[0] for row in whole["virtual_servers"][0]["real_servers"]]
    assert rows["rows"][1][:9] == ["", 0.0012, "connection refused", 2, 3, 1, 4, 5, 1791999999.25]
    part = json.loads(fetch(source, "/api/v1/rows?virtual_server=shop&from=1&count=5")[1])
    assert (part["from"], part["total"], part["rows"]) == (1, 2, rows["rows"][1:])
    one = json.loads(fetch(source, "/api/v1/rows?virtual_server=shop&real_server=web2")[1])
    assert (one["from"], one["rows"]) == (1, rows["rows"][1:])


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/rows", 400, "virtual_server: is required"),
        ("/api/v1/rows?virtual_server=none", 404, "no virtual server 'none'"),
        ("/api/v1/rows?virtual_server=shop&count=501", 400, "count"),
        ("/api/v1/history?virtual_server=shop", 404, "no history"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_why(source: Any, path: str, status: int, said: str) -> None:
    response, text = fetch(source, path)
    assert response.status == status
    assert said in json.loads(text)["error"]


class Hour:
    """A history of one virtual server."""

    step = 30.0
    end = 1_792_000_000.0

    def series(self, virtual_server: str) -> Any:
        return {"live_weight": [None, 2], "active": [1, 2]} if virtual_server == "shop" else None


def past(source: Any, query: str) -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        application = read_only_application(source, history=Hour())
        running = await serve(application, Listener(Endpoint("127.0.0.1", 0)))
        try:
            url = f"http://{running.listener}/api/v1/history{query}"
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return response.status, await response.json()
        finally:
            await running.close()

    return asyncio.run(run())


def test_the_last_hour_is_told_of_those_that_are_known(source: Any) -> None:
    assert past(source, "?virtual_server=shop&virtual_server=none&virtual_server=shop") == (
        200,
        {
            "step": 30.0,
            "end": "2026-10-14T17:46:40.000Z",
            "virtual_servers": {"shop": {"live_weight": [None, 2], "active": [1, 2]}},
        },
    )
    assert past(source, "?virtual_server=none")[1]["virtual_servers"] == {}


def test_the_last_hour_is_asked_of_so_many_at_once(source: Any) -> None:
    assert past(source, "")[0] == 400
    assert past(source, "?" + "&".join(f"virtual_server=x{number}" for number in range(101)))[0] == 400
    assert past(source, "?" + "&".join(f"virtual_server=x{number}" for number in range(100)))[0] == 200


@given(st.text())
def test_a_text_that_is_made_visible_hides_nothing(text: str) -> None:
    shown = visible(text)
    assert all(each.isprintable() or each == "\n" for each in one_line(text, 10**6))
    assert not {"\x1b", "\x00", "\x7f", "\x9b", "\u202e", "\u200b", "\ufeff"} & set(shown)
    shown.encode()


def test_ages_and_numbers_are_as_short_as_an_operator_would_say_them() -> None:
    ages = [age(seconds) for seconds in (-3, 0, 59.9, 60, 252, 3600, 11_400, 435_600)]
    assert ages == ["0 s", "0 s", "59 s", "1 min", "4 min 12 s", "1 h", "3 h 10 min", "5 d 1 h"]
    numbers = [scaled(number) for number in (0, 999, 1000, 1234, 34_000_000, 2e12, 9e18)]
    assert numbers == ["0", "999", "1.0 k", "1.2 k", "34 M", "2.0 T", "9000 P"]
    assert (bytes_a_second(12), bytes_a_second(1234)) == ("12 B/s", "1.2 kB/s")
