"""One incident, played in the lab, and docs/oncall.md with what the commands said: `python tests/lab/incident.py`.

A web server dies, the pool degrades, another machine is drained for its reboot, the dead one comes back. Kernel, table,
director, servers and clients are real; what differs from run to run is made steady by the rules of steady.py. The prose
is the document's own: only what stands between its marks is written anew. `--play` is the part inside the guest.
Exit status: 0 the document is up to date, 1 the incident could not be played.
"""

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from boot import Guest, GuestError
from director import Director
from nursery import carry_out, start_director
from steady import Relay, StoryClock, steady_text
from topology import Machine, Topology
from traffic import Connection, Load, WebServer
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "oncall.md"
PATIENCE = 240.0
"""Seconds for the whole incident; it takes about 25."""
BLOCK = re.compile(
    r"(?P<before><!-- lab: (?P<name>[a-z-]+) -->\n```text\n)(?P<shown>.*?)(?P<after>^```$)", re.MULTILINE | re.DOTALL
)
VIRTUAL_ADDRESS = "192.0.2.10"
MACHINE = "198.51.100.13"
WEBS = tuple(f"web{number}" for number in range(1, 5))
CONFIG = f"""
director: {{name: lb1, resync: 1s, state_dir: STATE}}
virtual_servers:
  shop:
    address: {VIRTUAL_ADDRESS}:80
    scheduler: rr
    check: {{type: http, path: /healthz, interval: 1s, timeout: 5s, rise: 2, fall: 3, fast_interval: 250ms}}
    real_servers:
""" + "".join(f'      - {{name: {name}, address: "198.51.100.{number}:80"}}\n' for number, name in enumerate(WEBS, 11))


class Incident:
    """The machines, the director, and what the commands said so far, by the name of its place in the document."""

    def __init__(self, net: Topology, folder: Path) -> None:
        self.client = net.machine("client")
        machine = net.machine("director", sysctls={"net.ipv4.ip_forward": "1"})
        machines = [net.machine(name) for name in WEBS]
        net.cable(self.client, "192.0.2.50/24", machine, f"{VIRTUAL_ADDRESS}/24")
        addresses = {each.name: f"198.51.100.{number}/24" for number, each in enumerate(machines, 11)}
        net.lan("switch", {"director": "198.51.100.1/24", **addresses})
        self.webs = dict(zip(WEBS, map(_listening, machines, addresses.values()), strict=True))
        self.director = Director(machine, folder)
        self.clock = StoryClock()
        self.relay = Relay(machine, self.director.get, self.clock)
        self.shown: dict[str, str] = {}
        self._folder = folder

    def play(self) -> dict[str, str]:
        """Play all of it; raise NeverError where something does not come."""
        self.clock.mark("2026-11-18T09:12:30Z")
        self.director.start(CONFIG.replace("STATE", str(self._folder / "state")))
        self.until_weights(1, 1, 1, 1)
        self.director.ready()
        with Load(self.client, VIRTUAL_ADDRESS, 80, pause=0.05) as load:
            load.wait_for(8)
            self.clock.look("2026-11-22T02:58:00Z")
            self.show("well-status", "status")
            self.a_server_dies()
            self.a_machine_is_drained()
            self.all_come_back()
        return self.shown

    def a_server_dies(self) -> None:
        """Have web2 die, and look as somebody does who was woken."""
        self.clock.mark("2026-11-22T03:02:41Z")
        self.webs["web2"].kill()
        self.until_weights(1, 0, 1, 1)
        self.until_event("virtual_server_changed", "shop is degraded, was up: live weight 3")
        self.clock.look("2026-11-22T03:05:10Z")
        self.show("dead-status", "status", "--problems")
        self.show("dead-explain", "explain", "shop", "web2")
        self.show("dead-events", "events", "--since", "1h")
        self.show_probe("dead-probe", "shop", "web2")
        self.show_table("dead-table")

    def a_machine_is_drained(self) -> None:
        """Drain the machine of web3 while a client holds a connection to it, which goes in the end."""
        self.clock.mark("2026-11-22T03:14:09Z")
        log = self._folder / "drain.log"
        words = ("drain", "--host", MACHINE, "--wait", "--why", "new kernel, as web2")
        with self.a_connection_to("web3"):
            waiting = start_director(self.director.machine, *words, "-c", self.director.file, log=log)
            eventually(lambda: log.read_text().splitlines(), lambda lines: any(map(_is_held, lines)))
            self.until_weights(1, 0, 0, 1)
            eventually(lambda: self.director.get("/api/v1/status")[1], lambda answer: '"draining"' in answer)
            self.clock.look("2026-11-22T03:15:30Z")
            self.show("drain-status", "status")
            self.clock.mark("2026-11-22T03:18:22Z")
        eventually(waiting.poll, lambda status: status is not None)
        self.until_event("real_server_emptied", "safe to take away")
        # How many other connections a look sees on their way out is chance: only the one that is held is told.
        lines = [line for line in log.read_text().splitlines() if "waiting" not in line or _is_held(line)]
        self.keep("drain-wait", _typed(*words), "\n".join(dict.fromkeys(lines)))
        self.show_table("drain-table")

    def all_come_back(self) -> None:
        """Take the drain back, then bring web2 back, and look whether it is over."""
        self.clock.mark("2026-11-22T03:27:50Z")
        said = self.director.command("undrain", "--host", MACHINE)
        self.keep("undrain", _typed("undrain", "--host", MACHINE), said.stdout + said.stderr)
        self.until_weights(1, 0, 1, 1)
        self.clock.mark("2026-11-22T03:31:16Z")
        self.webs["web2"].start()
        self.until_weights(1, 1, 1, 1)
        self.until_event("virtual_server_changed", "shop is up, was degraded: live weight 4")
        self.clock.look("2026-11-22T03:34:00Z")
        self.show("over-events", "events", "--since", "1h")
        self.show("over-status", "status")
        self.show_table("over-table")

    def until_weights(self, *weights: int) -> None:
        """Wait until the kernel's rows of web1 to web4 have these weights."""
        self.director.until_weights({f"198.51.100.{number}:80": weight for number, weight in enumerate(weights, 11)})

    def until_event(self, name: str, words: str) -> None:
        """Wait until the newest event of a name says this."""
        path = f"/api/v1/events?name={name}&limit=1"
        eventually(lambda: self.director.get(path)[1], lambda answer: words in answer)

    def a_connection_to(self, name: str) -> Connection:
        """Return an open connection of a client that this server answers."""
        while True:
            connection = Connection(self.client, VIRTUAL_ADDRESS, 80)
            if connection.ask() == name:
                return connection
            connection.close()

    def show(self, place: str, *words: str) -> None:
        """Keep what a command says that only asks, on a terminal of 100 columns."""
        terminal = {"TZ": "UTC", "COLUMNS": "100"}
        said = carry_out(self.director.machine, *words, "--url", self.relay.url, environment=terminal)
        self.keep(place, _typed(*words), said.stdout + said.stderr)

    def show_probe(self, place: str, *words: str) -> None:
        """Keep what a probe by hand says."""
        said = self.director.command("probe", *words)
        self.keep(place, _typed("probe", *words), said.stdout + said.stderr)

    def show_table(self, place: str) -> None:
        """Keep what the kernel has."""
        self.keep(place, "$ ipvsadm -Ln", self.director.machine.run("ipvsadm", "-Ln"))

    def keep(self, place: str, typed: str, said: str) -> None:
        """Keep what was typed and what it said, made steady."""
        self.shown[place] = (
            "\n".join(line.rstrip() for line in [typed, *steady_text(said).rstrip().splitlines()]) + "\n"
        )


def _listening(machine: Machine, address: str) -> WebServer:
    machine.ip("route add default via 198.51.100.1")
    return WebServer(machine, address.partition("/")[0], 80, machine.name)


def _is_held(line: str) -> bool:
    return line.endswith("shop: 1 active connection")


def _typed(*words: str) -> str:
    return " ".join(["$ healthlb", *(f"'{word}'" if " " in word else word for word in words)])


def renewed(text: str, shown: Mapping[str, str]) -> str:
    """Return the document with what the commands said now; raise KeyError where it and the incident do not fit."""
    places = [found["name"] for found in BLOCK.finditer(text)]
    if odd := set(places) ^ set(shown):
        raise KeyError(f"only one of docs/oncall.md and tests/lab/incident.py has: {', '.join(sorted(odd))}")
    return BLOCK.sub(lambda found: found["before"] + shown[found["name"]] + found["after"], text)


def played() -> dict[str, str]:
    """Play the incident here, inside a guest."""
    with tempfile.TemporaryDirectory() as folder, Topology() as net:
        return Incident(net, Path(folder)).play()


def main() -> int:
    """Play the incident in a guest and write the document."""
    if sys.argv[1:] == ["--play"]:
        print(json.dumps(played()))
        return 0
    try:
        with Guest([sys.executable, __file__, "--play"], directory=ROOT) as guest:
            status = guest.wait(PATIENCE)
            said, errors = guest.stdout.read_text(), guest.stderr.read_text(errors="replace")
    except GuestError as error:
        print(f"The incident's private kernel failed. {error}", file=sys.stderr)
        return 1
    if status != 0:
        print(errors, file=sys.stderr)
        return 1
    text = FILE.read_text(encoding="utf-8")
    FILE.write_text(renewed(text, json.loads(said)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
