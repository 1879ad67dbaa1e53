"""What takes seconds and is made once for all tests of a guest: a pair's network, a Python that forks directors."""

from collections.abc import Iterator

import pytest

from nursery import Nursery
from pair import PairNetwork
from topology import Topology


@pytest.fixture(scope="session", autouse=True)
def nursery() -> Iterator[None]:
    """Have directors start by forking."""
    with Nursery():
        yield


@pytest.fixture(scope="session")
def built_pair_network() -> Iterator[PairNetwork]:
    """Yield a network with three directors' machines."""
    with Topology() as topology:
        yield PairNetwork(topology, 3)


@pytest.fixture(scope="module")
def pair_network_of_the_guest(built_pair_network: PairNetwork) -> Iterator[PairNetwork]:
    """Yield the network, and leave no table behind: with its rows the kernel's module could not be unloaded."""
    yield built_pair_network
    for director in built_pair_network.directors:
        director.run("ipvsadm", "-C")


@pytest.fixture
def network(pair_network_of_the_guest: PairNetwork) -> PairNetwork:
    """Return the network as it is after building: whole, without shared addresses, no connection known."""
    pair_network_of_the_guest.tidy()
    return pair_network_of_the_guest
