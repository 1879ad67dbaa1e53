"""The check of Redis against redis-server: passwords, users, roles and TLS."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks import ProbeResult, Tls
from checks.redis import Redis
from checks.tcp import Tcp
from checks.wire.exchange import Exchange
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import NAME, certificate, open_folder, written
from waiting import eventually


@dataclass(frozen=True)
class Servers:
    """A master, its replica, a replica without a master, and a sentinel; and the files that a check needs."""

    master: int
    master_tls: int
    replica: int
    orphan: int
    sentinel: int
    trusted: Tls
    password_file: str


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Yield running servers, all with the password."""
    with open_folder() as folder, ExitStack() as stack:
        password_file = written(folder / "password", "s3 cret\n")
        running = Servers(*(free_port() for _ in range(5)), certificate(folder), password_file)
        nobody = free_port()

        def start(name: str, port: int, *options: object) -> None:
            (folder / name).mkdir()
            own = ["--port", port, "--bind", "127.0.0.1", "--dir", folder / name, "--save", ""]
            secret = ["--requirepass", "s3 cret", "--masterauth", "s3 cret"]
            argv = ["redis-server", *own, *secret, *options]
            stack.enter_context(RealServer(argv, folder / f"{name}.log")).wait_for(port)

        keys = ["--tls-cert-file", folder / "certificate.pem", "--tls-key-file", folder / "key.pem"]
        tls = ["--tls-port", running.master_tls, *keys, "--tls-ca-cert-file", folder / "ca.pem"]
        user = ["--user", "probe", "on", ">word", "+ping"]
        at_once = ["--repl-diskless-sync-delay", "0"]
        start("master", running.master, *tls, "--tls-auth-clients", "no", *user, *at_once)
        start("replica", running.replica, "--replicaof", "127.0.0.1", running.master)
        start("orphan", running.orphan, "--replicaof", "127.0.0.1", nobody, "--replica-serve-stale-data", "no")
        settings = written(folder / "sentinel.conf", f"port {running.sentinel}\nbind 127.0.0.1\ndir {folder}\n")
        sentinel = RealServer(["redis-server", settings, "--sentinel"], folder / "sentinel.log")
        stack.enter_context(sentinel).wait_for(running.sentinel)
        yield running


def test_redis_asks_for_its_password(servers: Servers, tmp_path: Path) -> None:
    check = Redis(password_file=servers.password_file)
    assert probe(check, servers.master).reason == "PONG"
    assert probe(Redis(), servers.master).reason.startswith("the server asks for a password: NOAUTH ")
    wrong = probe(replace(check, password_file=written(tmp_path / "wrong", "guess\n")), servers.master)
    assert wrong.reason.startswith("the server refused the credentials: WRONGPASS ")
    assert wrong.evidence is not None
    assert b"guess" not in wrong.evidence.sent


def test_redis_knows_users_and_what_they_may_do(servers: Servers, tmp_path: Path) -> None:
    check = Redis(username="probe", password_file=written(tmp_path / "word", "word\n"))
    assert probe(check, servers.master).passed
    refused = probe(replace(check, role="master"), servers.master)
    assert refused.reason.startswith("the user is not permitted to do this: NOPERM ")


def test_redis_over_tls(servers: Servers) -> None:
    result = probe(Redis(tls=servers.trusted, password_file=servers.password_file), servers.master_tls)
    assert (result.passed, result.reason) == (True, "PONG")
    assert result.evidence is not None
    assert NAME in result.evidence.certificate


def test_a_master_is_told_from_its_replica(servers: Servers) -> None:
    master = Redis(role="master", password_file=servers.password_file)
    replica = replace(master, role="replica")
    assert probe(master, servers.master).reason == "PONG, master"
    assert probe(master, servers.replica).reason == "the server is replica, expected master"
    assert probe(replica, servers.master).reason == "the server is master, expected replica"

    def of_the_replica() -> ProbeResult:
        return probe(replica, servers.replica)

    fine = eventually(of_the_replica, lambda result: not result.warning, deadline=60)
    assert (fine.passed, fine.reason) == (True, "PONG, replica")


def test_a_replica_that_lost_its_master_and_serves_no_stale_data_fails(servers: Servers) -> None:
    result = probe(Redis(password_file=servers.password_file), servers.orphan)
    assert not result.passed
    assert result.reason.startswith("the link with the master is down, and stale data is not served: MASTERDOWN ")


def test_a_sentinel_is_known_as_one(servers: Servers) -> None:
    assert probe(Redis(role="sentinel"), servers.sentinel).reason == "PONG, sentinel"


def test_a_tcp_check_may_speak_with_redis_by_hand(servers: Servers) -> None:
    login = Exchange(send='AUTH "s3 cret"\r\n', expect="+OK")
    goodbye = Exchange(send="QUIT\r\n", expect="+OK")
    check = Tcp(exchanges=(login, Exchange(send="INFO replication\r\n", expect="role:master"), goodbye))
    assert probe(check, servers.master).reason == "'+OK' came, as expected, the last of 3 exchanges"
    replica = probe(replace(check, reply_limit=300), servers.replica)
    assert replica.reason.startswith("exchange 2 of 3: the first 300 bytes do not contain 'role:master'")
