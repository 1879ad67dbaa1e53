"""Everything that makes two directors a pair: VRRP and connection sync, as one part of the director."""

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import replace

from healthlb.core.readiness import Side
from healthlb.daemon.accepting import Accepting
from healthlb.daemon.handing_over import HandingOver
from healthlb.daemon.handovers import Handovers, Save, nowhere
from healthlb.daemon.pairing import Pairing
from healthlb.daemon.peer import side_at
from healthlb.daemon.pools import Pools, Sink
from healthlb.daemon.syncing import Syncing
from healthlb.daemon.tasks import Tasks
from healthlb.daemon.worker import Worker
from healthlb.linux.acceptance import refused
from healthlb.linux.ipvs_sync import KernelSync
from healthlb.model.changes import Actor, FailoverOutcome
from healthlb.model.overrides import HandedOver
from healthlb.model.vrrp import Vrrp
from healthlb.model.vrrp_status import PairStatus


class Pair:
    """A director's part in a pair; `kernel` False does nothing and shows what there is to do."""

    def __init__(
        self,
        pools: Pools,
        tell: Sink,
        chance: random.Random,
        *,
        kernel: bool,
        overdue: Callable[[], float],
        nudge: Callable[[], None],
        changed: Callable[[], None],
        save: Save = nowhere,
    ) -> None:
        self._vrrp: Vrrp | None = None
        self._tasks = Tasks()
        self._sync: asyncio.Task[None] | None = None
        self.pairing = Pairing(
            pools,
            tell,
            chance,
            kernel=kernel,
            overdue=overdue,
            nudge=nudge,
            turned=self._turned,
            changed=changed,
            handovers=Handovers(save if kernel else nowhere),
        )
        table = KernelSync() if kernel else None
        self.syncing = Syncing(table, tell, self.pairing.is_master, chance)
        self._accepting: Accepting | None = None
        self._kernel = kernel
        self._tell = tell
        self._handing_over = HandingOver(self.pairing, tell)

    async def begin(self, handed_over: Iterable[HandedOver] = ()) -> None:
        """Clean up after a director before this one, and take up what was handed over."""
        self.pairing.handovers.recall(handed_over)
        await self.pairing.begin()

    def adopt(self, vrrp: Vrrp | None) -> None:
        """Follow a configuration."""
        self._vrrp = vrrp
        self.pairing.adopt(vrrp)
        self.syncing.adopt(vrrp)
        self._accept(vrrp)
        if self._sync is None and vrrp is not None and vrrp.sync is not None:
            self._sync = self._tasks.begin(self.syncing.run())

    def alive(self) -> None:
        """Take note that the controller has made progress."""
        self.pairing.alive()

    def look(self) -> None:
        """See how what is tracked stands."""
        self.pairing.look()

    def status(self) -> PairStatus | None:
        """Return what is known of the pair; None where the file has no `vrrp`."""
        if self._vrrp is None:
            return None
        speaker = self.pairing.speaker()
        if speaker is not None and self._accepting is not None and self._accepting.problem:
            problem = "; ".join(filter(None, (speaker.problem, self._accepting.problem)))
            speaker = replace(speaker, problem=problem)
        return PairStatus(self.pairing.instances(), self.syncing.statuses(), speaker)

    def peer(self) -> str:
        """Return where the other director's status is, empty where the file does not say."""
        return "" if self._vrrp is None else self._vrrp.peer_url

    async def ask(self, url: str, worker: Worker) -> Side:
        """Return the other director, asked as the file says; raise PeerError."""
        vrrp = self._vrrp or Vrrp()
        return await side_at(url, worker, ca_file=vrrp.peer_ca_file, token_file=vrrp.peer_token_file)

    async def failover(
        self, actor: Actor, instance: str, *, back: bool = False, force: bool = False
    ) -> FailoverOutcome:
        """Hand an instance over, or take it back, as `HandingOver.failover` says."""
        return await self._handing_over.failover(actor, instance, back=back, force=force)

    async def close(self) -> None:
        """Give up mastership; connection sync goes on, so that a restart interrupts nothing."""
        try:
            await self.pairing.close()
        finally:
            await self._tasks.stop()
            await self.syncing.close()
            if self._accepting is not None:
                await self._accepting.close()

    def _accept(self, vrrp: Vrrp | None) -> None:
        """Follow what is to be accepted once there is anything that is not: the table of filters is one a machine."""
        if self._accepting is None and self._kernel and vrrp is not None and refused(vrrp.instances.values()):
            self._accepting = Accepting(self._tell)
            self._tasks.begin(self._accepting.run())
        if self._accepting is not None:
            self._accepting.adopt(vrrp)

    def _turned(self) -> None:
        self.syncing.hurry()
