"""A way is what a socket is opened with; what it lacks is a sentence that names the option and the capability."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checks import DIRECT, Target, UnusableError, Way
from checks.engine import ways
from checks.engine.sockets import STREAM, scoped, socket_address
from checks.engine.ways import lasting, open_socket

HERE = Path(__file__).parent


def test_each_way_leads_where_it_says_and_back(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, str(HERE / "other_network.py")]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "direct": "connection refused",
        "namespace": "connected",
        "namespace and source": "connected",
        "direct again": "connection refused",
        "missing": "not sent: namespace no-such-namespace: /run/netns/no-such-namespace: no such file or directory",
        "no namespace": "not sent: namespace /dev/null: /dev/null is no network namespace",
        "mark": "connection refused",
        "interface": "connection refused",
        "no interface": "not sent: interface eth77: there is no such interface",
        "foreign source": "not sent: source 192.0.2.77: it is no address of this machine",
        "source of the other family": "not sent: source ::1: no IPv4 address, as this target needs it",
        "port held": "not sent: source 127.0.0.1, source_port 9090: something else holds that port",
    }


class Refused(socket.SocketType):
    """A socket on which every option is refused."""

    number = errno.EPERM

    def setsockopt(self, *_: Any) -> None:
        raise OSError(self.number, os.strerror(self.number))

    def bind(self, _address: Any) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


REFUSALS = [
    (Way(mark=7), "mark 7: needs CAP_NET_ADMIN (or CAP_NET_RAW, from Linux 5.17)"),
    (Way(interface="eth1"), "interface eth1: needs CAP_NET_RAW"),
]


@pytest.mark.parametrize(("way", "sentence"), REFUSALS)
def test_a_missing_capability_is_named_with_the_option(
    monkeypatch: pytest.MonkeyPatch, way: Way, sentence: str
) -> None:
    monkeypatch.setattr(socket, "SocketType", Refused)
    with pytest.raises(UnusableError) as raised:
        open_socket(socket.AF_INET, STREAM, way)
    assert str(raised.value) == sentence


def test_a_namespace_that_may_not_be_entered_names_the_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(ways, "_enter", refuse)
    with pytest.raises(UnusableError) as raised:
        open_socket(socket.AF_INET, STREAM, Way(namespace="/proc/self/ns/net"))
    assert str(raised.value) == "namespace /proc/self/ns/net: needs CAP_SYS_ADMIN"


def test_what_the_director_has_run_out_of_is_not_the_ways_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refused, "number", errno.ENOBUFS)
    monkeypatch.setattr(socket, "SocketType", Refused)
    with pytest.raises(OSError, match="buffer"):
        open_socket(socket.AF_INET, STREAM, Way(mark=7))


def test_a_thread_that_cannot_come_back_ends_the_director(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def enter(file: int) -> None:
        calls.append(file)
        if len(calls) == 2:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(ways, "_enter", enter)
    with pytest.raises(SystemExit, match="cannot leave a network namespace"):
        open_socket(socket.AF_INET, STREAM, Way(namespace="/proc/self/ns/net"))


def test_ways_that_name_what_may_be_made_anew_are_not_lasting() -> None:
    assert lasting(DIRECT)
    assert lasting(Way(source="127.0.0.1", mark=3))
    assert not any(lasting(way) for way in (Way(interface="lo"), Way(namespace="blue"), Way(source_port=53)))
    assert not lasting(Way(source="fe80::1%eth0"))


def test_an_interface_in_an_address_is_looked_up_on_the_socket() -> None:
    target = Target("fe80::1%lo", 80)
    family, address = socket_address(target)
    with socket.socket(family) as sock:
        assert scoped(sock, target, address) == ("fe80::1", 80, 0, socket.if_nametoindex("lo"))
        with pytest.raises(OSError, match="No such device"):
            scoped(sock, Target("fe80::1%a-name-that-is-too-long", 80), address)
