"""What a failover costs clients: pairs of healthlb and keepalived side by side in one guest, at the same settings.

A client sends a datagram every 2 ms to the shared address, from where it goes by NAT to a real server whose way out is
the shared gateway; its outage is the longest time without an answer. Pairs are named MASTER-BACKUP:

- dead: the master is cut from all networks. Trial by trial this comes at another moment between two of its adverts, the
  same moments for every pair, because that moment alone makes up to an interval of difference.
- healed: the network is whole again; for a moment there are two masters.
- stopped: the master is stopped as the service manager does.
- returned: it is started again, and preempts after a delay in which its start is over: that takes the one processor
  from everybody, the client included.

Trials of the pairs alternate. Prints medians, worst ones, the median of the client's own longest pause in the same time
(no outage can be seen to be shorter), and the ratio of medians to keepalived-keepalived's; asserts nothing about time.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from adverts import Adverts
from outage import Datagrams
from pair import PairNetwork
from pair_directors import KINDS, PairDirector, standard
from topology import Topology
from waiting import eventually

INTERVALS = (1.0, 0.1, 0.05, 0.02)
PAIRS = ("healthlb-healthlb", "healthlb-keepalived", "keepalived-healthlb", "keepalived-keepalived")
YARDSTICK = "keepalived-keepalived"
WAYS = ("dead", "healed", "stopped", "returned")
DEATHS, STOPS = 10, 5
PREEMPT_DELAY = 3.0
"""Seconds."""
Gaps = tuple[float, float]
"""An outage and the client's longest pause in the same time, seconds."""
Outages = dict[tuple[str, str], list[Gaps]]
"""By pair and way."""


class Pair:
    """One pair with a network of its own."""

    def __init__(self, net: Topology, number: int, name: str) -> None:
        self.name = name
        self.network = PairNetwork(net, name=f"-{number}")
        self.master: PairDirector
        self.backup: PairDirector

    def start(self, folder: Path, interval: float) -> None:
        """Start both directors."""
        self.master, self.backup = (
            KINDS[kind](
                self.network, machine, folder, standard(priority, interval=interval, preempt_delay=PREEMPT_DELAY)
            )
            for kind, priority, machine in zip(self.name.split("-"), (150, 100), self.network.directors, strict=True)
        )
        self.master.start()
        self.backup.start()
        self.settle()

    def stop(self) -> None:
        """Stop both directors."""
        self.master.stop()
        self.backup.stop()

    def settle(self) -> None:
        """Wait until there is one master, and it is the right one."""
        self.master.becomes("MASTER")
        self.backup.becomes("BACKUP")

    def die_and_heal(self, phase: float, interval: float) -> tuple[Gaps, Gaps]:
        """Cut the master off so many seconds after an advert, heal, and return both outages."""
        with Datagrams(self.network) as datagrams, Adverts(self.network) as adverts:
            datagrams.mark()
            before = len(adverts.heard)
            eventually(lambda: len(adverts.heard) > before, bool, pause=0.001)
            time.sleep(max(0.0, adverts.heard[-1].at + phase - time.time()))
            self.master.cut()
            self.backup.becomes("MASTER")
            dead = datagrams.longest_gaps()
            time.sleep(2 * interval)
            datagrams.mark()
            self.master.mend()
            self.settle()
            time.sleep(2 * interval)
            return dead, datagrams.longest_gaps()

    def stop_and_return(self, interval: float) -> tuple[Gaps, Gaps]:
        """Stop the master, start it again, and return both outages."""
        with Datagrams(self.network) as datagrams:
            datagrams.mark()
            self.master.stop()
            self.backup.becomes("MASTER")
            stopped = datagrams.longest_gaps()
            self.master.start()
            self.master.becomes("BACKUP")
            datagrams.mark()
            self.settle()
            time.sleep(2 * interval)
            return stopped, datagrams.longest_gaps()


def bench(pairs: list[Pair], interval: float, deaths: int, stops: int) -> Outages:
    """Play one setting, the pairs in turn."""
    outages: Outages = defaultdict(list)
    for trial in range(deaths):
        phase = (trial + 0.5) / deaths * interval
        for pair in in_turn(pairs, trial):
            dead, healed = pair.die_and_heal(phase, interval)
            outages[pair.name, "dead"].append(dead)
            outages[pair.name, "healed"].append(healed)
    for trial in range(stops):
        for pair in in_turn(pairs, trial):
            stopped, returned = pair.stop_and_return(interval)
            outages[pair.name, "stopped"].append(stopped)
            outages[pair.name, "returned"].append(returned)
    return outages


def in_turn(pairs: list[Pair], trial: int) -> list[Pair]:
    """Return the pairs, another one first in each trial."""
    first = trial % len(pairs)
    return pairs[first:] + pairs[:first]


def show(outages: Outages, interval: float) -> None:
    """Print one setting's medians."""
    for way in WAYS:
        measured = {pair: found for (pair, its_way), found in outages.items() if its_way == way}
        for pair, found in measured.items():
            median, pause = (statistics.median(each) for each in zip(*found, strict=True))
            line = f"{interval:>5g} s  {way:8}  {pair:21} {median * 1000:6.0f} ms  worst {max(found)[0] * 1000:6.0f}"
            line += f"  own pause {pause * 1000:4.0f}"
            if measured.get(YARDSTICK) and pair != YARDSTICK:
                line += f"  ratio {median / statistics.median(gap for gap, _ in measured[YARDSTICK]):.2f}"
            print(line, flush=True)


def main() -> None:
    """Play every setting."""
    parser = argparse.ArgumentParser(description="What a failover costs clients; run it in a guest.")
    parser.add_argument("--intervals", type=float, nargs="+", default=INTERVALS, help="seconds")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, metavar="MASTER-BACKUP")
    parser.add_argument("--deaths", type=int, default=DEATHS, help="trials of a cut (default: %(default)s)")
    parser.add_argument("--stops", type=int, default=STOPS, help="trials of a stop (default: %(default)s)")
    arguments = parser.parse_args()
    print("Failover: a client's outage, medians")
    with Topology() as net:
        pairs = [Pair(net, number, name) for number, name in enumerate(arguments.pairs)]
        for interval in arguments.intervals:
            with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
                for number, pair in enumerate(pairs):
                    own = Path(folder) / str(number)
                    own.mkdir()
                    pair.start(own, interval)
                    stack.callback(pair.stop)
                show(bench(pairs, interval, arguments.deaths, arguments.stops), interval)


if __name__ == "__main__":
    main()
