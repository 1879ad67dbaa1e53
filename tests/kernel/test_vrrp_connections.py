"""A long-lived TCP connection through a pair, by NAT and by direct routing, outlives a director where sync runs.

Without sync it does not, which shows that it is sync that keeps it.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthlb.model.vrrp import ConnectionSync, Vrrp
from outage import LongConnection
from pair import DIRECT_PORT, NAT_PORT, SHARED, SYNC_ID, PairNetwork, knows
from pair_directors import KINDS, Healthlb, PairDirector, standard
from waiting import eventually

FIRST, SECOND = os.environ.get("LAB_PAIR", "healthlb-healthlb").split("-")
CLIENT = "192.0.2.50"
Pair = tuple[PairDirector, PairDirector]


@contextlib.contextmanager
def running(network: PairNetwork, folder: Path, *, sync: bool) -> Iterator[Pair]:
    """Yield both directors, the first of which is MASTER; their sync daemons run or do not."""
    first, second = (
        KINDS[kind](network, machine, folder, _told(priority, kind, sync=sync))
        for kind, priority, machine in zip((FIRST, SECOND), (150, 100), network.directors, strict=False)
    )
    with contextlib.ExitStack() as stack:
        if sync:
            by_hand = [each.machine for each in (first, second) if not isinstance(each, Healthlb)]
            stack.enter_context(network.synchronised(*by_hand))
        for director in (first, second):
            director.start()
            stack.callback(lambda director=director: director.stop() if director.running() else None)
        first.becomes("MASTER")
        first.takes()
        yield first, second


def _told(priority: int, kind: str, *, sync: bool) -> Vrrp:
    told = standard(priority, interval=0.2)
    daemons = ConnectionSync("eth1", SYNC_ID, instance="VI_1") if sync and kind == "healthlb" else None
    return dataclasses.replace(told, sync=daemons)


@contextlib.contextmanager
def open_connections(network: PairNetwork) -> Iterator[tuple[LongConnection, LongConnection]]:
    """Yield a connection by NAT and one by direct routing, both in use."""
    with (
        LongConnection(network.client, SHARED, NAT_PORT) as nat,
        LongConnection(network.client, SHARED, DIRECT_PORT) as direct,
    ):
        for connection in (nat, direct):
            connection.until_answered()
        yield nat, direct


@pytest.fixture(scope="module")
def synchronised(pair_network_of_the_guest: PairNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair_network_of_the_guest.tidy()
    with running(pair_network_of_the_guest, tmp_path_factory.mktemp("pair"), sync=True) as pair:
        yield pair


@pytest.fixture
def pair(synchronised: Pair) -> Pair:
    """Return both, running and whole, the first as MASTER."""
    for director in synchronised:
        director.mend()
        if not director.running():
            director.start()
    synchronised[0].becomes("MASTER")
    synchronised[1].becomes("BACKUP")
    return synchronised


def lose(director: PairDirector, way: str) -> None:
    {"cut": director.cut, "killed": director.kill, "stopped": director.stop, "unplugged": director.unplug}[way]()


def bring_back(director: PairDirector) -> None:
    director.mend()
    if not director.running():
        director.start()


@pytest.mark.parametrize("way", ["cut", "killed", "stopped", "unplugged"])
def test_a_connection_outlives_the_master_and_its_return(pair: Pair, way: str) -> None:
    first, second = pair
    with open_connections(first.network) as connections:
        for connection in connections:
            eventually(lambda port=connection.port: knows(second.machine, CLIENT, port), bool, pause=0.2)
        lose(first, way)
        second.becomes("MASTER")
        for connection in connections:
            connection.until_answered(20)
        bring_back(first)
        first.becomes("MASTER")
        second.becomes("BACKUP")
        for connection in connections:
            connection.until_answered(20)
        assert [connection.failure for connection in connections] == [None, None]


def test_without_sync_a_connection_is_lost_with_the_master(network: PairNetwork, tmp_path: Path) -> None:
    with running(network, tmp_path, sync=False) as (first, second), open_connections(network) as connections:
        first.cut()
        second.becomes("MASTER")
        for connection in connections:
            assert "reset" in connection.until_it_fails()
