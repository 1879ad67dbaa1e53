"""Run by test_privileges.py in a network of its own: probes with what capabilities are left, and prints the ends."""

import asyncio
import json
import socket
import sys

from checks import Check, ProbeResult, Target
from checks.engine import Engine
from checks.half_open import TcpHalfOpen
from checks.ping import Ping


async def main() -> None:
    loop = asyncio.get_running_loop()
    engine = Engine()
    found = {}

    async def probe(name: str, check: Check, target: Target) -> None:
        ended: asyncio.Future[ProbeResult] = loop.create_future()
        engine.start(check, target, loop.time() + 20, ended.set_result)
        result = await ended
        found[name] = [result.passed, result.sent, result.reason.partition(", round trip")[0], result.warning]

    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("::1", 0), family=socket.AF_INET6):
        port = server.getsockname()[1]
        await probe("half-open", TcpHalfOpen(), Target("127.0.0.1", port))
        await probe("half-open refused", TcpHalfOpen(), Target("127.0.0.2", port))
        await probe("half-open or nothing", TcpHalfOpen(fallback="refuse"), Target("127.0.0.1", port))
    await probe("ping", Ping(), Target("127.0.0.1", 0))
    await probe("ping 6", Ping(), Target("::1", 0))
    engine.close()
    print(json.dumps(found))


sys.exit(asyncio.run(main()))
