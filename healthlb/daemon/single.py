"""One probe, outside the schedule: what `healthlb probe` shows."""

import asyncio
from typing import cast

from checks import Check, ProbeResult, Target
from checks.engine import Engine
from healthlb.model.config import Probe

__all__ = ["ProbeResult", "probe_once"]


async def probe_once(probe: Probe) -> ProbeResult:
    """Carry out one probe now and return its result with its evidence."""
    loop = asyncio.get_running_loop()
    engine = Engine(loop)
    ended: asyncio.Future[ProbeResult] = loop.create_future()
    try:
        deadline = loop.time() + probe.check.schedule.timeout
        target = Target(probe.target.address, probe.target.port)
        engine.start(cast("Check", probe.check.conversation), target, deadline, ended.set_result, keep_evidence=True)
        return await ended
    finally:
        engine.close()
