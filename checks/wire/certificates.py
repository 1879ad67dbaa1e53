"""A certificate's last day (RFC 5280 section 4.1.2.5), and what to say of it."""

import datetime as dt
import functools
from dataclasses import dataclass

from checks import Conversation, Step, Verdict
from checks.wire.showing import shown

DAY = dt.timedelta(days=1)
CERTIFICATES_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Ending:
    """For whom a certificate is, and when it ends; `ends` is in UTC."""

    name: str
    ends: dt.datetime

    def days(self, now: dt.datetime) -> int:
        """Return how many whole days are left; -1 and less once it has ended."""
        return (self.ends - now) // DAY

    def said(self, now: dt.datetime) -> str:
        """Return `certificate for www.example.org ends in 63 days (2027-01-24)`."""
        days = self.days(now)
        if days < 0:
            since = (now - self.ends) // DAY
            when = f"ended {_days(since)} ago" if since else "ended less than a day ago"
        else:
            when = f"ends in {_days(days)}" if days else "ends in less than a day"
        return f"certificate for {self.name} {when} ({self.ends:%Y-%m-%d})"


def now() -> dt.datetime:
    """Return the time that certificates are held against; tests put theirs here."""
    return dt.datetime.now(dt.UTC)


def prepare_certificates() -> None:
    """Import what reads certificates; for a check's `prepare`."""
    import cryptography.x509  # noqa: F401, PLC0415  paid for only where a last day is asked for


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def ending(encoded: bytes) -> Ending | None:
    """Return what a certificate in DER says of its end, or None where it cannot be read."""
    from cryptography import x509  # noqa: PLC0415  paid for only where a last day is asked for

    try:
        certificate = x509.load_der_x509_certificate(encoded)
        ends = certificate.not_valid_after_utc
    except ValueError:
        return None
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [str(each.value) for each in extension.value if isinstance(each, x509.DNSName | x509.IPAddress)]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        names = []
    try:
        common = [str(each.value) for each in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    except ValueError:
        common = []
    return Ending(shown([*names, *common, "nobody"][0]), ends)


def with_certificate(talk: Conversation, warn_days: int) -> Conversation:
    """Hold a conversation, and let its pass warn of a certificate that ends in fewer days."""
    known = ending((yield Step(certificate=True)))
    verdict = yield from talk
    at = now()
    if not verdict.passed or known is None or known.days(at) >= warn_days:
        return verdict
    return Verdict(True, verdict.reason, known.said(at), verdict.feedback)


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"
