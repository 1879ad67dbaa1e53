"""What the service manager hears, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthlb.daemon.service_manager import ServiceManager


@pytest.fixture
def manager_socket(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(listening: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(listening.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_each_stage_of_life_is_told(manager_socket: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname()})
    manager.ready("2 virtual servers")
    manager.reloading()
    manager.ready("3 virtual servers")
    manager.stopping()
    first, reloading, second, last = heard(manager_socket)
    assert first == "READY=1\nSTATUS=2 virtual servers"
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert second == "READY=1\nSTATUS=3 virtual servers"
    assert last == "STOPPING=1"


def test_the_watchdog_is_fed_no_more_often_than_it_needs(manager_socket: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager_socket.getsockname(), "WATCHDOG_USEC": "60000000"}
    manager = ServiceManager(environment)
    for _ in range(5):
        manager.alive()
    assert heard(manager_socket) == ["WATCHDOG=1"]


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(manager_socket: socket.socket) -> None:
    environment = {
        "NOTIFY_SOCKET": manager_socket.getsockname(),
        "WATCHDOG_USEC": "1",
        "WATCHDOG_PID": str(os.getpid() + 1),
    }
    ServiceManager(environment).alive()
    assert heard(manager_socket) == []


def test_an_abstract_socket_is_spelled_with_an_at_sign() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0healthlb-test-{os.getpid()}")
        listening.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": f"@healthlb-test-{os.getpid()}"}).stopping()
        assert heard(listening) == ["STOPPING=1"]


def test_without_a_service_manager_nothing_is_said_and_nothing_fails() -> None:
    manager = ServiceManager({})
    manager.ready("")
    manager.alive()


def test_a_service_manager_that_has_gone_is_no_fault(tmp_path: Path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).stopping()
