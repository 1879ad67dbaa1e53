"""Directors with a group of two instances on two links, each of which loses, delays and parts by itself."""

from hypothesis import given
from hypothesis import strategies as st

from tests.core.vrrp.network import Director, Network, director

NAMES = ("inside", "outside")


def pair(high: int, low: int) -> list[Director]:
    return [director(2, NAMES, priority=high), director(1, NAMES, priority=low)]


def at_once(name: str, sender: Director, receiver: Director) -> list[float]:
    return [0.001]


@given(st.data(), st.integers(1, 254), st.integers(1, 254))
def test_after_both_links_heal_one_director_has_everything(data: st.DataObject, high: int, low: int) -> None:
    directors = pair(high, low)
    seed = data.draw(st.randoms(use_true_random=False))
    parted: set[str] = set()

    def fate(name: str, sender: Director, receiver: Director) -> list[float]:
        return [] if name in parted else [seed.uniform(0, 0.3) for _ in range(seed.choice([0, 1, 1, 1, 2]))]

    network = Network(directors, fate)
    network.start()
    for _ in range(data.draw(st.integers(0, 4))):
        parted = data.draw(st.sets(st.sampled_from(NAMES)))
        network.run(network.now + data.draw(st.floats(0.0, 10.0)))
        one = data.draw(st.sampled_from(directors))
        name = data.draw(st.sampled_from(NAMES))
        match data.draw(st.sampled_from(["nothing", "fault", "hand over", "take back"])):
            case "fault":
                network.do(one, one.group.fault(network.now, name, ("down",)))
                network.run(network.now + 5.0)
                network.do(one, one.group.mend(network.now, name))
            case "hand over":
                network.do(one, one.group.hand_over(network.now))
            case "take back":
                network.do(one, one.group.take_back(network.now))
    network.fate = at_once
    network.run(network.now + 10.0)
    assert len(network.masters) == 1
    [master] = [one for one in directors if one.name in network.masters]
    assert master.has_addresses == set(NAMES)


def test_one_link_parted_changes_nothing() -> None:
    directors = pair(150, 100)
    network = Network(directors, at_once)
    network.start()
    network.run(10.0)
    network.fate = lambda name, *_: [] if name == "inside" else [0.001]
    network.run(100.0)
    assert network.masters == ["lb2"]
    assert directors[1].machine.became_master_total == 0


def test_a_fault_of_one_instance_moves_both() -> None:
    directors = pair(150, 100)
    network = Network(directors, at_once)
    network.start()
    network.run(10.0)
    network.do(directors[0], directors[0].group.fault(network.now, "inside", ("down",)))
    network.run(11.0)
    assert directors[1].has_addresses == set(NAMES)
    network.do(directors[0], directors[0].group.mend(network.now, "inside"))
    network.run(20.0)
    assert directors[0].has_addresses == set(NAMES)
    assert directors[1].has_addresses == set()
