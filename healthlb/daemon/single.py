"""One probe, outside the schedule: what `healthlb probe` shows."""

import asyncio

from checks import Feedback, ProbeResult
from checks.engine import Engine
from healthlb.daemon.preflight import unprepared
from healthlb.daemon.target import check_of, target_of
from healthlb.model.check import Probe

__all__ = ["Feedback", "ProbeResult", "probe_once"]

GRACE = 2.0
"""Seconds beyond its deadline after which a probe is given up, whatever its check's carrier does."""


async def probe_once(probe: Probe) -> ProbeResult:
    """Carry out one probe now and return its result with its evidence."""
    loop = asyncio.get_running_loop()
    engine = Engine(loop)
    ended: asyncio.Future[ProbeResult] = loop.create_future()
    check = check_of(probe)
    try:
        fault = unprepared(engine, check)
        if fault:
            return ProbeResult(False, f"not sent: {fault}", 0.0, sent=False)
        deadline = loop.time() + probe.check.schedule.timeout
        engine.start(check, target_of(probe), deadline, ended.set_result, keep_evidence=True)
        async with asyncio.timeout_at(deadline + GRACE):
            return await ended
    except TimeoutError:
        return ProbeResult(False, "not sent: the probe never ended; that is a fault of its check", 0.0, sent=False)
    finally:
        engine.close()
