"""Hands an instance over to the other director by an operator's order, and takes it back."""

from collections.abc import Awaitable, Callable

from healthlb.daemon.pairing import Pairing
from healthlb.daemon.pools import Sink
from healthlb.daemon.targets import near, quoted
from healthlb.model.changes import Actor, FailoverOutcome
from healthlb.model.vrrp import Vrrp
from healthlb.model.vrrp_events import FailoverOrdered
from healthlb.model.vrrp_status import InstanceStatus

DONE_WITHIN = 5.0
"""Seconds in which the process should have done what it was told."""
TAKEN_WITHIN = 4
"""Intervals, beside a second, in which somebody else should have become master (RFC 9568 section 6.1: at most 4)."""


class Differences:
    """What the director that is to be master would do worse than the one that is; `unknown` says why nobody knows."""

    def __init__(self, differences: tuple[str, ...] = (), notes: tuple[str, ...] = (), unknown: str = "") -> None:
        self.differences = differences
        self.notes = notes
        self.unknown = unknown


Compare = Callable[[Vrrp, bool], Awaitable[Differences]]
"""Compares the two directors; the flag says that we are the one that is to be master."""


async def no_comparison(_vrrp: Vrrp, _back: bool) -> Differences:
    """Compare nothing."""
    return Differences()


class FailingOver:
    """Carries out orders; `compare` asks the other director first."""

    def __init__(self, pairing: Pairing, tell: Sink, compare: Compare = no_comparison) -> None:
        self._pairing = pairing
        self._tell = tell
        self._compare = compare

    async def failover(self, vrrp: Vrrp | None, actor: Actor, name: str, *, back: bool, force: bool) -> FailoverOutcome:
        """Hand an instance and its group over, or take it back; return once it is so, or after a bounded wait."""
        before = self._status(name)
        if vrrp is None or before is None:
            known = vrrp.instances if vrrp is not None else {}
            return FailoverOutcome("unknown", f"There is no VRRP instance {quoted(name)}{near(name, known)}")
        if vrrp.instances[name].name not in known_states(self._pairing):
            return FailoverOutcome("refused", f"No process speaks for {name} here now.")
        refused = _senseless_back(before) if back else _senseless(before)
        if refused:
            return FailoverOutcome("refused", refused)
        found = await self._compare(vrrp, back) if not force else Differences()
        if found.differences or found.unknown:
            who = "This director" if back else "The other director"
            message = found.unknown or f"{who} would serve clients worse; order it with force if it is to be."
            return FailoverOutcome("refused", message, found.differences, found.notes)
        if not self._pairing.order(name, back=back):
            return FailoverOutcome("refused", f"No process speaks for {name} here now.")
        self._tell(FailoverOrdered(actor.who, name, back, force))
        done = self._taken_back if back else self._handed_over
        return await done(name, vrrp.instances[name].interval, found)

    async def _handed_over(self, name: str, interval: float, found: Differences) -> FailoverOutcome:
        if not await self._pairing.until(lambda: self._state(name) != "MASTER", DONE_WITHIN):
            return FailoverOutcome("refused", f"{name} is still MASTER here; see the log.", (), found.notes)

        def settled() -> bool:
            status = self._status(name)
            return status is not None and (status.state == "MASTER" or bool(status.master))

        await self._pairing.until(settled, 1.0 + TAKEN_WITHIN * interval)
        status = self._status(name)
        if status is not None and status.state == "MASTER":
            return FailoverOutcome("refused", f"Nobody took {name} over, so that it is MASTER here again.")
        master = f"; the master is {status.master}" if status is not None and status.master else ""
        more = "" if master else "; no other master was heard yet"
        return FailoverOutcome("done", f"{name} is handed over{master}{more}.", (), found.notes)

    async def _taken_back(self, name: str, interval: float, found: Differences) -> FailoverOutcome:
        if await self._pairing.until(lambda: self._state(name) == "MASTER", DONE_WITHIN + TAKEN_WITHIN * interval):
            return FailoverOutcome("done", f"{name} is MASTER here again.", (), found.notes)
        status = self._status(name)
        why = "its priority is not the higher one"
        if status is not None and status.state == "FAULT":
            why = ", ".join(status.faults)
        message = f"{name} is no longer handed over, but not MASTER here: {why}."
        return FailoverOutcome("done", message, (), found.notes)

    def _status(self, name: str) -> InstanceStatus | None:
        return next((each for each in self._pairing.instances() if each.name == name), None)

    def _state(self, name: str) -> str:
        status = self._status(name)
        return status.state if status is not None else ""


def known_states(pairing: Pairing) -> frozenset[str]:
    """Return the names of the instances that a process speaks for."""
    return frozenset(each.name for each in pairing.instances() if each.state != "INIT")


def _senseless(status: InstanceStatus) -> str:
    """Return why an instance cannot be handed over, empty if it can."""
    if status.state == "MASTER":
        return ""
    if status.yielded:
        return f"{status.name} is handed over already."
    where = f"; the master is {status.master}: order it there" if status.master else ""
    return f"{status.name} is {status.state} here{where}."


def _senseless_back(status: InstanceStatus) -> str:
    """Return why an instance cannot be taken back, empty if it can."""
    if status.state == "MASTER":
        return f"{status.name} is MASTER here."
    return "" if status.yielded else f"{status.name} was not handed over; its priority decides."
