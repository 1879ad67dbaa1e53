"""The rows of servers that leave a pool and may keep them until their connections have ended."""

from healthlb.core.policy import Leaving
from healthlb.daemon.breath import Breath
from healthlb.daemon.records import Pool
from healthlb.model.config import VirtualServer


async def rows_left(server: VirtualServer, before: Pool | None, now: float, breath: Breath) -> tuple[Leaving, ...]:
    """Return the rows that stay for a while: their servers were in the pool of the same service and are no more.

    Those with a `drain_timeout` begin to leave, and those that were leaving go on. `now` is steady UNIX seconds.
    """
    if before is None:
        return ()
    rows = {each.address: each for each in before.leaving}
    leisurely = [member.server for member in before.everyone() if member.server.drain_timeout > 0]
    for server_before in leisurely:
        lasts = server_before.drain_timeout
        rows[server_before.address] = Leaving(server_before.address, now + lasts, lasts)
        await breath()
    if not rows:
        return ()
    for each in (*server.real_servers, *server.sorry_servers):
        rows.pop(each.address, None)
        await breath()
    return tuple(rows.values())
