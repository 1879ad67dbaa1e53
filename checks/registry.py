"""Which check types there are, by the word that a file's `type:` says."""

from collections.abc import Mapping
from types import MappingProxyType

from checks import Check
from checks.grpc import Grpc
from checks.half_open import TcpHalfOpen
from checks.http import Http, Https
from checks.ping import Ping
from checks.tcp import Tcp
from checks.tls import TlsHandshake

BUILT_IN: tuple[type[Check], ...] = (Tcp, TcpHalfOpen, Http, Https, TlsHandshake, Grpc, Ping)


def types() -> Mapping[str, type[Check]]:
    """Return every check type by name."""
    return MappingProxyType({check.type: check for check in BUILT_IN})
