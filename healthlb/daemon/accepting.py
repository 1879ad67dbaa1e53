"""Has the kernel drop packets to virtual addresses that are to accept none, again and again: level-based."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from healthlb.daemon.pools import Sink
from healthlb.daemon.worker import Worker
from healthlb.linux.acceptance import AcceptanceError, follow, refused
from healthlb.model.events import Warned
from healthlb.model.vrrp import Vrrp, VrrpInstance

AGAIN = 60.0
"""Seconds after which what somebody else removed is put back, and what failed is tried again."""
Follow = Callable[[Iterable[VrrpInstance]], None]


class Accepting:
    """One director's refusals. `problem` is why they are not as they should be, empty where they are."""

    def __init__(self, tell: Sink, *, carry_out: Follow = follow) -> None:
        self._tell = tell
        self._carry_out = carry_out
        self._worker = Worker("accept")
        self._instances: tuple[VrrpInstance, ...] = ()
        self._changed = asyncio.Event()
        self.problem = ""

    def adopt(self, vrrp: Vrrp | None) -> None:
        """Follow a configuration."""
        self._instances = () if vrrp is None else tuple(vrrp.instances.values())
        self._changed.set()

    async def run(self) -> None:
        """Keep at it until cancelled."""
        while True:
            self._changed.clear()
            await self._follow(self._instances)
            # Where nothing is refused there is nothing to look after.
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN if refused(self._instances) or self.problem else None):
                    await self._changed.wait()

    async def close(self) -> None:
        """Let all packets in again: whoever has the addresses next may want them."""
        await self._follow(())
        self._worker.close()

    async def _follow(self, instances: tuple[VrrpInstance, ...]) -> None:
        before, self.problem = self.problem, ""
        try:
            await self._worker.do(lambda: self._carry_out(instances))
        except AcceptanceError as error:
            self.problem = str(error)
        if self.problem and self.problem != before:
            self._tell(Warned(f"VRRP: {self.problem}"))
