"""Which check types there are, by the word that a file's `type:` says.

A type is imported when it is first looked up: a command that reads a file must not pay for those that nobody named.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from checks import Check
from checks.plugins import Types

_PLACES = {
    "tcp": "tcp:Tcp",
    "tcp-half-open": "half_open:TcpHalfOpen",
    "http": "http:Http",
    "https": "http:Https",
    "tls": "tls:TlsHandshake",
    "grpc": "grpc:Grpc",
    "udp": "udp:Udp",
    "ping": "ping:Ping",
    "dns": "dns:Dns",
    "smtp": "smtp:Smtp",
    "imap": "imap:Imap",
    "pop3": "pop3:Pop3",
    "ftp": "ftp:Ftp",
    "ldap": "ldap:Ldap",
    "radius": "radius:Radius",
    "sip": "sip:Sip",
    "mysql": "mysql:Mysql",
    "postgres": "postgres:Postgres",
    "redis": "redis:Redis",
    "memcached": "memcached:Memcached",
    "agent": "agent:Agent",
    "script": "script:Script",
    "file": "file:File",
}
"""The module of this package and the class of each type."""


class _BuiltIn(Mapping[str, type[Check]]):
    def __getitem__(self, name: str) -> type[Check]:
        module, _, found = _PLACES[name].partition(":")
        check: type[Check] = getattr(import_module(f"checks.{module}"), found)
        return check

    def __contains__(self, name: object) -> bool:
        return name in _PLACES

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


def types() -> Types:
    """Return every check type by name, those of other packages included (`checks.plugins`)."""
    return Types(_BuiltIn())


def import_all() -> None:
    """Import every built-in type, for whoever stays: a reload neither waits for one nor finds another version of it."""
    for _ in _BuiltIn().values():
        pass
