"""healthlb's two processes: whoever of them dies, nobody keeps an address that he should not have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from healthlb.model.vrrp import Track, Tracked
from pair import GATEWAY, NAT_PORT, SHARED, PairNetwork
from pair_directors import Healthlb, Keepalived, ours_alone_is_master, standard
from traffic import WebServer, ask
from waiting import eventually

SHOP = {
    "virtual_servers": {
        "shop": {
            "address": "192.0.2.10:8080",
            "method": "nat",
            "check": {"type": "tcp", "interval": "200ms", "timeout": "5s", "rise": 1, "fall": 2},
            "real_servers": ["198.51.100.21:8080"],
        }
    }
}
Pair = tuple[Healthlb, Keepalived]


@pytest.fixture(scope="module")
def shop(pair_network_of_the_guest: PairNetwork) -> Iterator[WebServer]:
    """Yield the real server whose pool the priority follows."""
    server = WebServer(pair_network_of_the_guest.behind, "198.51.100.21", 8080, "shop")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def running(
    pair_network_of_the_guest: PairNetwork, shop: WebServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Yield a healthlb that would be master, and a keepalived that would follow."""
    network = pair_network_of_the_guest
    network.tidy()
    folder: Path = tmp_path_factory.mktemp("pair")
    told = standard(150, interval=0.3, track=Track(virtual_servers=(Tracked("shop", -60),)))
    ours = Healthlb(network, network.directors[0], folder, told, SHOP)
    theirs = Keepalived(network, network.directors[1], folder, standard(100, interval=0.3))
    yield ours, theirs
    for director in (ours, theirs):
        if director.running():
            director.stop()


@pytest.fixture
def pair(running: Pair) -> Pair:
    """Return both, running, healthlb as MASTER."""
    for director in running:
        if not director.running():
            director.start()
    ours_alone_is_master(running)
    return running


def test_a_killed_speaker_leaves_no_address_and_its_successor_takes_them_back(pair: Pair) -> None:
    ours, theirs = pair
    speaker = ours.speaker()
    ours.kill_speaker()
    eventually(ours.speaker_or_none, lambda now: now not in (None, speaker))
    ours_alone_is_master(pair)
    assert theirs.logged().count("Entering MASTER STATE") <= 1


def test_a_killed_director_has_its_speaker_hand_over_in_order(pair: Pair) -> None:
    ours, theirs = pair
    ours.kill_director()
    theirs.becomes("MASTER")
    ours.gives(SHARED, GATEWAY)
    assert ask(ours.network.client, SHARED, NAT_PORT) == "behind"


def test_a_director_that_starts_after_both_were_killed_takes_away_what_they_left(pair: Pair) -> None:
    ours, theirs = pair
    ours.kill()
    theirs.becomes("MASTER")
    assert ours.has(SHARED)
    theirs.stop()
    ours.start()
    ours.takes(SHARED, GATEWAY)
    theirs.start()
    ours_alone_is_master(pair)


def test_a_pool_without_servers_hands_over_and_its_servers_return_takes_back(pair: Pair, shop: WebServer) -> None:
    ours, theirs = pair
    shop.kill()
    theirs.becomes("MASTER")
    ours.becomes("BACKUP")
    ours.gives(SHARED, GATEWAY)
    shop.start()
    ours_alone_is_master(pair)
