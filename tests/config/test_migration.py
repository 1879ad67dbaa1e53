"""The checks of other programs: each can be written here, and the example of how is a good file."""

import re
from pathlib import Path

import pytest

from checks.registry import types
from healthlb.config.loader import Loader
from healthlb.config.reference import PROGRAMS

EXAMPLE = Path(__file__).parents[2] / "configs" / "migration.yaml"
THEIRS = {
    "keepalived": (
        *("TCP_CHECK", "PING_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "MISC_CHECK", "UDP_CHECK"),
        *("FILE_CHECK", "BFD_CHECK"),
    ),
    "ldirectord": (
        *("connect", "ping", "external", "external-perl", "dns", "ftp", "http", "https", "http_proxy", "imap", "imaps"),
        *("ldap", "ldaps", "mysql", "nntp", "oracle", "pgsql", "pop", "pops", "radius", "simpletcp", "sip", "smtp"),
        *("submission", "maintenancedir"),
    ),
    "haproxy": (
        *("tcp-check", "httpchk", "ssl-hello-chk", "smtpchk", "mysql-check", "pgsql-check", "redis-check"),
        *("ldap-check", "external-check", "agent-check"),
    ),
}


def test_the_example_is_a_good_file() -> None:
    assert Loader(str(EXAMPLE), environ={}).load()


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_check_of_another_program_is_some_type_here(program: str) -> None:
    names = {
        re.sub(r"^(?:service = |checktype = |option )", "", name.strip())
        for of in types().values()
        for name in of.known_as.get(program, "").split(",")
    }
    assert set(THEIRS[program]) <= names


def test_each_type_that_is_known_elsewhere_is_in_the_example() -> None:
    written = set(re.findall(r"\btype: ([a-z0-9-]+)", EXAMPLE.read_text()))
    assert {name for name, of in types().items() if of.known_as} <= written
