"""Three directors of both kinds: the next best takes over, and each gets back what is his."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pair import GATEWAY, NAT_PORT, SHARED, PairNetwork
from pair_directors import KINDS, PairDirector, standard
from traffic import ask

THREE = os.environ.get("LAB_THREE", "healthlb-keepalived-healthlb").split("-")


@pytest.fixture
def three(network: PairNetwork, tmp_path: Path) -> Iterator[tuple[PairDirector, ...]]:
    """Yield three, the first of which is MASTER."""
    directors = tuple(
        KINDS[kind](network, machine, tmp_path, standard(priority, interval=0.3))
        for kind, priority, machine in zip(THREE, (150, 120, 90), network.directors, strict=True)
    )
    for director in directors:
        director.start()
    settled(directors, 0)
    yield directors
    for director in directors:
        if director.running():
            director.stop()


def settled(directors: tuple[PairDirector, ...], master: int) -> None:
    """Wait until one of those who run is MASTER and has the addresses, and the others do not."""
    for place, director in enumerate(directors):
        if not director.running():
            continue
        director.becomes("MASTER" if place == master else "BACKUP")
        (director.takes if place == master else director.gives)(SHARED, GATEWAY)


def test_the_next_best_of_three_directors_takes_over_and_every_one_gets_back_what_is_his(
    three: tuple[PairDirector, ...], network: PairNetwork
) -> None:
    for master, (leaving, following) in enumerate([(three[0], three[1]), (three[1], three[2])]):
        leaving.stop()
        settled(three, master + 1)
        assert following.state() == "MASTER"
        assert ask(network.client, SHARED, NAT_PORT) == "behind"
    for place in (1, 0):
        three[place].start()
        settled(three, place)
        assert ask(network.client, SHARED, NAT_PORT) == "behind"
