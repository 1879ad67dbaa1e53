"""One probe of one server, from a test that has no loop of its own."""

import asyncio

from checks import Check, ProbeResult, Target
from checks.engine import Engine

LOOPBACK = "127.0.0.1"


def probe(check: Check, port: int, seconds: float = 20.0, address: str = LOOPBACK) -> ProbeResult:
    """Probe and return the result; raise AssertionError if the check broke its contract."""

    async def run() -> ProbeResult:
        faults: list[str] = []
        loop = asyncio.get_running_loop()
        engine = Engine(on_fault=faults.append)
        result: asyncio.Future[ProbeResult] = loop.create_future()
        try:
            engine.start(check, Target(address, port), loop.time() + seconds, result.set_result, keep_evidence=True)
            return await result
        finally:
            engine.close()
            assert not faults

    fault = check.prepare()
    assert fault is None, fault
    return asyncio.run(run())
