"""What is asked about pools, single servers and operators' changes, as JSON; much of it in the part that is chosen."""

from collections.abc import Callable, Hashable, Iterator

from aiohttp import web

from healthlb.api import document as json_document
from healthlb.api import queries, shapes
from healthlb.api.answers import JSON, document, failure
from healthlb.api.document import leaving, real_server
from healthlb.api.orders import addition, override, removal
from healthlb.api.picking import (
    EVERYTHING,
    Selection,
    array,
    concern_of,
    encode,
    kinds_for,
    members,
    pick,
    selection_of,
)
from healthlb.api.rendering import ChosenRenderings, CrowdedError, Fragments, SharedRenderings
from healthlb.api.routes import TAGGED, Answering, Asked, add_reading, reading, told
from healthlb.api.source import SnapshotSource
from healthlb.model.endpoint import Endpoint
from healthlb.model.snapshot import RealServerStatus, Snapshot, VirtualServerStatus

STATUS = reading(
    "/api/v1/status",
    "Everything",
    {200: told("All there is, or the part that was asked for.", shapes.Status, *TAGGED, part=True)},
    kinds_for(shapes.Status),
)
VIRTUAL_SERVERS = reading(
    "/api/v1/virtual_servers",
    "The pools",
    {200: told("The pools of the status.", shapes.VirtualServers, *TAGGED, part=True)},
    kinds_for(shapes.VirtualServers),
)
VIRTUAL_SERVER = reading(
    "/api/v1/virtual_servers/{name}",
    "One pool",
    {
        200: told("The pool, as the status has it.", shapes.VirtualServer, *TAGGED, part=True),
        404: told("There is no virtual server of this name.", shapes.Failure),
    },
    kinds_for(shapes.VirtualServer),
)
REAL_SERVERS = reading(
    "/api/v1/real_servers",
    "Single real servers",
    {200: told("Those that were asked for.", shapes.RealServers, *TAGGED, part=True)},
    {
        "host": queries.host,
        "virtual_server": queries.name,
        "real_server": queries.name,
        **kinds_for(shapes.RealServers),
    },
)
OVERRIDES = reading(
    "/api/v1/overrides",
    "What operators changed",
    {200: told("What is in force.", shapes.Orders, *TAGGED)},
    trusted=True,
)


class _UnknownError(Exception):
    """There is no virtual server of the name that was asked for."""


Wanted = Callable[[str, Endpoint], bool]
"""Whether the server of a name and an address is asked for."""


class Reading:
    """Answers with documents. Those that nobody asks a part of are made once for all readers."""

    def __init__(self, source: SnapshotSource, max_age: float, trusted: Callable[[web.Request], bool]) -> None:
        self._source = source
        self._max_age = max_age
        self._trusted = trusted
        self._chosen = ChosenRenderings(source)

    def add_routes(self, application: web.Application) -> None:
        """Add the routes. Those who are trusted see what was given for added servers as well."""
        add_reading(application, STATUS, self._whole(application, shapes.Status, json_document.status))
        add_reading(
            application,
            VIRTUAL_SERVERS,
            self._whole(application, shapes.VirtualServers, json_document.virtual_servers),
        )
        add_reading(application, VIRTUAL_SERVER, self._virtual_server)
        add_reading(application, REAL_SERVERS, self._real_servers)
        add_reading(application, OVERRIDES, self._overrides)

        async def stop(_application: web.Application) -> None:
            await self._chosen.close()

        application.on_cleanup.append(stop)

    def _whole(
        self, application: web.Application, shape: type, make: Callable[[Snapshot, Selection], Iterator[str]]
    ) -> Answering:
        renderings = SharedRenderings(self._source, lambda snapshot: make(snapshot, EVERYTHING))

        async def handle(request: web.Request, asked: Asked) -> web.StreamResponse:
            if not asked:
                return await document(request, await renderings.current(self._max_age), JSON)
            only = selection_of(asked, shape)
            return await self._choose(request, _choice(request, asked), lambda snapshot: make(snapshot, only))

        async def stop(_application: web.Application) -> None:
            await renderings.close()

        application.on_cleanup.append(stop)
        return handle

    async def _choose(
        self, request: web.Request, choice: Hashable, fragments: Fragments, vary: str = "Accept-Encoding"
    ) -> web.StreamResponse:
        try:
            rendering = await self._chosen.current(choice, fragments, self._max_age)
        except CrowdedError:
            return failure(503, "Too many different parts are asked for at once; try again later.", Retry_After="1")
        return await document(request, rendering, JSON, headers={"Vary": vary})

    async def _virtual_server(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        name = request.match_info["name"]
        only = selection_of(asked, shapes.VirtualServer)

        def fragments(snapshot: Snapshot) -> Iterator[str]:
            for one in snapshot.virtual_servers:
                if one.name == name:
                    return json_document.virtual_server(one, only)
            raise _UnknownError

        try:
            return await self._choose(request, (name, _choice(request, asked)), fragments)
        except _UnknownError:
            return failure(404, f"There is no virtual server {name!r}.")

    async def _real_servers(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        wanted = _wanted(asked.get("host"), asked.get("real_server"))
        pool, only = asked.get("virtual_server"), selection_of(asked, shapes.RealServers)
        return await self._choose(
            request, _choice(request, asked), lambda snapshot: real_servers(snapshot, wanted, pool, only)
        )

    async def _overrides(self, request: web.Request, _asked: Asked) -> web.StreamResponse:
        settings = self._trusted(request)
        choice = ("overrides", settings)
        vary = "Accept-Encoding, Authorization"
        return await self._choose(request, choice, lambda snapshot: orders(snapshot, settings=settings), vary)


def _choice(request: web.Request, asked: Asked) -> Hashable:
    """Return what makes a document another one: its path, and what its parameters stand for."""
    return request.path, tuple(sorted(asked.items(), key=lambda pair: pair[0]))


def real_servers(
    snapshot: Snapshot, wanted: Wanted, virtual_server: str | None = None, only: Selection = EVERYTHING
) -> Iterator[str]:
    """Yield `/api/v1/real_servers`, a server at a time.

    Beside the pools' real servers are their sorry servers, and the rows that stay only for their connections' sake:
    who wants to switch a machine off wants to know of all three.
    """
    pools = [one for one in snapshot.virtual_servers if virtual_server in {None, one.name}]

    def fits(server: RealServerStatus) -> bool:
        return wanted(server.name, server.address) and (not only.problems or bool(concern_of(server)))

    lists = {
        "real_servers": lambda tree: array(
            (encode(pick(_of(one, server), tree)),) if fits(server) else None
            for one in pools
            for server in one.real_servers
        ),
        "sorry_servers": lambda tree: array(
            (encode(pick(_of(one, server), tree)),) if fits(server) else None
            for one in pools
            for server in one.sorry_servers
        ),
        "leaving": lambda tree: array(
            (encode(pick({"virtual_server": one.name} | leaving(row), tree)),)
            for one in pools
            for row in one.leaving
            if wanted("", row.address)
        ),
    }
    yield from members({}, lists, only.fields)
    yield "\n"


def _of(one: VirtualServerStatus, server: RealServerStatus) -> shapes.PoolMember:
    told = real_server(server)
    return {
        "virtual_server": one.name,
        "real_server": server.name,
        "address": told["address"],
        "origin": told["origin"],
        "health": told["health"],
        "admin": told["admin"],
        "since": told["since"],
        "weight": told["weight"],
        "connections": told["connections"],
        "overrides": told["overrides"],
        "drained": server.admin in {"drained", "disabled"},
    }


def _wanted(host: tuple[str, int | None] | None, server: str | None) -> Wanted:
    """Return what a host and a server's name or address, with its port or without, ask for."""
    try:
        address, port = queries.host(server) if server is not None else ("", None)
    except ValueError:
        address, port = "", None

    def wanted(name: str, endpoint: Endpoint) -> bool:
        at_host = host is None or (host[0] == endpoint.address and host[1] in {None, endpoint.port})
        named = name == server or (address == endpoint.address and port in {None, endpoint.port})
        return at_host and (server is None or named)

    return wanted


def orders(snapshot: Snapshot, *, settings: bool) -> Iterator[str]:
    """Yield `/api/v1/overrides`, an order at a time."""
    director = snapshot.director
    yield '{"overrides":'
    yield from array((encode(override(each)),) for each in director.overrides)
    yield ',"added":'
    yield from array((encode(addition(each, settings=settings)),) for each in director.additions)
    yield ',"removed":'
    yield from array((encode(removal(each)),) for one in snapshot.virtual_servers for each in one.removed)
    yield "}\n"
