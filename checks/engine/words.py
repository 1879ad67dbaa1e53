"""What went wrong, as an operator would say it."""

import enum
import errno
import os
import re
import resource
import ssl

from checks.options import show_seconds


class Phase(enum.Enum):
    """What a probe is doing; the value is how a sentence says it."""

    QUEUED = "waiting for a socket"
    CONNECTING = "connecting"
    HANDSHAKE = "in the TLS handshake"
    SENDING = "sending"
    WAITING = "waiting for the reply"

    @property
    def while_at_it(self) -> str:
        """Return `while connecting`, but `in the TLS handshake`."""
        return self.value if self is Phase.HANDSHAKE else f"while {self.value}"


REACHED_NOBODY = frozenset({errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT})
"""What connect(2) says at once and is word about the server; any other immediate error is the director's own."""


SHORTAGES = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EADDRNOTAVAIL,
        errno.EAGAIN,
    }
)
"""What the director itself has run out of for now; a probe waits for it as long as it has time."""
OF_ONE_TARGET = frozenset({errno.EADDRNOTAVAIL, errno.EAGAIN})
"""Shortages that others need not feel: ports towards this target."""


def timed_out(seconds: float, phase: Phase) -> str:
    """Return the reason of a probe whose deadline has passed; `seconds` is what it had, rounded to two digits."""
    return f"timed out after {show_seconds(float(f'{seconds:.2g}'))} {phase.value}"


def broken(number: int, phase: Phase, *, datagrams: bool = False) -> str:
    """Return the reason of a connection that failed with this errno; of UDP, what ICMP said of it (udp(7))."""
    match number:
        case errno.ECONNREFUSED if datagrams:
            return "port unreachable"
        case errno.ECONNREFUSED:
            return "connection refused"
        case errno.EHOSTUNREACH:
            return "no route to host"
        case errno.ENETUNREACH:
            return "network unreachable"
        case errno.ETIMEDOUT:
            return f"the kernel gave up {phase.value}"
        case errno.ECONNRESET | errno.EPIPE | errno.ECONNABORTED:
            return f"connection reset {phase.while_at_it}"
        case _:
            return f"{os.strerror(number).lower()} {phase.while_at_it}"


def not_sent(error: OSError) -> str:
    """Return why the director could not even begin; that is no word about the server."""
    match error.errno:
        case errno.EMFILE:
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            return f"not sent: no file descriptors left (limit {limit})"
        case errno.ENFILE:
            return "not sent: no file descriptors left on this machine (sysctl fs.file-max)"
        case errno.EADDRNOTAVAIL:
            return "not sent: no local port or address left for this target (sysctl net.ipv4.ip_local_port_range)"
        case errno.ENOBUFS | errno.ENOMEM:
            return "not sent: the kernel has no memory for another socket"
        case errno.ENOSPC:
            return "not sent: the kernel watches no more descriptors for this user (sysctl fs.epoll.max_user_watches)"
        case errno.EMSGSIZE:
            return "not sent: the datagram is too long (65,507 bytes over IPv4, 65,487 over IPv6)"
        case errno.EPERM:
            return "not sent: the director's own firewall refused it"
        case _:
            return f"not sent: {(error.strerror or str(error)).lower()}"


CERTIFICATE_FAULTS = {
    9: "certificate is not valid yet",
    10: "certificate expired",
    18: "self-signed certificate",
    19: "certificate chain ends in an unknown authority",
    20: "certificate is from an unknown authority",
    21: "certificate is from an unknown authority",
    23: "certificate is revoked",
    26: "certificate is not for servers",
}
"""X509_verify_cert_error codes (openssl-verification-options(1), x509_vfy.h) that operators meet."""

ALERTS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server demands a client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refused the client certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the server refused the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the server says that the client certificate expired",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust the client certificate's authority",
    "TLSV1_ALERT_ACCESS_DENIED": "the server denied access to this client certificate",
    "TLSV1_UNRECOGNIZED_NAME": "the server knows no such server name",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server speaks no TLS version that is allowed here",
    "UNSUPPORTED_PROTOCOL": "the server speaks no TLS version that is allowed here",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "the server agreed to none of the offered protocols",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refused the handshake",
    "WRONG_VERSION_NUMBER": "the server does not speak TLS",
    "PACKET_LENGTH_TOO_LONG": "the server does not speak TLS",
    "BAD_RECORD_TYPE": "the server does not speak TLS",
}


def tls_broken(error: ssl.SSLError) -> str:
    """Return the reason of a failed handshake or a broken TLS record."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATE_FAULTS.get(error.verify_code) or f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "connection closed in the TLS handshake"
    reason = getattr(error, "reason", None) or _reason_in(str(error))
    return ALERTS.get(reason) or f"TLS error: {reason.replace('_', ' ').lower()}"


def _reason_in(text: str) -> str:
    """Return OpenSSL's words as a reason, where Python's table lacks it: `[SSL] tlsv1 alert … (_ssl.c:1006)`."""
    words = re.search(r"\] (.+) \(_ssl", text)
    return words[1].upper().replace(" ", "_") if words is not None else "unknown error"
