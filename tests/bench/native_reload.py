"""A reload that changes one real server of 10,000, natively with a table in memory: how long, and what it holds up.

Runs in a network namespace of its own, so that 10,000 addresses of 127.0.0.0/8 have one listener and nothing leaves.
Prints figures; asserts nothing about time.
"""

import asyncio
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from alone import run_alone

LAYOUTS = ((1000, 10), (1, 10_000))
"""Virtual servers, and real servers in each."""
PORT = 8080
ROUNDS = 10
INTERVAL = 10
KEEPALIVED = {"2.2.7": 5.4, "2.4.3": 0.064}
"""Seconds that keepalived took for the same change (SIGHUP to its netlink message), measured apart."""


def configuration(layout: tuple[int, int], weight: int, folder: Path) -> str:
    """Return the file, with one weight."""
    virtual_servers, real_servers = layout
    lines = [
        "director: {name: bench, sysctl: ignore}",
        f"api: {{listen: '127.0.0.1:9480', admin: 'unix:{folder}/admin.sock'}}",
        f"checks:\n  alive: {{type: tcp, interval: {INTERVAL}s, timeout: 1s, rise: 1, fall: 2}}",
        "virtual_servers:",
    ]
    for number in range(virtual_servers):
        lines += [
            f"  shop{number}:",
            f"    address: 127.200.{number // 250}.{number % 250 + 1}:80",
            "    scheduler: rr",
            "    method: nat",
            "    check: alive",
            "    real_servers:",
        ]
        for server in range(real_servers):
            index = number * real_servers + server
            address = f"127.{1 + index // 62500}.{index // 250 % 250}.{index % 250 + 1}:{PORT}"
            own = weight if index == virtual_servers * real_servers // 2 else 1
            lines.append(f"      - {{address: '{address}', weight: {own}}}")
    return "\n".join(lines) + "\n"


def accept_all() -> None:
    """Accept every connection to the port, at every loopback address, and close it."""
    listener = socket.create_server(("", PORT), backlog=4096)

    def serve() -> None:
        while True:
            listener.accept()[0].close()

    threading.Thread(target=serve, daemon=True).start()


async def measured(path: str) -> None:
    """Run the director as `healthlb run --dry-run` does, beside a sampler of how long the loop is held."""
    from healthlb.config.loader import Loader
    from healthlb.daemon.app import serve
    from healthlb.daemon.logs import Logs
    from healthlb.linux.memory import MemoryTable

    logs = Logs("text")
    logs.start()
    longest = busiest = 0.0

    async def sample() -> None:
        nonlocal longest, busiest
        before, used_before = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now, used = time.perf_counter(), time.thread_time()
            longest, busiest = max(longest, now - before - 0.001), max(busiest, used - used_before)
            before, used_before = now, used

    def tell() -> None:
        nonlocal longest, busiest
        print(f"longest hold {longest * 1000:.2f} {busiest * 1000:.2f} ms", flush=True)
        longest = busiest = 0.0

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, tell)
    sampler = asyncio.create_task(sample())
    loader = Loader(path)
    await serve(loader, loader.load(), MemoryTable(), kernel=False)
    sampler.cancel()
    logs.stop()


class Child:
    """The measured director and what it has written."""

    def __init__(self, path: Path, log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--director", str(path)], stdout=output, stderr=output
            )

    def wait_for(self, pattern: str, start: int, patience: float = 120.0) -> re.Match[str]:
        """Return the first match in the log after a position."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with self.log.open() as log:
                log.seek(start)
                if found := re.search(pattern, log.read()):
                    return found
            time.sleep(0.005)
        raise TimeoutError(pattern)

    def hold(self) -> tuple[float, float]:
        """Return the longest hold of the loop since the last call, in ms by the clock, and in ms of its own CPU.

        The second leaves out what other processes of the machine took from it.
        """
        start = self.log.stat().st_size
        self.process.send_signal(signal.SIGUSR2)
        found = self.wait_for(r"longest hold ([\d.]+) ([\d.]+) ms", start)
        return float(found[1]), float(found[2])

    def memory(self) -> tuple[int, int]:
        """Return the resident set now and at its highest, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        now, peak = (int(re.findall(rf"{name}:\s+(\d+)", status)[0]) // 1024 for name in ("VmRSS", "VmHWM"))
        return now, peak


def late_starts() -> int:
    """Return how many probes have started late so far."""
    with urllib.request.urlopen("http://127.0.0.1:9480/metrics", timeout=60) as answer:
        return int(re.findall(r"^healthlb_probes_late_total (\d+)", answer.read().decode(), re.MULTILINE)[0])


def bench(layout: tuple[int, int], folder: Path) -> None:
    """Play the rounds and print."""
    path = folder / "healthlb.yaml"
    path.write_text(configuration(layout, 1, folder))
    began = time.time()
    child = Child(path, folder / "log")
    try:
        child.wait_for(r"real servers, table", 0)
        print(f"{layout[0]} x {layout[1]}: start to table {time.time() - began:.2f} s")
        time.sleep(INTERVAL * 1.5)
        late = late_starts()
        child.hold()
        time.sleep(INTERVAL * 1.2)
        quiet = child.hold()
        delays, holds = [], []
        for number in range(ROUNDS):
            path.write_text(configuration(layout, 2 + number % 2, folder))
            start = child.log.stat().st_size
            child.hold()
            sent = time.time()
            child.process.send_signal(signal.SIGHUP)
            child.wait_for(r"table: edit", start)
            delays.append(time.time() - sent)
            child.wait_for(r"in force", start)
            time.sleep(0.3)
            holds.append(child.hold())
        late = late_starts() - late
        now, peak = child.memory()
        median = statistics.median(delays)
        print(f"  SIGHUP to the table: median {median * 1000:.0f} ms, worst {max(delays) * 1000:.0f} ms (bound 1,000)")
        for version, seconds in KEEPALIVED.items():
            print(
                f"    ratio to keepalived {version} ({seconds * 1000:.0f} ms, measured apart): {median / seconds:.2f}"
            )
        for index, what in enumerate(("by the clock", "of its own CPU")):
            found = [each[index] for each in holds]
            summary = f"quiet {quiet[index]:.1f}, reloads median {statistics.median(found):.1f}, worst {max(found):.1f}"
            print(f"  loop held, ms {what}: {summary} (bound 10)")
        print(f"  probes started late: {late}")
        print(f"  memory: {now} MB now, {peak} MB at its highest (bound 120)", flush=True)
    finally:
        child.process.terminate()
        child.process.wait(30)


def main() -> None:
    """Bench, or be the measured director."""
    if sys.argv[1:2] == ["--director"]:
        asyncio.run(measured(sys.argv[2]))
    else:
        run_alone()
        print("Reload: one real server of 10,000 changed, natively, table in memory")
        accept_all()
        for layout in LAYOUTS:
            with tempfile.TemporaryDirectory() as folder:
                bench(layout, Path(folder))


if __name__ == "__main__":
    main()
