"""What `/` answers: the page for a browser, the list of paths for a program."""

from aiohttp import web

from healthlb.api.answers import Handler, document
from healthlb.api.negotiation import names
from healthlb.api.page.document import page
from healthlb.api.page.headers import PAGE
from healthlb.api.page.view import View
from healthlb.api.rendering import SharedRenderings, in_slices
from healthlb.api.source import EventSource, SnapshotSource
from healthlb.model.occurrence import EventQuery, Occurrence

HTML = "text/html; charset=utf-8"
VARY = {"Vary": "Accept, Accept-Encoding"}
TIMELINE = 50
"""Events of a server that its view shows."""
LONGEST_FILTER = 200
"""Characters of a filter that are looked at."""


class FirstView:
    """Answers `/`. The page as it is opened first is made once for all who ask at about the same time."""

    def __init__(self, source: SnapshotSource, max_age: float, index: Handler, events: EventSource | None) -> None:
        self._source = source
        self._max_age = max_age
        self._index = index
        self._events = events
        self._plain = SharedRenderings(source, lambda snapshot: page(snapshot, View()))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a browser with the page, honouring its filter and what is to be open."""
        if not takes_html(request.headers.get("Accept", "")):
            response = await self._index(request)
            response.headers.update(VARY)
            return response
        view = view_of(request)
        if view == View():
            rendering = await self._plain.current(self._max_age)
        else:
            snapshot = await self._source.snapshot(self._max_age)
            found = view.opened(snapshot)
            events: list[Occurrence] | str = []
            if found is not None and found[1] is not None:
                events = await self._timeline(found[0].name, found[1].name)
            rendering = await in_slices(page(snapshot, view, events))
        return await document(request, rendering, HTML, PAGE | VARY)

    async def close(self) -> None:
        """Stop what is under way."""
        await self._plain.close()

    async def _timeline(self, virtual_server: str, real_server: str) -> list[Occurrence] | str:
        """Return a server's newest events, the newest first; a sentence where they cannot be read."""
        if self._events is None:
            return "This director keeps no events."
        query = EventQuery(virtual_server=virtual_server, real_server=real_server, limit=TIMELINE)
        try:
            return (await self._events.read(query))[::-1]
        except TimeoutError:
            return "The event journal did not answer in time."
        except OSError as error:
            return f"The event journal cannot be read: {error}."


def takes_html(accept: str) -> bool:
    """Say whether an Accept asks for HTML by name, as browsers do (RFC 9110 section 12.5.1); `*/*` is a program's."""
    return any(names(accept, each) for each in ("text/html", "application/xhtml+xml"))


def view_of(request: web.Request) -> View:
    """Return what a URL asks to see; what cannot be understood is left out, as a page has no use for an error."""
    query = request.query
    start = query.get("from", "")
    return View(
        filter=" ".join(query.get("filter", "")[:LONGEST_FILTER].split()),
        problems=query.get("problems", "") not in {"", "0"},
        open=query.get("open", "")[:2000],
        start=int(start) if start.isascii() and start.isdecimal() and len(start) < 8 else 0,
    )
