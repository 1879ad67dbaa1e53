"""What is asked about single servers and about operators' changes, as JSON: what those who wait for a drain poll."""

from collections.abc import Callable, Iterator

from aiohttp import web

from healthlb.api import queries
from healthlb.api.answers import JSON, Handler, document, failure
from healthlb.api.document import array, encode, leaving, real_server
from healthlb.api.orders import addition, override, removal
from healthlb.api.queries import QueryError, query_of
from healthlb.api.rendering import in_slices
from healthlb.api.source import SnapshotSource
from healthlb.model.endpoint import Endpoint
from healthlb.model.snapshot import RealServerStatus, Snapshot, VirtualServerStatus

_FIELDS = ("address", "origin", "health", "admin", "since", "weight", "connections", "overrides")
_ASKED: dict[str, queries.Kind] = {"host": queries.host, "virtual_server": queries.name, "real_server": queries.name}

Wanted = Callable[[str, Endpoint], bool]
"""Whether the server of a name and an address is asked for."""


def add_reading_routes(
    application: web.Application, source: SnapshotSource, max_age: float, trusted: Callable[[web.Request], bool]
) -> None:
    """Add the routes. Those who are `trusted` see what was given for added servers as well."""
    application.router.add_get("/api/v1/real_servers", _real_servers(source, max_age))
    application.router.add_get("/api/v1/overrides", _overrides(source, max_age, trusted))


def _real_servers(source: SnapshotSource, max_age: float) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            asked = query_of(request, _ASKED)
        except QueryError as error:
            return failure(400, str(error))
        wanted = _wanted(asked.get("host"), asked.get("real_server"))
        fragments = real_servers(await source.snapshot(max_age), wanted, asked.get("virtual_server"))
        return await document(request, await in_slices(fragments), JSON)

    return handle


def _overrides(source: SnapshotSource, max_age: float, trusted: Callable[[web.Request], bool]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            query_of(request, {})
        except QueryError as error:
            return failure(400, str(error))
        settings = trusted(request)
        fragments = orders(await source.snapshot(max_age), settings=settings)
        return await document(request, await in_slices(fragments), JSON)

    return handle


def real_servers(snapshot: Snapshot, wanted: Wanted, virtual_server: str | None = None) -> Iterator[str]:
    """Yield `/api/v1/real_servers`, a server at a time.

    Beside the pools' real servers are their sorry servers, and the rows that stay only for their connections' sake:
    who wants to switch a machine off wants to know of all three.
    """
    pools = [one for one in snapshot.virtual_servers if virtual_server in {None, one.name}]
    yield '{"real_servers":'
    yield from array(_of(one, server) for one in pools for server in one.real_servers if _is(server, wanted))
    yield ',"sorry_servers":'
    yield from array(_of(one, server) for one in pools for server in one.sorry_servers if _is(server, wanted))
    yield ',"leaving":'
    yield from array(
        (encode({"virtual_server": one.name} | leaving(row)),)
        for one in pools
        for row in one.leaving
        if wanted("", row.address)
    )
    yield "}\n"


def _is(server: RealServerStatus, wanted: Wanted) -> bool:
    return wanted(server.name, server.address)


def _of(one: VirtualServerStatus, server: RealServerStatus) -> Iterator[str]:
    told = real_server(server)
    yield encode(
        {"virtual_server": one.name, "real_server": server.name}
        | {field: told[field] for field in _FIELDS}
        | {"drained": server.admin in {"drained", "disabled"}}
    )


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
