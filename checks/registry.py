"""Which check types there are, by the word that a file's `type:` says."""

from checks import Check
from checks.agent import Agent
from checks.dns import Dns
from checks.file import File
from checks.ftp import Ftp
from checks.grpc import Grpc
from checks.half_open import TcpHalfOpen
from checks.http import Http, Https
from checks.imap import Imap
from checks.ldap import Ldap
from checks.memcached import Memcached
from checks.mysql import Mysql
from checks.ping import Ping
from checks.plugins import Types
from checks.pop3 import Pop3
from checks.postgres import Postgres
from checks.radius import Radius
from checks.redis import Redis
from checks.script import Script
from checks.sip import Sip
from checks.smtp import Smtp
from checks.tcp import Tcp
from checks.tls import TlsHandshake
from checks.udp import Udp

BUILT_IN: tuple[type[Check], ...] = (
    *(Tcp, TcpHalfOpen, Http, Https, TlsHandshake, Grpc, Udp, Ping),
    *(Dns, Smtp, Imap, Pop3, Ftp, Ldap, Radius, Sip, Mysql, Postgres, Redis, Memcached),
    *(Agent, Script, File),
)


def types() -> Types:
    """Return every check type by name, those of other packages included (`checks.plugins`)."""
    return Types({check.type: check for check in BUILT_IN})
