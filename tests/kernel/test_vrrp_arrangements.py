"""Arrangements of a pair beyond one instance: a group that moves as one, and addresses with a MAC of their own."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from healthlb.model.vrrp import Vrrp
from outage import Datagrams
from pair import GATEWAY, SHARED, PairNetwork
from pair_directors import KINDS, PairDirector, grouped, standard

PAIR = os.environ.get("LAB_PAIR", "healthlb-keepalived").split("-")
VIRTUAL_MAC = "00:00:5e:00:01:33"
"""Of the virtual router 51 for IPv4 (RFC 9568 section 7.3)."""


@contextlib.contextmanager
def running(network: PairNetwork, folder: Path, *told: Vrrp) -> Iterator[tuple[PairDirector, PairDirector]]:
    """Yield the directors, the first of which is MASTER of everything."""
    first, second = (
        KINDS[kind](network, machine, folder, what)
        for kind, machine, what in zip(PAIR, network.directors, told, strict=False)
    )
    try:
        first.start()
        second.start()
        one_has_all(first, second)
        yield first, second
    finally:
        for director in (first, second):
            if director.running():
                director.stop()


def one_has_all(master: PairDirector, backup: PairDirector) -> None:
    """Wait until one is MASTER of every instance and has all addresses, and the other none."""
    for instance in master.vrrp.instances:
        master.becomes("MASTER", instance)
    master.takes(SHARED, GATEWAY)
    backup.gives(SHARED, GATEWAY)


def test_a_group_moves_as_one_when_one_of_its_links_goes_down(network: PairNetwork, tmp_path: Path) -> None:
    with running(network, tmp_path, grouped(150), grouped(100)) as (first, second), Datagrams(network) as datagrams:
        for link in ("outer", "inner"):
            first.unplug(link)
            for instance in first.vrrp.instances:
                first.becomes("FAULT", instance)
            one_has_all(second, first)
            datagrams.until_they_flow()
            first.mend()
            one_has_all(first, second)
            datagrams.until_they_flow()


def test_addresses_with_a_mac_of_their_own_move_without_the_client_learning_another(
    network: PairNetwork, tmp_path: Path
) -> None:
    told = (standard(priority, interval=0.3, mac=True) for priority in (150, 100))
    with running(network, tmp_path, *told) as (first, second), Datagrams(network) as datagrams:
        for leaves in (first.stop, first.start):
            datagrams.until_they_flow()
            assert VIRTUAL_MAC in network.client.run("ip", "neighbour", "show", SHARED)
            leaves()
            one_has_all(*((first, second) if first.running() else (second, first)))
        datagrams.until_they_flow()
        assert VIRTUAL_MAC in network.client.run("ip", "neighbour", "show", SHARED)
