"""A pair's network, one for all tests of a guest: it takes seconds to build."""

from collections.abc import Iterator

import pytest

from pair import PairNetwork
from topology import Topology


@pytest.fixture(scope="session")
def pair_network_of_the_guest() -> Iterator[PairNetwork]:
    """Yield a network with three directors' machines."""
    with Topology() as topology:
        yield PairNetwork(topology, 3)


@pytest.fixture
def network(pair_network_of_the_guest: PairNetwork) -> PairNetwork:
    """Return the network as it is after building: whole, without shared addresses, no connection known."""
    pair_network_of_the_guest.tidy()
    return pair_network_of_the_guest
