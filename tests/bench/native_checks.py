"""What a check costs: `healthlb run --dry-run`, the whole process, beside keepalived's checker process, natively.

Both check the same servers on loopback, one contestant at a time and in turn. CPU is the scheduler's own account of all
their threads, and a check counts once the server has seen it. Prints medians and their ratio; asserts nothing about
time. `bare C` is what the kernel alone takes of a TCP check (floor.c). `idle` is how much of the machine was so, at
worst: one that is busy with something else changes the figures.
By hand: `PYTHONPATH=tests/lab python tests/bench/native_checks.py --only http --rounds 3`.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alone import run_alone
from checks_servers import PORTS, Servers, compiled
from contestants import HEALTHLB, Contestant, Floor, Healthlb, Keepalived, Load, interpreter

from checks.registry import types

SETTLED = 0.9
"""The share of the asked rate from which a contestant's start is over."""
REACHED = 0.97
"""The share of the asked rate below which it is told that a contestant fell behind."""
START_PATIENCE = 60.0
GROWTH_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: our work, keepalived's that it stands beside, checks a second, the ratio allowed."""

    title: str
    ours: str
    theirs: str
    rate: int
    allowed: float


GROUPS = (
    (
        Row("TCP connect, 2,000/s", "tcp", "tcp", 2000, 0.50),
        Row("half-open, 2,000/s (beside TCP_CHECK)", "half-open", "tcp", 2000, 0.25),
    ),
    (Row("TCP connect, 8,000/s", "tcp", "tcp", 8000, 0.40),),
    (Row("HTTP GET 1 KB, 2,000/s", "http", "http", 2000, 0.55),),
    (Row("HTTPS handshake, verification, GET, 500/s", "https", "https", 500, 1.0),),
)
"""Rows of one group share their rounds, and keepalived's figure where it is the same work."""
GROWTH = (1000, 2000, 4000, 8000)
MEMORY_TARGETS = 10_000

Entrant = tuple[type[Contestant], str, int]
"""A contestant, its work, its targets."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn showed: CPU seconds a check, checks a second, and the share of all CPUs that was idle."""

    cost: float
    rate: float
    idle: float


class Bench:
    """The servers, and all turns so far."""

    def __init__(self, servers: Servers, folder: Path, seconds: float) -> None:
        self._servers = servers
        self._folder = folder
        self._seconds = seconds
        self.turns: dict[Entrant, list[Turn]] = {}

    def play(self, entrants: Iterable[Entrant], rounds: int) -> None:
        """Give each its turn, round after round, the other way round every second time."""
        in_turn = list(entrants)
        for _ in range(rounds):
            in_turn.reverse()
            for entrant in in_turn:
                kind, work, targets = entrant
                with kind(Load(work, targets, PORTS[work]), self._folder) as contestant:
                    self._settle(contestant)
                    self.turns.setdefault(entrant, []).append(self._measure(contestant))

    def cost(self, entrant: Entrant) -> float:
        """Return the median of the CPU microseconds a check."""
        return statistics.median(turn.cost for turn in self.turns[entrant]) * 1e6

    def rate(self, entrant: Entrant) -> float:
        """Return the median of the checks a second."""
        return statistics.median(turn.rate for turn in self.turns[entrant])

    def idle(self, entrant: Entrant) -> float:
        """Return the smallest share of the machine that was idle in a turn."""
        return min(turn.idle for turn in self.turns[entrant])

    def lateness_and_memory(self) -> None:
        """Run ours alone with many targets, and print."""
        with Healthlb(Load("tcp", MEMORY_TARGETS, PORTS["tcp"]), self._folder) as director:
            self._settle(director)
            waited = director.waited()
            turn = self._measure(director)
            waited = (director.waited() - waited) / self._seconds
            print(
                f"{MEMORY_TARGETS:,} targets, TCP, 1 s apart: {director.resident():.0f} MB resident, "
                f"{turn.rate:,.0f} checks/s, {turn.cost * turn.rate:.0%} of one core; "
                f"{waited:.0%} of the time it was ready and other processes had the cores"
            )
            lateness = director.start_lateness()
            if lateness is None:
                print("  start lateness: the director does not say")
            else:
                print(f"  start lateness: {', '.join(f'p{s:.4g} {v * 1000:g} ms' for s, v in lateness.items())}")

    def _settle(self, contestant: Contestant) -> None:
        end = time.monotonic() + START_PATIENCE
        while True:
            before = self._servers.seen(contestant.load.work)
            time.sleep(1.0)
            if self._servers.seen(contestant.load.work) - before >= SETTLED * contestant.load.targets:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{contestant.name} does not reach its rate\n{contestant.log()[-1000:]}")

    def _measure(self, contestant: Contestant) -> Turn:
        work = contestant.load.work
        spare, all_of_it = machine_time()
        seen, used, began = self._servers.seen(work), contestant.cpu(), time.monotonic()
        time.sleep(self._seconds)
        seen, used, took = self._servers.seen(work) - seen, contestant.cpu() - used, time.monotonic() - began
        spare, all_of_it = (now - then for now, then in zip(machine_time(), (spare, all_of_it), strict=True))
        complaint = contestant.complaint()
        if complaint is not None:
            raise RuntimeError(f"{contestant.name}: {complaint}")
        return Turn(used / seen, seen / took, spare / all_of_it)


def machine_time() -> tuple[int, int]:
    """Return how long all CPUs have been idle and how long they have been there so far, in ticks (proc_stat(5))."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def entrants(rows: Iterable[Row]) -> list[Entrant]:
    """Return who takes part in a group, each once."""
    found: list[Entrant] = []
    for row in rows:
        found += [(Healthlb, row.ours, row.rate), (Keepalived, row.theirs, row.rate)]
        if row.ours == "tcp":
            found.append((Floor, row.ours, row.rate))
    return list(dict.fromkeys(found))


def is_there(work: str) -> bool:
    """Say whether this healthlb has the check type."""
    return HEALTHLB[work].split()[1].rstrip(",") in types()


def show(bench: Bench, rows: Iterable[Row]) -> None:
    """Print the lines of one group."""
    for row in rows:
        ours, theirs, floor = ((kind, row.ours, row.rate) for kind in (Healthlb, Keepalived, Floor))
        theirs = (Keepalived, row.theirs, row.rate)
        costs = bench.cost(ours), bench.cost(theirs)
        bare = f"{bench.cost(floor):6.1f}" if floor in bench.turns else "     -"
        idle = min(bench.idle(each) for each in (ours, theirs))
        behind = [each[0].name for each in (ours, theirs) if bench.rate(each) < REACHED * row.rate]
        print(
            f"| {row.title:42} | {costs[0]:6.1f} | {costs[1]:6.1f} | {bare} | {costs[0] / costs[1]:5.2f} "
            f"| {row.allowed:7.2f} | {bench.rate(ours):6,.0f} | {bench.rate(theirs):7,.0f} | {idle:4.0%} |"
            + (f" {' and '.join(behind)} fell behind" if behind else ""),
            flush=True,
        )


def show_growth(bench: Bench) -> None:
    """Print the cost of a TCP check by the number of targets."""
    print("\nCost of a TCP check in us by targets, 1 s apart: healthlb, keepalived, bare C, ratio, idle")
    for targets in GROWTH:
        in_turn = [(kind, "tcp", targets) for kind in (Healthlb, Keepalived, Floor)]
        ours, theirs, floor = (bench.cost(each) for each in in_turn)
        idle = min(bench.idle(each) for each in in_turn)
        print(f"| {targets:6,} | {ours:6.1f} | {theirs:6.1f} | {floor:6.1f} | {ours / theirs:5.2f} | {idle:4.0%} |")


def main() -> None:
    """Play all groups, or those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=sorted(HEALTHLB), help="this work alone, without growth and memory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured in each turn")
    wanted = parser.parse_args()
    run_alone()
    print("Checks: CPU microseconds a check on loopback, medians, ratio to keepalived, ratio allowed, checks/s")
    print(f"healthlb runs on {interpreter()[0]}")
    print(f"| {'work':42} | {'ours':>6} | {'theirs':>6} | bare C | ratio | allowed | {'ours/s':>6} | their/s | idle |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compiled("no_ipvs.c", folder, "-shared", "-fPIC")
        with Servers(folder) as servers:
            bench = Bench(servers, folder, wanted.seconds)
            for group in GROUPS:
                rows = [row for row in group if wanted.only in (None, row.ours) and is_there(row.ours)]
                bench.play(entrants(rows), wanted.rounds)
                show(bench, rows)
            if wanted.only is None:
                others = [(kind, "tcp", targets) for targets in GROWTH for kind in (Healthlb, Keepalived, Floor)]
                bench.play([each for each in others if each not in bench.turns], GROWTH_ROUNDS)
                show_growth(bench)
                bench.lateness_and_memory()


if __name__ == "__main__":
    main()
