"""Run by test_ways.py as root of a namespace of its own: probes in several ways, and prints what came of each."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

from checks import ProbeResult, Target, Way
from checks.engine import Engine
from checks.engine.conversations import Conversations
from checks.tcp import Tcp

INNER = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with socket.create_server(("127.0.0.1", 8080)) as server:
    print("ready", flush=True)
    sys.stdin.read()
"""


async def reasons(ways: dict[str, Way]) -> dict[str, str]:
    loop = asyncio.get_running_loop()
    engine = Engine()
    found = {}
    for name, way in ways.items():
        ended: asyncio.Future[ProbeResult] = loop.create_future()
        engine.start(Tcp(), Target("127.0.0.1", 8080, way), loop.time() + 20, ended.set_result)
        found[name] = (await ended).reason
    engine.close()
    return found


async def devices_of_kept_sockets() -> list[str]:
    """Probe a link-local address and two others; return the interfaces that kept sockets are bound to."""
    loop = asyncio.get_running_loop()
    engine = Engine()
    with socket.create_server(("::", 0), family=socket.AF_INET6) as server:
        for address in ("::1", "fe80::77%lo", "::1"):
            ended: asyncio.Future[ProbeResult] = loop.create_future()
            engine.start(Tcp(), Target(address, server.getsockname()[1]), loop.time() + 20, ended.set_result)
            assert (await ended).reason == "connected"
    carrier = engine.carrier("stream")
    assert isinstance(carrier, Conversations)
    idle = [line.socket for pool in carrier.lines._pools.values() for line in pool.idle]
    devices = [sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).decode() for sock in idle]
    engine.close()
    return devices


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", "fe80::77/64", "dev", "lo"], check=True)
    assert asyncio.run(devices_of_kept_sockets()) == [""]
    command = ["unshare", "--net", sys.executable, "-c", INNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as inner:
        assert inner.stdout is not None
        assert inner.stdin is not None
        assert inner.stdout.readline() == "ready\n"
        there = f"/proc/{inner.pid}/ns/net"
        own = Path("/proc/self/ns/net").readlink()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        ways = {
            "direct": Way(),
            "namespace": Way(namespace=there),
            "namespace and source": Way(namespace=there, source="127.7.7.7", interface="lo", mark=7),
            "direct again": Way(),
            "missing": Way(namespace="no-such-namespace"),
            "no namespace": Way(namespace="/dev/null"),
            "mark": Way(mark=9),
            "interface": Way(interface="lo"),
            "no interface": Way(interface="eth77"),
            "foreign source": Way(source="192.0.2.77"),
            "source of the other family": Way(source="::1"),
        }
        found = asyncio.run(reasons(ways))
        with socket.create_server(("127.0.0.1", 9090)):
            found["port held"] = asyncio.run(reasons({"": Way(source="127.0.0.1", source_port=9090)}))[""]
        assert Path("/proc/self/ns/net").readlink() == own
        assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
        inner.stdin.close()
    print(json.dumps(found))


main()
