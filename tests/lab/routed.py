"""Probes from one machine of a topology, and two networks to probe across.

::

    director .2 --- 192.0.2.0/24, 2001:db8:1::/64 --- .1 router .1 --- 198.51.100.0/24, 2001:db8:2::/64 --- .10 server
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from checks import Check, ProbeResult, Target
from checks.engine import Engine
from topology import Machine, Topology

SERVER, SERVER6 = "198.51.100.10", "2001:db8:2::10"
ROUTER, ROUTER6 = "192.0.2.1", "2001:db8:1::1"


@dataclass(frozen=True, slots=True)
class Routed:
    """The machines of the set-up; the server knows the way back, and forwards what is not for it."""

    director: Machine
    router: Machine
    server: Machine


def routed(net: Topology) -> Routed:
    """Build the set-up in ``net``; raise TopologyError."""
    forwarding = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1", "net.ipv4.icmp_ratelimit": "0"}
    # Errors are limited in rate, which a test that asks for several is not about.
    unlimited = {**forwarding, "net.ipv6.icmp.ratelimit": "0"}
    director = net.machine("director")
    router, server = net.machine("router", sysctls=unlimited), net.machine("server", sysctls=unlimited)
    net.cable(director, "192.0.2.2/24 2001:db8:1::2/64", router, f"{ROUTER}/24 {ROUTER6}/64")
    net.cable(router, "198.51.100.1/24 2001:db8:2::1/64", server, f"{SERVER}/24 {SERVER6}/64")
    director.ip(f"route add default via {ROUTER}", f"route add default via {ROUTER6}")
    server.ip("route add default via 198.51.100.1", "route add default via 2001:db8:2::1")
    return Routed(director, router, server)


def probe(machine: Machine, check: Check, *targets: Target, seconds: float = 20.0) -> Sequence[ProbeResult]:
    """Probe the targets from a machine, one after the other with one engine, and return what came of it."""

    async def all_of_them() -> list[ProbeResult]:
        loop = asyncio.get_running_loop()
        engine = Engine()
        results = []
        for target in targets:
            ended: asyncio.Future[ProbeResult] = loop.create_future()
            engine.start(check, target, loop.time() + seconds, ended.set_result, keep_evidence=True)
            results.append(await ended)
        assert engine.in_flight == 0
        engine.close()
        return results

    check.prepare()
    with machine.inside():
        return asyncio.run(all_of_them())
