"""The postgres check against PostgreSQL: a primary, and a standby of it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from checks import Tls
from checks.postgres import Postgres
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import certificate, open_folder, written
from waiting import eventually

[PROGRAMS, *_] = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}/sockets'
ssl = on
ssl_cert_file = '{folder}/certificate.pem'
ssl_key_file = '{folder}/sockets/key.pem'
shared_buffers = 8MB
max_connections = 8
max_wal_senders = 1
superuser_reserved_connections = 1
client_connection_check_interval = 100ms
log_line_prefix = '%u '
fsync = off
"""
ACCESS = """
local all all trust
host replication all 127.0.0.1/32 trust
host all trusted 127.0.0.1/32 trust
host all clear 127.0.0.1/32 password
host all old 127.0.0.1/32 md5
host all outside 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""
PREPARED = """
CREATE ROLE monitor LOGIN PASSWORD 'right';
CREATE ROLE polite LOGIN PASSWORD 'right';
CREATE ROLE clear LOGIN PASSWORD 'right';
CREATE ROLE trusted LOGIN;
SET password_encryption = md5;
CREATE ROLE old LOGIN PASSWORD 'right';
CREATE DATABASE shop;
CREATE TABLE stock (items int);
INSERT INTO stock VALUES (7);
GRANT SELECT ON stock TO monitor;
"""


@dataclass(frozen=True)
class Server:
    """Where a running PostgreSQL answers, how its certificate is trusted, and passwords for it."""

    port: int
    folder: Path
    log: Path
    trusted: Tls
    right: str
    wrong: str

    def login(self, username: str = "monitor", **options: Any) -> Postgres:
        """Return a check that logs in."""
        return Postgres(**{"username": username, "database": "postgres", "password_file": self.right, **options})

    def psql(self, *commands: str) -> list[str]:
        """Return a command that carries out SQL as the administrator."""
        argv = ["psql", "-q", "-h", self.folder / "sockets", "-p", self.port, "-U", "admin", "-d", "postgres"]
        return [str(each) for each in [*argv, *commands]]


@contextmanager
def running(folder: Path, data: Path, trusted: Tls, *options: str) -> Iterator[Server]:
    """Run PostgreSQL on a folder's data."""
    port = free_port()
    log = folder / f"log-{port}"
    files = {name: written(folder / name, f"{name}\n") for name in ("right", "wrong")}
    argv = [*AS_POSTGRES, PROGRAMS / "postgres", "-D", data, "-p", port, *options]
    with RealServer(argv, log) as server:
        server.wait_for(port)
        yield Server(port, folder, log, trusted, **files)


@pytest.fixture(scope="module")
def primary() -> Iterator[Server]:
    """Yield a PostgreSQL with users, and a table with a row."""
    with open_folder() as folder:
        trusted = certificate(folder)
        sockets = folder / "sockets"
        sockets.mkdir()
        shutil.copy(folder / "key.pem", sockets)
        for path in (sockets, sockets / "key.pem", folder):
            shutil.chown(path, "postgres", "postgres")
        (sockets / "key.pem").chmod(0o600)
        data = folder / "data"
        initdb = [*AS_POSTGRES, PROGRAMS / "initdb", "-D", data, "-U", "admin", "--auth=trust", "--no-sync"]
        subprocess.run([*initdb, "-E", "UTF8", "--locale=C.UTF-8"], check=True, capture_output=True)
        with (data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(folder=folder))
        (data / "pg_hba.conf").write_text(ACCESS)
        with running(folder, data, trusted) as server:
            eventually(lambda: probe(Postgres(), server.port).passed, bool, deadline=60)
            subprocess.run(server.psql(), input=PREPARED, text=True, check=True, capture_output=True)
            yield server


@contextmanager
def standby_of(primary: Server, *options: str) -> Iterator[Server]:
    """Run a standby of the primary, on a copy of its data."""
    data = primary.folder / "standby"
    copy = [*AS_POSTGRES, PROGRAMS / "pg_basebackup", "-h", "127.0.0.1", "-p", primary.port, "-U", "admin", "-D", data]
    argv = [str(each) for each in [*copy, "-R", "-X", "fetch", "-c", "fast", "--no-sync"]]
    subprocess.run(argv, check=True, capture_output=True)
    try:
        with running(primary.folder, data, primary.trusted, *options) as server:
            yield server
    finally:
        shutil.rmtree(data)


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Postgres(), "accepts connections and asks for SCRAM"),
        (Postgres(username="old"), "accepts connections and asks for a password (md5)"),
        (Postgres(username="clear"), "accepts connections and asks for a password"),
        (Postgres(username="trusted", database="shop"), "accepts connections"),
        (Postgres(username="trusted"), 'answers: 3D000: database "trusted" does not exist'),
        (Postgres(username="outside"), "answers: 28000: pg_hba.conf rejects connection for host"),
    ],
)
def test_a_server_that_could_serve_passes_without_a_password(primary: Server, check: Postgres, reason: str) -> None:
    for each in (check, replace(check, starttls=primary.trusted)):
        result = probe(each, primary.port)
        assert (result.passed, result.reason[: len(reason)]) == (True, reason)


@pytest.mark.parametrize("username", ["monitor", "old", "clear"])
def test_a_password_is_proven_as_the_server_asks_for_it(primary: Server, username: str) -> None:
    check = primary.login(username, starttls=primary.trusted)
    result = probe(check, primary.port)
    assert (result.passed, result.reason) == (True, "logged in")
    assert result.evidence is not None
    assert b"right" not in result.evidence.sent
    wrong = probe(replace(check, password_file=primary.wrong), primary.port)
    assert (wrong.passed, wrong.reason) == (False, f'28P01: password authentication failed for user "{username}"')


def test_a_password_in_clear_goes_over_tls_only(primary: Server) -> None:
    result = probe(primary.login("clear"), primary.port)
    assert result.reason == "the server asks for the password in clear text, which is sent over TLS only"
    assert not result.passed


@pytest.mark.parametrize(
    ("options", "passed", "reason"),
    [
        ({}, True, "logged in"),
        ({"query": "SELECT 1", "expect": "1"}, True, "the query gave '1'"),
        ({"query": "SELECT items FROM stock"}, True, "the query gave '7'"),
        ({"query": "SELECT NULL"}, True, "the query gave NULL"),
        ({"role": "primary"}, True, "the server is a primary"),
        ({"role": "standby"}, False, "the server is a primary, expected a standby"),
        ({"query": "SELECT 2", "expect": "1"}, False, "the query gave '2', expected '1'"),
        ({"query": "SELECT items FROM stock WHERE items > 7"}, False, "the query gave no row"),
        ({"query": "SELECT"}, False, "the query gave a row without columns"),
        ({"query": ";"}, False, "the query gave no row"),
        ({"query": "SELEC"}, False, '42601: syntax error at or near "SELEC"'),
        ({"query": "SELECT repeat('x', 70000)"}, False, "the server announced a message of 70006 bytes"),
        ({"database": "nothing"}, False, '3D000: database "nothing" does not exist'),
        ({"username": "trusted", "password_file": None, "role": "primary"}, True, "the server is a primary"),
        ({"password_file": None, "role": "primary"}, False, "the server asks for SCRAM; give password_file"),
    ],
)
def test_what_a_query_or_the_role_says(primary: Server, options: Any, passed: bool, reason: str) -> None:
    for check in (primary.login(**options), primary.login(**options, starttls=primary.trusted)):
        result = probe(check, primary.port)
        assert (result.passed, result.sent, result.reason[: len(reason)]) == (passed, True, reason)


def test_who_logged_in_says_goodbye_whatever_the_verdict(primary: Server) -> None:
    for options in ({}, {"query": "SELECT 2", "expect": "3"}, {"query": "SELEC"}, {"role": "standby"}):
        probe(primary.login("polite", **options), primary.port)
    left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'polite'"
    eventually(lambda: probe(primary.login(query=left), primary.port).reason, lambda seen: seen == "the query gave '0'")
    lines = [line for line in primary.log.read_text().splitlines() if line.startswith("polite ")]
    assert lines == ['polite ERROR:  syntax error at or near "SELEC" at character 1', "polite STATEMENT:  SELEC"]


def test_a_certificate_that_is_not_trusted_fails_before_the_user_is_named(primary: Server) -> None:
    result = probe(primary.login(starttls=Tls(server_name="server.example.com")), primary.port)
    assert (result.passed, "unknown authority" in result.reason) == (False, True)
    assert result.evidence is not None
    assert b"monitor" not in result.evidence.sent


def test_a_server_that_is_full_is_told(primary: Server) -> None:
    quiet = subprocess.DEVNULL
    sleepers = [
        subprocess.Popen(primary.psql("-c", "SELECT pg_sleep(600)"), stdout=quiet, stderr=quiet) for _ in range(8)
    ]
    try:
        result = eventually(lambda: probe(Postgres(), primary.port), lambda seen: not seen.passed)
        assert result.reason == "53300: sorry, too many clients already"
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
        eventually(lambda: probe(primary.login(), primary.port).passed, bool)


def test_a_standby_is_known_from_a_primary(primary: Server) -> None:
    with standby_of(primary) as standby:
        eventually(lambda: probe(Postgres(), standby.port).passed, bool, deadline=60)
        right = probe(standby.login(role="standby"), standby.port)
        assert (right.passed, right.reason) == (True, "the server is a standby")
        wrong = probe(standby.login(role="primary"), standby.port)
        assert (wrong.passed, wrong.reason) == (False, "the server is a standby, expected a primary")


def test_a_server_that_is_up_but_takes_no_connections_fails(primary: Server) -> None:
    with standby_of(primary, "-c", "hot_standby=off") as standby:
        result = probe(Postgres(), standby.port)
        assert (result.passed, result.reason[:6]) == (False, "57P03:")
