"""Tests under kernel/ and interop/ run inside a guest with a real IPVS kernel; all others run where pytest runs."""

import os
from pathlib import Path

import pytest

from collect import GuestSide, HostSide


def pytest_configure(config: pytest.Config) -> None:
    """Take the host's or the guest's part in one run of the tests."""
    config.addinivalue_line(
        "markers",
        "private_kernel: changes what no namespace isolates (kernel modules); runs under User Mode Linux only",
    )
    if "HEALTHLB_IN_GUEST" not in os.environ:
        config.pluginmanager.register(HostSide(config, Path(__file__).parent), "lab")
    elif "LAB_SELECTION" in os.environ:
        config.pluginmanager.register(GuestSide(config, Path(os.environ["LAB_SHARED"])), "lab")
