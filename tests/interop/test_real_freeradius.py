"""The radius check against FreeRADIUS."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks.radius import Radius
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import open_folder, written
from waiting import eventually

CONFIGURATION = """
prefix = /usr
name = radiusd
logdir = {folder}
raddbdir = {folder}
run_dir = {folder}
libdir = /usr/lib/freeradius
pidfile = {folder}/pid
security {{
    status_server = yes
    reject_delay = 0
}}
proxy_requests = no
client director {{
    ipaddr = 127.0.0.1
    secret = shared
    require_message_authenticator = yes
}}
modules {{
    pap {{
    }}
    files {{
        filename = {folder}/users
    }}
    always ok {{
        rcode = ok
    }}
}}
server shop {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {auth}
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {acct}
    }}
    authorize {{
        files
        pap
    }}
    authenticate {{
        pap
    }}
}}
"""
USERS = """
monitor Cleartext-Password := "right"
    Reply-Message := "Welcome"

proven Cleartext-Password := "right"
    Message-Authenticator := 0x00

challenged Cleartext-Password := "right", Response-Packet-Type := Access-Challenge
"""


@dataclass(frozen=True)
class Freeradius:
    """Where a running FreeRADIUS answers, and files with its secret and with passwords."""

    log: Path
    auth: int
    acct: int
    shared: str
    right: str
    wrong: str

    def access(self, username: str = "monitor") -> Radius:
        """Return a check that asks for this user's access."""
        return Radius(self.shared, kind="access-request", username=username, password_file=self.right)


@pytest.fixture(scope="module")
def radius() -> Iterator[Freeradius]:
    """Yield a FreeRADIUS with three users."""
    with open_folder() as folder:
        auth, acct = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
        (folder / "radiusd.conf").write_text(CONFIGURATION.format(folder=folder, auth=auth, acct=acct))
        (folder / "users").write_text(USERS)
        (folder / "dictionary").touch()
        log = folder / "log"
        with RealServer(["freeradius", "-f", "-l", "stdout", "-d", folder], log) as server:
            eventually(
                lambda: (log.read_text(), server.process.poll()),
                lambda seen: "Ready to process requests" in seen[0] or seen[1] is not None,
                deadline=60,
            )
            assert server.process.poll() is None, log.read_text()
            files = {name: written(folder / name, f"{name}\n") for name in ("shared", "right", "wrong")}
            yield Freeradius(log, auth, acct, **files)


def test_a_server_says_that_it_is_up_at_both_of_its_ports(radius: Freeradius) -> None:
    for port in (radius.auth, radius.acct):
        result = probe(Radius(radius.shared), port)
        assert (result.passed, result.reason) == (True, "the server is up")


def test_a_user_with_the_right_password_comes_in(radius: Freeradius) -> None:
    result = probe(radius.access(), radius.auth)
    assert (result.passed, result.reason) == (True, "accept: Welcome")
    assert result.evidence is not None
    assert result.evidence.sent == b"Access-Request for monitor"


@pytest.mark.parametrize(("expect", "passed"), [("accept", False), ("reject", True), ("any", True)])
def test_a_user_with_a_wrong_password_does_not(radius: Freeradius, expect: str, passed: bool) -> None:
    check = replace(radius.access("nobody"), password_file=radius.wrong, expect=expect)
    result = probe(check, radius.auth)
    assert (result.passed, result.reason) == (passed, "reject" if passed else "reject, expected accept")


def test_a_message_authenticator_is_verified_where_there_is_one_and_can_be_demanded(radius: Freeradius) -> None:
    assert probe(radius.access("proven"), radius.auth).passed
    assert probe(replace(radius.access("proven"), require_message_authenticator=True), radius.auth).passed
    result = probe(replace(radius.access(), require_message_authenticator=True), radius.auth)
    assert not result.passed
    assert result.reason.startswith("the reply has no Message-Authenticator")


def test_a_server_with_another_secret_stays_silent(radius: Freeradius) -> None:
    assert not probe(Radius(radius.wrong, resend=0.05, tries=2), radius.auth, 0.5).passed
    eventually(radius.log.read_text, lambda log: "Shared secret is incorrect" in log)


def test_nobody_at_the_port_is_told_at_once(radius: Freeradius) -> None:
    result = probe(Radius(radius.shared), free_port(socket.SOCK_DGRAM))
    assert (result.passed, result.reason) == (False, "port unreachable")
