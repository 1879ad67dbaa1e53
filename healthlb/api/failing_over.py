"""The command that hands an instance over to the other director, and takes it back, as a route and its answer."""

import logging

from aiohttp import web

from healthlb.api import bodies, shapes
from healthlb.api.answers import answer
from healthlb.api.routes import told
from healthlb.api.source import Failovers
from healthlb.model.changes import Actor, FailoverOutcome

_log = logging.getLogger(__name__)

_STATUS = {"done": 200, "unknown": 404, "refused": 409}
KINDS = {"back": bodies.boolean, "force": bodies.boolean}
ANSWERS = {
    200: told("It is done.", shapes.FailedOver),
    404: told("There is no instance of this name.", shapes.FailedOver | shapes.Failure),
    409: told("It is refused, as the message says.", shapes.FailedOver),
    422: told("The body cannot be taken.", shapes.Changed),
}


async def failed_over(
    failovers: Failovers | None, actor: Actor, instance: str, *, back: bool, force: bool
) -> FailoverOutcome:
    """Have it done, with a line in the log."""
    if failovers is None:
        return FailoverOutcome("unknown", "This director speaks no VRRP.")
    outcome = await failovers.failover(actor, instance, back=back, force=force)
    what = "take back" if back else "failover"
    _log.info("%s of %s asked by %s: %s: %s", what, instance, actor.who, outcome.result, outcome.message)
    return outcome


def answered(outcome: FailoverOutcome) -> web.Response:
    """Return the answer."""
    said: shapes.FailedOver = {
        "result": outcome.result,
        "message": outcome.message,
        "differences": outcome.differences,
        "notes": outcome.notes,
    }
    if outcome.result != "done":
        said["error"] = outcome.message
    return answer(said, _STATUS[outcome.result])
