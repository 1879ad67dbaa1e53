"""The ldap check against OpenLDAP's slapd."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from checks import Tls
from checks.ldap import Ldap
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import certificate, open_folder, written

ADMIN = "cn=admin,dc=example"
MONITOR = "cn=monitor,dc=example"
CONFIGURATION = """
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/certificate.pem
TLSCertificateKeyFile {folder}/key.pem
{more}
database mdb
suffix "dc=example"
rootdn "{admin}"
rootpw right
directory {folder}/data
access to dn.base="dc=example" by * read
access to * by users read by anonymous auth
"""
ENTRIES = f"""
dn: dc=example
objectClass: dcObject
objectClass: organization
dc: example
o: The Shop

dn: {MONITOR}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: monitor
userPassword: secret
"""


@dataclass(frozen=True)
class Slapd:
    """Where a running slapd answers, how its certificate is trusted, and passwords for it."""

    port: int
    tls_port: int
    trusted: Tls
    right: str
    wrong: str
    monitors: str


def running(more: str = "") -> Iterator[Slapd]:
    with open_folder() as folder:
        trusted = certificate(folder)
        port, tls_port = free_port(), free_port()
        (folder / "data").mkdir()
        file = folder / "slapd.conf"
        file.write_text(CONFIGURATION.format(folder=folder, admin=ADMIN, more=more))
        (folder / "entries").write_text(ENTRIES)
        subprocess.run(["/usr/sbin/slapadd", "-f", file, "-l", folder / "entries"], check=True, capture_output=True)
        addresses = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
        with RealServer(["slapd", "-d", "stats", "-f", file, "-h", addresses], folder / "log") as server:
            server.wait_for(port).wait_for(tls_port)
            passwords = {name: written(folder / name, f"{name}\n") for name in ("right", "wrong", "secret")}
            yield Slapd(port, tls_port, trusted, passwords["right"], passwords["wrong"], passwords["secret"])


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    yield from running()


@pytest.fixture(scope="module")
def strict() -> Iterator[Slapd]:
    """Yield a slapd that lets nobody in without a name, and no password through without TLS."""
    yield from running("disallow bind_anon\nsecurity simple_bind=128")


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Ldap(), "anonymous bind accepted"),
        (Ldap(base=""), "the root DSE is there"),
        (Ldap(base="", attribute="namingContexts"), "the root DSE has namingContexts"),
        (
            Ldap(base="", attribute="namingContexts", expect="dc=example"),
            "namingContexts of the root DSE is 'dc=example'",
        ),
        (Ldap(base="DC=Example"), "DC=Example is there"),
        (Ldap(base="dc=example", attribute="o", expect="The Shop"), "o of dc=example is 'The Shop'"),
    ],
)
def test_what_slapd_has_for_everybody_passes(slapd: Slapd, check: Ldap, reason: str) -> None:
    for each, port in (
        (check, slapd.port),
        (replace(check, starttls=slapd.trusted), slapd.port),
        (replace(check, tls=slapd.trusted), slapd.tls_port),
    ):
        result = probe(each, port)
        assert (result.passed, result.reason) == (True, reason)


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Ldap(base="dc=example", attribute="o", expect="x"), "o of dc=example is not 'x' but 'The Shop'"),
        (Ldap(base="dc=example", attribute="ou"), "dc=example has no attribute ou, or it may not be read"),
        (Ldap(base="dc=none"), "search for dc=none: no such object (32)"),
        (Ldap(base="no name"), "search for no name: invalid DN syntax (34): invalid DN"),
        (Ldap(base=MONITOR), f"search for {MONITOR}: insufficient access rights (50)"),
    ],
)
def test_what_slapd_has_not_for_everybody_fails(slapd: Slapd, check: Ldap, reason: str) -> None:
    result = probe(check, slapd.port)
    assert (result.passed, result.sent, result.reason) == (False, True, reason)


def test_a_password_opens_what_is_closed_to_others_and_is_no_evidence(slapd: Slapd) -> None:
    check = Ldap(bind_dn=ADMIN, password_file=slapd.right, starttls=slapd.trusted)
    result = probe(check, slapd.port)
    assert (result.passed, result.reason) == (True, f"bound as {ADMIN}")
    assert result.evidence is not None
    assert b"right" not in result.evidence.sent
    assert ADMIN.encode() in result.evidence.sent
    looking = Ldap(bind_dn=MONITOR, password_file=slapd.monitors, base=MONITOR, attribute="cn", expect="monitor")
    assert probe(looking, slapd.port).reason == f"cn of {MONITOR} is 'monitor'"


def test_a_wrong_password_fails(slapd: Slapd) -> None:
    for name in (ADMIN, "cn=nobody,dc=example"):
        result = probe(Ldap(bind_dn=name, password_file=slapd.wrong), slapd.port)
        assert (result.passed, result.reason) == (False, "bind: invalid credentials (49)")


def test_a_certificate_that_is_not_trusted_fails_before_the_password_is_sent(slapd: Slapd) -> None:
    check = Ldap(bind_dn=ADMIN, password_file=slapd.right, starttls=Tls(server_name="server.example.com"))
    result = probe(check, slapd.port)
    assert (result.passed, result.reason) == (False, "certificate chain ends in an unknown authority")
    assert result.evidence is not None
    assert ADMIN.encode() not in result.evidence.sent


def test_a_strict_server_says_what_it_wants(strict: Slapd) -> None:
    assert probe(Ldap(), strict.port).reason == (
        "anonymous bind: inappropriate authentication (48): anonymous bind disallowed"
    )
    bind = Ldap(bind_dn=ADMIN, password_file=strict.right)
    assert probe(bind, strict.port).reason == ("bind: confidentiality required (13): confidentiality required")
    assert probe(replace(bind, starttls=strict.trusted), strict.port).passed


def test_starttls_within_tls_is_refused_by_name(slapd: Slapd) -> None:
    result = probe(Ldap(starttls=slapd.trusted, tls=slapd.trusted), slapd.tls_port)
    assert (result.passed, result.reason) == (False, "StartTLS: operations error (1): TLS already started")
