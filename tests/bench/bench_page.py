"""What a crowd that watches the page costs the director's loop: 10,000 real servers, of which one in a hundred turns.

The readers are a process of their own. Every callback of the loop is measured by the time that its thread was running,
so that other work on this machine counts for nothing. Prints numbers; asserts nothing about time.
"""

import asyncio
import asyncio.events
import dataclasses
import gc
import json
import subprocess
import sys
import time
from typing import Any

from healthlb.api.application import read_only_application
from healthlb.api.connections import Limits
from healthlb.api.server import serve
from healthlb.daemon.tidying import COLLECT
from healthlb.model.config import Listener, Quorum
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.snapshot import (
    CheckStatus,
    ConfigStatus,
    DirectorStatus,
    LastProbe,
    ProbingStatus,
    QuorumStatus,
    RealServerStatus,
    Snapshot,
    TableStatus,
    VirtualServerStatus,
    Weight,
)
from healthlb.model.table import Method, Service, ServiceKey

SHAPES = ((1, 10_000), (1000, 10))
CROWDS = (0, 1, 100)
SECONDS = 15.0
READER = """
import asyncio, sys

async def read(port, most):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/live HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
    size = 0
    while data := await reader.read(1 << 16):
        size += len(data)
        most[0] += len(data)

async def main():
    most = [0]
    readers = [asyncio.create_task(read(int(sys.argv[1]), most)) for _ in range(int(sys.argv[2]))]
    await asyncio.sleep(float(sys.argv[3]))
    print(most[0])
    for each in readers:
        each.cancel()

asyncio.run(main())
"""


def pool(name: str, servers: int, *, turned: int) -> VirtualServerStatus:
    """Return a virtual server; those whose number is `turned` modulo 100 are down."""
    return VirtualServerStatus(
        name=name,
        service=Service(ServiceKey.at("tcp", Endpoint("192.0.2.1", 80)), "wlc"),
        method=Method("dr"),
        state="degraded",
        quorum=QuorumStatus(Quorum(), servers, True),
        sorry_server_active=False,
        usage=Usage(Traffic(), Traffic(turned, 2, 3, 4, 5), turned, 3, 0),
        real_servers=tuple(server(number, down=number % 100 == turned) for number in range(servers)),
        since=1.0,
    )


def server(number: int, *, down: bool) -> RealServerStatus:
    """Return a real server."""
    health = Health.DOWN if down else Health.UP
    last = LastProbe(1.0, not down, "connection refused" if down else "200 OK", 0.001)
    return RealServerStatus(
        name=f"server-{number}",
        address=Endpoint(f"127.1.{number // 250}.{number % 250}", 80),
        method=Method("dr"),
        health=health,
        admin="enabled",
        since=1.0,
        weight=Weight(1, int(not down), int(not down)),
        usage=Usage(),
        checks=(CheckStatus("web", "http", health, last, 7),),
    )


class Source:
    """Two snapshots in turn, as if one in a hundred servers went down and came back."""

    changes = 0

    def __init__(self, pools: int, servers: int) -> None:
        director = DirectorStatus(
            name="lb1",
            version="0",
            started_at=1.0,
            config=ConfigStatus("x", "y", 1.0),
            table=TableStatus("ipvs", True, 1.0, 0, 0, 0),
            probing=ProbingStatus(10_000, 1, 0, 0),
        )
        self.snapshots = [
            Snapshot(time.time(), True, director, tuple(pool(f"p{n}", servers, turned=turned) for n in range(pools)))
            for turned in (3, 7)
        ]
        self.asked = 0

    async def snapshot(self, max_age: float) -> Snapshot:
        """Return the next one."""
        self.asked += 1
        return dataclasses.replace(self.snapshots[self.asked % 2], taken_at=time.time())


def measured() -> list[float]:
    """Measure every callback from now on, in seconds of this thread."""
    held: list[float] = []
    run = asyncio.events.Handle._run

    def timed(handle: Any) -> None:
        began = time.thread_time()
        run(handle)
        held.append(time.thread_time() - began)

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    return held


async def play(pools: int, servers: int, crowd: int, held: list[float]) -> dict[str, Any]:
    """Serve a crowd for a while and tell how the loop was held."""
    application = read_only_application(Source(pools, servers), Limits(streams=128))
    running = await serve(application, Listener(Endpoint("127.0.0.1", 0)))
    endpoint = running.listener.endpoint
    assert endpoint is not None
    arguments = [sys.executable, "-c", READER, str(endpoint.port), str(crowd), str(SECONDS)]
    readers = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    await asyncio.sleep(SECONDS / 3)
    held.clear()
    began, used = time.monotonic(), time.thread_time()
    output, _ = await readers.communicate()
    seconds, used = time.monotonic() - began, time.thread_time() - used
    await running.close()
    ordered = sorted(held)
    return {
        "pools": pools,
        "servers": servers,
        "readers": crowd,
        "loop_used": f"{used / seconds:.1%}",
        "held_p99_ms": round(1000 * ordered[len(ordered) * 99 // 100], 2),
        "held_most_ms": round(1000 * ordered[-1], 2),
        "kilobytes_a_reader": round(int(output) / 1024 / max(crowd, 1)),
    }


def main() -> None:
    """Play every shape with every crowd."""
    held = measured()
    gc.set_threshold(*COLLECT)
    for pools, servers in SHAPES:
        for crowd in CROWDS:
            print(json.dumps(asyncio.run(play(pools, servers, crowd, held))), flush=True)


if __name__ == "__main__":
    main()
