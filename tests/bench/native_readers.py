"""What readers cost the probes: `healthlb run --dry-run` with 10,000 real servers, with crowds before it and without.

Each crowd has its turns between turns in which nobody reads, so that what else this machine does shows in both. How
late probes start is the difference of the director's own histogram in /metrics between the two ends of a turn; a
percentile lies between two of its bounds, and is taken in proportion there. The crowd is a process of its own, with
the least claim to the CPU (nice(1)). Prints figures; asserts nothing about time.
By hand: `PYTHONPATH=tests/lab python tests/bench/native_readers.py --only gzip --rounds 2`.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alone import run_alone
from checks_servers import PORTS, compiled
from contestants import API, Healthlb, Load, interpreter
from crowd import CROWDS

from healthlb.daemon.histogram import LATENESS
from healthlb.daemon.pace import SHARE
from waiting import eventually

SERVERS = 10_000
INTERVAL = 8
"""Seconds between two probes of a server: 1,250 probes/s."""
TICK = 0.010
"""Seconds that probes wait to be started together, made short by a short interval for servers that are down: beside
the 50 ms that they wait at most, what readers cost would not show."""
QUIET = 600
"""The same where first bytes are measured on a loop that has nothing else to do."""
PATIENCE = 120.0
FIRST_BYTES = ("/", "/api/v1/overview", "/api/v1/status", "/metrics")
ASKED = 7
PERCENTILES = (0.5, 0.99, 0.999)


@dataclass(slots=True)
class Turns:
    """All turns with one crowd: starts by how late they were, seconds, CPU, waiting for a CPU, and what was read."""

    late: Counter[float] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0
    waited: float = 0.0
    load: float = 0.0
    lag: Counter[float] = field(default_factory=Counter)
    told: list[dict[str, Any]] = field(default_factory=list)


class Director(Healthlb):
    """One that probes every `interval` seconds."""

    def __init__(self, folder: Path, interval: int) -> None:
        super().__init__(Load("tcp", SERVERS, PORTS["tcp"]), folder)
        self._interval = interval

    def _configuration(self) -> str:
        schedule = f"interval: {self._interval}s, down_interval: {TICK / SHARE}s"
        return super()._configuration().replace("interval: 1s", schedule)

    def histograms(self) -> tuple[Counter[float], Counter[float]]:
        """Return by upper bound how many probes have started so late so far, and the same of the loop's own timer."""
        text = self._metrics()
        return counted(text, "healthlb_probe_start_lateness_seconds"), counted(text, "healthlb_loop_lag_seconds")

    def settle(self) -> None:
        """Wait until all servers are up."""
        eventually(self.complaint, lambda complaint: complaint is None, deadline=PATIENCE)


def counted(text: str, name: str) -> Counter[float]:
    """Return the buckets of a histogram, those of all its series together, each without the ones below it."""
    sums: Counter[float] = Counter()
    for bound, count in re.findall(rf'^{name}_bucket(?:{{|{{.*,)le="([^"]+)"}} (\S+)$', text, re.MULTILINE):
        sums[float(bound)] += int(count)
    below, found = 0, Counter[float]()
    for bound, count in sorted(sums.items()):
        found[bound], below = count - below, count
    return found


def percentile(counts: Counter[float], share: float) -> float:
    """Return the milliseconds that so large a share of the values does not exceed, in proportion within a bucket."""
    left = share * counts.total()
    low = 0.0
    for bound, count in sorted(counts.items()):
        if count and left <= count:
            return 1000 * (low if bound == float("inf") else low + (bound - low) * left / count)
        left -= count
        low = bound
    return float("nan")


def turn(director: Director, name: str | None, seconds: float, found: Turns) -> None:
    """Let a crowd read, or nobody, and add what it shows."""
    crowd = None
    if name is not None:
        command = [
            "nice",
            "-n",
            "19",
            sys.executable,
            str(Path(__file__).with_name("crowd.py")),
            API.split(":")[1],
            name,
        ]
        crowd = subprocess.Popen([*command, str(seconds + 4.0)], stdout=subprocess.PIPE)
    time.sleep(2.0)
    late, lag = director.histograms()
    used, waited, began = director.cpu(), director.waited(), time.monotonic()
    time.sleep(seconds)
    found.seconds += time.monotonic() - began
    found.cpu += director.cpu() - used
    found.waited += director.waited() - waited
    now_late, now_lag = director.histograms()
    found.late += now_late - late
    found.lag += now_lag - lag
    found.load = max(found.load, os.getloadavg()[0])
    if crowd is not None:
        output, _ = crowd.communicate(timeout=PATIENCE)
        if crowd.returncode:
            raise RuntimeError(f"the crowd {name} ended with {crowd.returncode}")
        found.told.append(json.loads(output))


def row(title: str, found: Turns, beside: Turns | None) -> str:
    """Return a line of the table."""
    late = [percentile(found.late, share) for share in PERCENTILES]
    before = [percentile(beside.late, share) for share in PERCENTILES] if beside is not None else late
    figures = " | ".join(f"{now:6.2f} ({now / then:4.2f})" for now, then in zip(late, before, strict=True))
    lag = percentile(found.lag, 0.99)
    return (
        f"| {title:30} | {figures} | {lag:7.2f} | {found.late.total():7,.0f} "
        f"| {found.cpu / found.seconds:5.0%} | {found.waited / found.seconds:6.1%} | {found.load:4.1f} |"
    )


def read(found: Turns) -> str:
    """Return what a crowd was given, in words."""
    answers: Counter[str] = Counter()
    for each in found.told:
        answers.update(each["answers"])
    parts = [", ".join(f"{count:,} answers {status}" for status, count in sorted(answers.items()))]
    parts.append(f"{sum(each['bytes'] for each in found.told) / 1e6:,.0f} MB")
    if all("median" in each for each in found.told):
        median = statistics.median(each["median"] for each in found.told)
        worst = max(each["worst"] for each in found.told)
        parts.append(f"an answer took {median * 1000:,.0f} ms, at worst {worst * 1000:,.0f} ms")
        parts.append(f"{sum(each['overdue'] for each in found.told):,} came after the next was due")
    return "; ".join(parts)


def compare(director: Director, name: str, rounds: int, seconds: float) -> None:
    """Play the turns of one crowd and those of nobody, one after the other, and print both."""
    nobody, crowd = Turns(), Turns()
    for _ in range(rounds):
        turn(director, None, seconds, nobody)
        turn(director, name, seconds, crowd)
    print(row("nobody", nobody, None))
    print(row(CROWDS[name].title, crowd, nobody))
    print(f"|   {read(crowd)}", flush=True)


def first_bytes(path: str) -> tuple[float, int]:
    """Return the seconds to the first byte of a body, and its bytes."""
    headers = {"Accept-Encoding": "gzip", "Accept": "text/html, */*;q=0.5"}
    connection = http.client.HTTPConnection(API, timeout=PATIENCE)
    began = time.monotonic()
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read(1)
        first = time.monotonic() - began
        return first, 1 + len(answer.read())


def show_first_bytes() -> None:
    """Ask for each path some times, each after the answer before has ceased to serve, and print."""
    for path in FIRST_BYTES:
        found = []
        for _ in range(ASKED):
            time.sleep(3.0)
            found.append(first_bytes(path))
        first = sorted(each[0] * 1000 for each in found)
        print(
            f"{path:18} first byte after {statistics.median(first):5.0f} ms ({first[0]:.0f} to {first[-1]:.0f}), "
            f"{found[-1][1] / 1e6:.2f} MB gzip; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def main() -> None:
    """Play all crowds, or one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[*CROWDS, "first-bytes"], help="this one alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=float(INTERVAL), help="measured in each turn")
    wanted = parser.parse_args()
    run_alone()
    print(f"Readers: {SERVERS:,} real servers, each probed every {INTERVAL} s, on {interpreter()[0]}; ratios to nobody")
    print(f"Bounds of the histogram in ms: {', '.join(f'{1000 * bound:g}' for bound in LATENESS[:12])}, …")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen([compiled("patient_server.c", folder), str(PORTS["tcp"]), "lo"])
        try:
            if wanted.only != "first-bytes":
                with Director(folder, INTERVAL) as director:
                    director.settle()
                    titles = " | ".join(f"{f'p{100 * share:g} ms':>13}" for share in PERCENTILES)
                    print(f"| {'who reads':30} | {titles} | lag p99 | starts  |   CPU | waited | load |", flush=True)
                    for each in [wanted.only] if wanted.only else CROWDS:
                        compare(director, each, wanted.rounds, wanted.seconds)
            if wanted.only in {None, "first-bytes"}:
                with Director(folder, QUIET) as director:
                    director.settle()
                    show_first_bytes()
        finally:
            server.terminate()
            server.wait(PATIENCE)


if __name__ == "__main__":
    main()
