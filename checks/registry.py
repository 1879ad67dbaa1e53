"""Which check types there are, by the word that a file's `type:` says."""

from collections.abc import Mapping
from types import MappingProxyType

from checks import Check
from checks.ftp import Ftp
from checks.grpc import Grpc
from checks.half_open import TcpHalfOpen
from checks.http import Http, Https
from checks.ping import Ping
from checks.imap import Imap
from checks.memcached import Memcached
from checks.pop3 import Pop3
from checks.redis import Redis
from checks.sip import Sip
from checks.smtp import Smtp
from checks.dns import Dns
from checks.http import Http, Https
from checks.ldap import Ldap
from checks.mysql import Mysql
from checks.postgres import Postgres
from checks.radius import Radius
from checks.tcp import Tcp
from checks.tls import TlsHandshake
from checks.udp import Udp

BUILT_IN: tuple[type[Check], ...] = (Tcp, TcpHalfOpen, Http, Https, TlsHandshake, Grpc, Ping)
BUILT_IN: tuple[type[Check], ...] = (
    *(Tcp, Http, Https, TlsHandshake, Grpc),
    *(Udp, Smtp, Imap, Pop3, Ftp, Redis, Memcached, Sip),
)
BUILT_IN: tuple[type[Check], ...] = (Tcp, Http, Https, Dns, Ldap, Radius, Mysql, Postgres)


def types() -> Mapping[str, type[Check]]:
    """Return every check type by name."""
    return MappingProxyType({check.type: check for check in BUILT_IN})
