"""The mysql check against MariaDB."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from checks import Tls
from checks.mysql import Mysql
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import certificate, open_folder, written
from waiting import eventually

PREPARED = """
CREATE USER 'monitor'@'127.0.0.1' IDENTIFIED VIA mysql_native_password USING PASSWORD('right');
CREATE USER 'open'@'127.0.0.1';
CREATE USER 'secured'@'127.0.0.1' IDENTIFIED BY 'right' REQUIRE SSL;
CREATE USER 'local'@'127.0.0.1' IDENTIFIED VIA unix_socket;
CREATE DATABASE shop;
CREATE TABLE shop.stock (items INT);
INSERT INTO shop.stock VALUES (7);
GRANT SELECT ON shop.* TO 'monitor'@'127.0.0.1';
"""


@dataclass(frozen=True)
class Mariadb:
    """Where a running MariaDB answers, how its certificate is trusted, and passwords for it."""

    port: int
    version: str
    trusted: Tls
    right: str
    wrong: str

    @property
    def admin(self) -> list[str]:
        """Return the beginning of a command that carries out SQL as root."""
        return ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{self.port}", "-uroot", "-e"]

    def monitor(self, **options: Any) -> Mysql:
        """Return a check that logs in."""
        return Mysql(username="monitor", password_file=self.right, **options)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Mariadb]:
    """Yield a MariaDB with users, and a table with a row."""
    with open_folder() as folder:
        trusted = certificate(folder)
        # As its own user: root's run would change owners in /usr. By force: a machine may have no name.
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "mysql", "mysql")
        own_user = ["setpriv", "--reuid=mysql", "--regid=mysql", "--clear-groups", "env", f"TMPDIR={folder}/data"]
        install = ["mariadb-install-db", "--no-defaults", "--force", f"--datadir={folder}/data"]
        # A guest has less address space than what MariaDB would reserve.
        small = ["--innodb-buffer-pool-size=8M", "--loose-innodb-buffer-pool-size-max=64M"]
        more = ["--auth-root-authentication-method=normal", "--skip-test-db", *small]
        subprocess.run([*own_user, *install, *more], check=True, capture_output=True)
        prepared, log, port = folder / "prepared.sql", folder / "log", free_port()
        prepared.write_text(PREPARED)
        argv = [
            *(
                "mariadbd",
                "--no-defaults",
                "--user=mysql",
                f"--datadir={folder}/data",
                f"--socket={folder}/data/socket",
                f"--tmpdir={folder}/data",
            ),
            *(f"--pid-file={folder}/data/pid", "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"),
            *(*small, "--performance-schema=OFF", f"--init-file={prepared}"),
            *(f"--ssl-ca={folder}/ca.pem", f"--ssl-cert={folder}/certificate.pem", f"--ssl-key={folder}/key.pem"),
        ]
        with RealServer(argv, log) as server:
            server.wait_for(port)
            version = eventually(lambda: log.read_text().partition("Version: '")[2].partition("'")[0], bool)
            files = {name: written(folder / name, f"{name}\n") for name in ("right", "wrong")}
            yield Mariadb(port, version, trusted, **files)


def test_the_greeting_passes_without_a_user(mariadb: Mariadb) -> None:
    result = probe(Mysql(), mariadb.port)
    assert (result.passed, result.reason) == (True, f"greeting of {mariadb.version}")


def test_who_logged_in_quits_whatever_the_verdict(mariadb: Mariadb) -> None:
    def status(name: str) -> str:
        query = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = "
        return probe(mariadb.monitor(query=f"{query}'{name}'"), mariadb.port).reason

    before = status("ABORTED_CLIENTS")
    assert probe(Mysql(username="open"), mariadb.port).reason == f"logged in to {mariadb.version}"
    assert not probe(mariadb.monitor(query="SELECT 2", expect="3"), mariadb.port).passed
    assert not probe(mariadb.monitor(query="SELEC"), mariadb.port).passed
    eventually(lambda: status("THREADS_CONNECTED"), lambda seen: seen == "the query gave '1'")
    assert status("ABORTED_CLIENTS") == before


@pytest.mark.parametrize(
    ("options", "passed", "reason"),
    [
        ({"query": "SELECT 1", "expect": "1"}, True, "the query gave '1'"),
        ({"query": "SELECT items FROM shop.stock"}, True, "the query gave '7'"),
        ({"query": "SELECT items FROM stock", "database": "shop", "expect": "7"}, True, "the query gave '7'"),
        ({"query": "SELECT NULL"}, True, "the query gave NULL"),
        ({"role": "writable"}, True, "the server is writable"),
        ({"role": "read-only"}, False, "the server is writable, expected read-only"),
        ({"query": "SELECT 2", "expect": "1"}, False, "the query gave '2', expected '1'"),
        ({"query": "SELECT items FROM shop.stock WHERE items > 7"}, False, "the query gave no row"),
        ({"query": "DO 1"}, False, "the query gave no row"),
        ({"query": "SELECT 1 FROM nothing.there"}, False, "error 1142: SELECT command denied to user"),
        ({"query": "SELECT REPEAT('x', 70000)"}, False, "the server announced a packet of 70004 bytes"),
        ({"database": "nothing"}, False, "error 1044: Access denied for user 'monitor'@'127.0.0.1' to database"),
    ],
)
def test_what_a_query_or_the_role_says(mariadb: Mariadb, options: Any, passed: bool, reason: str) -> None:
    for check in (mariadb.monitor(**options), mariadb.monitor(**options, starttls=mariadb.trusted)):
        result = probe(check, mariadb.port)
        assert (result.passed, result.sent, result.reason[: len(reason)]) == (passed, True, reason)


def test_tls_is_begun_before_the_login(mariadb: Mariadb) -> None:
    check = Mysql(username="secured", password_file=mariadb.right, query="SELECT 1")
    assert probe(check, mariadb.port).reason.startswith("error 1045: Access denied for user 'secured'")
    result = probe(replace(check, starttls=mariadb.trusted), mariadb.port)
    assert (result.passed, result.reason) == (True, "the query gave '1'")
    assert result.evidence is not None
    assert result.evidence.certificate.startswith("server.example.com, valid until")
    distrusted = probe(replace(check, starttls=Tls(server_name="server.example.com")), mariadb.port)
    assert (distrusted.passed, "unknown authority" in distrusted.reason) == (False, True)


@pytest.mark.parametrize("username", ["monitor", "local", "stranger"])
def test_who_may_not_come_in_is_told_so(mariadb: Mariadb, username: str) -> None:
    result = probe(Mysql(username=username, password_file=mariadb.wrong), mariadb.port)
    assert (result.passed, result.sent) == (False, True)
    assert "Access denied for user" in result.reason


def test_a_server_that_is_full_says_so_in_its_greeting(mariadb: Mariadb) -> None:
    subprocess.run([*mariadb.admin, "SET GLOBAL max_connections = 10"], check=True, capture_output=True)
    sleeping = [*mariadb.admin, "SELECT SLEEP(600)"]
    quiet = subprocess.DEVNULL  # 10 is the least that there can be; a probe may have kept some of these out
    sleepers = [subprocess.Popen(sleeping, stdout=quiet, stderr=quiet) for _ in range(20)]
    try:
        result = eventually(lambda: probe(Mysql(), mariadb.port), lambda seen: not seen.passed)
        assert result.reason == "the server has too many connections (1040)"
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
        eventually(lambda: probe(Mysql(), mariadb.port).passed, bool)


def test_a_replica_is_told_by_its_read_only_variable(mariadb: Mariadb) -> None:
    subprocess.run([*mariadb.admin, "SET GLOBAL read_only = 1"], check=True, capture_output=True)
    try:
        assert probe(mariadb.monitor(role="read-only"), mariadb.port).reason == "the server is read-only"
        refused = probe(mariadb.monitor(role="writable"), mariadb.port)
        assert (refused.passed, refused.reason) == (False, "the server is read-only, expected writable")
    finally:
        subprocess.run([*mariadb.admin, "SET GLOBAL read_only = 0"], check=True, capture_output=True)
