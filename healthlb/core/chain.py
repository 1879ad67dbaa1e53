"""How a server's weight came to be, a word a step: `2 -> 150 % (agent) -> 0 (down)`; the order is that of policy."""

from collections.abc import Sequence

from healthlb.core.decision import Decision
from healthlb.core.desired import Standing, weight_when_up
from healthlb.model.config import RealServer
from healthlb.model.health import Feedback, Health

Named = Sequence[tuple[str, Feedback]]


def chain(server: RealServer, named: Named, standing: Standing, decision: Decision | None) -> tuple[str, ...]:
    """Return the steps of a real server; `named` is what each check by its name heard it say of itself.

    Without a decision, before the first pass, there are those that need none.
    """
    steps = _said(server, named, standing)
    row = decision.row.destinations.get(server.address) if decision is not None else None
    pooled = decision is not None and server.address in decision.pooled
    if standing.applied.admin is not None:
        return (*steps, *_after_order(server, standing, gone=decision is not None and row is None))
    if decision is not None and row is not None and server.address in decision.ramps:
        steps.append(f"{row.weight} (slow start)")
    if standing.health is Health.DOWN:
        steps.append(_out(server, "down"))
    elif standing.health is Health.UNKNOWN:
        steps.append("unchanged (unknown)")
    elif decision is not None and (pooled or server.address in decision.held):
        steps.append(_out(server, "flapping"))
    if row is not None and pooled:
        steps.append(f"{row.weight} (panic)")
    if decision is not None and decision.replaced and row is not None and standing.health is not Health.DOWN:
        steps.append("0 (sorry server)")
    return tuple(steps)


def sorry_chain(server: RealServer, named: Named, standing: Standing, decision: Decision | None) -> tuple[str, ...]:
    """Return the steps of a sorry server, as `chain` does."""
    steps = _said(server, named, standing)
    row = decision.row.destinations.get(server.address) if decision is not None else None
    if standing.applied.admin is not None:
        return tuple(steps)
    if standing.health is Health.DOWN:
        steps.append("0 (down)" if row is not None else "out (down)")
    elif decision is not None and row is None:
        steps.append("out (standing by)")
    elif row is not None and not row.weight:
        steps.append("0 (standing down)")
    elif row is not None and standing.health is Health.UNKNOWN and row.weight != weight_when_up(server, standing):
        steps.append("unchanged (unknown)")
    return tuple(steps)


def _said(server: RealServer, named: Named, standing: Standing) -> list[str]:
    """Return the configured weight, and what operators and the server itself said of it."""
    applied = standing.applied
    steps = [str(server.weight)]
    if applied.weight is not None:
        steps.append(f"{applied.weight} (override)")
    if applied.admin is not None:
        steps.append(f"{applied.admin} (operator)")
    for name, each in named:
        if each.weight is not None:
            steps.append(f"{each.weight} % ({name})" if each.percent else f"{each.weight} ({name})")
        if each.admin in {"drain", "maint"}:
            steps.append(f"{each.admin} ({name})")
    return steps


def _after_order(server: RealServer, standing: Standing, *, gone: bool) -> tuple[str, ...]:
    if gone and standing.applied.remove and (standing.health is not Health.DOWN or server.on_failure == "quiesce"):
        return ("out (drained)",)
    if standing.applied.admin == "drain" and standing.health is Health.DOWN:
        return (_out(server, "down"),)
    return ()


def _out(server: RealServer, why: str) -> str:
    return f"0 ({why})" if server.on_failure == "quiesce" else f"out ({why})"
