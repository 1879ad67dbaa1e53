"""A pair beside somebody who sends garbage: what of the real adverts is late, lost or taken for an end.

Two processes that speak VRRP, and a third machine on their network that sends packets which are no adverts of theirs,
each wrong in its own way, at a rate. All are namespaces of this machine; the sender has a processor to itself if there
is one. Prints per rate: what was sent, how late adverts left, how many were heard, false failovers, what was counted
as dropped, and processor time; asserts nothing about time.
"""

import argparse
import os
import socket
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path

from healthlb.model.vrrp_events import BecameMaster
from pair import addresses_on
from pair_directors import ROUTER_ID, standard
from scripted import ScriptedParent
from topology import Machine, Topology
from vrrp_bytes import garbage_of
from waiting import eventually

RATES = (0, 10_000, 100_000)
INTERVAL = 0.05
BURST = 0.001
"""Seconds from one burst of packets to the next."""


def flood(machine: Machine, rate: int, seconds: float) -> int:
    """Send garbage; return how many packets."""
    garbage, sent = garbage_of(ROUTER_ID), 0
    with machine.inside():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with raw:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ip_address("192.0.2.50").packed)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * rate:
                raw.sendto(garbage[sent % len(garbage)], ("224.0.0.18", 0))
                sent += 1
            time.sleep(BURST)
    return sent


def processor_time(speaker: ScriptedParent) -> float:
    """Return the seconds that a process has computed (proc_pid_stat(5))."""
    fields = Path(f"/proc/{speaker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Play every rate."""
    parser = argparse.ArgumentParser(description="Adverts beside a flood of garbage.")
    parser.add_argument("--seconds", type=float, default=10.0, help="default: %(default)g")
    arguments = parser.parse_args()
    print(f"Adverts every {INTERVAL:g} s beside garbage, {arguments.seconds:g} s each")
    for rate in RATES:
        with Topology() as net, tempfile.TemporaryDirectory() as folder:
            machines = [net.machine(name) for name in ("lb1", "lb2", "noise")]
            net.lan("outer", addresses_on("192.0.2", "2001:db8:1", {"lb1": 2, "lb2": 3, "noise": 50}))
            net.lan("inner", addresses_on("198.51.100", "2001:db8:2", {"lb1": 2, "lb2": 3}))
            best, other = (ScriptedParent(machine, Path(folder) / machine.name) for machine in machines[:2])
            best.set_up(standard(150, interval=INTERVAL))
            best.becomes("MASTER")
            other.set_up(standard(100, interval=INTERVAL))
            eventually(other.instance, lambda known: known.master_priority == 150)
            before = best.instance().adverts_sent_total, other.instance().adverts_received_total
            used = [processor_time(each) for each in (best, other)]
            sent = flood(machines[2], rate, arguments.seconds)
            used = [processor_time(each) - begun for each, begun in zip((best, other), used, strict=True)]
            eventually(best.instance, lambda known, so_far=before[0]: known.adverts_sent_total > so_far)
            (median, p99, worst), known = best.state().speaker.lateness, other.instance()
            false = sum(isinstance(event, BecameMaster) for event in other.events)
            print(
                f"{sent / arguments.seconds:8.0f}/s  adverts late by: median {median * 1000:5.2f} ms, "
                f"p99 {p99 * 1000:5.2f}, worst {worst * 1000:5.2f}; heard "
                f"{known.adverts_received_total - before[1]} of {best.instance().adverts_sent_total - before[0]}; "
                f"false failovers: {false}; dropped and counted: {sum(known.dropped.values())}; "
                f"processor: master {used[0] / arguments.seconds:.1%}, backup {used[1] / arguments.seconds:.1%}",
                flush=True,
            )
            for each in (best, other):
                each.close()


if __name__ == "__main__":
    main()
