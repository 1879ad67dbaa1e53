"""Hands an instance over to the other director by an operator's order, and takes it back."""

from dataclasses import replace

from healthlb.daemon.pairing import Pairing
from healthlb.daemon.pools import Sink
from healthlb.daemon.targets import near, quoted
from healthlb.model.changes import Actor, FailoverOutcome
from healthlb.model.vrrp_events import FailoverOrdered
from healthlb.model.vrrp_status import InstanceStatus

DONE_WITHIN = 5.0
"""Seconds in which the process should have done what it was told."""
TAKEN_WITHIN = 4
"""Intervals, beside a second, in which somebody else should have become master: three and Skew_Time, which is at most
one (RFC 9568 section 6.1)."""


class HandingOver:
    """Carries out orders; an order that would change nothing is refused."""

    def __init__(self, pairing: Pairing, tell: Sink) -> None:
        self._pairing = pairing
        self._tell = tell

    async def failover(
        self, actor: Actor, instance: str, *, back: bool = False, force: bool = False
    ) -> FailoverOutcome:
        """Hand an instance and its group over, or take it back; return once it is so, or after a bounded wait."""
        before = self._status(instance)
        if before is None:
            known = [each.name for each in self._pairing.instances()]
            return FailoverOutcome("unknown", f"There is no VRRP instance {quoted(instance)}{near(instance, known)}")
        refused = _senseless_back(before) if back else _senseless(before)
        if refused:
            return FailoverOutcome("refused", refused)
        if not self._pairing.order(instance, actor.who, back=back):
            return FailoverOutcome("refused", f"No process speaks for {instance} here now.")
        self._tell(FailoverOrdered(actor.who, instance, back, force, actor.why))
        outcome = await (self._taken_back(before) if back else self._handed_over(before))
        unsaved = await self._pairing.handovers.saved()
        if not unsaved:
            return outcome
        return replace(outcome, notes=(*outcome.notes, f"the order is in force, but {unsaved}"))

    async def _handed_over(self, before: InstanceStatus) -> FailoverOutcome:
        name = before.name
        if not await self._pairing.until(lambda: self._has_left(before), DONE_WITHIN):
            return FailoverOutcome("refused", f"{name} is still MASTER here; see the log.")
        await self._pairing.until(lambda: self._has_master(name), 1.0 + TAKEN_WITHIN * before.interval)
        after = self._status(name)
        if after is not None and after.state == "MASTER":
            return FailoverOutcome("refused", f"Nobody took {name} over, so that it is MASTER here again.")
        if after is None or not after.master:
            return FailoverOutcome("done", f"{name} is handed over; no other master was heard yet.")
        return FailoverOutcome("done", f"{name} is handed over; the master is {after.master}.")

    async def _taken_back(self, before: InstanceStatus) -> FailoverOutcome:
        name = before.name
        seconds = DONE_WITHIN + TAKEN_WITHIN * before.interval
        if await self._pairing.until(lambda: self._state(name) == "MASTER", seconds):
            return FailoverOutcome("done", f"{name} is MASTER here again.")
        after = self._status(name)
        why = ", ".join(after.faults) if after is not None else ""
        why = why or "the master has the higher priority"
        return FailoverOutcome("done", f"{name} is no longer handed over, but not MASTER here: {why}.")

    def _status(self, name: str) -> InstanceStatus | None:
        return next((each for each in self._pairing.instances() if each.name == name), None)

    def _state(self, name: str) -> str:
        status = self._status(name)
        return status.state if status is not None else ""

    def _has_left(self, before: InstanceStatus) -> bool:
        """Whether it is no longer MASTER, or is so once more."""
        status = self._status(before.name)
        return status is None or (status.state, status.became_master_total) != ("MASTER", before.became_master_total)

    def _has_master(self, name: str) -> bool:
        status = self._status(name)
        return status is None or bool(status.master)


def _senseless(status: InstanceStatus) -> str:
    """Return why an instance cannot be handed over, empty if it can."""
    if status.state == "MASTER":
        return ""
    if status.state == "INIT":
        return f"No process speaks for {status.name} here now."
    if status.yielded:
        return f"{status.name} is handed over already."
    where = f"; the master is {status.master}, order it there" if status.master else ""
    return f"{status.name} is {status.state} here{where}."


def _senseless_back(status: InstanceStatus) -> str:
    """Return why an instance cannot be taken back, empty if it can."""
    if status.yielded:
        return ""
    if status.state == "MASTER":
        return f"{status.name} is MASTER here."
    return f"{status.name} is not handed over: its priority decides."
