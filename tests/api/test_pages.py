"""Pages of events: each is found from the one beside it, whatever happens meanwhile; and what a stream has lost."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.api.pages import page_of
from healthlb.model.occurrence import EventQuery
from tests.api.conftest import Journal, occurrence
from tests.api.test_events import PATH, STREAM, ask, blocks, visit

examples = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
journals = st.sets(st.integers(1, 200), max_size=40).map(sorted)
NAMES = ("real_server_up", "real_server_down")


def made_of(numbers: list[int]) -> Journal:
    return Journal(*(occurrence(number, NAMES[number % 2]) for number in numbers))


async def walked(events: Journal, query: EventQuery, way: str, more: list[int]) -> list[list[int]]:
    """Follow the links in one direction to the end, while events are added after each page."""
    pages = []
    at: EventQuery | None = query
    while at is not None:
        page = await page_of(events, at)
        pages.append([event.id for event in page.events])
        at = getattr(page, way)
        if more:
            await events.add(occurrence(more.pop(0), NAMES[0]))
    return pages


@examples
@given(journals, st.integers(1, 7), st.sampled_from([frozenset[str](), frozenset(NAMES[:1])]))
def test_older_pages_have_every_older_event_once_while_new_ones_come(
    numbers: list[int], limit: int, names: frozenset[str]
) -> None:
    wanted = [number for number in numbers if not names or number % 2 == 0]
    more = [1000, 1001, 1002]
    pages = asyncio.run(walked(made_of(numbers), EventQuery(limit=limit, names=names), "previous", more))
    assert [number for page in reversed(pages) for number in page] == wanted
    assert all(len(page) == limit for page in pages[:-1])
    assert pages == [[]] or all(pages)


@examples
@given(journals, st.integers(1, 7), st.integers(0, 200))
def test_newer_pages_have_every_newer_event_once_those_too_that_come_meanwhile(
    numbers: list[int], limit: int, after: int
) -> None:
    more = [1000, 1001]
    pages = asyncio.run(walked(made_of(numbers), EventQuery(after=after, limit=limit), "next", more))
    found = [number for page in pages for number in page]
    wanted = [number for number in numbers if number > after]
    assert found[: len(wanted)] == wanted
    assert found == wanted + [1000, 1001][: len(found) - len(wanted)]


@examples
@given(journals, st.integers(1, 7), st.none() | st.integers(0, 220), st.none() | st.integers(0, 220))
def test_the_page_beside_a_page_leads_back_to_it(
    numbers: list[int], limit: int, after: int | None, before: int | None
) -> None:
    async def there_and_back() -> None:
        events = made_of(numbers)
        page = await page_of(events, EventQuery(after=after, before=before, limit=limit))
        ids = [event.id for event in page.events]
        if page.next is not None:
            following = (await page_of(events, page.next)).events
            assert following
            assert not ids or following[0].id > ids[-1]
            assert [each for each in numbers if (ids or [0])[-1] < each < following[0].id and ids] == []
        if page.previous is not None:
            preceding = (await page_of(events, page.previous)).events
            assert preceding
            assert not ids or preceding[-1].id < ids[0]

    asyncio.run(there_and_back())


def test_links_are_addresses_that_keep_the_rest_of_the_question(source: Any) -> None:
    events = made_of(list(range(1, 30)))
    asked = "?limit=3&name=real_server_up&name=real_server_down&virtual_server=shop&before=20"

    async def talk(session: aiohttp.ClientSession) -> None:
        async with session.get(PATH + asked) as response:
            told = await response.json()
            assert [event["id"] for event in told["events"]] == [17, 18, 19]
            assert response.links["next"]["url"].path_qs == told["next"]
            assert response.links["prev"]["url"].path_qs == told["previous"]
        for way, numbers in (("next", [20, 21, 22]), ("previous", [14, 15, 16])):
            async with session.get(told[way]) as response:
                assert [event["id"] for event in (await response.json())["events"]] == numbers

    visit(source, events, talk)


def test_the_ends_have_no_page_beyond_them(source: Any) -> None:
    status, told = ask(source, made_of([1, 2, 3]), "?limit=3")
    assert (status, told["next"], told["previous"]) == (200, None, None)
    status, told = ask(source, made_of([1, 2, 3]), f"?after={2**63 - 1}&limit=2")
    assert (status, told["events"], told["next"]) == (200, [], None)
    assert told["previous"] is not None


@pytest.mark.parametrize(
    ("last", "gap", "first"),
    [
        (3, {"after": 3, "oldest": 7}, 7),
        (5, {"after": 5, "oldest": 7}, 7),
        (6, None, 7),
        (7, None, 8),
        (500, {"after": 500, "oldest": 7}, 7),
        (0, None, 7),
    ],
)
def test_a_stream_says_what_is_no_longer_kept_after_the_id_that_it_resumes(
    source: Any, last: int, gap: dict[str, int] | None, first: int
) -> None:
    async def talk(session: aiohttp.ClientSession) -> list[dict[str, str]]:
        async with session.get(PATH, headers=STREAM | {"Last-Event-ID": str(last)}) as response:
            found = blocks(response)
            return [await anext(found) for _ in range(3)]

    _, told, after = visit(source, made_of([7, 8, 9]), talk)
    if gap is None:
        assert told["id"] == str(first)
        return
    assert (told["event"], json.loads(told["data"])) == ("gap", gap)
    assert "id" not in told
    assert after["id"] == str(first)


def test_a_stream_of_a_journal_that_is_empty_now_says_that_all_is_gone(source: Any) -> None:
    async def talk(session: aiohttp.ClientSession) -> dict[str, str]:
        async with session.get(PATH, headers=STREAM | {"Last-Event-ID": "9"}) as response:
            found = blocks(response)
            await anext(found)
            return await anext(found)

    assert json.loads(visit(source, made_of([]), talk)["data"]) == {"after": 9, "oldest": None}
