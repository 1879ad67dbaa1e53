"""What tests on a real kernel are given."""

from collections.abc import Iterator

import pytest

from classic import ClassicNat, classic_nat
from topology import Topology


@pytest.fixture
def net() -> Iterator[Topology]:
    """Yield an empty topology, which is taken down afterwards."""
    with Topology() as topology:
        yield topology


@pytest.fixture
def classic(net: Topology) -> ClassicNat:
    """Return the classic NAT set-up, with an empty IPVS table."""
    return classic_nat(net)
