"""What changes with every probe, for the rows that are on the screen."""

from collections.abc import Iterator

from healthlb.api.document import real_server
from healthlb.api.orders import timestamp
from healthlb.api.page.overview import generation
from healthlb.api.page.shapes import RowsHead
from healthlb.api.page.words import one_line, urgent
from healthlb.api.picking import array, encode
from healthlb.model.counters import Usage
from healthlb.model.snapshot import RealServerStatus, Snapshot, VirtualServerStatus

MOST = 500
"""Rows that are answered at once."""

LiveRow = tuple[str, float | None, str, int, int, int, int, int, float | None, str]
"""recent, seconds, reason, active, inactive, connections, bytes in and out per second, at, name."""

_UNUSED = Usage()


def servers_of(one: VirtualServerStatus) -> tuple[RealServerStatus, ...]:
    """Return the servers of a virtual server in the order of its rows."""
    return one.real_servers + one.sorry_servers


def rows(snapshot: Snapshot, one: VirtualServerStatus, first: int, count: int, name: str | None) -> Iterator[str]:
    """Yield `/api/v1/rows`: so many servers of a virtual server from a position on.

    Or those with a name, and these as `/api/v1/status` has them, too.
    """
    servers = servers_of(one)
    if name is None:
        wanted = list(enumerate(servers[first : first + count], first))
    else:
        wanted = [(index, each) for index, each in enumerate(servers) if each.name == name][:count]
    head: RowsHead = {
        "generation": generation(snapshot),
        "taken_at": timestamp(snapshot.taken_at),
        "virtual_server": one.name,
        "from": wanted[0][0] if wanted else first,
        "total": len(servers),
    }
    yield encode(head)[:-1] + ',"rows":'
    yield from array((encode(_row(server)),) for _, server in wanted)
    if name is not None:
        yield ',"real_servers":'
        yield from array((encode(real_server(server)),) for _, server in wanted)
    yield "}\n"


def _row(server: RealServerStatus) -> LiveRow:
    check, usage = urgent(server.checks), server.usage or _UNUSED
    last = check.last if check is not None else None
    return (
        check.recent if check is not None else "",
        None if last is None else round(last.seconds, 6),
        "" if last is None else one_line(last.reason),
        usage.active,
        usage.inactive,
        usage.rates.connections,
        usage.rates.in_bytes,
        usage.rates.out_bytes,
        None if last is None else round(last.at, 3),
        server.name,
    )
