"""docs/pairing.md and the examples that go with it: each piece of a file in it is good, and both directors agree."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from healthlb.config.loader import Loader
from healthlb.core.vrrp.receive import DROPS
from healthlb.core.vrrp.tracking import Seen, tracked
from healthlb.model.vrrp import Vrrp

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "pairing.md").read_text(encoding="utf-8")
PIECES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
KEEPALIVED = (ROOT / "configs" / "pair-keepalived.conf").read_text(encoding="utf-8")
SHOP = {"address": "192.0.2.10:80", "real_servers": ["198.51.100.21"]}
GATEWAY = {"type": "ping"}


def pair(name: str) -> Vrrp:
    vrrp = Loader(str(ROOT / "configs" / name), environ={}).load().vrrp
    assert vrrp is not None
    return vrrp


def whole(piece: str) -> dict[str, Any]:
    """Return a file that has a piece of one."""
    found: dict[str, Any] = yaml.safe_load(piece)
    if "track" in found:
        found = {"vrrp": {"instances": {"VI_1": {**found, **_instance(150)}}}}
    return {"checks": {"gateway": GATEWAY}, "virtual_servers": {"shop": SHOP}, **found}


def _instance(priority: int) -> dict[str, Any]:
    return {"interface": "eth0", "router_id": 51, "priority": priority, "addresses": ["192.0.2.10/24"]}


@pytest.mark.parametrize("piece", PIECES)
def test_each_piece_of_a_file_is_good(file: Any, piece: str) -> None:
    assert file.load(yaml.safe_dump(whole(piece))).vrrp is not None


def test_the_directors_of_the_example_differ_in_what_they_have_of_their_own_alone() -> None:
    first, second = pair("pair-lb1.yaml"), pair("pair-lb2.yaml")
    own = {"priority": 0, "source": ""}
    mine, theirs = (dataclasses.replace(each.instances["VI_1"], **own) for each in (first, second))
    assert mine == theirs
    assert first.sync == second.sync
    for vrrp, other in ((first, "pair-lb2.yaml"), (second, "pair-lb1.yaml")):
        listens = Loader(str(ROOT / "configs" / other), environ={}).load().api.listen
        assert vrrp.peer_url == f"http://{listens}"


def test_the_director_beside_a_keepalived_says_what_keepalived_says() -> None:
    vrrp = pair("pair-with-keepalived.yaml")
    instance = vrrp.instances["VI_1"]
    sync = vrrp.sync
    assert sync is not None
    for words in (
        f"virtual_router_id {instance.router_id}",
        f"version {instance.version}",
        f"advert_int {instance.interval:g}",
        f"auth_pass {instance.password}",
        f"lvs_sync_daemon {sync.interface} id {sync.id}",
        *(f"{each.address}/{each.prefix}" for each in instance.addresses),
        *(f"{each.address}/{each.prefix} dev {each.device}" for each in instance.excluded),
    ):
        assert re.search(rf"^ *{re.escape(words)}$", KEEPALIVED, re.MULTILINE), words


def test_every_reason_for_a_dropped_advert_has_its_line() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|", TEXT.partition("## Adverts that are dropped")[2].partition("## ")[0], re.MULTILINE
    )
    assert rows == list(DROPS)


def outcomes() -> list[tuple[str, str, str, str]]:
    table = TEXT.partition("| what is down | lb1 | lb2 | MASTER |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    return [(what, first, second, master) for what, first, second, master in rows]


DOWN = {
    "nothing": ((), ()),
    "lb1 alone cannot reach the pool": (("shop",), ()),
    "the pool itself, for both": (("shop",), ("shop",)),
    "lb1's gateway": (("gateway",), ()),
    "lb1's gateway and its pool": (("gateway", "shop"), ()),
    "lb1's pool and lb2's gateway": (("shop",), ("gateway",)),
    "eth1 of lb1": (("eth1",), ()),
    "eth1 of both (the inner switch)": (("eth1",), ("eth1",)),
}
"""What is down for lb1 and for lb2, by the words of the document."""


@pytest.mark.parametrize(("what", "first", "second", "master"), outcomes())
def test_the_worked_examples_of_tracking_come_to_what_is_told(
    file: Any, what: str, first: str, second: str, master: str
) -> None:
    (piece,) = (piece for piece in PIECES if piece.startswith("track:"))
    found = []
    for priority, down in zip((150, 100), DOWN[what], strict=True):
        told = whole(piece)
        told["vrrp"]["instances"]["VI_1"]["priority"] = priority
        vrrp = file.load(yaml.safe_dump(told)).vrrp
        seen = {name: Seen(name not in down) for name in ("eth0", "eth1", "shop", "gateway")}
        found.append(tracked(vrrp.instances["VI_1"], seen, seen, seen))
    shown = ["FAULT" if each.faults else str(each.priority) for each in found]
    assert shown == [first, second]
    best = max((each.priority, name) for each, name in zip(found, ("lb1", "lb2"), strict=True))
    assert master.startswith(
        "nobody" if all(each.faults for each in found) else best[1] if not found[0].faults else "lb2"
    )
