"""How long a certificate is still good: the warning before the failure, by a clock that the tests set."""

import datetime as dt

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from checks import Check, Conversation, Step, Target, Verdict
from checks.http import Https
from checks.tls import TlsHandshake
from checks.wire import certificates

ENDS = dt.datetime(2027, 1, 24, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def encoded(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def certificate() -> bytes:
    issued = trustme.CA().issue_cert("www.example.org", "other.example", not_after=ENDS)
    return encoded(issued.cert_chain_pems[0].bytes())


def with_names(*names: x509.GeneralName, common: str = "", ends: dt.datetime = ENDS) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)] if common else [])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(ENDS - 4000 * DAY).not_valid_after(ends)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def held(check: Check, presented: bytes, *replies: bytes) -> Verdict:
    """Hold a conversation with a server that presents this certificate and says so much."""
    conversation: Conversation = check.converse(Target("192.0.2.1", 443))
    left = list(replies)
    try:
        step: Step = next(conversation)
        while True:
            step = conversation.send(presented if step.certificate else left.pop(0) if left else b"")
    except StopIteration as stop:
        verdict = stop.value
    assert isinstance(verdict, Verdict)
    return verdict


PASSED, WARNED, FAILED = (True, False), (True, True), (False, False)


@pytest.mark.parametrize(
    ("before", "end", "when"),
    [
        (63 * DAY, PASSED, "ends in 63 days (2027-01-24)"),
        (21 * DAY, PASSED, "ends in 21 days (2027-01-24)"),
        (21 * DAY - dt.timedelta(seconds=1), WARNED, "ends in 20 days (2027-01-24)"),
        (3 * DAY, WARNED, "ends in 3 days (2027-01-24)"),
        (3 * DAY - dt.timedelta(seconds=1), FAILED, "ends in 2 days (2027-01-24)"),
        (DAY, FAILED, "ends in 1 day (2027-01-24)"),
        (dt.timedelta(0), FAILED, "ends in less than a day (2027-01-24)"),
        (-dt.timedelta(seconds=1), FAILED, "ended less than a day ago (2027-01-24)"),
        (-2 * DAY, FAILED, "ended 2 days ago (2027-01-24)"),
    ],
)
def test_it_warns_before_it_fails(
    monkeypatch: pytest.MonkeyPatch, certificate: bytes, before: dt.timedelta, end: tuple[bool, bool], when: str
) -> None:
    monkeypatch.setattr(certificates, "now", lambda: ENDS - before)
    sentence = f"certificate for www.example.org {when}"
    passed, warned = end
    assert held(TlsHandshake(fail_days=3), certificate) == Verdict(passed, sentence, sentence if warned else "")


def test_by_default_a_certificate_fails_once_it_has_ended(monkeypatch: pytest.MonkeyPatch, certificate: bytes) -> None:
    monkeypatch.setattr(certificates, "now", lambda: ENDS)
    assert held(TlsHandshake(), certificate).passed
    monkeypatch.setattr(certificates, "now", lambda: ENDS + dt.timedelta(seconds=1))
    assert not held(TlsHandshake(), certificate).passed


def test_without_warn_days_there_is_no_warning(monkeypatch: pytest.MonkeyPatch, certificate: bytes) -> None:
    monkeypatch.setattr(certificates, "now", lambda: ENDS - DAY)
    assert held(TlsHandshake(warn_days=0), certificate).warning == ""


@pytest.mark.parametrize(
    ("presented", "reason"),
    [(b"", "the server presented no certificate"), (b"\x30\x03abc", "the certificate cannot be read")],
)
def test_what_is_no_certificate_fails(presented: bytes, reason: str) -> None:
    assert held(TlsHandshake(), presented) == Verdict(False, reason)


@pytest.mark.parametrize(
    ("names", "common", "shown"),
    [
        ((), "plain.example", "plain.example"),
        ((), "", "nobody"),
        ((x509.DNSName("*.a.example"),), "b", "*.a.example"),
        ((x509.RFC822Name("a@b.example"),), "c.example", "c.example"),
        ((), "evil\x1b[2J", r"evil\x1b[2J"),
    ],
)
def test_a_certificate_is_called_by_its_first_name(
    monkeypatch: pytest.MonkeyPatch, names: tuple[x509.GeneralName, ...], common: str, shown: str
) -> None:
    monkeypatch.setattr(certificates, "now", lambda: ENDS - 100 * DAY)
    reason = held(TlsHandshake(), with_names(*names, common=common)).reason
    assert reason == f"certificate for {shown} ends in 100 days (2027-01-24)"


def test_the_end_of_time_is_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "now", lambda: ENDS)
    forever = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert held(TlsHandshake(), with_names(common="a", ends=forever)).passed


OK = b"HTTP/1.1 200 OK\r\n\r\n"


def test_https_warns_of_a_certificate_that_ends_soon_if_asked_to(
    monkeypatch: pytest.MonkeyPatch, certificate: bytes
) -> None:
    monkeypatch.setattr(certificates, "now", lambda: ENDS - 9 * DAY)
    warned = Verdict(True, "200 OK", "certificate for www.example.org ends in 9 days (2027-01-24)")
    assert held(Https(warn_days=10), certificate, OK) == warned
    assert held(Https(warn_days=9), certificate, OK) == Verdict(True, "200 OK")
    assert held(Https(warn_days=10), b"", OK) == Verdict(True, "200 OK")
    assert held(Https(), certificate, OK) == Verdict(True, "200 OK")
    failed = held(Https(warn_days=10), certificate, OK.replace(b"200", b"500"))
    assert failed == Verdict(False, "status 500, expected 200-299")


def test_a_warning_must_come_before_the_failure() -> None:
    assert list(TlsHandshake(warn_days=5, fail_days=4).faults()) == []
    assert list(TlsHandshake(warn_days=0, fail_days=4).faults()) == []
    sentence = "is not more than fail_days, 4: the check would fail before it warned"
    assert list(TlsHandshake(warn_days=4, fail_days=4).faults()) == [("warn_days", sentence)]


def test_what_reads_certificates_is_imported_beforehand() -> None:
    assert TlsHandshake().prepare() is None
