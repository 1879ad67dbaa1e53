"""What a SIP server is asked and which replies count, from bytes alone."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from checks import SILENCE, Target, Tls, Verdict, Way
from checks.sip import Sip
from tests.checks.talks import TARGET, Held

OK = b"SIP/2.0 200 OK"


def reply(request: bytes, start: bytes = OK, **changes: bytes) -> bytes:
    """Answer a request as RFC 3261 section 8.2.6 asks, with changed headers where a test wants them."""
    headers = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if line)
    names = (b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Content-Length")
    lines = [name + b": " + changes.get(name.decode().replace("-", "_"), headers[name]) for name in names]
    return b"\r\n".join([start, *lines, b"", b""])


class Caller(Held):
    """A check's conversation, whose first step is the request."""

    def __init__(self, check: Sip, target: Target = TARGET) -> None:
        super().__init__(check, target)
        self.request = self.step.send


UDP = Sip()
TCP = Sip(transport="tcp")


@pytest.mark.parametrize("check", [UDP, TCP])
def test_a_200_passes(check: Sip) -> None:
    caller = Caller(check)
    assert caller.hears(reply(caller.request)) == Verdict(True, "200 OK")


def test_the_request_has_what_rfc_3261_section_8_1_1_demands() -> None:
    lines = Caller(Sip(user="ping"), Target("2001:db8::1%eth0", 5060)).request.decode().split("\r\n")
    assert lines[0] == "OPTIONS sip:ping@[2001:db8::1]:5060 SIP/2.0"
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    assert re.fullmatch(r"SIP/2\.0/UDP healthlb\.invalid;branch=z9hG4bK[0-9a-f]{16};rport", headers["Via"])
    assert re.fullmatch(r"<sip:healthlb@healthlb\.invalid>;tag=[0-9a-f]{16}", headers["From"])
    assert headers["To"] == "<sip:ping@[2001:db8::1]:5060>"
    assert headers["Max-Forwards"] == "70"
    assert headers["CSeq"] == "1 OPTIONS"
    assert headers["Content-Length"] == "0"
    assert lines[-2:] == ["", ""]


def test_each_probe_has_a_branch_a_tag_and_a_call_id_of_its_own() -> None:
    assert Caller(UDP).request != Caller(UDP).request


def test_the_via_names_the_transport_and_the_source_where_one_is_set() -> None:
    assert b"Via: SIP/2.0/TCP healthlb.invalid;" in Caller(TCP).request
    assert b"Via: SIP/2.0/TLS healthlb.invalid;" in Caller(Sip(transport="tcp", tls=Tls())).request
    target = Target("192.0.2.1", 5060, Way(source="2001:db8::9"))
    assert b"Via: SIP/2.0/UDP [2001:db8::9];" in Caller(UDP, target).request


def test_the_uri_may_be_given_as_a_whole() -> None:
    check = Sip(uri="sips:example.com", from_uri="sip:lb@example.com")
    request = Caller(check).request
    assert request.startswith(b"OPTIONS sips:example.com SIP/2.0\r\n")
    assert b"\r\nTo: <sips:example.com>\r\n" in request
    assert b"\r\nFrom: <sip:lb@example.com>;tag=" in request


@pytest.mark.parametrize("check", [UDP, TCP])
def test_provisional_replies_are_waited_through(check: Sip) -> None:
    caller = Caller(check)
    assert caller.hears(reply(caller.request, b"SIP/2.0 100 Trying")) is None
    assert caller.hears(reply(caller.request)) == Verdict(True, "200 OK")


def test_a_status_that_is_not_wanted_fails_and_one_that_is_passes() -> None:
    caller = Caller(UDP)
    missing = reply(caller.request, b"SIP/2.0 404 Not Found")
    assert caller.hears(missing) == Verdict(False, "status 404 Not Found, expected 200-299")
    caller = Caller(Sip(status=((200, 299), (404, 405))))
    assert caller.hears(reply(caller.request, b"SIP/2.0 405")) == Verdict(True, "405")


@pytest.mark.parametrize("check", [UDP, TCP])
@pytest.mark.parametrize(
    "changes",
    [
        {"Via": b"SIP/2.0/UDP healthlb.invalid;branch=z9hG4bKother"},
        {"Via": b"SIP/2.0/UDP healthlb.invalid"},
        {"Call_ID": b"another"},
        {"CSeq": b"1 INVITE"},
    ],
)
def test_a_reply_to_somebody_elses_request_is_let_go_by(check: Sip, changes: dict[str, bytes]) -> None:
    caller = Caller(check)
    assert caller.hears(reply(caller.request, **changes)) is None
    assert caller.hears(reply(caller.request)) == Verdict(True, "200 OK")


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace(b"Via:", b"v:").replace(b"Call-ID:", b"i :").replace(b"Content-Length:", b"l:"),
        lambda text: text.replace(b"\r\n", b"\n"),
        lambda text: text.replace(b";branch", b"\r\n ;branch"),
        lambda text: text.replace(b";branch=", b";received=192.0.2.9; Branch = "),
        lambda text: text.replace(b"Via:", b"VIA:").replace(b"CSeq: 1 OPTIONS", b"cseq:  1   OPTIONS"),
        lambda text: b"\r\n\r\n" + text,
    ],
    ids=["compact", "line-feeds", "folded", "more parameters", "capitals", "blank lines"],
)
@pytest.mark.parametrize("check", [UDP, TCP])
def test_a_reply_is_known_however_it_is_spelt(check: Sip, rewrite: Callable[[bytes], bytes]) -> None:
    caller = Caller(check)
    assert caller.hears(rewrite(reply(caller.request))) == Verdict(True, "200 OK")


def test_over_udp_the_request_is_sent_again_after_t1_and_then_twice_as_long_up_to_t2() -> None:
    caller = Caller(UDP)
    waited = []
    for _ in range(6):
        waited.append(caller.step.patience)
        assert caller.step.send == caller.request
        assert caller.hears(SILENCE) is None
    assert waited == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert caller.hears(reply(caller.request)) == Verdict(True, "200 OK")


def test_over_tcp_nothing_is_sent_again() -> None:
    assert Caller(TCP).step.patience is None


def test_a_keep_alive_or_a_request_of_the_servers_own_is_let_go_by() -> None:
    caller = Caller(UDP)
    assert caller.hears(b"\r\n\r\n") is None
    assert caller.hears(b"OPTIONS sip:x@y SIP/2.0\r\n\r\n") is None
    assert caller.step.send == b""


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n\r\n", b"\x80\x00\x01", b"SIP/2.0 2000 OK\r\n\r\n"])
@pytest.mark.parametrize("check", [UDP, TCP])
def test_what_is_not_sip_fails_at_once(check: Sip, data: bytes) -> None:
    verdict = Caller(check).hears(data) or Caller(check).hears(data + b"\r\n\r\n")
    assert verdict is not None
    assert not verdict.passed
    assert verdict.reason.startswith("not a SIP reply: '")


def test_the_body_of_another_message_is_passed_over() -> None:
    caller = Caller(TCP)
    trying = reply(caller.request, b"SIP/2.0 183 Progress", Content_Length=b"9") + b"a\r\n\r\nbody"
    assert caller.hears(trying + reply(caller.request)) == Verdict(True, "200 OK")


@pytest.mark.parametrize("length", [b"-1", b"x", b"99999999999"])
def test_a_length_that_is_none_fails(length: bytes) -> None:
    caller = Caller(TCP)
    verdict = caller.hears(reply(caller.request, b"SIP/2.0 100 Trying", Content_Length=length))
    assert verdict == Verdict(False, f"the server sent a Content-Length of {length.decode()}")


def test_headers_without_end_fail() -> None:
    verdict = Caller(TCP).hears(OK + b"\r\n" + b"X: y\r\n" * 20000)
    assert verdict == Verdict(False, "the server sent headers of more than 65536 bytes")


def test_options_that_do_not_go_together_are_told() -> None:
    assert [name for name, _ in Sip(tls=Tls(), user="x", uri="sip:y").faults()] == ["tls", "user"]
    assert not list(Sip(transport="tcp", tls=Tls()).faults())
    carriers: dict[Any, str] = {check.transport: check.carrier for check in (UDP, TCP)}
    assert carriers == {"udp": "datagram", "tcp": "stream"}
