"""Looks at the other director before an instance is handed over, and before it is taken back.

What would be refused all the same, or needs no other director, is not delayed by that.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from healthlb.api.source import Failovers, SnapshotSource
from healthlb.core.readiness import Comparison, Side, compare, side_of
from healthlb.daemon.peer import PeerError, side_at
from healthlb.daemon.worker import Worker
from healthlb.model.changes import Actor, FailoverOutcome
from healthlb.model.snapshot import Snapshot
from healthlb.model.vrrp_status import InstanceStatus

MAX_AGE = 1.0
"""Seconds that what is compared of this director may be old."""
UNCOMPARED = "the two directors were not compared, as the file has no vrrp.peer"
UNANSWERED = "the other director cannot be compared: "
Ask = Callable[[str, Worker], Awaitable[Side]]


class CarefulFailovers:
    """Carries out the orders of `inner` where clients would not fare worse for it, or by force.

    `peer` is where the other director's status is, empty where the file does not say.
    """

    def __init__(self, inner: Failovers, source: SnapshotSource, peer: Callable[[], str], ask: Ask = side_at) -> None:
        self._inner = inner
        self._source = source
        self._peer = peer
        self._ask = ask
        self._worker = Worker("peer")

    def close(self) -> None:
        """Let go of the thread."""
        self._worker.close()

    async def failover(
        self, actor: Actor, instance: str, *, back: bool = False, force: bool = False
    ) -> FailoverOutcome:
        """Hand an instance over, or take it back."""
        snapshot = await self._source.snapshot(MAX_AGE)
        if not _would_act(_instance(snapshot, instance), back=back):
            return await self._inner.failover(actor, instance, back=back, force=force)
        found, uncompared = await self._compared(snapshot, instance, back=back)
        if found.worse and not force:
            return _refused(found)
        outcome = await self._inner.failover(actor, instance, back=back, force=force)
        notes = (*outcome.notes, *found.otherwise, *uncompared)
        return replace(outcome, differences=(*outcome.differences, *found.worse), notes=notes)

    async def _compared(self, snapshot: Snapshot, instance: str, *, back: bool) -> tuple[Comparison, tuple[str, ...]]:
        """Return what the comparison said, and why there was none."""
        url = self._peer()
        if not url:
            return Comparison(), (UNCOMPARED,)
        try:
            theirs = _other(await self._ask(url, self._worker), snapshot)
        except PeerError as error:
            told = f"{UNANSWERED}{error}"
            # Of this one, which is to be master again, all is known.
            return (Comparison(), (told,)) if back else (Comparison((told,)), ())
        ours = await self._worker.do(lambda: side_of(snapshot))
        old, new = (theirs, ours) if back else (ours, theirs)
        return await self._worker.do(lambda: compare(old, new, instance)), ()


def _instance(snapshot: Snapshot, name: str) -> InstanceStatus | None:
    instances = () if snapshot.pair is None else snapshot.pair.instances
    return next((each for each in instances if each.name == name), None)


def _other(theirs: Side, snapshot: Snapshot) -> Side:
    """Return the other director; raise PeerError where it is this one, with which all would be found alike."""
    name = snapshot.director.name
    if theirs.name == name:
        raise PeerError(
            f"what answers at vrrp.peer is called {theirs.name} as well: it is this director, or director.name is the "
            "same on both"
        )
    return theirs


def _would_act(one: InstanceStatus | None, *, back: bool) -> bool:
    """Whether the order would change who is master."""
    if one is None:
        return False
    return one.yielded if back else one.state == "MASTER"


def _refused(found: Comparison) -> FailoverOutcome:
    if found.worse[0].startswith(UNANSWERED):
        message = f"Nobody knows whether clients would fare worse: {found.worse[0]}; force goes on all the same."
        return FailoverOutcome("refused", message, found.worse, found.otherwise)
    more = len(found.worse) - 1
    rest = f", and {more} more difference{'' if more == 1 else 's'}" if more else ""
    message = f"Clients would fare worse: {found.worse[0]}{rest}; force goes on all the same."
    return FailoverOutcome("refused", message, found.worse, found.otherwise)
