"""healthlb and keepalived as a pair: every dialect of VRRP, each of them as the favourite of one half of the instances.

One pair runs for all of these tests; each begins with both running, whole and as declared.
"""

import os
from collections.abc import Iterator

import pytest

from pair import PairNetwork
from pair_dialects import EVERYTHING, as_declared, declared, everywhere, held
from pair_directors import KINDS, Healthlb, PairDirector

FIRST, SECOND = os.environ.get("LAB_PAIR", "healthlb-keepalived").split("-")
COMPLAINTS = ("checksum", "mismatch", "bogus", "invalid", "ignor", "incorrect", "expected", "dropping", "error")
"""Words of keepalived's log when it was sent something that it does not like."""
Pair = tuple[PairDirector, PairDirector]


@pytest.fixture(scope="module")
def running(pair_network_of_the_guest: PairNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Yield both directors, the first of which is healthlb."""
    network = pair_network_of_the_guest
    network.tidy()
    folder = tmp_path_factory.mktemp("pair")
    first, second = (
        KINDS[kind](network, network.directors[place], folder, declared(network, place))
        for place, kind in enumerate((FIRST, SECOND))
    )
    yield first, second
    for director in (first, second):
        if director.running():
            director.stop()


@pytest.fixture
def pair(running: Pair) -> Pair:
    """Return both directors, running, whole and as declared."""
    for director in running:
        director.mend()
        if not director.running():
            director.start()
    as_declared(*running)
    return running


@pytest.mark.parametrize("place", [0, 1])
def test_who_stops_hands_every_instance_over_and_gets_its_own_back(pair: Pair, place: int) -> None:
    leaving, staying = pair[place], pair[1 - place]
    leaving.stop()
    assert held(leaving) == set()
    everywhere(staying, "MASTER")
    leaving.start()
    as_declared(*pair)
    staying_put = [one.name for one in EVERYTHING if one.dialect == "stays"]
    assert [(leaving.state(name), staying.state(name)) for name in staying_put] == [("BACKUP", "MASTER")] * 2


@pytest.mark.parametrize("place", [0, 1])
def test_whose_processes_are_killed_loses_every_instance_and_starts_without_stale_addresses(
    pair: Pair, place: int
) -> None:
    dying, staying = pair[place], pair[1 - place]
    dying.kill()
    everywhere(staying, "MASTER")
    dying.start()
    as_declared(*pair)


@pytest.mark.parametrize("place", [0, 1])
def test_whose_link_goes_down_is_in_fault_without_addresses_until_it_is_up(pair: Pair, place: int) -> None:
    unplugged, staying = pair[place], pair[1 - place]
    unplugged.unplug("outer")
    everywhere(unplugged, "FAULT")
    everywhere(staying, "MASTER")
    unplugged.mend()
    as_declared(*pair)


def test_both_are_master_for_themselves_while_they_are_cut_apart_and_one_remains_when_the_network_heals(
    pair: Pair,
) -> None:
    pair[0].cut("outer")
    for director in pair:
        everywhere(director, "MASTER")
    pair[0].mend()
    as_declared(*pair)


@pytest.mark.parametrize("place", [0, 1])
def test_a_tracked_interface_that_goes_down_hands_over_the_instance_that_tracks_it(pair: Pair, place: int) -> None:
    tracking, staying = pair[place], pair[1 - place]
    (mine,) = (one for one in EVERYTHING if one.dialect == "tracked" and one.favourite == place)
    tracking.unplug("inner")
    staying.becomes("MASTER", mine.name)
    tracking.becomes("BACKUP", mine.name)
    as_declared(*pair, but=("tracked", "excluded"))
    tracking.mend()
    as_declared(*pair)


def test_addresses_that_adverts_do_not_list_move_along_with_their_device_and_label(pair: Pair) -> None:
    for one in EVERYTHING:
        if one.dialect == "excluded":
            listed = pair[one.favourite].machine.run("ip", "-oneline", "address", "show", "dev", "eth1")
            host = one.address.rpartition(".")[2]
            assert f"198.51.100.{host}/24 " in listed
            assert f"eth1:{host}" in listed


def test_neither_dropped_an_advert_of_the_other(pair: Pair) -> None:
    for director in pair:
        if isinstance(director, Healthlb):
            status = director.director.status()["vrrp"]
            dropped = {each["name"]: each["adverts"]["dropped_total"] for each in status}
            assert {name: reasons for name, reasons in dropped.items() if reasons} == {}
        else:
            said = [line for line in director.logged().splitlines() if any(each in line for each in COMPLAINTS)]
            assert said == []
