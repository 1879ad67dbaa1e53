"""Why the director is not ready yet, in sentences."""

from collections.abc import Iterator

from healthlb.model.health import Health
from healthlb.model.snapshot import Snapshot


def reasons(snapshot: Snapshot) -> Iterator[str]:
    """Yield a sentence for each thing that is still awaited; an empty string is only a chance for the loop to turn.

    Nothing is awaited of a server that operators keep out: the director is as ready with it as without.
    """
    table = snapshot.director.table
    if not table.in_sync:
        yield f"The {table.backend} table is not in sync yet."
    for failing in table.failing:
        yield f"An operation on the table fails: {failing}"
    awaited, first = 0, ""
    for one in snapshot.virtual_servers:
        for server in (*one.real_servers, *one.sorry_servers):
            if server.health is Health.UNKNOWN and server.admin == "enabled":
                first = first or f"{server.name} of {one.name}"
                awaited += 1
            yield ""
    if awaited == 1:
        yield f"{first} has no verdict yet."
    elif awaited:
        yield f"{awaited} real servers have no verdict yet, {first} among them."
