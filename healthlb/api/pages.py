"""Events as a list, page by page. Ids are what pages begin and end at, so that new events move none of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from aiohttp import web

from healthlb.api import shapes
from healthlb.api.answers import JSON, document
from healthlb.api.picking import array, encode
from healthlb.api.queries import LARGEST_ID
from healthlb.api.rendering import in_slices
from healthlb.api.source import EventSource
from healthlb.model.occurrence import EventQuery, Occurrence

VARY = "Accept, Accept-Encoding"


@dataclass(frozen=True, slots=True)
class Page:
    """The events of a page, and what is asked for the page of newer and that of older ones; None: there are none."""

    events: list[Occurrence]
    next: EventQuery | None
    previous: EventQuery | None


async def listed(
    request: web.Request, source: EventSource, query: EventQuery, as_json: Callable[[Occurrence], shapes.Event]
) -> web.StreamResponse:
    """Answer with a page, and its neighbours as links (RFC 8288)."""
    newest = source.last_id
    page = await page_of(source, query)
    last = max([newest, *(event.id for event in page.events)])
    after, before = (None if each is None else _address(request, each) for each in (page.next, page.previous))

    def fragments() -> Iterator[str]:
        yield '{"events":'
        yield from array((encode(as_json(event)),) for event in page.events)
        yield f',"last_id":{last},"next":{encode(after)},"previous":{encode(before)}}}\n'

    links = [f'<{url}>; rel="{name}"' for name, url in (("next", after), ("prev", before)) if url is not None]
    headers = {"Vary": VARY} | ({"Link": ", ".join(links)} if links else {})
    return await document(request, await in_slices(fragments()), JSON, headers=headers)


async def page_of(source: EventSource, query: EventQuery) -> Page:
    """Return a page: with `after` the first events that follow it, else the newest that fit.

    In the direction that a page was read in, one event more than it holds says whether there is another; in the other
    one it takes a look.
    """
    found = await source.read(replace(query, limit=query.limit + 1))
    more = len(found) > query.limit
    if query.after is not None:
        events = found[: query.limit]
        first, last = (events[0].id, events[-1].id) if events else (min(query.after + 1, LARGEST_ID), query.after)
        newer, older = replace(query, after=last), replace(query, after=None, before=first)
        return Page(events, newer if more else None, older if await _any(source, older) else None)
    events = found[-query.limit :]
    if query.before is None:
        return Page(events, None, replace(query, before=events[0].id) if more else None)
    first, last = (events[0].id, events[-1].id) if events else (query.before, query.before - 1)
    newer, older = replace(query, after=max(0, last), before=None), replace(query, before=first)
    return Page(events, newer if await _any(source, newer) else None, older if more else None)


async def _any(source: EventSource, query: EventQuery) -> bool:
    return bool(await source.read(replace(query, limit=1)))


def _address(request: web.Request, query: EventQuery) -> str:
    """Return where a query is answered: the path, and the reader's own parameters with other bounds."""
    kept = [(name, text) for name, text in request.query.items() if name not in {"after", "before"}]
    bounds = [("after", query.after), ("before", query.before)]
    return f"{request.path}?{urlencode([*kept, *((name, str(each)) for name, each in bounds if each is not None)])}"
