"""`tls`: a TLS handshake, the certificate, and how long that is still good."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import Check, Conversation, ProxyProtocol, Step, Target, Tls, Verdict
from checks.options import Choice, Integer, Record, option
from checks.wire import certificates
from checks.wire.certificates import ending, prepare_certificates


@dataclass(frozen=True, slots=True)
class TlsHandshake(Check):
    """Shake hands in TLS, verify the certificate, and warn before it ends."""

    type: ClassVar[str] = "tls"
    known_as: ClassVar[dict[str, str]] = {"haproxy": "check-ssl, option ssl-hello-chk"}

    tls: Tls = option(Record(Tls), "How TLS is spoken; the certificate is verified by default.", Tls())
    warn_days: int = option(
        Integer(0, 3650, "days"), "Warn when the certificate ends sooner than in so many days; 0: never.", 21
    )
    fail_days: int = option(
        Integer(0, 3650, "days"),
        "Fail when the certificate ends sooner than in so many days; 0: once it has ended, verified or not.",
        0,
    )
    proxy_protocol: ProxyProtocol | None = option(
        Choice(("v1", "v2")),
        "Version of the PROXY protocol header that goes before everything else; default: none.",
        None,
        haproxy="check-send-proxy",
    )

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if 0 < self.warn_days <= self.fail_days:
            yield "warn_days", f"is not more than fail_days, {self.fail_days}: the check would fail before it warned"

    def prepare(self) -> str | None:
        """Import what reads certificates."""
        prepare_certificates()
        return None

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  the engine shakes hands and verifies
        """Look at the certificate that the engine has verified, if it was to."""
        encoded = yield Step(certificate=True)
        if not encoded:
            return Verdict(False, "the server presented no certificate")
        known = ending(encoded)
        if known is None:
            return Verdict(False, "the certificate cannot be read")
        now = certificates.now()
        days, sentence = known.days(now), known.said(now)
        if days < self.fail_days:
            return Verdict(False, sentence)
        return Verdict(True, sentence, sentence if days < self.warn_days else "")
