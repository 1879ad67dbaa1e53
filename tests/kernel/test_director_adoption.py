"""What a director finds in the table at its start, what it leaves at its end, and whose rows it touches at all."""

from pathlib import Path

import pytest

from classic import ClassicNat
from director import Director
from topology import Machine, Topology
from traffic import WebServer, ask
from waiting import eventually

ADDRESS = "11.197.140.20"


def pool(rise: int, *, director: str = "") -> str:
    """Return a file whose servers have no verdict for hours while `rise` is above 1."""
    return f"""
director: {{resync: 500ms{director}}}
checks:
  web: {{type: http, interval: 10h, fast_interval: 10h, timeout: 5s, rise: {rise}, fall: {rise}}}
virtual_servers:
  shop:
    address: 11.197.140.20:80
    scheduler: rr
    check: web
    real_servers:
      - 11.197.140.20:8001
      - 11.197.140.20:8002
      - 11.197.140.20:8003
      - {{address: '11.197.140.20:8004', initial: trust}}
      - 11.197.140.20:8005
"""


def listening(machine: Machine, *ports: int) -> None:
    for port in ports:
        WebServer(machine, ADDRESS, port, str(port))


def first_results(director: Director) -> list[bool | None]:
    """Return of each real server whether its latest probe passed, None before the first."""
    (shop,) = director.status()["virtual_servers"]
    results = [check["last"] for server in shop["real_servers"] for check in server["checks"]]
    return [result and result["passed"] for result in results]


def test_rows_stay_as_they_were_found_until_the_first_verdict(classic: ClassicNat, tmp_path: Path) -> None:
    listening(classic.director, 8001, 8002, 8004, 8005)
    found = [
        "-A -t 11.197.140.20:80 -s rr",
        "-a -t 11.197.140.20:80 -r 11.197.140.20:8001 -m -w 7",
        "-a -t 11.197.140.20:80 -r 11.197.140.20:8002 -m -w 0",
        "-a -t 11.197.140.20:80 -r 11.197.140.20:8003 -m -w 3",
    ]
    classic.director.run("ipvsadm", "-R", stdin="\n".join(found) + "\n")
    director = Director(classic.director, tmp_path)
    director.start(pool(rise=2))
    trusted = "-a -t 11.197.140.20:80 -r 11.197.140.20:8004 -m -w 1"
    director.until(*found, trusted)
    eventually(lambda: first_results(director), [True, True, False, True, True].__eq__)
    assert director.get("/readyz")[0] == 503
    assert sorted(director.table()) == sorted([*found, trusted])
    assert director.logged().count("table:") == 1

    director.reload(pool(rise=1))
    director.until_weights(
        {f"{ADDRESS}:8001": 1, f"{ADDRESS}:8002": 1, f"{ADDRESS}:8003": 0, f"{ADDRESS}:8004": 1, f"{ADDRESS}:8005": 1}
    )
    director.ready()


FOREIGN = ["-A -t 11.197.140.20:25 -s wlc", "-a -t 11.197.140.20:25 -r 11.197.140.20:8001 -m -w 3"]


def test_foreign_services_are_kept_until_the_file_wants_them_removed(classic: ClassicNat, tmp_path: Path) -> None:
    listening(classic.director, 8001, 8002, 8003, 8004, 8005)
    classic.director.run("ipvsadm", "-R", stdin="\n".join(FOREIGN) + "\n")
    director = Director(classic.director, tmp_path)
    director.start(pool(rise=1))
    director.ready()
    assert [line for line in director.table() if ":25 " in line] == FOREIGN
    assert "left alone, not in the configuration: tcp 11.197.140.20:25" in director.logged()
    assert ask(classic.client, ADDRESS, 25) == "8001"
    director.reload(pool(rise=1, director=", foreign_services: remove"))
    director.until(*[line for line in director.table() if ":80 " in line])
    assert ask(classic.client, ADDRESS, 80)


@pytest.mark.parametrize(
    ("on_stop", "weights"), [("keep", {1, 0}), ("drain", {0}), ("remove", set[int]())], ids=["keep", "drain", "remove"]
)
def test_a_stopped_director_leaves_what_the_file_says_and_foreign_services_alone(
    classic: ClassicNat, tmp_path: Path, on_stop: str, weights: set[int]
) -> None:
    listening(classic.director, 8001, 8002)
    classic.director.run("ipvsadm", "-R", stdin="\n".join(FOREIGN) + "\n")
    director = Director(classic.director, tmp_path)
    director.start(pool(rise=1, director=f", on_stop: {on_stop}"))
    director.ready()
    before = director.table()
    assert director.stop() == 0
    after = director.table()
    assert {int(line.split()[-1]) for line in after if line.startswith("-a -t 11.197.140.20:80 ")} == weights
    assert [line for line in after if ":25 " in line] == FOREIGN
    assert ("-A -t 11.197.140.20:80 -s rr" in after) is (on_stop != "remove")
    assert (after == before) is (on_stop == "keep")


def test_the_tables_of_two_directors_in_two_namespaces_do_not_touch_each_other(net: Topology, tmp_path: Path) -> None:
    def director(name: str, port: int) -> Director:
        machine = net.machine(name)
        machine.ip(f"address add {ADDRESS}/32 dev lo")
        listening(machine, port)
        (tmp_path / name).mkdir()
        started = Director(machine, tmp_path / name)
        started.start(pool(rise=1, director=", foreign_services: remove, on_stop: remove"))
        return started

    def weights(up: int) -> dict[str, int]:
        return {f"{ADDRESS}:{port}": int(port == up) for port in range(8001, 8006)}

    one, two = director("one", 8001), director("two", 8002)
    one.until_weights(weights(8001))
    two.until_weights(weights(8002))
    assert two.stop() == 0
    assert two.table() == []
    assert one.weights() == weights(8001)
    assert "drift" not in one.logged()
