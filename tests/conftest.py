"""Tests under kernel/ run inside a guest with a real IPVS kernel, without root those under interop/, too.

All others run where pytest runs.
"""

import atexit
import functools
import gc
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from classic import ClassicNat, classic_nat
from collect import HostSide, OtherSide
from topology import Topology

_serial = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Take the host's or the guest's part in one run of the tests."""
    config.addinivalue_line(
        "markers",
        "private_kernel: changes what no namespace isolates (kernel modules); runs under User Mode Linux only",
    )
    if "HEALTHLB_IN_GUEST" not in os.environ:
        from hypothesis import settings

        # No test asserts on elapsed time, and an example takes long where the machine is busy. The same code gets the
        # same examples, so that a red run is about the change; `make fuzz` looks for new ones.
        settings.register_profile("gate", deadline=None, derandomize=True)
        settings.register_profile("fuzz", deadline=None, max_examples=1000)
        settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As shells have it for what runs in the background; a program that a test interrupts must not inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "LAB_SELECTION" in os.environ:
        config.pluginmanager.register(OtherSide(config, Path(os.environ["LAB_SHARED"])), "lab")
    elif "HEALTHLB_IN_GUEST" not in os.environ:
        config.pluginmanager.register(HostSide(config, Path(__file__).parent), "lab")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Have the collector look no more at what stays to the end: hundreds of tests have it look for what they left."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each test a state directory of its own, as the service manager does: directors inherit the variable."""
    os.environ["STATE_DIRECTORY"] = f"{_states()}/{next(_serial)}"


@functools.cache
def _states() -> str:
    """Return a folder that goes when the tests end."""
    folder = tempfile.mkdtemp(prefix="healthlb-state-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@pytest.fixture
def net() -> Iterator[Topology]:
    """Yield an empty topology, which is taken down afterwards. For tests that run in a guest."""
    with Topology() as topology:
        yield topology


@pytest.fixture
def classic(net: Topology) -> ClassicNat:
    """Return the classic NAT set-up, with an empty IPVS table. For tests that run in a guest."""
    return classic_nat(net)
