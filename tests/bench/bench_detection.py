"""From a real server's death to its row's change, healthlb beside keepalived at the same settings, in a guest.

Both watch one real server, each from a director of its own, so every trial is one death that both must notice. Prints
medians and their ratio; asserts nothing about time.
"""

import random
import statistics
import tempfile
import threading
import time
from pathlib import Path

from director import Director
from topology import Machine, Topology
from traffic import WebServer
from waiting import eventually

TRIALS = 20
SERVER, PORT = "192.0.2.30", 8080
SETTINGS = (1.0, 0.1)
HEALTHLB = """
director: {{sysctl: ignore}}
virtual_servers:
  shop:
    address: 198.51.100.1:80
    scheduler: rr
    method: nat
    check: {{type: tcp, interval: {interval}s, fast_interval: {interval}s, timeout: 1s, rise: 1, fall: 2}}
    real_servers: [{server}:{port}]
"""
KEEPALIVED = """
global_defs {{
    router_id bench
}}
virtual_server 198.51.100.1 80 {{
    delay_loop {interval}
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    inhibit_on_failure
    real_server {server} {port} {{
        weight 1
        inhibit_on_failure
        TCP_CHECK {{
            connect_timeout 1
            retry 1
            delay_before_retry {interval}
        }}
    }}
}}
"""


class Watch:
    """Waits in a thread of its own for a director's row to have a weight, and keeps the moment."""

    def __init__(self, machine: Machine, weight: int) -> None:
        self.at: float | None = None
        self._machine = machine
        self._weight = weight
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def wait(self) -> float:
        """Return the moment; raise TimeoutError if it never came."""
        self._thread.join(60)
        if self.at is None:
            raise TimeoutError(f"{self._machine.name}: no weight {self._weight}")
        return self.at

    def _look(self) -> None:
        end = time.monotonic() + 55
        with self._machine.inside():
            while time.monotonic() < end:
                if weight_in(Path("/proc/thread-self/net/ip_vs").read_text()) == self._weight:
                    self.at = time.monotonic()
                    return
                time.sleep(0.002)


def weight_in(table: str) -> int | None:
    """Return the weight of the only destination of /proc/net/ip_vs."""
    rows = [line.split() for line in table.splitlines() if line.startswith("  -> ") and "Remote" not in line]
    return int(rows[0][3]) if rows else None


def trials(ours: Machine, theirs: Machine, server: WebServer, interval: float) -> tuple[list[float], list[float]]:
    """Kill and bring back the server, and return both directors' delays in seconds."""
    delays: tuple[list[float], list[float]] = ([], [])
    for _ in range(TRIALS):
        time.sleep(random.uniform(0.3, 0.3 + interval))
        watches = [Watch(machine, 0) for machine in (ours, theirs)]
        killed = time.monotonic()
        server.kill()
        for mine, watch in zip(delays, watches, strict=True):
            mine.append(watch.wait() - killed)
        server.start()
        for watch in [Watch(machine, 1) for machine in (ours, theirs)]:
            watch.wait()
    return delays


def bench(net: Topology, folder: Path, interval: float) -> None:
    """Play one setting and print."""
    ours, theirs, behind = (net.machine(name) for name in ("healthlb", "keepalived", "server"))
    net.lan("lan", {"healthlb": "192.0.2.1/24", "keepalived": "192.0.2.2/24", "server": f"{SERVER}/24"})
    server = WebServer(behind, SERVER, PORT, "web")
    director = Director(ours, folder)
    director.start(HEALTHLB.format(interval=interval, server=SERVER, port=PORT))
    file = folder / "keepalived.conf"
    file.write_text(KEEPALIVED.format(interval=f"{interval:g}", server=SERVER, port=PORT))
    pids = [f"--{name}={folder}/{name}" for name in ("pid", "checkers_pid", "vrrp_pid")]
    theirs.start("keepalived", "-n", "-l", "-C", "-f", file, *pids, log=folder / "keepalived.log")
    for machine in (ours, theirs):
        eventually(lambda machine=machine: machine.run("ipvsadm", "-Sn"), lambda table: " -w 1" in table, deadline=60)
    found = trials(ours, theirs, server, interval)
    medians = [statistics.median(each) for each in found]
    print(
        f"interval {interval:g} s, {TRIALS} deaths: healthlb median {medians[0] * 1000:.0f} ms "
        f"(worst {max(found[0]) * 1000:.0f}), keepalived {medians[1] * 1000:.0f} ms "
        f"(worst {max(found[1]) * 1000:.0f}), ratio {medians[0] / medians[1]:.2f}",
        flush=True,
    )


def main() -> None:
    """Play every setting."""
    print("Detection: a real server's death to its row's change")
    for interval in SETTINGS:
        with tempfile.TemporaryDirectory() as folder, Topology() as net:
            bench(net, Path(folder), interval)


if __name__ == "__main__":
    main()
