"""The check of memcached against memcached, with and without a password file and TLS."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks import Tls
from checks.memcached import Memcached
from ports import free_port
from probing import LOOPBACK, probe
from real_server import RealServer
from tests.interop.files import NAME, certificate, open_folder, written


@dataclass(frozen=True)
class Servers:
    """Ports: of one for everybody, of one that asks for a login, of one with TLS and how a client trusts it."""

    everybody: int
    known: int
    tls: int
    trusted: Tls


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Yield running servers."""
    with open_folder() as folder, ExitStack() as stack:
        running = Servers(free_port(), free_port(), free_port(), certificate(folder))
        users = written(folder / "users", "probe:s3cret\n")
        keys = f"ssl_chain_cert={folder}/certificate.pem,ssl_key={folder}/key.pem"
        for port, options in (
            (running.everybody, []),
            (running.known, ["-Y", users]),
            (running.tls, ["-Z", "-o", keys]),
        ):
            argv = ["memcached", "-u", "nobody", "-U", "0", "-l", LOOPBACK, "-p", port, *options]
            stack.enter_context(RealServer(argv, folder / f"{port}.log")).wait_for(port)
        yield running


def test_memcached_tells_its_version(servers: Servers) -> None:
    result = probe(Memcached(), servers.everybody)
    assert result.passed
    assert result.reason.startswith("VERSION 1.")


def test_memcached_tells_its_version_over_tls(servers: Servers) -> None:
    assert probe(Memcached(tls=servers.trusted), servers.tls).passed
    stranger = probe(Memcached(tls=Tls(server_name=NAME)), servers.tls)
    assert (stranger.passed, stranger.reason) == (False, "certificate is from an unknown authority")


def test_memcached_checks_credentials(servers: Servers, tmp_path: Path) -> None:
    check = Memcached(username="probe", password_file=written(tmp_path / "word", "s3cret\n"))
    assert probe(check, servers.known).passed
    assert probe(Memcached(), servers.known).reason == "the server asks for a login: CLIENT_ERROR unauthenticated"
    refused = probe(replace(check, username="other"), servers.known)
    assert refused.reason == "the server refused the credentials: CLIENT_ERROR authentication failure"


def test_a_login_at_a_server_that_asks_for_none_leaves_nothing_in_its_cache(servers: Servers, tmp_path: Path) -> None:
    check = Memcached(username="probe", password_file=written(tmp_path / "word", "s3cret\n"))
    assert probe(check, servers.everybody).passed
    with socket.create_connection((LOOPBACK, servers.everybody)) as cache, cache.makefile("rwb") as stream:
        stream.write(b"get healthlb\r\n")
        stream.flush()
        assert stream.readline() == b"END\r\n"
