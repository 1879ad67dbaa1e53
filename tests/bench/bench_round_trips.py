"""What distance costs: checks done of those asked for, where an answer takes 20 ms, in a guest.

healthlb (`run --dry-run`) and keepalived take turns with the same real servers, which all live on one machine at the
other end of a cable that delays (tc-netem(8)). Prints rates; asserts nothing about time.
"""

import tempfile
import time
from pathlib import Path

from checks_servers import PORTS, compiled, tcp_counter
from contestants import Contestant, Healthlb, Keepalived, Load

from topology import Machine, Topology

SERVERS = 500
NETWORK = "198.18"
"""Of the addresses for benchmarks (RFC 2544)."""
ROUND_TRIPS = (0, 20)
"""In ms."""
SETTLE = 6.0
SECONDS = 10.0


def rate(contestant: Contestant, behind: Machine) -> float:
    """Return the checks a second that the servers' machine has seen."""
    with contestant:
        time.sleep(SETTLE)
        counts = []
        for wait in (SECONDS, 0):
            with behind.inside():
                counts.append(tcp_counter("PassiveOpens"))
            time.sleep(wait)
        complaint = contestant.complaint()
        note = f", which says: {complaint}" if complaint is not None else ""
        done = (counts[1] - counts[0]) / SECONDS
        used = contestant.cpu()
    print(f"  {contestant.name}: {done:.0f} of {SERVERS} checks/s ({used:.1f} s of CPU in all){note}", flush=True)
    return done


def bench(net: Topology, folder: Path, milliseconds: int) -> None:
    """Play one distance and print."""
    near, far = net.machine("director"), net.machine("servers")
    near_port, far_port = net.cable(near, "198.19.0.1/24", far, "198.19.0.2/24")
    near.ip(f"route add {NETWORK}.0.0/16 via 198.19.0.2")
    far.ip(f"route add local {NETWORK}.0.0/16 dev lo")
    if milliseconds:
        for machine, port in ((near, near_port), (far, far_port)):
            machine.run("tc", "qdisc", "add", "dev", port, "root", "netem", "delay", f"{milliseconds / 2}ms")
    far.start(folder / "patient_server", str(PORTS["tcp"]), far_port)
    load = Load("tcp", SERVERS, PORTS["tcp"], NETWORK)
    print(f"Round trips of {milliseconds} ms:")
    with near.inside():
        ours, theirs = (rate(kind(load, folder), far) for kind in (Healthlb, Keepalived))
    print(f"  ratio {ours / theirs:.2f}", flush=True)


def main() -> None:
    """Play every distance."""
    print(f"Distance: {SERVERS} real servers, one TCP check a second each, checks done")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compiled("no_ipvs.c", folder, "-shared", "-fPIC")
        compiled("patient_server.c", folder)
        for milliseconds in ROUND_TRIPS:
            with Topology() as net:
                bench(net, folder, milliseconds)


if __name__ == "__main__":
    main()
